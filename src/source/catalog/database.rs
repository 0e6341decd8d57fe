//! What belongs to the database itself, as pg_dump would say it with `--create`.

use crate::pg::{Client, PgError, Row};
use crate::schema::database::{DatabaseProperties, Grant, Label, Setting};
use crate::source::choice::Choice;

const DATABASE: &str = include_str!("database.sql");
const GRANTS: &str = include_str!("grants.sql");
const TABLESPACES: &str = include_str!("tablespaces.sql");
const SETTINGS: &str = include_str!("settings.sql");

/// The tablespaces that what is moved of the database lies in, but for its own.
pub fn tablespaces(client: &mut Client, choice: &Choice) -> Result<Vec<String>, PgError> {
    let chosen = choice.sql("coalesce(i.indrelid, c.oid)");
    let rows = client.query(&TABLESPACES.replace(":chosen", &chosen))?;
    let name = |row: &Row| row.text(0).map(str::to_owned);
    rows.iter().map(name).collect()
}

/// Reads owner, comment, labels, limits, privileges and settings.
pub fn properties(client: &mut Client) -> Result<DatabaseProperties, PgError> {
    let rows = client.query(DATABASE)?;
    let row = &rows[0];
    let grants = match row.bool(4)? {
        true => Some(
            client
                .query(GRANTS)?
                .iter()
                .map(grant)
                .collect::<Result<_, _>>()?,
        ),
        false => None,
    };
    let settings = client.query(SETTINGS)?;
    Ok(DatabaseProperties {
        owner: row.text(0)?.to_owned(),
        comment: row.get(1).map(str::to_owned),
        connection_limit: row.parse(2)?,
        is_template: row.bool(3)?,
        grants,
        settings: settings.iter().map(setting).collect::<Result<_, _>>()?,
        labels: labels(row, 5)?,
    })
}

/// Of an object, from a column that has them as JSON.
pub(super) fn labels(row: &Row, column: usize) -> Result<Vec<Label>, PgError> {
    serde_json::from_str(row.text(column)?).map_err(|_| PgError::Value {
        column,
        wanted: "a list of security labels",
    })
}

fn grant(row: &Row) -> Result<Grant, PgError> {
    Ok(Grant {
        grantee: row.get(0).map(str::to_owned),
        grantor: row.text(1)?.to_owned(),
        privilege: row.text(2)?.to_owned(),
        grantable: row.bool(3)?,
    })
}

fn setting(row: &Row) -> Result<Setting, PgError> {
    Ok(Setting {
        role: row.get(0).map(str::to_owned),
        name: row.text(1)?.to_owned(),
        value: row.text(2)?.to_owned(),
    })
}

//! The roles that the objects of a database belong to or are granted to.

use super::database::labels;
use crate::pg::{Client, PgError, Row};
use crate::schema::database::{Membership, Role};
use crate::source::choice::Choice;

const ROLES: &str = include_str!("roles.sql");

/// Reads them by name, without the predefined ones (`pg_…`).
pub fn roles(client: &mut Client, choice: &Choice) -> Result<Vec<Role>, PgError> {
    let (inherit, set) = match client.server_version() {
        Membership::OPTIONS_SINCE.. => ("inherit_option", "set_option"),
        _ => ("NULL::boolean", "NULL::boolean"),
    };
    let sql = ROLES.replace(":inherit", inherit).replace(":set", set);
    // Last: a pattern may hold any of these words.
    let rows = client.query(&sql.replace(":chosen", &choice.sql("c.oid")))?;
    rows.iter().map(role).collect()
}

fn memberships(json: &str) -> Result<Vec<Membership>, PgError> {
    serde_json::from_str(json).map_err(|_| PgError::Value {
        column: 8,
        wanted: "a list of memberships",
    })
}

fn settings(json: &str) -> Result<Vec<(String, String)>, PgError> {
    serde_json::from_str(json).map_err(|_| PgError::Value {
        column: 11,
        wanted: "a list of settings",
    })
}

fn role(row: &Row) -> Result<Role, PgError> {
    Ok(Role {
        name: row.text(0)?.to_owned(),
        owns: row.bool(9)?,
        inherits: row.bool(1)?,
        creates_roles: row.bool(2)?,
        creates_databases: row.bool(3)?,
        can_login: row.bool(4)?,
        connection_limit: row.parse(5)?,
        valid_until: row.get(6).map(str::to_owned),
        comment: row.get(7).map(str::to_owned),
        member_of: memberships(row.text(8)?)?,
        labels: labels(row, 10)?,
        settings: settings(row.text(11)?)?,
    })
}

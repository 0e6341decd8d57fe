//! The extensions of a database, for comparison with what the target has.

use crate::pg::{Client, PgError, Row};
use crate::schema::database::Extension;

const EXTENSIONS: &str = include_str!("extensions.sql");

/// Reads them by name.
pub fn extensions(client: &mut Client) -> Result<Vec<Extension>, PgError> {
    client.query(EXTENSIONS)?.iter().map(extension).collect()
}

fn extension(row: &Row) -> Result<Extension, PgError> {
    Ok(Extension {
        name: row.text(0)?.to_owned(),
        version: row.text(1)?.to_owned(),
        schema: row.text(2)?.to_owned(),
    })
}

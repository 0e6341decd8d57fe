//! Who stands between our sessions and what they are at.

use crate::pg::{Client, PgError};
use crate::schema::quote_literal;

const BLOCKERS: &str = include_str!("blockers.sql");
/// What a server keeps of an `application_name` (NAMEDATALEN).
const NAME_LENGTH: usize = 63;

/// Names the locks that the sessions of this database wait for whose `application_name` begins with
/// `name`, and the sessions of others that hold them; nothing where none waits.
pub fn blockers(client: &mut Client, name: &str) -> Result<Option<String>, PgError> {
    let name = quote_literal(name);
    let ours = format!("WITH ours (name) AS (SELECT left({name}, {NAME_LENGTH}))");
    let rows = client.query(&format!("{ours} {BLOCKERS}"))?;
    let found = |at| rows.first().and_then(|row| row.get(at));
    Ok(found(1).map(|holders| match found(0) {
        Some(tables) => format!("locks on {tables} held by {holders}"),
        None => format!("locks held by {holders}"),
    }))
}

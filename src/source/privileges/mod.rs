//! What the role on the source may not see: said before anything is made on the target.

use crate::pg::{Client, PgError};
use crate::report::ObjectError;

const UNREADABLE: &str = include_str!("unreadable.sql");
const HIDDEN: &str = include_str!("hidden.sql");

/// A relation or schema that is to be moved and may not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// For the user: what it is, and the statement that would change it.
    pub line: String,
}

/// Everything that stands in the way, not the first of it alone.
pub fn unreadable(client: &mut Client) -> Result<Vec<Unreadable>, PgError> {
    let rows = client.query(UNREADABLE)?;
    let line = |row: &crate::pg::Row| {
        let line = row.text(1)?.to_owned();
        Ok(Unreadable { line })
    };
    rows.iter().map(line).collect()
}

/// What will be missing on the target without an error of pg_dump's.
pub fn hidden(client: &mut Client) -> Result<Vec<ObjectError>, PgError> {
    let rows = client.query(HIDDEN)?;
    let error = |row: &crate::pg::Row| {
        Ok(ObjectError {
            object: row.text(0)?.to_owned(),
            message: row.text(1)?.to_owned(),
            ..ObjectError::default()
        })
    };
    rows.iter().map(error).collect()
}

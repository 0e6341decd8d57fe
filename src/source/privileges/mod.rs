//! What the role on the source may not see: said before anything is made on the target.

use crate::pg::{Client, PgError};
use crate::report::ObjectError;
use crate::schema::Oid;
use crate::selection::{Content, Selection};
use crate::source::choice::Choice;

const UNREADABLE: &str = include_str!("unreadable.sql");
const HIDDEN: &str = include_str!("hidden.sql");

/// A relation or schema that is to be moved and may not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// For the user: what it is, and the statement that would change it.
    pub line: String,
}

/// Everything that stands in the way of what is chosen, not the first of it alone. Of schemas only
/// where all is: pg_dump names the one that it may not use. Where no rows are moved, of tables only
/// what lets pg_dump lock them.
pub fn unreadable(
    client: &mut Client,
    choice: &Choice,
    content: Content,
) -> Result<Vec<Unreadable>, PgError> {
    let rows = client.query(UNREADABLE)?;
    let mut unreadable = Vec::new();
    for row in &rows {
        let chosen = match row.get(0) {
            Some(_) => choice.has(Oid(row.parse(0)?)),
            None => choice.is_all(),
        };
        if chosen && (content.has_rows() || !row.bool(2)?) {
            let line = row.text(1)?.to_owned();
            unreadable.push(Unreadable { line });
        }
    }
    Ok(unreadable)
}

/// What will be missing on the target without an error of pg_dump's. All of it belongs to no schema.
pub fn hidden(
    client: &mut Client,
    selection: &Selection,
    content: Content,
) -> Result<Vec<ObjectError>, PgError> {
    if !selection.includes_everything() || !content.has_objects() {
        return Ok(Vec::new());
    }
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

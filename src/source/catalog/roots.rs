//! Partitions that are written through their roots, as the user wants it.

use std::collections::HashMap;

use crate::pg::catalog::with_ancestors;
use crate::pg::{Client, PgError, Row};
use crate::schema::{Oid, QualifiedName, Table};
use crate::source::choice::Choice;

const ROOTS: &str = include_str!("roots.sql");

/// Lets each leaf partition among these tables go through its topmost ancestor that is chosen.
pub fn through_roots(
    client: &mut Client,
    tables: &mut [Table],
    choice: &Choice,
) -> Result<(), PgError> {
    let rows = client.query(&with_ancestors(ROOTS, &choice.sql("i.inhparent")))?;
    let root = |row: &Row| {
        let name = QualifiedName::new(row.text(1)?, row.text(2)?);
        Ok((Oid(row.parse(0)?), name))
    };
    let mut roots: HashMap<_, _> = rows.iter().map(root).collect::<Result<_, PgError>>()?;
    for table in tables {
        if let Some(root) = roots.remove(&table.oid) {
            table.through = Some(root);
        }
    }
    Ok(())
}

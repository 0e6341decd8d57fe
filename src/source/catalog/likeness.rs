//! What recv holds its own tables against, where it does not make them.

use super::read_columns;
use crate::pg::catalog::{Types, ancestors};
use crate::pg::{Client, PgError};
use crate::schema::{ColumnType, Likeness, Table};

/// Reads it of each of these tables; in the snapshot, in which their columns were read.
pub fn liken(client: &mut Client, tables: &mut [&mut Table]) -> Result<(), PgError> {
    if tables.is_empty() {
        return Ok(());
    }
    let types = Types::read(client)?;
    let mut columns = read_columns(client)?;
    let mut ancestors = ancestors(client)?;
    for table in tables {
        let columns = columns.remove(&table.oid).unwrap_or_default();
        let types = columns.into_iter().map(|column| ColumnType {
            form: types.form(column.type_oid),
            name: column.type_name,
        });
        table.likeness = Some(Likeness {
            types: types.collect(),
            ancestors: ancestors.remove(&table.oid).unwrap_or_default(),
        });
    }
    Ok(())
}

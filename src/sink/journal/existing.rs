//! What the journal knows of tables that were there before the migration.

use super::{Journal, JournalError};
use crate::pg::Client;
use crate::schema::{QualifiedName, quote_literal};
use crate::sink::existing::Existing;

impl Journal {
    /// The INSERT for the journal's own transaction, with its semicolon; nothing where there are none.
    pub(super) fn existing_sql(&self, existing: &[Existing]) -> String {
        if existing.is_empty() {
            return String::new();
        }
        let row = |table: &Existing| {
            format!(
                "('{}', {}, {}, {})",
                self.migration,
                quote_literal(&table.name.schema),
                quote_literal(&table.name.name),
                table.had_rows
            )
        };
        let rows: Vec<_> = existing.iter().map(row).collect();
        format!(
            "INSERT INTO {}.existing (migration, table_schema, table_name, had_rows) VALUES {};",
            self.sql_schema(),
            rows.join(", ")
        )
    }

    /// The tables that it writes to and has not made.
    pub fn existing(&self, client: &mut Client) -> Result<Vec<Existing>, JournalError> {
        let rows = client
            .query(&format!(
                "SELECT table_schema, table_name, had_rows FROM {}.existing ORDER BY 1, 2",
                self.sql_schema()
            ))
            .map_err(|e| self.failed(e))?;
        let existing = rows.iter().map(|row| {
            Ok(Existing {
                name: QualifiedName::new(row.text(0)?, row.text(1)?),
                had_rows: row.bool(2)?,
            })
        });
        existing
            .collect::<Result<_, _>>()
            .map_err(|e| self.failed(e))
    }
}

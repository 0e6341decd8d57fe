//! What the server would not do: recorded, and taken back where it does it later.

use super::{Journal, JournalError, StepError};
use crate::pg::{Client, PgError};
use crate::phase::DumpId;
use crate::schema::{Table, quote_literal};

const OWNERLESS: &str = include_str!("ownerless.sql");

impl Journal {
    /// The INSERT that marks a step as tried and failed.
    pub(in crate::sink) fn failed_step_sql(&self, step: &str, error: &StepError) -> String {
        format!(
            "INSERT INTO {}.step (migration, step, object, statement, message, sqlstate) VALUES ('{}', {}, {}, {}, {}, {})",
            self.sql_schema(),
            self.migration,
            quote_literal(step),
            quote_literal(&error.object),
            quote_literal(&error.statement),
            quote_literal(&error.message),
            quote_literal(&error.sqlstate),
        )
    }

    /// The INSERT that says which rows of an extension's table were refused, for the transaction of
    /// their chunk.
    pub(in crate::sink) fn rows_refused_sql(
        &self,
        table: &Table,
        rows: u64,
        error: &PgError,
    ) -> String {
        let error = StepError {
            object: format!("TABLE {}", table.name),
            statement: String::new(),
            message: format!("{rows} rows of the source are not in it: {error}"),
            sqlstate: error.sqlstate().unwrap_or_default().to_owned(),
        };
        self.failed_step_sql(&format!("rows {}", table.name), &error) + " ON CONFLICT DO NOTHING"
    }

    /// Entries that are there without their owner, because he could not be given them.
    pub(in crate::sink) fn ownerless(
        &self,
        client: &mut Client,
    ) -> Result<Vec<DumpId>, JournalError> {
        let sql = OWNERLESS.replace(":schema", &self.sql_schema());
        let rows = client.query(&sql).map_err(|e| self.failed(e))?;
        let ids = rows.iter().map(|row| row.parse(0).map(DumpId));
        ids.collect::<Result<_, _>>().map_err(|e| self.failed(e))
    }

    /// The UPDATE that takes a refusal back, for the transaction that does what was refused.
    pub(in crate::sink) fn taken_back_sql(&self, step: &str) -> String {
        format!(
            "UPDATE {}.step SET object = NULL, statement = NULL, message = NULL, sqlstate = NULL \
             WHERE migration = '{}' AND step = {}",
            self.sql_schema(),
            self.migration,
            quote_literal(step)
        )
    }
}

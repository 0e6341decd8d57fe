//! The end of the journal, and the event triggers that must not see it.

use super::{Journal, JournalError};
use crate::pg::Client;
use crate::phase::DumpId;
use crate::schema::quote_literal;
use crate::sink::archive::LoginTrigger;

const WAKE: &str = include_str!("wake.sql");
const SILENCE: &str = include_str!("silence.sql");
const JOINED: &str = include_str!("joined.sql");

impl Journal {
    /// Lets the triggers act that were put to sleep; for a journal that stays.
    pub fn wake(&self, client: &mut Client) -> Result<(), JournalError> {
        for statement in self.waking(client)? {
            let woken = client.execute(&statement);
            woken.map_err(|e| JournalError::at("let event triggers act", e))?;
        }
        Ok(())
    }

    fn waking(&self, client: &mut Client) -> Result<Vec<String>, JournalError> {
        self.statements(client, WAKE)
    }

    /// What a query of the journal prints.
    fn statements(&self, client: &mut Client, sql: &str) -> Result<Vec<String>, JournalError> {
        let sql = sql.replace(":schema", &self.sql_schema());
        let rows = client.query(&sql).map_err(|e| self.failed(e))?;
        let statements = rows.iter().filter_map(|row| row.get(0).map(str::to_owned));
        Ok(statements.collect())
    }

    /// Removes the journal with everything in it. The event triggers that have come with the schema
    /// must not see it: they are off within that transaction. recv's role leaves the roles that it
    /// has made.
    pub fn drop(&self, client: &mut Client) -> Result<(), JournalError> {
        let (waking, leaving) = (self.waking(client)?, self.statements(client, JOINED)?);
        let triggers = client.query(SILENCE);
        let triggers = triggers.map_err(|e| JournalError::at("look at the event triggers", e))?;
        let column = |i| triggers.iter().filter_map(move |row| row.get(i));
        let dropping = format!("DROP SCHEMA {} CASCADE", self.sql_schema());
        let statements: Vec<_> = column(0)
            .chain([dropping.as_str()])
            .chain(column(1))
            .chain(waking.iter().chain(&leaving).map(String::as_str))
            .collect();
        let sql = match statements.as_slice() {
            [alone] => (*alone).to_owned(),
            all => format!("BEGIN; {}; COMMIT", all.join("; ")),
        };
        client.execute(&sql).map(drop).map_err(|e| {
            // After a lost connection there is nothing to roll back.
            let _ = client.execute("ROLLBACK");
            JournalError::at(format!("drop the journal schema {}", self.schema), e)
        })
    }

    /// The INSERT that says how a trigger that sleeps is woken, for the transaction that makes it.
    pub(in crate::sink) fn asleep_sql(&self, id: DumpId, trigger: &LoginTrigger) -> String {
        format!(
            "INSERT INTO {}.step (migration, step, object, statement) VALUES ('{}', 'asleep {id}', {}, {})",
            self.sql_schema(),
            self.migration,
            quote_literal(&trigger.name),
            quote_literal(&trigger.enable),
        )
    }
}

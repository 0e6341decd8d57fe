//! Objects whose owner or his privileges are missing when they are made.

use super::{DdlError, Restorer, bare_step, entry_step};
use crate::pg::PgError;
use crate::phase::DumpId;
use crate::sink::archive::owner_statements;
use crate::sink::journal::JournalError;

impl Restorer {
    /// An object whose owner or his privileges are missing here is restored as the user's own; the
    /// error is recorded all the same.
    pub(super) fn without_owner(
        &mut self,
        id: DumpId,
        sql: &str,
        error: &PgError,
    ) -> Result<Vec<DumpId>, DdlError> {
        let bare = self.schema.bare_sql(id)?;
        if !owner_statements(sql, &bare).is_empty() {
            let bare = self.put_to_sleep(&[id], bare);
            let mark = format!(
                "{}; {}; {bare}",
                self.journal
                    .failed_step_sql(&entry_step(id), &self.step_error(id, sql, error)),
                self.journal.steps_sql(&[bare_step(id)])
            );
            if self
                .attempt(&[entry_step(id)], &mark, &self.label(id))?
                .is_ok()
            {
                return Ok(vec![id]);
            }
        }
        self.record(id, sql, error)?;
        Ok(vec![id])
    }

    /// Once privileges are there: gives objects to owners who could not have them before, as they may
    /// not make anything in the schema but by its privileges. What is refused again stays recorded.
    pub fn give_to_owners(&mut self) -> Result<(), DdlError> {
        let what = || "the owners".to_owned();
        let ids = match self.journal.ownerless(&mut self.client) {
            Ok(ids) => ids,
            Err(JournalError::Postgres { source, .. }) => {
                return Err(DdlError::Postgres {
                    what: what(),
                    source,
                });
            }
            Err(_) => return Ok(()),
        };
        for id in ids {
            let (sql, bare) = (self.schema.sql(&[id])?, self.schema.bare_sql(id)?);
            let statements = owner_statements(&sql, &bare);
            if statements.is_empty() {
                continue;
            }
            let taken_back = self.journal.taken_back_sql(&entry_step(id));
            // Durable at once: the journal names the entry before and after it.
            let mut give = format!(
                "SET LOCAL synchronous_commit = on; {taken_back};\n{}",
                statements.join("\n")
            );
            // What was granted to the one who owned it meanwhile went to the owner with it.
            for &acl in self.schema.privileges_of(id) {
                give = format!("{give}\n{}", self.schema.sql(&[acl])?);
            }
            // The second refusal is the first one's again.
            let _ = self.attempt(&[], &give, &self.label(id))?;
        }
        Ok(())
    }
}

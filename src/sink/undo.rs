//! Takes back what a migration has made on the target: exactly the entries that its journal has as
//! restored, by the statements that pg_restore itself prints for them.

use crate::pg::{Client, PgError};
use crate::phase::{DumpId, Entry, Toc};
use crate::schema::{quote_ident_always, quote_literal};
use crate::sink::archive::{Archive, ArchiveError, legible, sql_bytes};
use crate::sink::ddl;
use crate::sink::journal::{Journal, JournalError};
use crate::sink::objects::{self, Whose};
use crate::sink::roles;

/// Names of dependants in one message; the server lists them in its detail.
const DETAIL_CHARS: usize = 500;

/// Why taking back stopped; what is done stays done, and the same can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    #[error("cannot remove what the migration made on the target")]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// What was taken back.
#[derive(Debug, Default)]
pub struct Undone {
    /// Statements that went through: about one for each object.
    pub removed: u64,
    /// What the server would not drop, and why.
    pub left: Vec<String>,
}

/// The work; blocks.
pub struct Undo<'a> {
    client: &'a mut Client,
    journal: &'a Journal,
    archive: &'a Archive,
}

impl<'a> Undo<'a> {
    pub fn new(client: &'a mut Client, journal: &'a Journal, archive: &'a Archive) -> Self {
        Self {
            client,
            journal,
            archive,
        }
    }

    /// Drops, without CASCADE, in the order that pg_restore has it. What is refused is tried again
    /// as long as others go: one of ours may stand in its way.
    pub fn run(mut self) -> Result<Undone, UndoError> {
        let mut undone = Undone::default();
        self.unlink(&mut undone)?;
        self.client.execute(&self.archive.session_sql()?)?;
        let ids = self.ours()?;
        let mut todo = match ids.is_empty() {
            true => Vec::new(),
            false => self.archive.drop_statements(&ids)?,
        };
        todo.extend(self.roles()?);
        loop {
            let before = todo.len();
            let refused = self.pass(todo, &mut undone.removed)?;
            if refused.is_empty() || refused.len() == before {
                undone.left.extend(refused.into_iter().map(|(_, why)| why));
                return Ok(undone);
            }
            todo = refused
                .into_iter()
                .map(|(statement, _)| statement)
                .collect();
        }
    }

    /// Large objects: those that the journal has. One of an earlier version has none.
    fn unlink(&mut self, undone: &mut Undone) -> Result<(), UndoError> {
        match objects::unlink(self.client, self.journal, Whose::All) {
            Ok(count) => undone.removed += count,
            Err(error) if is_gone(&error) => {}
            Err(error) if error.is_passing() => return Err(error.into()),
            Err(error) => undone.left.push(refusal("large objects", &error)),
        }
        Ok(())
    }

    /// Runs each statement by itself; those that were refused, with the reason.
    fn pass(
        &mut self,
        todo: Vec<String>,
        removed: &mut u64,
    ) -> Result<Vec<(String, String)>, UndoError> {
        let mut refused = Vec::new();
        for statement in todo {
            match self.client.execute_bytes(&sql_bytes(&statement)) {
                Ok(_) => *removed += 1,
                Err(error) if is_gone(&error) => {}
                Err(error) if error.is_passing() => return Err(error.into()),
                Err(error) => {
                    let why = refusal(&statement, &error);
                    refused.push((statement, why));
                }
            }
        }
        Ok(refused)
    }

    /// What drops the roles that this migration has made: they own nothing any more.
    fn roles(&mut self) -> Result<Vec<String>, UndoError> {
        let steps = self.journal.made(self.client)?;
        let drop = |name: &str| format!("DROP ROLE IF EXISTS {};", quote_ident_always(name));
        Ok(roles::made(&steps).into_iter().map(drop).collect())
    }

    /// The entries that this migration has made, in the archive's order.
    fn ours(&mut self) -> Result<Vec<DumpId>, UndoError> {
        let steps = self.journal.made(self.client)?;
        let (mut made, _) = ddl::restored(&steps);
        made.extend(ddl::restored_bare(&steps));
        let toc: Toc = self.archive.toc()?;
        let older = self.older_extensions()?;
        let is_ours = |entry: &&Entry| made.contains(&entry.id) && !is_older(entry, &older);
        Ok(toc.entries.iter().filter(is_ours).map(|e| e.id).collect())
    }

    /// `CREATE EXTENSION IF NOT EXISTS` goes through where one was there before: not ours then.
    fn older_extensions(&mut self) -> Result<Vec<String>, UndoError> {
        let sql = include_str!("older_extensions.sql")
            .replace(":schema", &quote_literal(self.journal.schema()));
        let rows = self.client.query(&sql)?;
        let names = rows.iter().map(|row| row.text(0).map(str::to_owned));
        Ok(names.collect::<Result<_, _>>()?)
    }
}

/// An extension's entry is listed as `- NAME `.
fn is_older(entry: &Entry, older: &[String]) -> bool {
    let name = entry.name.split(' ').nth(1).unwrap_or_default();
    entry.desc == "EXTENSION" && older.iter().any(|known| known == name)
}

/// Undefined table, column, object, function or schema: it went with another, or in an earlier run.
pub(super) fn is_gone(error: &PgError) -> bool {
    matches!(
        error.sqlstate(),
        Some("42P01" | "42703" | "42704" | "42883" | "3F000")
    )
}

pub(super) fn refusal(statement: &str, error: &PgError) -> String {
    let statement = legible(statement);
    let what = statement.trim_end().trim_end_matches(';');
    let why: String = error.to_string().chars().take(DETAIL_CHARS).collect();
    format!("{what}: {why}")
}

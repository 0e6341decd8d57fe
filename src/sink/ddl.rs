//! Restores schema entries: each batch with its journal rows in one transaction, so that DDL is
//! done exactly once too.

mod keys;
mod memory;
mod owners;
mod schema;

pub use memory::MAX_WORK_MEM_MIB;
pub use schema::Schema;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::pg::{CancelToken, Client, Closer, ConnInfo, PgError, session};
use crate::phase::{DumpId, Entry, Stage, Step, Task};
use crate::report::one_line;
use crate::schema::quote_literal;
use crate::sink::archive::{
    ArchiveError, TwoStep, builds_b_tree, legible, login_trigger, sql_bytes, two_steps,
};
use crate::sink::journal::{Journal, JournalError, StepError};

use memory::{Build, Memory};

/// The journal's mark that all entries before the rows are done, and durable.
const TABLES: &str = "tables";
/// A statement in a report; a function may be long.
const STATEMENT_CHARS: usize = 2_000;

/// Why restoring stopped. An entry that the server refuses is no error here: it is recorded, and
/// the rest goes on.
#[derive(Debug, thiserror::Error)]
pub enum DdlError {
    #[error("cannot restore {what} on the target")]
    Postgres { what: String, source: PgError },
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the server rolled {what} back at COMMIT")]
    RolledBack { what: String },
}

impl DdlError {
    /// Whether the cause lies with the server's state, so that the same can be tried later.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Postgres { source, .. } => source.is_passing(),
            Self::Archive(error) => error.is_passing(),
            Self::RolledBack { .. } => false,
        }
    }
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    Done,
    /// The first of two transactions: the index is there, its constraint is not yet.
    Built,
    /// These were refused and are recorded.
    Failed(Vec<DumpId>),
}

/// Whether rows are refused, as by a unique index (class 23, integrity constraint violations).
fn is_of_rows(error: &PgError) -> bool {
    error
        .sqlstate()
        .is_some_and(|state| state.starts_with("23"))
}

fn of_session(source: PgError) -> DdlError {
    DdlError::Postgres {
        what: "the schema".into(),
        source,
    }
}

/// One connection that restores entries.
pub struct Restorer {
    client: Client,
    journal: Journal,
    schema: Arc<Schema>,
    memory: Option<Memory>,
    /// Of the index task under way, where memory is planned.
    build: Option<Build>,
}

impl Restorer {
    /// `work_mem_mib` is `maintenance_work_mem` for its index builds, which then have the helpers that
    /// their tasks say; both the server's own if none.
    pub fn connect(
        info: &ConnInfo,
        name: &str,
        journal: Journal,
        schema: Arc<Schema>,
        work_mem_mib: Option<u64>,
    ) -> Result<Self, DdlError> {
        let memory = work_mem_mib.map(|mib| Memory { mib });
        let mut client = session::open(info, name, "UTF8").map_err(of_session)?;
        client.execute(&schema.session_sql()?).map_err(of_session)?;
        // An entry and its journal row vanish together in a crash; what must not is made durable
        // by the steps after it.
        client
            .execute("SET synchronous_commit = off")
            .map_err(of_session)?;
        if let Some(memory) = &memory {
            client.execute(&memory.session_sql()).map_err(of_session)?;
        }
        Ok(Self {
            client,
            journal,
            schema,
            memory,
            build: None,
        })
    }

    pub fn closer(&self) -> Result<Closer, DdlError> {
        self.client.closer().map_err(of_session)
    }

    /// What ends the statement under way on the server; a closed socket alone is not noticed
    /// before the statement ends.
    pub fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    /// The connection, for what is not an entry of the archive.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Makes the entries before the rows durable, once: others will count on them who were not
    /// there when the server crashed. This session is to have found or restored them all.
    pub fn end_tables(&mut self, done: &BTreeSet<String>) -> Result<(), JournalError> {
        match done.contains(TABLES) {
            true => Ok(()),
            false => self.journal.once(&mut self.client, TABLES, ""),
        }
    }

    /// Restores one task of the schedule.
    pub fn task(&mut self, task: &Task) -> Result<Restored, DdlError> {
        let restored = match (task.stage, &*task.ids) {
            (Stage::Indexes, &[id]) => self.index(task, id),
            (Stage::EventTriggers, ids) => self.one_by_one(ids).map(of_failed),
            (_, ids) => self.batch(ids).map(of_failed),
        };
        self.build = None;
        restored
    }

    fn index(&mut self, task: &Task, id: DumpId) -> Result<Restored, DdlError> {
        let sql = self.schema.sql(&task.ids)?;
        self.build = self.memory.map(|memory| Build {
            memory,
            is_b_tree: builds_b_tree(&sql),
            bytes: task.bytes,
            helpers: task.helpers,
        });
        match two_steps(&sql, task.on_plain_table) {
            Some(two) => self.half(id, task.step, &two, &sql),
            None => self.batch(&[id]).map(of_failed),
        }
    }

    /// Runs one of two steps. What is recorded of a refusal is all that is still to be done.
    fn half(
        &mut self,
        id: DumpId,
        step: Step,
        two: &TwoStep,
        whole: &str,
    ) -> Result<Restored, DdlError> {
        let (sql, left, name, done) = match step {
            Step::First => (&two.build, whole, built_step(id), Restored::Built),
            Step::Second => (&two.finish, &*two.finish, entry_step(id), Restored::Done),
        };
        match self.transaction(&[name], sql, &self.label(id))? {
            Ok(()) => Ok(done),
            Err(error) => {
                self.record(id, left, &error)?;
                Ok(Restored::Failed(vec![id]))
            }
        }
    }

    /// Restores a batch; those that the server refuses are recorded and returned.
    pub fn batch(&mut self, ids: &[DumpId]) -> Result<Vec<DumpId>, DdlError> {
        let sql = self.schema.sql(ids)?;
        let sql = self.put_to_sleep(ids, sql);
        let steps: Vec<_> = ids.iter().map(|&id| entry_step(id)).collect();
        let what = self.label(ids[0]);
        let Err(error) = self.transaction(&steps, &sql, &what)? else {
            return Ok(Vec::new());
        };
        match ids {
            [id] if self.is_said_already(*id, &sql)? => {
                let done = self.transaction(&steps, "", &what)?;
                done.map_err(|source| DdlError::Postgres { what, source })?;
                Ok(Vec::new())
            }
            [id] => self.without_owner(*id, &sql, &error),
            _ => self.one_by_one(ids),
        }
    }

    fn one_by_one(&mut self, ids: &[DumpId]) -> Result<Vec<DumpId>, DdlError> {
        let mut failed = Vec::new();
        for id in ids {
            failed.extend(self.batch(std::slice::from_ref(id))?);
        }
        Ok(failed)
    }

    /// A trigger that acts at login must not act on recv's sessions: it sleeps until the journal is
    /// dropped, which knows how to wake it.
    fn put_to_sleep(&self, ids: &[DumpId], sql: String) -> String {
        match (ids, login_trigger(&sql)) {
            ([id], Some(trigger)) => {
                let sleep = format!("ALTER EVENT TRIGGER {} DISABLE", trigger.name);
                format!("{sql}\n;{sleep};{}", self.journal.asleep_sql(*id, &trigger))
            }
            _ => sql,
        }
    }

    /// Whether a refused entry is the comment that its extension brings by itself: one that another
    /// role has made may not be commented upon.
    fn is_said_already(&mut self, id: DumpId, sql: &str) -> Result<bool, DdlError> {
        let entry = self.schema.entry(id).filter(|e| e.desc == "COMMENT");
        let Some(extension) = entry.and_then(|e| e.name.strip_prefix("- EXTENSION ")) else {
            return Ok(false);
        };
        let look = format!(
            "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = {}",
            quote_literal(extension.trim_end())
        );
        let found = self.client.query(&look);
        let rows = found.map_err(|source| DdlError::Postgres {
            what: self.label(id),
            source,
        })?;
        let comment = rows.first().and_then(|row| row.get(0)).unwrap_or_default();
        Ok(sql.contains(&format!(" IS {};", quote_literal(comment))))
    }

    fn record(&mut self, id: DumpId, sql: &str, error: &PgError) -> Result<(), DdlError> {
        let mut refused = self.step_error(id, sql, error);
        refused.message += &self.about_key(id, sql, error)?;
        let mark = self.journal.failed_step_sql(&entry_step(id), &refused);
        let what = self.label(id);
        self.attempt(&[entry_step(id)], &mark, &what)?
            .map_err(|source| DdlError::Postgres { what, source })
    }

    fn step_error(&self, id: DumpId, sql: &str, error: &PgError) -> StepError {
        StepError {
            object: self.label(id),
            statement: legible(sql.trim()).chars().take(STATEMENT_CHARS).collect(),
            message: error.to_string(),
            sqlstate: error.sqlstate().unwrap_or_default().to_owned(),
        }
    }

    /// Marks steps and runs statements in one transaction. The inner error is the server's
    /// judgement of the statements; the outer one is trouble.
    ///
    /// The mark comes first: where a dead recv's backend still works on the same step, it waits
    /// there for that one's end.
    fn transaction(
        &mut self,
        steps: &[String],
        sql: &str,
        what: &str,
    ) -> Result<Result<(), PgError>, DdlError> {
        let marked = format!("{};\n{sql}", self.journal.steps_sql(steps));
        let with = |build: Build| format!("{};\n{marked}", build.sql());
        let Some(build) = self.build else {
            return self.attempt(steps, &marked, what);
        };
        match self.attempt(steps, &with(build), what)? {
            Err(refused) if !is_of_rows(&refused) && build.is_helped() => {
                // It may have been for the helpers: a function that is parallel safe in name alone.
                tracing::warn!(
                    error = one_line(&refused),
                    "building without parallel workers"
                );
                self.attempt(steps, &with(build.alone()), what)
            }
            done => Ok(done),
        }
    }

    /// Runs statements that mark these steps among other things, in one transaction.
    fn attempt(
        &mut self,
        steps: &[String],
        sql: &str,
        what: &str,
    ) -> Result<Result<(), PgError>, DdlError> {
        let failed = |source| DdlError::Postgres {
            what: what.to_owned(),
            source,
        };
        // On lines of their own: the archive's SQL may end in a comment.
        let sql = format!("BEGIN;\n{sql}\n;\nCOMMIT");
        let error = match self.client.execute_bytes(&sql_bytes(&sql)) {
            Ok(tag) if tag == "COMMIT" => return Ok(Ok(())),
            Ok(_) => {
                let what = what.to_owned();
                return Err(DdlError::RolledBack { what });
            }
            Err(error) => error,
        };
        let rolled_back = self.client.execute("ROLLBACK");
        if error.is_passing() {
            return Err(failed(error));
        }
        rolled_back.map_err(failed)?;
        // That backend has done it meanwhile.
        match self.journal.are_done(&mut self.client, steps) {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err(error)),
            Err(source) => Err(failed(source)),
        }
    }

    fn label(&self, id: DumpId) -> String {
        self.schema
            .entry(id)
            .map_or_else(|| format!("entry {id}"), Entry::label)
    }
}

fn of_failed(ids: Vec<DumpId>) -> Restored {
    match ids.is_empty() {
        true => Restored::Done,
        false => Restored::Failed(ids),
    }
}

/// The steps that the journal has once a task has ended so.
pub fn steps(task: &Task, restored: &Restored) -> impl Iterator<Item = String> {
    let name = match restored {
        Restored::Built => built_step,
        Restored::Done | Restored::Failed(_) => entry_step,
    };
    task.ids.iter().map(move |&id| name(id))
}

/// The journal's name for a restored entry.
pub fn entry_step(id: DumpId) -> String {
    format!("entry {id}")
}

/// The journal's name for an entry whose index is built and whose constraint is to come.
pub fn built_step(id: DumpId) -> String {
    format!("built {id}")
}

/// The journal's name for a refused entry that was then restored without its owner: it is there.
pub fn bare_step(id: DumpId) -> String {
    format!("bare {id}")
}

/// The entries that the journal's steps say are restored, and those that are half done.
pub fn restored<'a>(steps: impl IntoIterator<Item = &'a String>) -> (Vec<DumpId>, Vec<DumpId>) {
    let (mut done, mut built) = (Vec::new(), Vec::new());
    for step in steps {
        done.extend(numbered(step, "entry "));
        built.extend(numbered(step, "built "));
    }
    (done, built)
}

/// The refused entries that are there nevertheless, without their owner.
pub fn restored_bare<'a>(steps: impl IntoIterator<Item = &'a String>) -> Vec<DumpId> {
    let bare = steps.into_iter().filter_map(|step| numbered(step, "bare "));
    bare.collect()
}

fn numbered(step: &str, prefix: &str) -> Option<DumpId> {
    let number = step.strip_prefix(prefix)?;
    number.parse().ok().map(DumpId)
}

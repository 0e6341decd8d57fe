//! Drops what stands in the way of an archive's objects (`--clean`), before anything is made: by the
//! statements that pg_restore prints for that, in one transaction, without CASCADE. Where something
//! that the archive does not have depends on what would go, nothing goes. Where rows alone are moved
//! the tables that they come into are emptied, in the same way.

mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chunk::Plan;
use crate::pg::{Client, Closer, PgError, Row};
use crate::schema::{QualifiedName, first_few, quote_literal};
use crate::sink::archive::{ArchiveError, sql_bytes};
use crate::sink::database::{self, DatabaseError};
use crate::sink::ddl::Schema;
use crate::sink::existing;
use crate::sink::journal::{Journal, JournalError};
use crate::sink::undo::{is_gone, refusal};

/// The journal's name for it.
pub const CLEANED: &str = "cleaned";

const OBJECTS: &str = include_str!("clean/objects.sql");
const OTHER_KIND: &str = include_str!("clean/other_kind.sql");
const LARGE_OBJECTS: &str = include_str!("clean/large_objects.sql");
const LOCKS: &str = include_str!("clean/locks.sql");
/// Kinds that share their names with one another.
const ROUTINES: [&str; 3] = ["FUNCTION", "PROCEDURE", "AGGREGATE"];
const RELATIONS_AND_TYPES: [&str; 8] = [
    "TABLE",
    "VIEW",
    "MATERIALIZED VIEW",
    "FOREIGN TABLE",
    "SEQUENCE",
    "INDEX",
    "TYPE",
    "DOMAIN",
];
/// A session of the target's own may hold what is to go; the user may end it and start again.
const BEGIN: &str = "BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '60s'";
/// Refusals in one message; the others mostly follow from these.
const TOLD: usize = 3;

/// Why the target could not be cleaned. Nothing was dropped.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    #[error("cannot clean the target, on which nothing was changed")]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(
        "--clean stops at what is not to be dropped, and has dropped nothing: {refused}; drop that by hand, or leave such objects out"
    )]
    InTheWay { refused: String },
    #[error(
        "--clean empties every table that rows come into, or none, and has emptied none: {why}"
    )]
    NotEmptied { why: String },
    #[error(
        "the lock table of the target's server is too small for --clean, which drops all in one transaction, with up to {locks} locks; nothing was dropped: set max_locks_per_transaction to {setting} there, restart that server, and start both again"
    )]
    Locks {
        locks: u64,
        setting: u64,
        source: PgError,
    },
}

impl CleanError {
    /// Whether the same command can go on later.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Postgres(source)
            | Self::Database(DatabaseError::Postgres(source))
            | Self::Journal(JournalError::Postgres { source, .. }) => source.is_passing(),
            Self::Archive(error) => error.is_passing(),
            Self::Locks { .. } => true,
            _ => false,
        }
    }
}

/// What is cleaned.
#[derive(Debug, Clone)]
pub enum Mess {
    /// Objects of the archive, and tables of the plan.
    Objects(Arc<Schema>, Arc<Plan>),
    /// All rows of these tables.
    Rows(Vec<QualifiedName>),
}

/// What goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Doomed {
    /// For people: `table app.t`; of rows their tables.
    pub objects: Vec<String>,
    /// Of those, or that are emptied.
    pub tables: u64,
    /// In those tables, as far as the server has counted.
    pub rows: u64,
    /// Of the target's own: those with an OID of the source's go as the others come.
    pub large_objects: u64,
}

/// A session that cleans; all of it blocks.
pub struct Cleaning {
    client: Client,
    journal: Journal,
    mess: Mess,
}

impl Cleaning {
    pub fn new(client: Client, journal: Journal, mess: Mess) -> Self {
        Self {
            client,
            journal,
            mess,
        }
    }

    pub fn closer(&self) -> Result<Closer, CleanError> {
        Ok(self.client.closer()?)
    }

    /// What [`Self::run`] would drop, or empty: done, and taken back.
    pub fn rehearse(&mut self) -> Result<Doomed, CleanError> {
        match &self.mess {
            Mess::Objects(schema, _) => self.client.execute(&schema.session_sql()?).map(drop)?,
            Mess::Rows(_) => existing::keep_triggers(&mut self.client)?,
        }
        self.client.execute(BEGIN)?;
        let doomed = match self.mess.clone() {
            Mess::Objects(schema, plan) => self.doomed(&schema, &plan),
            Mess::Rows(tables) => rows::empty(&mut self.client, &tables),
        };
        let rolled_back = self.client.execute("ROLLBACK");
        match doomed {
            Err(error) => Err(self.explained(error)),
            Ok(doomed) => Ok(rolled_back.map(|_| doomed)?),
        }
    }

    /// Drops, or empties, once for this migration.
    pub fn run(mut self) -> Result<(), CleanError> {
        let step = [CLEANED.to_owned()];
        let mark = self.journal.steps_sql(&step);
        // First, so that a dead recv's backend which is at the same is waited for.
        if let Err(error) = self.client.execute(&format!("{BEGIN}; {mark}")) {
            self.client.execute("ROLLBACK")?;
            return match self.journal.are_done(&mut self.client, &step)? {
                true => Ok(()),
                false => Err(error.into()),
            };
        }
        match self.clean() {
            Ok(()) => self.commit(),
            Err(error) => {
                // The first error is the cause of another one here.
                let _ = self.client.execute("ROLLBACK");
                Err(self.explained(error))
            }
        }
    }

    /// Where locks are what the server lacks: how many of them, and the setting to raise.
    fn explained(&mut self, error: CleanError) -> CleanError {
        let source = match error {
            CleanError::Postgres(source) if lacks_locks(&source) => source,
            other => return other,
        };
        let told = self.client.query(LOCKS).and_then(|rows| {
            let row = &rows[0];
            Ok((row.parse(0)?, row.parse(1)?))
        });
        match told {
            Ok((locks, setting)) => CleanError::Locks {
                locks,
                setting,
                source,
            },
            Err(_) => CleanError::Postgres(source),
        }
    }

    fn commit(&mut self) -> Result<(), CleanError> {
        match self.client.execute("COMMIT")?.as_str() {
            "COMMIT" => Ok(()),
            _ => {
                let what = "--clean".to_owned();
                Err(JournalError::RolledBack { what }.into())
            }
        }
    }

    fn clean(&mut self) -> Result<(), CleanError> {
        match self.mess.clone() {
            Mess::Objects(schema, plan) => self.drop_all(&schema, &plan),
            Mess::Rows(tables) => rows::empty(&mut self.client, &tables).map(drop),
        }
    }

    fn doomed(&mut self, schema: &Schema, plan: &Plan) -> Result<Doomed, CleanError> {
        let large_objects = self.large_objects(plan)?;
        let mut before = objects(&mut self.client)?;
        self.drop_all(schema, plan)?;
        for key in objects(&mut self.client)?.keys() {
            before.remove(key);
        }
        let mut doomed = Doomed {
            large_objects,
            ..Doomed::default()
        };
        for Object { name, rows } in before.into_values() {
            doomed.objects.push(name);
            doomed.tables += u64::from(rows.is_some());
            doomed.rows += rows.unwrap_or(0);
        }
        Ok(doomed)
    }

    /// How many there are where some come. Which of them are in the way is known when those come, so
    /// that all must be ours to unlink.
    fn large_objects(&mut self, plan: &Plan) -> Result<u64, CleanError> {
        if !plan.has_large_objects() {
            return Ok(0);
        }
        let rows = self.client.query(LARGE_OBJECTS)?;
        let (count, others): (u64, Option<&str>) = (rows[0].parse(0)?, rows[0].get(1));
        match others {
            None => Ok(count),
            Some(roles) => Err(CleanError::InTheWay {
                refused: format!("large objects that belong to {roles}"),
            }),
        }
    }

    /// In the order that pg_restore has it. What is refused is tried again as long as others go: one
    /// of the archive's own may stand in its way.
    fn drop_all(&mut self, schema: &Schema, plan: &Plan) -> Result<(), CleanError> {
        let mut todo = schema.drop_statements()?;
        loop {
            let before = todo.len();
            let refused = self.pass(todo)?;
            if refused.is_empty() {
                return Ok(database::require_no_tables(&mut self.client, plan)?);
            }
            if refused.len() == before {
                return Err(in_the_way(refused));
            }
            todo = refused.into_iter().map(|(sql, _)| sql).collect();
        }
    }

    /// Each in a subtransaction; those that were refused, with the reason.
    fn pass(&mut self, todo: Vec<String>) -> Result<Vec<(String, String)>, CleanError> {
        let mut refused = Vec::new();
        for sql in todo {
            let Err(error) = self.attempt(&sql)? else {
                continue;
            };
            if is_gone(&error) {
                continue;
            }
            match self.as_other_kind(&sql, &error)? {
                Some(other) => {
                    if let Err(error) = self.attempt(&other)? {
                        refused.push((sql, refusal(&other, &error)));
                    }
                }
                None => {
                    let why = refusal(&sql, &error);
                    refused.push((sql, why));
                }
            }
        }
        Ok(refused)
    }

    fn attempt(&mut self, sql: &str) -> Result<Result<(), PgError>, PgError> {
        let one = format!("SAVEPOINT pgpipe_drop;\n{sql}\n;RELEASE SAVEPOINT pgpipe_drop");
        let Err(error) = self.client.execute_bytes(&sql_bytes(&one)) else {
            return Ok(Ok(()));
        };
        if error.is_passing() || error.sqlstate().is_none() {
            return Err(error);
        }
        let back = "ROLLBACK TO SAVEPOINT pgpipe_drop; RELEASE SAVEPOINT pgpipe_drop";
        self.client.execute(back)?;
        Ok(Err(error))
    }

    /// What drops an object that has the name and is no such thing as on the source.
    fn as_other_kind(&mut self, sql: &str, error: &PgError) -> Result<Option<String>, PgError> {
        let named = sql.strip_prefix("DROP ").and_then(|rest| {
            let (kind, name) = rest.split_once(" IF EXISTS ")?;
            Some((kind, name.trim_end().trim_end_matches(';')))
        });
        let (Some((kind, name)), Some("42809")) = (named, error.sqlstate()) else {
            return Ok(None);
        };
        if ROUTINES.contains(&kind) {
            return Ok(Some(format!("DROP ROUTINE IF EXISTS {name}")));
        }
        if !RELATIONS_AND_TYPES.contains(&kind) {
            return Ok(None);
        }
        let sql = OTHER_KIND.replace(":name", &quote_literal(name));
        let rows = self.client.query(&sql)?;
        Ok(rows.first().and_then(|row| row.get(0)).map(str::to_owned))
    }
}

struct Object {
    name: String,
    /// Of a table.
    rows: Option<u64>,
}

/// The users' objects by catalog and OID.
fn objects(client: &mut Client) -> Result<BTreeMap<(u32, u32), Object>, PgError> {
    let object = |row: &Row| {
        let rows = row.get(3).map(|_| row.parse(3)).transpose()?;
        let name = row.text(2)?.to_owned();
        Ok(((row.parse(0)?, row.parse(1)?), Object { name, rows }))
    };
    client.query(OBJECTS)?.iter().map(object).collect()
}

/// `out of shared memory` has other causes too; only the hint tells.
fn lacks_locks(error: &PgError) -> bool {
    let hint = error.server().and_then(|server| server.hint.as_deref());
    error.sqlstate() == Some("53200")
        && hint.is_some_and(|hint| hint.contains("max_locks_per_transaction"))
}

fn in_the_way(refused: Vec<(String, String)>) -> CleanError {
    let reasons: Vec<_> = refused.into_iter().map(|(_, why)| why).collect();
    CleanError::InTheWay {
        refused: first_few(&reasons, TOLD, "; "),
    }
}

fn not_emptied(reasons: &[String]) -> CleanError {
    CleanError::NotEmptied {
        why: first_few(reasons, TOLD, "; "),
    }
}

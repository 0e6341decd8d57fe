//! The journal: tables in the target database, the only durable truth about progress
//! (docs/journal.md). Whatever is done once has its row here, written in the same transaction.

mod ending;
mod existing;
mod refusals;
mod renewal;

use std::collections::{BTreeMap, BTreeSet};

pub use renewal::{Begun, Renewal};
use twox_hash::XxHash3_64;
use uuid::Uuid;

use crate::chunk::{Chunk, ChunkId, Digest, Plan};
use crate::pg::{Client, PgError};
use crate::phase::Toc;
use crate::schema::{Persistence, quote_ident_always, quote_literal};
use crate::sink::existing::Existing;
use crate::wire::message::{Offer, SourceInfo};

const CREATE: &str = include_str!("create.sql");

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// `doing` is what was tried, in the journal or beside it.
    #[error("cannot {doing} on the target")]
    Postgres { doing: String, source: PgError },
    #[error(
        "schema {schema} exists on the target and is not a journal of pgpipe; name another with --journal-schema"
    )]
    Foreign { schema: String },
    #[error(
        "the target holds the unfinished migration {name:?} of another sender (begun {begun}); go on with that one, or empty the target and drop schema {schema}"
    )]
    Other {
        schema: String,
        name: String,
        begun: String,
    },
    #[error(
        "the journal of this migration was written for another plan; start a new migration into an empty target"
    )]
    Plan,
    #[error(
        "the journal of this migration is of another snapshot than the one that was offered; start a new migration into an empty target"
    )]
    Moment,
    #[error("the journal was written to by an earlier session of recv; start both again to go on")]
    Moved,
    #[error(
        "the new snapshot shows other rows of {tables}, and those that were moved cannot be told from others there: take them out by hand, run `pgpipe reset` on both hosts, and begin anew"
    )]
    Mixed { tables: String },
    #[error(
        "the source has a schema {schema} of its own, where the journal is to be; name another with recv --journal-schema, or leave it out with send --exclude-schema"
    )]
    Taken { schema: String },
    #[error("the transaction of {what} was rolled back by the server without an error")]
    RolledBack { what: String },
}

/// A committed part, as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartRecord {
    pub digest: Digest,
    pub wire_bytes: u64,
    pub seconds: f64,
}

/// An object that could not be restored, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    pub object: String,
    pub statement: String,
    pub message: String,
    pub sqlstate: String,
}

/// What the journal held when it was read.
#[derive(Debug, Default)]
pub struct Contents {
    pub parts: BTreeMap<(ChunkId, u32), PartRecord>,
    pub steps: BTreeSet<String>,
    /// Of these, those with an effect on what is unlogged, if no crash of the server has undone that.
    pub steps_unlogged: BTreeSet<String>,
    pub errors: Vec<StepError>,
}

impl JournalError {
    /// Of a statement beside the journal.
    pub(super) fn at(doing: impl Into<String>, source: PgError) -> Self {
        let doing = doing.into();
        Self::Postgres { doing, source }
    }
}

impl Contents {
    /// The chunks whose parts are all there; a chunk's parts commit together.
    pub fn committed(&self, plan: &Plan) -> Vec<ChunkId> {
        let has = |chunk: &&Chunk| {
            (0..chunk.parts.len() as u32).all(|p| self.parts.contains_key(&(chunk.id, p)))
        };
        plan.chunks.iter().filter(has).map(|c| c.id).collect()
    }
}

/// The journal of one migration: names and statements, no connection of its own.
#[derive(Debug, Clone)]
pub struct Journal {
    schema: String,
    migration: Uuid,
}

impl Journal {
    pub fn new(schema: &str, migration: Uuid) -> Self {
        Self {
            schema: schema.to_owned(),
            migration,
        }
    }

    fn sql_schema(&self) -> String {
        quote_ident_always(&self.schema)
    }

    pub(super) fn migration(&self) -> Uuid {
        self.migration
    }

    pub fn schema(&self) -> &str {
        &self.schema
    }

    fn failed(&self, source: PgError) -> JournalError {
        JournalError::at(format!("use the journal schema {}", self.schema), source)
    }

    /// Looks for this migration; false where the target has no journal at all. A journal of
    /// another migration is refused by name.
    pub fn exists(&self, client: &mut Client) -> Result<bool, JournalError> {
        let found = client
            .query(&format!(
                "SELECT to_regclass({}) IS NOT NULL FROM pg_namespace WHERE nspname = {}",
                quote_literal(&format!("{}.migration", self.sql_schema())),
                quote_literal(&self.schema)
            ))
            .map_err(|e| self.failed(e))?;
        match found.first().map(|row| row.bool(0)) {
            None => return Ok(false),
            Some(Ok(true)) => {}
            Some(_) => {
                return Err(JournalError::Foreign {
                    schema: self.schema.clone(),
                });
            }
        }
        let rows = client
            .query(&format!(
                "SELECT id, name, begun FROM {}.migration",
                self.sql_schema()
            ))
            .map_err(|e| self.failed(e))?;
        match rows.first() {
            None => Err(JournalError::Foreign {
                schema: self.schema.clone(),
            }),
            Some(row) if row.get(0) == Some(self.migration.to_string().as_str()) => Ok(true),
            Some(row) => Err(JournalError::Other {
                schema: self.schema.clone(),
                name: row.get(1).unwrap_or_default().to_owned(),
                begun: row.get(2).unwrap_or_default().to_owned(),
            }),
        }
    }

    /// Refuses what would be made in the journal's schema, and go with it.
    pub fn require_apart(&self, plan: &Plan, toc: &Toc) -> Result<(), JournalError> {
        let in_plan = plan.tables.iter().any(|t| t.name.schema == self.schema);
        match in_plan || toc.entries.iter().any(|e| e.is_within(&self.schema)) {
            true => Err(JournalError::Taken {
                schema: self.schema.clone(),
            }),
            false => Ok(()),
        }
    }

    /// The steps that were done, without those that the server refused.
    pub fn made(&self, client: &mut Client) -> Result<BTreeSet<String>, JournalError> {
        let rows = client
            .query(&format!(
                "SELECT step FROM {}.step WHERE migration = '{}' AND message IS NULL",
                self.sql_schema(),
                self.migration
            ))
            .map_err(|e| self.failed(e))?;
        let steps = rows.iter().filter_map(|row| row.get(0).map(str::to_owned));
        Ok(steps.collect())
    }

    /// Makes the journal and writes the migration's row, and what it writes to that is there, in one
    /// transaction.
    pub fn create(
        &self,
        client: &mut Client,
        name: &str,
        source: &SourceInfo,
        offer: &Offer,
        existing: &[Existing],
    ) -> Result<(), JournalError> {
        let create = CREATE.replace(":schema", &self.sql_schema());
        let insert = format!(
            "INSERT INTO {}.migration (id, name, pgpipe, source, snapshot_time, snapshot_lsn, plan_digest, archive_digest) \
             VALUES ({}, {}, {}, {}, {}, {}, '{:032x}', '{:032x}')",
            self.sql_schema(),
            quote_literal(&self.migration.to_string()),
            quote_literal(name),
            quote_literal(env!("CARGO_PKG_VERSION")),
            quote_literal(&source.display),
            quote_literal(&offer.snapshot.time),
            quote_literal(&offer.snapshot.lsn.to_string()),
            offer.plan.digest,
            offer.archive.digest,
        );
        let existing = self.existing_sql(existing);
        let sql = format!("BEGIN; {create}; {insert}; {existing} COMMIT");
        client.execute(&sql).map(drop).map_err(|e| {
            let _ = client.execute("ROLLBACK");
            self.failed(e)
        })
    }

    /// Reads everything.
    pub fn read(&self, client: &mut Client) -> Result<Contents, JournalError> {
        self.try_read(client).map_err(|e| self.failed(e))
    }

    fn try_read(&self, client: &mut Client) -> Result<Contents, PgError> {
        let (schema, id) = (self.sql_schema(), self.migration);
        let mut contents = Contents::default();
        let parts = client.query(&format!(
            "SELECT chunk, part, rows, bytes, digest, wire_bytes, seconds FROM {schema}.chunk WHERE migration = '{id}' \
             UNION ALL SELECT chunk, part, rows, bytes, digest, wire_bytes, seconds FROM {schema}.chunk_unlogged \
             WHERE migration = '{id}'"
        ))?;
        for row in parts {
            let sum = u128::from_str_radix(row.text(4)?, 16).unwrap_or_default();
            let digest = Digest {
                rows: row.parse(2)?,
                bytes: row.parse(3)?,
                sum,
            };
            let record = PartRecord {
                digest,
                wire_bytes: row.parse(5)?,
                seconds: row.parse(6)?,
            };
            contents
                .parts
                .insert((ChunkId(row.parse(0)?), row.parse(1)?), record);
        }
        for row in client.query(&format!(
            "SELECT step, object, statement, message, sqlstate FROM {schema}.step WHERE migration = '{id}' ORDER BY done"
        ))? {
            contents.steps.insert(row.text(0)?.to_owned());
            if let Some(message) = row.get(3) {
                contents.errors.push(StepError {
                    object: row.get(1).unwrap_or_default().to_owned(),
                    statement: row.get(2).unwrap_or_default().to_owned(),
                    message: message.to_owned(),
                    sqlstate: row.get(4).unwrap_or_default().to_owned(),
                });
            }
        }
        for row in client.query(&format!("SELECT step FROM {schema}.step_unlogged"))? {
            contents.steps_unlogged.insert(row.text(0)?.to_owned());
        }
        Ok(contents)
    }

    /// `pg_advisory_xact_lock`'s key for a chunk: a dead recv's surviving backend still holds it.
    pub fn lock_key(&self, chunk: ChunkId) -> i64 {
        let mut bytes = self.migration.as_bytes().to_vec();
        bytes.extend(chunk.0.to_le_bytes());
        XxHash3_64::oneshot(&bytes).cast_signed()
    }

    /// Counts the journal rows of a chunk.
    pub(super) fn count_sql(&self, chunk: &Chunk) -> String {
        format!(
            "SELECT count(*) FROM {} WHERE migration = '{}' AND chunk = {}",
            self.chunk_table(chunk.persistence),
            self.migration,
            chunk.id
        )
    }

    /// The INSERT that belongs into the chunk's own transaction.
    pub(super) fn chunk_sql(&self, chunk: &Chunk, parts: &[PartRecord]) -> String {
        let rows: Vec<_> = (0..)
            .zip(parts)
            .map(|(part, p): (u32, _)| {
                format!(
                    "('{}', {}, {part}, {}, {}, {}, '{}', {})",
                    self.migration,
                    chunk.id,
                    p.digest.rows,
                    p.digest.bytes,
                    p.wire_bytes,
                    p.digest.to_hex(),
                    p.seconds
                )
            })
            .collect();
        format!(
            "INSERT INTO {} (migration, chunk, part, rows, bytes, wire_bytes, digest, seconds) VALUES {}",
            self.chunk_table(chunk.persistence),
            rows.join(", ")
        )
    }

    fn chunk_table(&self, persistence: Persistence) -> String {
        let table = match persistence {
            Persistence::Permanent => "chunk",
            Persistence::Unlogged => "chunk_unlogged",
        };
        format!("{}.{table}", self.sql_schema())
    }

    /// The INSERT that marks steps done, for the transaction that does them.
    pub(super) fn steps_sql(&self, steps: &[String]) -> String {
        let rows: Vec<_> = steps
            .iter()
            .map(|step| format!("('{}', {})", self.migration, quote_literal(step)))
            .collect();
        format!(
            "INSERT INTO {}.step (migration, step) VALUES {}",
            self.sql_schema(),
            rows.join(", ")
        )
    }

    /// The INSERT that marks a step whose effect is gone after a crash of the server, as the mark is.
    pub(super) fn unlogged_step_sql(&self, step: &str) -> String {
        format!(
            "INSERT INTO {}.step_unlogged (migration, step) VALUES ('{}', {}) ON CONFLICT DO NOTHING",
            self.sql_schema(),
            self.migration,
            quote_literal(step)
        )
    }

    /// Whether the steps are marked, all of them; not so where there are none.
    pub(super) fn are_done(&self, client: &mut Client, steps: &[String]) -> Result<bool, PgError> {
        if steps.is_empty() {
            return Ok(false);
        }
        let names: Vec<_> = steps.iter().map(|step| quote_literal(step)).collect();
        let sql = format!(
            "SELECT count(*) FROM {}.step WHERE migration = '{}' AND step IN ({})",
            self.sql_schema(),
            self.migration,
            names.join(", ")
        );
        let rows = client.query(&sql)?;
        let count = rows.first().and_then(|row| row.get(0));
        Ok(count == Some(&*steps.len().to_string()))
    }

    /// Marks a step done and runs its statements in one transaction, which is synchronously durable.
    /// The mark comes first: it waits for a dead recv's backend that is still at the same.
    pub fn once(&self, client: &mut Client, step: &str, sql: &str) -> Result<(), JournalError> {
        let mark = self.steps_sql(&[step.to_owned()]);
        let body = format!("BEGIN; SET LOCAL synchronous_commit = on; {mark}; {sql}; COMMIT");
        match client.execute(&body) {
            Ok(tag) if tag == "COMMIT" => Ok(()),
            Ok(_) => Err(JournalError::RolledBack {
                what: step.to_owned(),
            }),
            Err(error) => {
                let _ = client.execute("ROLLBACK");
                match self.are_done(client, &[step.to_owned()]) {
                    Ok(true) => Ok(()),
                    // An unusable connection has the first error as its cause.
                    Ok(false) | Err(_) => Err(JournalError::at(format!("do step {step:?}"), error)),
                }
            }
        }
    }
}

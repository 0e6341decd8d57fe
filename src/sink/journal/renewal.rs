//! The journal moves to another instant of the source, when the first snapshot is gone.

use std::collections::BTreeMap;

use super::{Contents, Journal, JournalError};
use crate::chunk::{ChunkId, Digest, Plan};
use crate::lsn::Lsn;
use crate::pg::{Client, PgError};
use crate::schema::{Table, quote_literal};
use crate::sink::existing::{self, Emptying};
use crate::sink::finish::DATA;
use crate::wire::message::{Moment, Offer};

const RENEW: &str = include_str!("renew.sql");
/// How long a session of a recv that died may take to end: it may be building an index.
const LOCK_LIMIT: &str = "10min";
/// What completes "cannot … on the target".
const BEGINNING_AGAIN: &str = "let tables begin again in the new snapshot";

/// What a migration was begun with, or was last renewed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    pub moment: Moment,
    pub plan_digest: u128,
    pub archive_digest: u128,
}

/// What a journal is to be after its renewal.
#[derive(Debug)]
pub struct Renewal<'a> {
    pub offer: &'a Offer,
    /// What the new snapshot was compared with.
    pub told: &'a BTreeMap<(ChunkId, u32), Digest>,
    pub plan: &'a Plan,
    /// Emptied, as they begin again.
    pub tables: &'a [&'a Table],
    /// Every chunk with a part of such a table.
    pub chunks: &'a [ChunkId],
}

impl Journal {
    /// What this migration was begun with.
    pub fn begun(&self, client: &mut Client) -> Result<Begun, JournalError> {
        let sql = format!(
            "SELECT snapshot_time, snapshot_lsn, plan_digest, archive_digest FROM {}.migration",
            self.sql_schema()
        );
        let rows = client.query(&sql).map_err(|e| self.failed(e))?;
        let row = rows.first().ok_or(JournalError::Plan)?;
        let digest = |column| {
            let text = row.text(column).map_err(|e| self.failed(e))?;
            u128::from_str_radix(text, 16).map_err(|_| JournalError::Plan)
        };
        let lsn: Lsn = row.parse(1).map_err(|e| self.failed(e))?;
        Ok(Begun {
            moment: Moment {
                time: row.text(0).map_err(|e| self.failed(e))?.to_owned(),
                lsn,
            },
            plan_digest: digest(2)?,
            archive_digest: digest(3)?,
        })
    }

    /// Reads everything once no session of an earlier recv can add to it: each that may still
    /// commit a chunk has a lock on the journal since its transaction began.
    pub fn read_at_rest(&self, client: &mut Client) -> Result<Contents, JournalError> {
        let read = self.lock(client).and_then(|()| self.read(client));
        let ended = client.execute("ROLLBACK");
        let contents = read?;
        ended.map_err(|e| self.failed(e))?;
        Ok(contents)
    }

    /// Empties the tables, forgets their chunks and moves to the offer's instant and plan, in one
    /// transaction, which is synchronously durable.
    ///
    /// It is sent in two messages: the second cannot come from a recv that has died meanwhile.
    pub fn renew(&self, client: &mut Client, renewal: &Renewal<'_>) -> Result<(), JournalError> {
        // Tables that were there before, or come with an extension, have triggers and keys already.
        let of_extensions = renewal.tables.iter().any(|t| t.condition.is_some());
        let as_replica = (renewal.offer.data_only || of_extensions) && {
            let may = existing::may_be_replica(client);
            may.map_err(|e| JournalError::at(BEGINNING_AGAIN, e))?
        };
        let renewed = self.try_renew(client, renewal, as_replica);
        if renewed.is_err() {
            let _ = client.execute("ROLLBACK");
        }
        renewed
    }

    fn try_renew(
        &self,
        client: &mut Client,
        renewal: &Renewal<'_>,
        as_replica: bool,
    ) -> Result<(), JournalError> {
        self.lock(client)?;
        let now = self.read(client)?;
        let told =
            |(key, record): (_, &super::PartRecord)| renewal.told.get(key) == Some(&record.digest);
        // Less than was told is what a crash of the server may leave.
        if now.steps.contains(DATA) || !now.parts.iter().all(told) {
            return Err(JournalError::Moved);
        }
        let emptying = self.emptying(client, renewal, &now)?;
        let emptying = format!("{}{emptying}", existing::hush(as_replica));
        let sql = self.renew_sql(renewal, &emptying);
        let renewed = client.execute(&sql);
        match renewed.map_err(|e| JournalError::at(BEGINNING_AGAIN, e))? {
            tag if tag == "COMMIT" => Ok(()),
            _ => Err(JournalError::RolledBack {
                what: "the new snapshot".into(),
            }),
        }
    }

    fn lock(&self, client: &mut Client) -> Result<(), JournalError> {
        let schema = self.sql_schema();
        let sql = format!(
            "BEGIN; SET LOCAL lock_timeout = '{LOCK_LIMIT}'; SET LOCAL synchronous_commit = on; \
             LOCK TABLE {schema}.migration, {schema}.chunk, {schema}.chunk_unlogged \
             IN ACCESS EXCLUSIVE MODE"
        );
        let locked: Result<_, PgError> = client.execute(&sql);
        locked.map(drop).map_err(|e| self.failed(e))
    }

    /// Tables that were there before are emptied only where nobody else's row is lost.
    fn emptying(
        &self,
        client: &mut Client,
        renewal: &Renewal<'_>,
        now: &Contents,
    ) -> Result<String, JournalError> {
        let failed = |e| JournalError::at(BEGINNING_AGAIN, e);
        if !renewal.offer.data_only {
            let compared = existing::of_extensions(client, renewal.plan);
            let unfit = compared.map_err(failed)?.unfit();
            let mut tables = renewal.tables.to_vec();
            tables.retain(|table| !unfit.contains(&table.name));
            return Ok(empty_sql(&tables));
        }
        let existing = self.existing(client)?;
        let is_meant = |table: &Table| renewal.tables.iter().any(|t| t.name == table.name);
        let judged = Emptying::judge(client, &existing, renewal.plan, now, &is_meant);
        let judged = judged.map_err(failed)?;
        if !judged.mixed.is_empty() {
            let names: Vec<_> = judged.mixed.iter().map(ToString::to_string).collect();
            let tables = names.join(", ");
            return Err(JournalError::Mixed { tables });
        }
        judged.sql(client).map_err(failed)
    }

    fn renew_sql(&self, renewal: &Renewal<'_>, emptying: &str) -> String {
        let ids: Vec<_> = renewal.chunks.iter().map(ToString::to_string).collect();
        let Offer { snapshot, plan, .. } = renewal.offer;
        let changes = RENEW
            .replace(":id", &quote_literal(&self.migration.to_string()))
            .replace(":chunks", &format!("'{{{}}}'", ids.join(",")))
            .replace(":again", &(!renewal.tables.is_empty()).to_string())
            .replace(":lsn", &quote_literal(&snapshot.lsn.to_string()))
            .replace(":plan", &format!("'{:032x}'", plan.digest))
            .replace(":schema", &self.sql_schema())
            .replace(":time", &quote_literal(&snapshot.time));
        format!("{emptying}{changes} COMMIT")
    }
}

/// An extension's table keeps the rows that are not moved.
fn empty_sql(tables: &[&Table]) -> String {
    let (of_extensions, others): (Vec<&Table>, Vec<&Table>) =
        tables.iter().partition(|table| table.condition.is_some());
    let deletes = of_extensions.iter().map(|table| table.delete_sql() + "; ");
    truncate_sql(&others) + &deletes.collect::<String>()
}

/// One statement for all, each by its own name: others may inherit from it, and an ancestor that rows are
/// written through may have foreign partitions, which TRUNCATE would empty where they are.
fn truncate_sql(tables: &[&Table]) -> String {
    // Large objects go by the journal, once this is committed.
    let tables = tables.iter().filter(|table| !table.is_large_objects());
    let mut targets: Vec<_> = tables
        .map(|table| format!("ONLY {}", table.sql_name()))
        .collect();
    targets.sort_unstable();
    targets.dedup();
    if targets.is_empty() {
        return String::new();
    }
    format!("TRUNCATE {}; ", targets.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::table;

    #[test]
    fn an_extensions_table_keeps_what_is_not_moved() {
        let of_extension = Table {
            condition: Some("WHERE NOT shipped".into()),
            ..table(2, 1)
        };
        let whole = Table {
            condition: Some(String::new()),
            ..table(3, 1)
        };
        assert_eq!(
            empty_sql(&[&table(1, 1), &of_extension, &whole]),
            "TRUNCATE ONLY \"public\".\"t1\"; \
             DELETE FROM ONLY \"public\".\"t2\" WHERE NOT shipped; DELETE FROM ONLY \"public\".\"t3\"; "
        );
    }
}

//! Takes back rows that a migration has written into tables which it has not made: only where they
//! had none before it, and hold as many now as it wrote.

use std::collections::BTreeMap;

use super::Existing;
use super::acting::{LOCALLY_REPLICA, hush, may_be_replica};
use crate::chunk::{Plan, TableIndex};
use crate::pg::{Client, PgError};
use crate::schema::{QualifiedName, Table, quote_literal};
use crate::sink::journal::{Contents, Journal, JournalError};

/// Whether another table's foreign key keeps TRUNCATE from these.
const REFERENCED: &str = "SELECT EXISTS (SELECT FROM pg_constraint
    WHERE contype = 'f' AND confrelid = ANY (:targets::regclass[]) AND conrelid <> ALL (:targets::regclass[]))";

/// What may be emptied, and what may not.
#[derive(Debug, Default)]
pub struct Emptying {
    /// As in SQL, for TRUNCATE and for regclass.
    ours: Vec<(String, String)>,
    /// Their rows cannot be told apart from others'.
    pub mixed: Vec<QualifiedName>,
}

impl Emptying {
    /// Judges what rows of these tables of the plan were written to, within a transaction: what may
    /// be emptied is locked.
    pub fn judge(
        client: &mut Client,
        existing: &[Existing],
        plan: &Plan,
        contents: &Contents,
        is_meant: &dyn Fn(&Table) -> bool,
    ) -> Result<Self, PgError> {
        let had_rows: BTreeMap<_, _> = existing.iter().map(|e| (&e.name, e.had_rows)).collect();
        let written = written(plan, contents);
        let mut targets = BTreeMap::new();
        let meant = plan.tables.iter().filter(|table| is_meant(table));
        for table in meant.filter(|table| !table.is_large_objects()) {
            targets.entry(table.target()).or_insert(table);
        }
        let mut emptying = Self::default();
        for (name, table) in targets {
            let rows = written.get(name).copied().unwrap_or_default();
            if rows > 0 {
                let had_rows = had_rows.get(name).is_none_or(|&had_rows| had_rows);
                emptying.take(client, table, rows, had_rows)?;
            }
        }
        Ok(emptying)
    }

    fn take(
        &mut self,
        client: &mut Client,
        table: &Table,
        rows: u64,
        had_rows: bool,
    ) -> Result<(), PgError> {
        if had_rows {
            self.mixed.push(table.target().clone());
            return Ok(());
        }
        let alone = table.sql_alone();
        client.execute(&format!("LOCK TABLE {alone} IN ACCESS EXCLUSIVE MODE"))?;
        let found = client.query(&format!("SELECT count(*) FROM {alone}"))?;
        match found[0].parse::<u64>(0)? {
            0 => {}
            count if count == rows => self.ours.push((alone, table.sql_target())),
            _ => self.mixed.push(table.target().clone()),
        }
        Ok(())
    }

    /// All rows stay where they are.
    pub fn of_none(existing: Vec<Existing>) -> Self {
        Self {
            ours: Vec::new(),
            mixed: existing.into_iter().map(|table| table.name).collect(),
        }
    }

    /// How many tables are emptied.
    pub fn count(&self) -> usize {
        self.ours.len()
    }

    /// The statements that empty them, for the transaction that judged them. Where a foreign key of
    /// others leads here their rows stay as they are, whatever it says of DELETE: this needs a role
    /// that may keep triggers from acting.
    pub fn sql(&self, client: &mut Client) -> Result<String, PgError> {
        if self.ours.is_empty() {
            return Ok(String::new());
        }
        let names: Vec<_> = self.ours.iter().map(|(_, n)| quote_literal(n)).collect();
        let targets = format!("ARRAY[{}]", names.join(", "));
        let referenced = client.query(&REFERENCED.replace(":targets", &targets))?;
        let alone = self.ours.iter().map(|(alone, _)| alone.as_str());
        if !referenced[0].bool(0)? {
            let alone: Vec<_> = alone.collect();
            return Ok(format!("TRUNCATE {}; ", alone.join(", ")));
        }
        let deletes = alone.map(|table| format!("DELETE FROM {table}; "));
        Ok(format!("{LOCALLY_REPLICA}{}", deletes.collect::<String>()))
    }
}

/// How many rows the journal has as written to each target.
fn written<'a>(plan: &'a Plan, contents: &Contents) -> BTreeMap<&'a QualifiedName, u64> {
    let mut written = BTreeMap::new();
    for (&(chunk, part), record) in &contents.parts {
        let part = plan.chunk(chunk).and_then(|c| c.parts.get(part as usize));
        let index = part.map_or(TableIndex(u32::MAX), |part| part.table);
        if let Some(table) = plan.tables.get(index.0 as usize) {
            *written.entry(table.target()).or_default() += record.digest.rows;
        }
    }
    written
}

/// Empties all that may be, in a transaction of its own; how many tables, and those that are left.
pub fn take_back(
    client: &mut Client,
    journal: &Journal,
    plan: &Plan,
) -> Result<Emptying, JournalError> {
    let existing = journal.existing(client)?;
    let contents = journal.read(client)?;
    let run = |client: &mut Client| {
        let hush = hush(may_be_replica(client)?);
        client.execute("BEGIN")?;
        let emptying = Emptying::judge(client, &existing, plan, &contents, &|_| true)?;
        let sql = emptying.sql(client)?;
        client.execute(&format!("{hush}{sql}COMMIT"))?;
        Ok(emptying)
    };
    run(client).map_err(|error| {
        // After a lost connection there is nothing to roll back.
        let _ = client.execute("ROLLBACK");
        JournalError::at("take back the rows", error)
    })
}

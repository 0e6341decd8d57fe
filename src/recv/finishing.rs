//! The end on the target: sequences, statistics, report, and nothing of ours left behind.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;

use uuid::Uuid;

use super::migration::Migration;
use super::record::{Finished, Record};
use super::{Options, RecvError};
use crate::chunk::Digest;
use crate::pg::{Client, ConnInfo};
use crate::report::{
    Display, Ending, ObjectError, Report, SideReport, SideStats, SnapshotPoint, TableReport,
    Verified,
};
use crate::runtime::lock;
use crate::schema::{Format, Table};
use crate::sink::finish::Setting;
use crate::sink::journal::{Contents, Journal, JournalError};
use crate::sink::{database, finish, properties};
use crate::state::StateDir;
use crate::wire::Role;
use crate::wire::message::Tail;

/// Often set on the source for no other reason than its own migration.
const READ_ONLY: &str = "the target is read-only by default, as the source is: \
    ALTER DATABASE … RESET default_transaction_read_only ends that";

/// Everything that the end needs; it runs without the link, and blocks.
pub(super) struct Finishing {
    pub(super) options: Options,
    pub(super) info: ConnInfo,
    pub(super) display: Display,
    pub(super) state: Arc<StateDir>,
    pub(super) record: Record,
    pub(super) migration: Migration,
    pub(super) tail: Tail,
}

impl Finishing {
    /// Finishes the target, records the report, and drops the journal, in this order: a crash
    /// between the last two leaves a journal that the next start drops.
    pub(super) fn run(mut self) -> Result<Record, RecvError> {
        let mut client = database::connect(&self.info, &self.options.application_name())?;
        self.complete(&mut client)?;
        let report = self.report(&self.find(&mut client)?);
        self.record.finished = Some(Finished {
            exit: self.ending(&report).code(),
            report: report.to_json(),
            acknowledged: false,
        });
        self.record.save(&self.state)?;
        let journal = &self.migration.journal;
        self.display.meter.phase("end of the journal");
        match self.options.keep_journal {
            true => journal.wake(&mut client)?,
            false => journal.drop(&mut client)?,
        }
        self.display.meter.end_phase();
        Ok(self.record)
    }

    /// What comes last, each once. All of it by one session: had the server crashed since that found
    /// every entry, it would have ended too, and its synchronous commits make them durable.
    fn complete(&self, client: &mut Client) -> Result<(), RecvError> {
        let journal = &self.migration.journal;
        let found = self.find(client)?;
        let steps = &found.steps;
        self.display.meter.phase("sequences");
        let (sequences, setting) = (&self.tail.sequences, self.setting(client)?);
        finish::set_sequences(client, journal, &found, sequences, setting)?;
        self.display.meter.phase("statistics");
        if !finish::is_analyzed(steps) {
            self.analyze(client)?;
            finish::end_analyze(client, journal)?;
        }
        let offer = &self.migration.offer;
        if let Some(database) = &offer.database {
            properties::apply(client, journal, steps, database, offer.omit)?;
            if database.is_read_only() {
                (self.display.say_of_server)(READ_ONLY);
            }
        }
        self.display.meter.end_phase();
        Ok(())
    }

    /// The journal, if it has every entry that was restored.
    fn find(&self, client: &mut Client) -> Result<Contents, RecvError> {
        let Migration {
            entries, journal, ..
        } = &self.migration;
        entries.find(journal, client)?.ok_or(RecvError::TakenBack)
    }

    /// ANALYZE of every table, as many at a time as index builds. A stop waits for no more than
    /// those that have begun.
    fn analyze(&self, client: &mut Client) -> Result<(), RecvError> {
        let tables = self.tables_to_analyze(client)?;
        let tables = Mutex::new(tables.into_iter());
        let work = || -> Result<(), RecvError> {
            let mut client = database::connect(&self.info, &self.options.application_name())?;
            finish::begin_analyze(&mut client)?;
            loop {
                let Some(table) = lock(&tables).next() else {
                    return Ok(());
                };
                if *self.display.stop.borrow() {
                    return Err(RecvError::Stopped);
                }
                finish::analyze(&mut client, &self.migration.journal, &table)?;
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.options.index_jobs.max(1))
                .map(|_| scope.spawn(work))
                .collect();
            let mut joined = threads.into_iter().map(ScopedJoinHandle::join);
            // A panic goes on here and is told by whoever runs this.
            joined.try_for_each(|ended| ended.unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// What is not of this migration is left as it is.
    fn tables_to_analyze(&self, client: &mut Client) -> Result<Vec<String>, RecvError> {
        let Migration {
            journal,
            plan,
            offer,
            ..
        } = &self.migration;
        let views = offer.refresh.iter().map(|refresh| &refresh.view);
        let written = plan.tables.iter().map(Table::target).chain(views);
        let loaded = finish::loaded(client, written)?;
        let mut tables = finish::tables_to_analyze(client, journal)?;
        tables.retain(|table| loaded.contains(table));
        Ok(tables)
    }

    fn setting(&self, client: &mut Client) -> Result<Setting, RecvError> {
        if !self.migration.offer.data_only {
            return Ok(Setting::Made);
        }
        let existing = self.migration.journal.existing(client)?;
        Ok(match existing.iter().any(|table| table.had_rows) {
            true => Setting::Forward,
            false => Setting::Existing,
        })
    }

    fn ending(&self, report: &Report) -> Ending {
        if !report.errors.is_empty() {
            Ending::ObjectsMissing
        } else if report.source_changed && !self.tail.allow_changes {
            Ending::SourceChanged
        } else {
            Ending::Complete
        }
    }

    fn report(&self, contents: &Contents) -> Report {
        let migration = &self.migration;
        let snapshot = &migration.offer.snapshot;
        let point = SnapshotPoint {
            time: snapshot.time.clone(),
            lsn: snapshot.lsn.to_string(),
        };
        let source = &migration.greet.source.display;
        let mut report = Report::new(
            &self.options.migration,
            source,
            self.info.to_string(),
            point,
        );
        let meter = &self.display.meter;
        let mut ours = SideReport::new(Role::Recv, SideStats::measure(0, meter.latencies()));
        ours.tables = tables(migration, contents);
        ours.phases = meter.phases();
        ours.errors = errors(contents);
        ours.errors.extend(lost(migration, contents));
        report.absorb(ours);
        if let Ok(theirs) = serde_json::from_str::<SideReport>(&self.tail.stats) {
            report.absorb(theirs);
        }
        report.totals.seconds = meter.elapsed().as_secs_f64();
        report.verified = match migration.plan.chunks.is_empty() {
            true => Verified::No,
            false => Verified::Stream,
        };
        report.source_changed = !self.tail.changed.is_empty();
        report
    }
}

/// Drops the journal of a migration that was recorded as finished by a process that died, or lost
/// its server, before it came to that.
pub(super) fn sweep(client: &mut Client, options: &Options, id: Uuid) -> Result<(), JournalError> {
    let journal = Journal::new(&options.journal_schema, id);
    match journal.exists(client) {
        Ok(true) if !options.keep_journal => journal.drop(client),
        // By now the schema may serve another migration.
        Ok(_) | Err(JournalError::Other { .. } | JournalError::Foreign { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sums the journal's parts up by table, in the plan's order of tables.
fn tables(migration: &Migration, contents: &Contents) -> Vec<TableReport> {
    let plan = &migration.plan;
    let mut tables: BTreeMap<u32, (TableReport, Digest)> = BTreeMap::new();
    for chunk in &plan.chunks {
        for (number, part) in (0..).zip(&chunk.parts) {
            let Some(record) = contents.parts.get(&(chunk.id, number)) else {
                continue;
            };
            let (table, digest) = tables.entry(part.table.0).or_default();
            *digest += record.digest;
            table.wire_bytes += record.wire_bytes;
            table.chunks += 1;
            table.seconds += record.seconds;
        }
    }
    tables
        .into_iter()
        .map(|(index, (mut table, digest))| {
            let planned = &plan.tables[index as usize];
            table.name = planned.name.to_string();
            table.rows = digest.rows;
            table.raw_bytes = digest.bytes;
            table.digest = digest.to_hex();
            table.format = match planned.format {
                Format::Binary => "binary".into(),
                Format::Text => "text".into(),
            };
            table
        })
        .collect()
}

/// Tables whose rows are not all there although the data phase has ended: unlogged ones, which the
/// server emptied, together with their journal rows, when it crashed since.
fn lost(migration: &Migration, contents: &Contents) -> Vec<ObjectError> {
    let plan = &migration.plan;
    let missing = plan.chunks.iter().flat_map(|chunk| {
        let parts = (0..).zip(&chunk.parts);
        parts.filter(|(number, _)| !contents.parts.contains_key(&(chunk.id, *number)))
    });
    let mut tables: Vec<_> = missing.map(|(_, part)| part.table.0).collect();
    tables.sort_unstable();
    tables.dedup();
    let error = |table: u32| ObjectError {
        object: format!("TABLE {}", plan.tables[table as usize].name),
        message: "emptied by a crash of the target server; copy its rows again".into(),
        ..ObjectError::default()
    };
    tables.into_iter().map(error).collect()
}

fn errors(contents: &Contents) -> Vec<ObjectError> {
    let errors = contents.errors.iter().map(|e| ObjectError {
        object: e.object.clone(),
        statement: (!e.statement.is_empty()).then(|| e.statement.clone()),
        message: e.message.clone(),
        sqlstate: (!e.sqlstate.is_empty()).then(|| e.sqlstate.clone()),
    });
    errors.collect()
}

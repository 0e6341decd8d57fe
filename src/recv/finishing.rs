//! The end on the target: sequences, statistics, report, and nothing of ours left behind.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::task::spawn_blocking;

use super::migration::{Finished, Migration, Record};
use super::session::Context;
use super::{Options, RecvError};
use crate::pg::{Client, ConnInfo};
use crate::report::{
    Display, Ending, ObjectError, Report, SideReport, SideStats, SnapshotPoint, TableReport,
    Verified,
};
use crate::schema::Format;
use crate::sink::journal::Contents;
use crate::sink::{database, finish};
use crate::wire::Role;
use crate::wire::message::Tail;

/// Everything that the end needs; it runs without the link.
pub(super) struct Finishing<'a> {
    context: &'a mut Context,
    tail: Tail,
}

impl<'a> Finishing<'a> {
    pub(super) fn new(context: &'a mut Context, tail: Tail) -> Self {
        Self { context, tail }
    }

    /// Finishes the target, records the report, and drops the journal, in this order: a crash
    /// between the last two leaves a journal that the next start drops.
    pub(super) async fn run(self) -> Result<Finished, RecvError> {
        let context = self.context;
        let migration = context.migration.take().expect("installed");
        let end = End {
            options: context.options.clone(),
            info: context.info.clone(),
            display: context.display.clone(),
            tail: self.tail,
        };
        let state = std::sync::Arc::clone(&context.state);
        let mut record = context.record.clone();
        let finished = spawn_blocking(move || end.run(&migration, &mut record, &state)).await;
        finished.map_err(|e| RecvError::Worker(e.to_string()))?
    }
}

struct End {
    options: Options,
    info: ConnInfo,
    display: Display,
    tail: Tail,
}

impl End {
    fn run(
        &self,
        migration: &Migration,
        record: &mut Record,
        state: &crate::state::StateDir,
    ) -> Result<Finished, RecvError> {
        let journal = &migration.journal;
        let mut client = database::connect(&self.info, &self.options.application_name())?;
        let steps = journal.read(&mut client)?.steps;
        self.display.meter.phase("sequences");
        finish::set_sequences(&mut client, journal, &steps, &self.tail.sequences)?;
        self.display.meter.phase("statistics");
        if !finish::is_analyzed(&steps) {
            self.analyze(migration, &mut client)?;
            finish::end_analyze(&mut client, journal)?;
        }
        self.display.meter.end_phase();
        let report = self.report(migration, &journal.read(&mut client)?);
        let finished = Finished {
            exit: self.ending(&report).code(),
            report: report.to_json(),
            acknowledged: false,
        };
        record.finished = Some(finished.clone());
        record.save(state)?;
        if !self.options.keep_journal {
            journal.drop(&mut client)?;
        }
        Ok(finished)
    }

    /// ANALYZE of every table, as many at a time as index builds.
    fn analyze(&self, migration: &Migration, client: &mut Client) -> Result<(), RecvError> {
        let tables = Mutex::new(finish::tables_to_analyze(client, &migration.journal)?.into_iter());
        let next = || {
            tables
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .next()
        };
        let work = || -> Result<(), RecvError> {
            let mut client = database::connect(&self.info, &self.options.application_name())?;
            while let Some(table) = next() {
                finish::analyze(&mut client, &table)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.options.index_jobs.max(1))
                .map(|_| scope.spawn(work))
                .collect();
            threads.into_iter().try_for_each(|t| {
                t.join()
                    .unwrap_or_else(|_| Err(RecvError::Worker("analyze".into())))
            })
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

    fn report(&self, migration: &Migration, contents: &Contents) -> Report {
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
        report.absorb(ours);
        if let Ok(theirs) = serde_json::from_str::<SideReport>(&self.tail.stats) {
            report.absorb(theirs);
        }
        report.totals.seconds = meter.elapsed().as_secs_f64();
        report.verified = Verified::Stream;
        report.source_changed = !self.tail.changed.is_empty();
        report
    }
}

/// Sums the journal's parts up by table, in the plan's order of tables.
fn tables(migration: &Migration, contents: &Contents) -> Vec<TableReport> {
    let plan = &migration.plan;
    let mut tables: BTreeMap<u32, (TableReport, crate::chunk::Digest)> = BTreeMap::new();
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

fn errors(contents: &Contents) -> Vec<ObjectError> {
    let errors = contents.errors.iter().map(|e| ObjectError {
        object: e.object.clone(),
        statement: (!e.statement.is_empty()).then(|| e.statement.clone()),
        message: e.message.clone(),
        sqlstate: (!e.sqlstate.is_empty()).then(|| e.sqlstate.clone()),
    });
    errors.collect()
}

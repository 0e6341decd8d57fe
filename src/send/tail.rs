//! After the data: what is read last, recv's way to the end, and the report.

use std::sync::Arc;

use super::SendError;
use super::record::Finished;
use super::session::{Break, Context, Ended, Talk};
use crate::pg::session as pg_session;
use crate::report::{Ending, Meter, ObjectError, Outcome, Report, SideReport, SideStats, one_line};
use crate::runtime::blocking;
use crate::source::keeper::Keeper;
use crate::source::tail;
use crate::wire::Role;
use crate::wire::message::{Tail, ToRecv, ToSend};

/// Sequences and signs of writes; then nothing is needed of the snapshot any more.
pub(super) async fn read(context: &mut Context, talk: &Talk) -> Result<Tail, Break> {
    let keeper = context.keeper.take();
    let (info, name) = (context.info.clone(), context.options.application_name());
    let before = context.record.prepared.as_ref().map(|p| p.baseline.clone());
    let allow_changes = context.options.allow_changes;
    let shares_process = context.options.shares_process;
    let udp_bytes = talk.connection().stats().udp_tx_bytes;
    let meter = Arc::clone(&context.display.meter);
    let reading = blocking(move || {
        let mut client = pg_session::open(&info, &name, "UTF8")?;
        let sequences = tail::sequences(&mut client)?;
        let now = tail::baseline(&mut client)?;
        let changed = before.map(|before| tail::changed(&before, &now));
        let left_behind = tail::left_behind(&mut client)?;
        if let Some(Err(error)) = keeper.map(Keeper::release) {
            // All rows are durable: a keeper that has gone already costs nothing.
            tracing::warn!(error = one_line(&error), "the keeper was not released");
        }
        Ok::<_, SendError>(Tail {
            sequences,
            changed: changed.unwrap_or_default(),
            allow_changes,
            stats: stats(&meter, udp_bytes, shares_process, left_behind),
        })
    });
    Ok(talk.unless_stopped(reading).await??)
}

/// Our own figures for the report, as JSON.
fn stats(
    meter: &Meter,
    udp_bytes: u64,
    shares_process: bool,
    left_behind: Vec<ObjectError>,
) -> String {
    let mut measured = SideStats::measure(udp_bytes, meter.latencies());
    if shares_process {
        measured.cpu_seconds = 0.0;
    }
    let mut side = SideReport::new(Role::Send, measured);
    side.phases = meter.phases();
    side.errors = left_behind;
    serde_json::to_string(&side).expect("plain data serialises")
}

/// Shows how recv restores the rest, until it has finished.
pub(super) async fn follow(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    context.display.meter.phase("indexes and keys");
    loop {
        match talk.hear().await? {
            ToSend::Progress { phase, done, total } => {
                let meter = &context.display.meter;
                meter.phase(&phase);
                meter.index_total(total);
                meter.index_at(done);
            }
            ToSend::Finished { report, exit } => return finish(context, talk, report, exit).await,
            _ => return Err(SendError::Protocol("expected Finished").into()),
        }
    }
}

/// The report is here: remembered, acknowledged, done.
pub(super) async fn finish(
    context: &mut Context,
    talk: &mut Talk,
    report: String,
    exit: u8,
) -> Result<Ended, Break> {
    context.display.meter.end_phase();
    let ending = Ending::from_code(exit).ok_or(SendError::Protocol("an unknown ending"))?;
    let parsed: Option<Report> = serde_json::from_str(&report).ok();
    context.record.finished = Some(Finished { report, exit });
    context.record.save(&context.state)?;
    if talk.say(&ToRecv::Bye).await.is_err() {
        tracing::info!("recv does not know that its report has arrived");
    }
    Ok(Ended::Finished(Box::new(Outcome {
        ending,
        report: parsed,
    })))
}

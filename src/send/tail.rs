//! After the data: what is read last, recv's way to the end, and the report.

use std::sync::Arc;

use super::record::Finished;
use super::session::{Break, Context, Ended, Talk};
use super::{SendError, release_keeper};
use crate::report::{
    Ending, Meter, ObjectError, Outcome, Report, SideReport, SideStats, Skipped, one_line,
};
use crate::runtime::blocking;
use crate::source::{changes, choice, privileges, tail};
use crate::wire::Role;
use crate::wire::message::{Tail, ToRecv, ToSend};

/// Ends the keeper: all rows are durable, nothing is needed of the snapshot any more. One that no
/// send has recorded, as it died before that, ends too.
pub(super) async fn let_go(context: &mut Context, talk: &Talk) -> Result<(), Break> {
    context.keeper = None;
    let state = Arc::clone(&context.state);
    let releasing = blocking::<_, SendError>(move || Ok(release_keeper(state.path())));
    if let Err(error) = talk.unless_stopped(releasing).await?? {
        tracing::warn!(error = one_line(&error), "the keeper was not released");
    }
    Ok(())
}

/// Shows how recv restores the rest, tells what is read last when it asks, until it has finished.
pub(super) async fn follow(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    let meter = Arc::clone(&context.display.meter);
    meter.phase("indexes and keys");
    loop {
        match talk.hear().await? {
            ToSend::Progress { done, total, .. } => {
                meter.index_total(total);
                meter.index_at(done);
            }
            ToSend::HeldUp { by } => context.show_held_up(by),
            ToSend::Restored => {
                let last = read(context, talk).await?;
                tell_changes(context, &last);
                talk.say(&ToRecv::Tail(last)).await?;
            }
            ToSend::Finished { report, exit } => return finish(context, talk, report, exit).await,
            _ => return Err(SendError::Protocol("expected Finished").into()),
        }
    }
}

/// Sequences and signs of writes, as late as can be: what comes after is not seen.
async fn read(context: &Context, talk: &Talk) -> Result<Tail, Break> {
    let (info, options) = (context.info.clone(), context.options.clone());
    let prepared = context.record.prepared.as_ref();
    let before = prepared.map(|p| (p.baseline.clone(), p.offer.snapshot.time.clone()));
    let mut left_behind = prepared.map_or_else(Vec::new, |p| p.left_behind.clone());
    let skipped = prepared.map_or_else(Vec::new, |p| p.left_out.clone());
    let selection = context.record.selection.clone();
    let content = context.record.terms.content;
    let has_rows = content.has_rows();
    let allow_changes = context.options.allow_changes;
    let shares_process = context.options.shares_process;
    let udp_bytes = talk.connection().stats().udp_tx_bytes;
    let meter = Arc::clone(&context.display.meter);
    let reading = blocking(move || {
        let mut client = options.open_session(&info)?;
        let choice = choice::choose(&mut client, &selection)?;
        let sequences = match has_rows {
            true => tail::sequences(&mut client, &choice)?,
            false => Vec::new(),
        };
        left_behind.extend(privileges::hidden(&mut client, &selection, content)?);
        let changed = match &before {
            Some((before, _)) if !has_rows => changes::new_or_gone(&mut client, before, &choice)?,
            Some((before, instant)) => {
                changes::changed(&mut client, before, instant, &sequences, &choice)?
            }
            None => Vec::new(),
        };
        Ok::<_, SendError>(Tail {
            sequences,
            changed,
            allow_changes,
            stats: stats(&meter, udp_bytes, shares_process, left_behind, skipped),
        })
    });
    Ok(talk.unless_stopped(reading).await??)
}

/// Says what has changed: the report only says that something has.
fn tell_changes(context: &Context, last: &Tail) {
    if let Some(prepared) = &context.record.prepared
        && let Some(line) = last.changes(&prepared.offer.snapshot)
    {
        (context.display.say)(&line);
    }
}

/// Our own figures for the report, as JSON.
fn stats(
    meter: &Meter,
    udp_bytes: u64,
    shares_process: bool,
    left_behind: Vec<ObjectError>,
    skipped: Vec<Skipped>,
) -> String {
    let mut measured = SideStats::measure(udp_bytes, meter.latencies());
    if shares_process {
        measured.cpu_seconds = 0.0;
    }
    let mut side = SideReport::new(Role::Send, measured);
    side.phases = meter.phases();
    side.errors = left_behind;
    side.skipped = skipped;
    serde_json::to_string(&side).expect("plain data serialises")
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

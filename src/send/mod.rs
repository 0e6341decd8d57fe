//! `pgpipe send`: reads the source in one snapshot and sends it, until the journal on the other
//! side says that all of it is there.

mod adapting;
mod course;
mod data;
mod error;
mod files;
mod greeting;
pub mod idle;
mod inspecting;
mod objects;
mod offering;
mod options;
mod outbox;
mod outgoing;
mod prepare;
mod proof;
mod record;
mod renewal;
mod session;
mod tail;
mod taking;
mod terms;
mod watching;
mod worker;

use std::sync::Arc;
use std::time::Duration;

pub use error::SendError;
use inspecting::{Inspected, inspect};
pub use options::{Compress, OnLostSnapshot, Options, Sharing};
use record::Record;
use session::{Context, Ended};
pub use terms::{Formats, Terms};

use crate::control;
use crate::report::{Display, Ending, Outcome};
use crate::runtime::{Budget, Panicked};
use crate::source::keeper::{Keeper, KeeperError};
use crate::state::{Aborted, StateDir};
use crate::transport::Limits;
use crate::transport::peering::{Code, Limit, Peering};
use crate::wire::Role;
use crate::wire::message::SourceInfo;

/// How long send tries to reach recv by default where no snapshot is at stake.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);
/// Between two connections at least: a peer that ends each at once must not make us spin.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs send until the migration is finished, stopped or failed.
pub async fn run(mut options: Options, display: Display) -> Result<Outcome, SendError> {
    let state = open_state(&options, &display)?;
    let _control = control::serve(state.path(), Role::Send, &display);
    let record = Record::load(&state)?;
    if let Some(outcome) = record.as_ref().and_then(finished) {
        let name = &options.migration;
        (display.say)(&format!("migration {name}: finished; nothing to do"));
        return Ok(outcome);
    }
    if Aborted::load(&state)?.is_some() {
        let migration = options.migration;
        return Err(SendError::AbortedBefore { migration });
    }
    options.settle_snapshot(record.as_ref().map(|record| record.sharing), &display);
    let (record, source) = begin(record, &state, &mut options, &display).await?;
    let budget = options.budget();
    if let Some(reason) = &budget.reduced {
        (display.say)(reason);
    }
    let Some(peering) = open(&state, &options, &budget, &display).await? else {
        return stopped_early(&display);
    };
    let context = Context::new(options, source, state, record, budget, display);
    Box::pin(sessions(context, peering)).await
}

fn open_state(options: &Options, display: &Display) -> Result<Arc<StateDir>, SendError> {
    let (root, migration) = (&options.state, &options.migration);
    let opened = StateDir::open(root, migration, Role::Send);
    let is_new = || !StateDir::has(root, migration, Role::Send, record::FILE);
    let state = opened.map_err(|error| SendError::from(error).at_the_start(is_new()))?;
    if let Some(doubt) = state.doubt() {
        (display.say)(doubt);
    }
    Ok(Arc::new(state))
}

/// Looks at the source and writes down what this migration is; what an earlier start selected
/// goes into the options.
async fn begin(
    record: Option<Record>,
    state: &StateDir,
    options: &mut Options,
    display: &Display,
) -> Result<(Record, Inspected), SendError> {
    let is_new = record.is_none();
    let is_unprepared = record.as_ref().is_none_or(|r| r.prepared.is_none());
    let inspected = inspect(options, is_unprepared).await;
    let inspected = inspected.map_err(|error| error.at_the_start(is_new))?;
    for object in inspected.hidden.iter().filter(|_| is_new) {
        let (what, why) = (&object.object, &object.message);
        (display.say)(&format!("will be skipped: {what}: {why}"));
    }
    let mut record = own(record, &inspected.source, options)?;
    record.sharing = options.snapshot;
    let saved = record.save(state);
    saved.map_err(|error| SendError::from(error).at_the_start(is_new))?;
    options.selection = record.selection.clone();
    options.terms = record.terms.clone();
    Ok((record, inspected))
}

/// What an earlier run was told at its end, if it came to it.
fn finished(record: &Record) -> Option<Outcome> {
    let finished = record.finished.as_ref()?;
    Some(Outcome {
        ending: Ending::Complete,
        report: serde_json::from_str(&finished.report).ok(),
    })
}

/// The migration's record: the one that is there, if it is of this source, selection and terms, or a new
/// one.
fn own(
    record: Option<Record>,
    source: &SourceInfo,
    options: &Options,
) -> Result<Record, SendError> {
    match record {
        Some(record) if !record.is_of(source) => Err(SendError::OtherSource {
            migration: options.migration.clone(),
            database: record.database,
        }),
        Some(record) => gone_on_with(record, options),
        None => Ok(Record::new(source, options)),
    }
}

fn gone_on_with(record: Record, options: &Options) -> Result<Record, SendError> {
    let selection = options.selection.goes_on_with(&record.selection);
    let terms = options.terms.go_on_with(&record.terms);
    match (selection, terms) {
        (true, true) => Ok(record),
        // Nothing was made by them: an error that they led to is mended by others.
        _ if record.prepared.is_none() => Ok(Record {
            selection: options.selection.clone(),
            terms: options.terms.clone(),
            ..record
        }),
        (false, _) => Err(SendError::OtherSelection {
            migration: options.migration.clone(),
            selection: record.selection.to_string(),
        }),
        (true, false) => Err(SendError::OtherTerms {
            migration: options.migration.clone(),
            terms: record.terms.to_string(),
        }),
    }
}

/// `None` where the user wants to stop before there is a code. A prompt is waited for: it alone can
/// give the terminal back.
async fn open(
    state: &Arc<StateDir>,
    options: &Options,
    budget: &Budget,
    display: &Display,
) -> Result<Option<Peering>, SendError> {
    let (mut stop, prompts) = (display.stop.clone(), matches!(options.code, Code::Ask(_)));
    // A prompt shows itself what is waited for; a bar would be drawn over it.
    if let Code::File { path, .. } = &options.code {
        let what = format!("the pairing code in {}", path.display());
        display.meter.waiting_for(Some(what));
    }
    let peering = Peering::open(
        state,
        Role::Send,
        &options.link,
        options.code.clone(),
        limits(budget),
        Arc::clone(&display.say),
    );
    let peering = tokio::select! {
        biased;
        _ = stop.wait_for(|&stop| stop), if !prompts => None,
        peering = peering => Some(peering),
    };
    display.meter.waiting_for(None);
    Ok(peering.transpose()?)
}

fn stopped_early(display: &Display) -> Result<Outcome, SendError> {
    match display.wish.aborted_by() {
        Some(by) => Err(SendError::Aborted {
            by: by.to_owned(),
            told: false,
        }),
        None => Ok(stopped()),
    }
}

/// One connection after the other until the migration ends.
async fn sessions(mut context: Context, mut peering: Peering) -> Result<Outcome, SendError> {
    let ended = loop {
        match one_session(&mut context, &mut peering).await {
            Ok(Ended::Finished(outcome)) => break Ok(*outcome),
            Ok(Ended::Stopped) if context.display.wish.aborted_by().is_some() => {
                break Err(context.aborted(false));
            }
            Ok(Ended::Stopped) => break Ok(stopped()),
            Ok(Ended::SnapshotLost(why)) => {
                (context.display.say)(&format!("{why}; taking a new one to go on in"));
                if let Err(error) = context.let_snapshot_go().await {
                    break Err(error);
                }
            }
            Ok(Ended::Lost(error)) => {
                tracing::warn!(%error, "connection lost");
                let line = format!("connection to recv lost ({error}); trying again");
                (context.display.say)(&line);
            }
            Err(error) => break Err(error),
        }
        let mut stop = context.display.stop.clone();
        let stopping = stop.wait_for(|&stop| stop);
        // Both ways lead on: the next session sees the user's wish itself.
        let _ = tokio::time::timeout(PAUSE, stopping).await;
    };
    end_moving(&mut context).await?;
    std::mem::take(&mut context.preparing)
        .abandon(&context.state)
        .await;
    if let Err(error) = &ended {
        context.release_useless_snapshot(error).await;
    }
    if context.options.snapshot.is_single() {
        context.end_only_session().await;
    }
    peering.shutdown().await;
    if let Err(SendError::Aborted { by, told }) = &ended {
        let now = context.display.meter.snapshot();
        let chunks = (now.chunks_done, now.chunks_total);
        Aborted::note(&context.state, by, *told, chunks)?;
    }
    ended
}

async fn one_session(context: &mut Context, peering: &mut Peering) -> Result<Ended, SendError> {
    let display = context.display.clone();
    let mut stop = display.stop.clone();
    let waiting = |what| display.meter.waiting_for(what);
    let usual = patience(context.moving.is_some());
    let limit = Limit::new(context.options.give_up, usual);
    let trouble = async {
        match &mut context.moving {
            Some(moving) => moving.trouble().await,
            None => std::future::pending().await,
        }
    };
    let peer = tokio::select! {
        biased;
        _ = stop.wait_for(|&stop| stop) => return Ok(Ended::Stopped),
        error = trouble => Err(error),
        peer = peering.reach(limit, &waiting) => Ok(peer?),
    };
    match peer {
        Ok(peer) => session::run(context, peer).await,
        Err(error) => {
            end_moving(context).await?;
            context.renew_or(error)
        }
    }
}

/// How long recv is tried to be reached where the user says nothing. While rows are missing the watch
/// over the keeper ends that.
fn patience(rows_are_missing: bool) -> Duration {
    match rows_are_missing {
        true => Duration::MAX,
        false => GIVE_UP,
    }
}

/// Ends the threads of a data phase that does not go on.
async fn end_moving(context: &mut Context) -> Result<(), Panicked> {
    match context.moving.take() {
        Some(moving) => moving.end().await,
        None => Ok(()),
    }
}

fn stopped() -> Outcome {
    Outcome {
        ending: Ending::Stopped,
        report: None,
    }
}

fn limits(budget: &Budget) -> Limits {
    Limits {
        stream_window: budget.stream_window,
        connection_window: budget.connection_window,
        send_window: budget.send_window,
        // Recv answers on the control stream alone.
        max_streams: 0,
        ..Limits::default()
    }
}

/// Ends the keeper of a migration, so that nothing is held on the source any more.
///
/// Returns whether there was one.
pub fn release_keeper(state: &std::path::Path) -> Result<bool, KeeperError> {
    match Keeper::find(state) {
        Some(keeper) => keeper.release().map(|()| true),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_recv_ends_with_the_keeper_while_rows_are_missing() {
        assert_eq!(patience(true), Duration::MAX);
        assert_eq!(patience(false), Duration::from_secs(86_400));
    }
}

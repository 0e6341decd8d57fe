//! After the data: the builder's rest, the finish on the target, and the farewell.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::RecvError;
use super::builder::Built;
use super::finishing::Finishing;
use super::session::{Break, Context, Ended, Talk};
use crate::runtime::blocking;
use crate::transport::talk::Parting;
use crate::transport::{CloseCode, TransportError};
use crate::wire::message::{Tail, ToRecv, ToSend};

/// The phase in which the builder has the target for itself.
const BUILDING: &str = "indexes and keys";
/// Between two messages about it: a message for each of 40,000 entries took a sixth of recv's time.
const PACE: Duration = Duration::from_millis(100);
/// How long send may take to keep the report before the connection is taken for lost.
const BYE_LIMIT: Duration = Duration::from_secs(30);

/// Waits until everything that follows the rows is restored. The builder does not need the link:
/// where that is lost, the next session waits on.
pub(super) async fn await_builder(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    context.display.meter.phase(BUILDING);
    let mut built = context.installed().builder.watch();
    loop {
        // In this order: what is over here has been asked for its error there.
        let Built {
            done, total, over, ..
        } = *built.borrow_and_update();
        show_built(context)?;
        if over {
            return Ok(());
        }
        let phase = BUILDING.to_owned();
        talk.say(&ToSend::Progress { phase, done, total }).await?;
        tokio::select! {
            () = further(&mut built) => {}
            held_up = context.held_up.news() => talk.say(&held_up).await?,
            message = talk.hear() => {
                message?;
                return Err(RecvError::Protocol("a message out of turn").into());
            }
        }
    }
}

/// Until the builder is further, but not sooner than [`PACE`] unless it is over. Cancel-safe.
async fn further(built: &mut watch::Receiver<Built>) {
    let mut over = built.clone();
    // Its sender lives as long as the migration.
    let _ = timeout(PACE, over.wait_for(|built| built.over)).await;
    let _ = built.changed().await;
}

/// Asks for what send reads last, as late as can be.
pub(super) async fn ask_tail(context: &mut Context, talk: &mut Talk) -> Result<Tail, Break> {
    talk.say(&ToSend::Restored).await?;
    let meter = &context.display.meter;
    meter.waiting_for(Some("send to look for writes on the source".into()));
    let ToRecv::Tail(tail) = talk.hear().await? else {
        return Err(RecvError::Protocol("expected Tail").into());
    };
    meter.waiting_for(None);
    if let Some(line) = tail.changes(&context.installed().offer.snapshot) {
        (context.display.say)(&line);
    }
    Ok(tail)
}

/// Shows how far the builder is; its failure ends the session.
pub(super) fn show_built(context: &mut Context) -> Result<(), RecvError> {
    let builder = &context.installed().builder;
    let built = *builder.watch().borrow();
    if built.over {
        builder.outcome()?;
    }
    context.display.meter.index_at(built.done);
    Ok(())
}

/// Sequences, statistics, report. None of it needs the link: a lost one is missed when the report
/// cannot be told.
pub(super) async fn finish(
    context: &mut Context,
    talk: &mut Talk,
    tail: Tail,
) -> Result<Ended, Break> {
    let finishing = Finishing {
        options: context.options.clone(),
        info: context.info.clone(),
        display: context.display.clone(),
        state: Arc::clone(&context.state),
        record: context.record.clone(),
        migration: context.migration.take().expect("this session installed it"),
        tail,
    };
    // A stop ends the process: what is then under way may be committed or not, as after a kill.
    let finished = blocking(move || finishing.run());
    context.record = context.held_up.tell_during(talk, finished).await??;
    let finished = context.record.finished.clone().expect("just finished");
    let (report, exit) = (finished.report, finished.exit);
    talk.say(&ToSend::Finished { report, exit }).await?;
    await_bye(context, talk).await
}

/// Send has been told the report; what it says to that is remembered.
pub(super) async fn await_bye(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    let seconds = BYE_LIMIT.as_secs();
    match timeout(BYE_LIMIT, talk.hear()).await {
        Ok(Ok(ToRecv::Bye)) => {}
        // Send closes as done once it has the report.
        Ok(Err(Parting::Broken(TransportError::ClosedByPeer {
            code: CloseCode::Done,
            ..
        }))) => {}
        Ok(Ok(_)) => return Err(RecvError::Protocol("expected Bye").into()),
        Ok(Err(parting)) => return Err(parting.into()),
        Err(_) => {
            let error = TransportError::NotDelivered { seconds };
            return Ok(Ended::Lost(error));
        }
    }
    let finished = context.record.finished.as_mut();
    let finished = finished.expect("finished, as send was just told");
    finished.acknowledged = true;
    let outcome = finished.outcome();
    let outcome = outcome.ok_or(RecvError::Protocol("an unknown ending"))?;
    context.record.save(&context.state)?;
    context.display.meter.end_phase();
    Ok(Ended::Finished(Box::new(outcome)))
}

//! After the data: the builder's rest, the finish on the target, and the farewell.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::RecvError;
use super::finishing::Finishing;
use super::session::{Break, Context, Ended, Talk};
use crate::runtime::blocking;
use crate::transport::talk::Parting;
use crate::transport::{CloseCode, TransportError};
use crate::wire::message::{Tail, ToRecv, ToSend};

/// The phase in which the builder has the target for itself.
const BUILDING: &str = "indexes and keys";
/// How long send may take to keep the report before the connection is taken for lost.
const BYE_LIMIT: Duration = Duration::from_secs(30);

/// Waits for what send reads last.
pub(super) async fn await_tail(context: &mut Context, talk: &mut Talk) -> Result<Tail, Break> {
    context.display.meter.phase(BUILDING);
    let mut built = context.installed().builder.watch();
    loop {
        tokio::select! {
            message = talk.hear() => match message? {
                ToRecv::Tail(tail) => return Ok(tail),
                _ => return Err(RecvError::Protocol("expected Tail").into()),
            },
            Ok(()) = built.changed() => show_built(context)?,
        }
    }
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

/// Waits for the builder, then sequences, statistics, report. None of it needs the link: a lost
/// one is missed when the report cannot be told.
pub(super) async fn finish(
    context: &mut Context,
    talk: &mut Talk,
    tail: Tail,
) -> Result<Ended, Break> {
    await_builder(context, talk).await?;
    let finishing = Finishing {
        options: context.options.clone(),
        info: context.info.clone(),
        display: context.display.clone(),
        state: Arc::clone(&context.state),
        record: context.record.clone(),
        migration: context.migration.take().expect("this session installed it"),
        tail,
    };
    context.record = blocking(move || finishing.run()).await?;
    let finished = context.record.finished.clone().expect("just finished");
    let (report, exit) = (finished.report, finished.exit);
    talk.say(&ToSend::Finished { report, exit }).await?;
    await_bye(context, talk).await
}

/// Goes on without the link; a leave is heard as long as it is there.
async fn await_builder(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    let mut built = context.installed().builder.watch();
    let mut stop = context.display.stop.clone();
    let mut linked = true;
    loop {
        show_built(context)?;
        let (done, total, over) = {
            let built = built.borrow_and_update();
            (built.done, built.total, built.over)
        };
        if over {
            return Ok(());
        }
        if linked {
            let phase = BUILDING.to_owned();
            let told = talk.say(&ToSend::Progress { phase, done, total }).await;
            linked = is_linked(told)?;
        }
        tokio::select! {
            Ok(()) = built.changed() => {}
            heard = talk.hear(), if linked => match heard {
                Ok(_) => return Err(RecvError::Protocol("a message out of turn").into()),
                Err(parting) => linked = is_linked(Err(parting))?,
            },
            _ = stop.wait_for(|&stop| stop) => return Err(Parting::StoppedHere.into()),
        }
    }
}

fn is_linked(told: Result<(), Parting>) -> Result<bool, Parting> {
    match told {
        Ok(()) => Ok(true),
        Err(Parting::Lost(error)) => {
            tracing::warn!(%error, "connection lost; the target is finished without it");
            Ok(false)
        }
        Err(parting) => Err(parting),
    }
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

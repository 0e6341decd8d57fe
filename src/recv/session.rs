//! One connection to send, from its greeting to its end.

use std::sync::Arc;

use super::held_up::HeldUp;
use super::migration::Migration;
use super::record::Record;
use super::room::{Room, RoomWatch};
use super::{
    Inspected, Options, RecvError, comparing, data, ending, fetch, installing, renewing, standing,
};
use crate::pg::ConnInfo;
use crate::report::{Display, Outcome};
use crate::runtime::{Budget, dispose};
use crate::state::StateDir;
use crate::transport::auth::Session;
use crate::transport::talk::{self, Parting};
use crate::transport::{CloseCode, TransportError};
use crate::wire::message::{Greet, Offer, TargetState, ToRecv, ToSend};

/// What recv says and hears.
pub(super) type Talk = talk::Talk<ToSend, ToRecv>;

/// What lasts from connection to connection.
pub(super) struct Context {
    pub(super) options: Options,
    pub(super) info: ConnInfo,
    /// Disks that are not to become full; none where they cannot be seen.
    pub(super) room: Option<Room>,
    pub(super) room_watch: RoomWatch,
    pub(super) held_up: HeldUp,
    pub(super) state: Arc<StateDir>,
    pub(super) record: Record,
    pub(super) budget: Budget,
    pub(super) display: Display,
    /// Goes on building while the link is down; given up after any error.
    pub(super) migration: Option<Migration>,
}

impl Context {
    /// Before the first connection of this process. Where the target's disks become full, what the
    /// user would do is done: the display's stop is wished.
    pub(super) fn new(
        options: Options,
        inspected: Inspected,
        state: Arc<StateDir>,
        record: Record,
        budget: Budget,
        mut display: Display,
    ) -> Self {
        let Inspected { info, room } = inspected;
        let (room_watch, stop) = RoomWatch::start(room.clone(), display.stop.clone());
        display.stop = stop;
        let held_up = HeldUp::watch(&info, options.application_name(), &display.meter);
        Self {
            options,
            info,
            room,
            room_watch,
            held_up,
            state,
            record,
            budget,
            display,
            migration: None,
        }
    }

    /// The end that the user asked for by giving the migration up.
    pub(super) fn aborted(&self, told: bool) -> RecvError {
        let by = self.display.wish.aborted_by().unwrap_or_default().into();
        RecvError::Aborted { by, told }
    }

    /// The migration of a session that has installed it.
    pub(super) fn installed(&mut self) -> &mut Migration {
        self.migration.as_mut().expect("this session installed it")
    }
}

/// How a connection ended without an error of ours.
pub(super) enum Ended {
    Finished(Box<Outcome>),
    StoppedHere,
    StoppedThere,
    /// The link is gone; a new connection goes on.
    Lost(TransportError),
}

/// The way out of a session before its end.
pub(super) enum Break {
    Ended(Ended),
    /// Something beside the control stream failed; the peer may have said why.
    Link(TransportError),
    Failed(RecvError),
}

impl<E: Into<RecvError>> From<E> for Break {
    fn from(error: E) -> Self {
        match error.into() {
            RecvError::Transport(error) => Self::Link(error),
            RecvError::Stopped => Self::Ended(Ended::StoppedHere),
            other => Self::Failed(other),
        }
    }
}

impl From<Parting> for Break {
    fn from(parting: Parting) -> Self {
        match parting {
            Parting::StoppedHere => Self::Ended(Ended::StoppedHere),
            Parting::StoppedThere => Self::Ended(Ended::StoppedThere),
            Parting::AbortedThere => Self::Failed(RecvError::Aborted {
                by: "send's user".into(),
                told: true,
            }),
            Parting::Failed(failure) => Self::Failed(RecvError::Peer {
                line: failure.line,
                resumable: failure.resumable,
            }),
            Parting::Lost(error) => Self::Ended(Ended::Lost(error)),
            Parting::Broken(error) => Self::Failed(RecvError::Transport(error)),
        }
    }
}

/// Runs one connection to its end; tells send how it ended where that is still possible.
pub(super) async fn run(context: &mut Context, peer: Session) -> Result<Ended, RecvError> {
    let mut talk = Talk::new(peer, context.display.stop.clone());
    context.held_up.tell_again();
    let broke = match Box::pin(converse(context, &mut talk)).await {
        Ok(ended) => Break::Ended(ended),
        Err(Break::Link(error)) => talk.explain(error).await.into(),
        Err(broke) => broke,
    };
    let broke = match (broke, context.room_watch.error()) {
        (Break::Ended(Ended::StoppedHere), Some(error)) => Break::Failed(error),
        (broke, _) => broke,
    };
    context.display.meter.waiting_for(None);
    part(context, talk, broke).await
}

/// Tells send how the session ended, where it does not know.
async fn part(context: &Context, talk: Talk, broke: Break) -> Result<Ended, RecvError> {
    match broke {
        Break::Ended(Ended::Lost(error)) => {
            talk.give_up();
            Ok(Ended::Lost(error))
        }
        Break::Ended(Ended::StoppedHere) if context.display.wish.aborted_by().is_some() => {
            let (last, code) = (ToSend::Abort, CloseCode::Aborted);
            let told = talk.end(Some(&last), code, "recv was aborted").await;
            Err(context.aborted(told))
        }
        Break::Ended(Ended::StoppedHere) => {
            let (last, code) = (ToSend::Stop, CloseCode::Stopped);
            talk.end(Some(&last), code, "recv was stopped").await;
            Ok(Ended::StoppedHere)
        }
        Break::Ended(ended) => {
            talk.end(None, CloseCode::Done, "").await;
            Ok(ended)
        }
        Break::Failed(error) => {
            let own = !error.is_peers();
            let last = own.then(|| ToSend::Failed(error.failure()));
            talk.end(last.as_ref(), CloseCode::Failed, "recv failed")
                .await;
            Err(error)
        }
        Break::Link(error) => Err(error.into()),
    }
}

/// What is to be moved, with plan and archive here and the journal of the same instant.
async fn offered(context: &mut Context, talk: &mut Talk, greet: &Greet) -> Result<Offer, Break> {
    let meter = Arc::clone(&context.display.meter);
    meter.waiting_for(Some("send to take its snapshot".into()));
    let offer = match talk.hear().await? {
        ToRecv::Offer(offer) => {
            meter.waiting_for(Some("plan and archive from send".into()));
            fetch::fetch(context, talk, &offer, fetch::Plans::OFFERED).await?;
            meter.waiting_for(None);
            comparing::agree(context, talk, greet, offer).await?
        }
        ToRecv::Renewal(offer) => {
            renewing::renew(context, talk, greet, &offer).await?;
            offer
        }
        _ => return Err(RecvError::Protocol("expected Offer").into()),
    };
    meter.waiting_for(None);
    Ok(offer)
}

async fn converse(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    let ToRecv::Greet(greet) = talk.hear().await? else {
        return Err(RecvError::Protocol("expected Greet").into());
    };
    let standing = standing::judge(context, talk, &greet).await?;
    let finished = matches!(standing.state, TargetState::Finished { .. });
    talk.say(&ToSend::Standing(standing)).await?;
    if finished {
        return ending::await_bye(context, talk).await;
    }
    let offer = offered(context, talk, &greet).await?;
    installing::install(context, talk, &greet, &offer).await?;
    let standing = data::settle(context, talk).await?;
    let data_durable = context.installed().builder.is_data_durable();
    let ready = ToSend::Ready {
        committed: standing.committed,
        held: standing.held,
        last_number: standing.last_number,
        data_durable,
    };
    talk.say(&ready).await?;
    match data_durable {
        // Whatever was left of the data phase when it ended without the link.
        true => dispose(context.installed().moving.take()).await?,
        false => Box::pin(data::receive(context, talk)).await?,
    }
    ending::await_builder(context, talk).await?;
    let tail = ending::ask_tail(context, talk).await?;
    ending::finish(context, talk, tail).await
}

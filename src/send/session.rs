//! One connection to recv, from the greeting to its end.

use std::sync::Arc;

use super::data::Moving;
use super::prepare::Preparing;
use super::proof::Proof;
use super::record::Record;
use super::{Inspected, OnLostSnapshot, Options, SendError, data, greeting, offering, tail};
use crate::pg::ConnInfo;
use crate::report::{Display, Outcome};
use crate::runtime::tools::Tool;
use crate::runtime::{Budget, blocking};
use crate::source::keeper::Keeper;
use crate::source::reader::Sessions;
use crate::state::StateDir;
use crate::transport::auth::Session;
use crate::transport::talk::{self, Parting};
use crate::transport::{CloseCode, TransportError};
use crate::wire::message::{Snapshot, SourceInfo, TargetState, ToRecv, ToSend};

/// Of what recv says that it waits for: a few tables and sessions.
const HELD_UP_CHARS: usize = 500;

/// What send says and hears.
pub(super) type Talk = talk::Talk<ToRecv, ToSend>;

/// What lasts from connection to connection.
pub(super) struct Context {
    pub(super) options: Options,
    pub(super) info: ConnInfo,
    pub(super) source: SourceInfo,
    pub(super) pg_dump: Tool,
    pub(super) state: Arc<StateDir>,
    pub(super) record: Record,
    /// The target may hold something of the recorded snapshot.
    pub(super) began: bool,
    pub(super) preparing: Preparing,
    /// What was read again in the recorded snapshot, once that is not the first.
    pub(super) proof: Option<Arc<Proof>>,
    /// Holds the snapshot. In touch while the link is down too, so that it never feels forgotten.
    pub(super) keeper: Option<Keeper>,
    /// The data phase under way.
    pub(super) moving: Option<Moving>,
    pub(super) budget: Budget,
    /// What both sides can afford, as of the last greeting.
    pub(super) agreed: Budget,
    pub(super) display: Display,
}

impl Context {
    /// Before the first connection of this process.
    pub(super) fn new(
        options: Options,
        inspected: Inspected,
        state: Arc<StateDir>,
        record: Record,
        budget: Budget,
        display: Display,
    ) -> Self {
        Self {
            began: record.prepared.is_some(),
            agreed: budget.clone(),
            info: inspected.info,
            source: inspected.source,
            pg_dump: inspected.pg_dump,
            preparing: Preparing::default(),
            proof: None,
            keeper: None,
            moving: None,
            options,
            state,
            record,
            budget,
            display,
        }
    }

    /// Where the reader of this number gets its session.
    pub(super) fn sessions(&self, number: usize, snapshot: &Snapshot) -> Sessions {
        match self.keeper.as_ref().and_then(Keeper::single) {
            Some(single) => Sessions::Lent(Arc::clone(single)),
            None => Sessions::Own {
                info: Box::new(self.info.clone()),
                name: format!("{} {number}", self.options.application_name()),
                snapshot: snapshot.name.clone(),
            },
        }
    }

    /// Why a new snapshot is taken after this error, where one is.
    fn renews_after(&self, error: &SendError) -> Option<String> {
        let renews = self.options.on_lost_snapshot != OnLostSnapshot::Stop;
        error.lost_snapshot().filter(|_| renews)
    }

    /// How a session, or the wait for one, ends with this error.
    pub(super) fn renew_or(&self, error: SendError) -> Result<Ended, SendError> {
        match self.renews_after(&error) {
            Some(why) => Ok(Ended::SnapshotLost(why)),
            None => Err(error),
        }
    }

    /// Lets the keeper go, if it lives.
    pub(super) async fn let_snapshot_go(&mut self) -> Result<(), SendError> {
        self.keeper = None;
        let state = Arc::clone(&self.state);
        let released = blocking(move || Ok::<_, SendError>(super::release_keeper(state.path())?));
        if released.await? {
            tracing::info!("snapshot given up");
        }
        Ok(())
    }

    /// What would end with the process ends in order, so that a pooler can use its connection again.
    pub(super) async fn end_only_session(&mut self) {
        if let Err(error) = self.let_snapshot_go().await {
            tracing::warn!(%error, "the session did not end in order");
        }
    }

    /// Shows what recv says that it waits for.
    pub(super) fn show_held_up(&self, by: Option<String>) {
        let named = |by: String| by.chars().take(HELD_UP_CHARS).collect::<String>();
        let what = by.map(|by| format!("recv, which waits for {}", named(by)));
        self.display.meter.held_up(what);
    }

    /// The end that the user asked for by giving the migration up.
    pub(super) fn aborted(&self, told: bool) -> SendError {
        let by = self.display.wish.aborted_by().unwrap_or_default().into();
        SendError::Aborted { by, told }
    }

    /// Ends the keeper after an error where nobody can go on with its snapshot: nothing was made
    /// of it on the target, or it shows a table no more.
    pub(super) async fn release_useless_snapshot(&mut self, error: &SendError) {
        let kept = self.record.prepared.is_some() && error.is_resumable();
        if !error.spoils_snapshot() && (self.began || kept) {
            return;
        }
        if !self.began && self.record.prepared.take().is_some() {
            let saved = self.record.save(&self.state);
            saved.unwrap_or_else(|error| tracing::warn!(%error, "snapshot not forgotten"));
        }
        if let Err(error) = self.let_snapshot_go().await {
            tracing::warn!(%error, "keeper not released");
        }
    }
}

/// How a connection ended without an error of ours.
pub(super) enum Ended {
    Finished(Box<Outcome>),
    Stopped,
    /// The link is gone; a new connection goes on.
    Lost(TransportError),
    /// Why the next connection takes a new snapshot first.
    SnapshotLost(String),
}

/// The way out of a session before its end.
pub(super) enum Break {
    Ended(Ended),
    /// Something beside the control stream failed; the peer may have said why.
    Link(TransportError),
    Failed(SendError),
}

impl<E: Into<SendError>> From<E> for Break {
    fn from(error: E) -> Self {
        match error.into() {
            SendError::Transport(error) => Self::Link(error),
            other => Self::Failed(other),
        }
    }
}

impl From<Parting> for Break {
    fn from(parting: Parting) -> Self {
        match parting {
            Parting::StoppedHere => Self::Ended(Ended::Stopped),
            Parting::StoppedThere => Self::Failed(SendError::Peer {
                line: "stopped by its user; start both again to go on".into(),
                resumable: true,
            }),
            Parting::AbortedThere => Self::Failed(SendError::Aborted {
                by: "recv's user".into(),
                told: true,
            }),
            Parting::Failed(failure) => Self::Failed(SendError::Peer {
                line: failure.line,
                resumable: failure.resumable,
            }),
            Parting::Lost(error) => Self::Ended(Ended::Lost(error)),
            Parting::Broken(error) => Self::Failed(SendError::Transport(error)),
        }
    }
}

/// Runs one connection to its end; tells recv how it ended where that is still possible.
pub(super) async fn run(context: &mut Context, peer: Session) -> Result<Ended, SendError> {
    let mut talk = Talk::new(peer, context.display.stop.clone());
    let broke = match Box::pin(converse(context, &mut talk)).await {
        Ok(ended) => Break::Ended(ended),
        Err(Break::Link(error)) => talk.explain(error).await.into(),
        Err(broke) => broke,
    };
    context.display.meter.waiting_for(None);
    context.display.meter.held_up(None);
    if !matches!(broke, Break::Ended(Ended::Lost(_))) {
        super::end_moving(context).await?;
    }
    part(context, talk, broke).await
}

/// Tells recv how the session ended, where it does not know.
async fn part(context: &Context, talk: Talk, broke: Break) -> Result<Ended, SendError> {
    match broke {
        Break::Ended(Ended::Lost(error)) => {
            talk.give_up();
            Ok(Ended::Lost(error))
        }
        // Recv is to wait for the next connection.
        Break::Failed(error) if context.renews_after(&error).is_some() => {
            talk.give_up();
            context.renew_or(error)
        }
        Break::Ended(Ended::Stopped) if context.display.wish.aborted_by().is_some() => {
            let (last, code) = (ToRecv::Abort, CloseCode::Aborted);
            let told = talk.end(Some(&last), code, "send was aborted").await;
            Err(context.aborted(told))
        }
        Break::Ended(Ended::Stopped) => {
            let (last, code) = (ToRecv::Stop, CloseCode::Stopped);
            talk.end(Some(&last), code, "send was stopped").await;
            Ok(Ended::Stopped)
        }
        Break::Ended(ended) => {
            talk.end(None, CloseCode::Done, "").await;
            Ok(ended)
        }
        Break::Failed(error) => {
            let own = !error.is_peers();
            let last = own.then(|| ToRecv::Failed(error.failure()));
            talk.end(last.as_ref(), CloseCode::Failed, "send failed")
                .await;
            Err(error)
        }
        Break::Link(error) => Err(error.into()),
    }
}

async fn converse(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    let standing = greeting::greet(context, talk).await?;
    if let TargetState::Finished { report, exit } = standing.state {
        tail::let_go(context, talk).await?;
        return tail::finish(context, talk, report, exit).await;
    }
    let mut ready = offering::prepared(context, talk, &standing.state).await?;
    let there = offering::offer(context, talk, &mut ready).await?;
    context.began = true;
    match there.data_durable {
        // Whatever was left of the data phase when its last word was lost with the link.
        true => super::end_moving(context).await?,
        false => Box::pin(data::send(context, talk, &ready, &there)).await?,
    }
    tail::let_go(context, talk).await?;
    tail::follow(context, talk).await
}

//! The conversation with an authenticated peer, and every way in which it can end.

use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::timeout;

use super::auth::Session;
use super::{CloseCode, Connection, ControlReceiver, ControlSender, TransportError};
use crate::wire::message::{Failure, Heard, Leave};

/// How long a peer that broke off a stream may take to say why: it ends its threads first.
const EXPLANATION_LIMIT: Duration = Duration::from_secs(15);
/// How long a message may wait for the peer to read those before it.
const SAY_LIMIT: Duration = Duration::from_secs(60);

/// Why a conversation is over.
#[derive(Debug)]
pub enum Parting {
    /// This side's user wants to stop.
    StoppedHere,
    /// The other side's user does.
    StoppedThere,
    /// The other side's user gives the migration up.
    AbortedThere,
    /// The other side cannot go on.
    Failed(Failure),
    /// The connection is gone; a new one can go on.
    Lost(TransportError),
    /// What came over the link is not what this program sends.
    Broken(TransportError),
}

impl From<TransportError> for Parting {
    /// A close on purpose stands for the message before it, which may not have been read. A peer
    /// that just ends its control stream holds the connection for lost, and so do we; one that we
    /// closed ourselves gave way to a newer one.
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::ClosedByPeer { code, reason } => match code {
                CloseCode::Stopped => Self::StoppedThere,
                CloseCode::Aborted => Self::AbortedThere,
                CloseCode::Failed | CloseCode::Refused => Self::Failed(Failure {
                    line: reason,
                    resumable: true,
                }),
                CloseCode::Dropped => Self::Lost(TransportError::ClosedByPeer { code, reason }),
                CloseCode::Done => Self::Broken(TransportError::ClosedByPeer { code, reason }),
            },
            TransportError::ControlEnded | TransportError::ClosedByUs => Self::Lost(error),
            error if error.is_lost() => Self::Lost(error),
            error => Self::Broken(error),
        }
    }
}

/// A connection with its control stream: `Out` is said, `In` is heard.
pub struct Talk<Out, In> {
    connection: Connection,
    sender: ControlSender,
    receiver: ControlReceiver,
    /// Turns true when this side's user wants to stop: ends every wait.
    stop: watch::Receiver<bool>,
    messages: PhantomData<fn(Out) -> In>,
}

impl<Out: Serialize, In: Heard> Talk<Out, In> {
    pub fn new(session: Session, stop: watch::Receiver<bool>) -> Self {
        Self {
            connection: session.conn,
            sender: session.sender,
            receiver: session.receiver,
            stop,
            messages: PhantomData,
        }
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Says something; waits no longer than a minute for a peer that does not listen. Not
    /// cancel-safe.
    pub async fn say(&mut self, message: &Out) -> Result<(), Parting> {
        let seconds = SAY_LIMIT.as_secs();
        let said = timeout(SAY_LIMIT, self.sender.send(message)).await;
        match said.unwrap_or(Err(TransportError::NotDelivered { seconds })) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// The next message that is not a leave; ends when our own user stops. Cancel-safe.
    pub async fn hear(&mut self) -> Result<In, Parting> {
        let message: In = tokio::select! {
            message = self.receiver.recv() => message?,
            _ = self.stop.wait_for(|&stop| stop) => return Err(Parting::StoppedHere),
        };
        message.leave().map_err(|leave| match leave {
            Leave::Stop => Parting::StoppedThere,
            Leave::Abort => Parting::AbortedThere,
            Leave::Failed(failure) => Parting::Failed(failure),
        })
    }

    /// Waits for what does not look at the user's wish itself. What is dropped then must be
    /// cancel-safe, or nothing that the next session needs.
    pub async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Parting> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = work => Ok(done),
            _ = stop.wait_for(|&stop| stop) => Err(Parting::StoppedHere),
        }
    }

    /// What lies behind an error beside the control stream, such as a stream that was broken off:
    /// the peer says it on the control stream, or else the connection is gone too.
    pub async fn explain(&mut self, error: TransportError) -> Parting {
        let told = async {
            loop {
                if let Err(parting) = self.hear().await {
                    return parting;
                }
            }
        };
        let told = timeout(EXPLANATION_LIMIT, told).await;
        told.unwrap_or_else(|_| error.into())
    }

    /// Takes leave: the last message, if any, arrives before the connection is closed; whether it
    /// did. A peer that is gone needs no farewell.
    pub async fn end(mut self, last: Option<&Out>, code: CloseCode, reason: &str) -> bool {
        let said = match last {
            Some(last) => matches!(timeout(SAY_LIMIT, self.sender.send(last)).await, Ok(Ok(()))),
            None => true,
        };
        let arrived = self.sender.finish().await.is_ok();
        self.connection.close(code, reason);
        said && arrived
    }

    /// Gives the connection up; the peer is to take it for lost.
    pub fn give_up(self) {
        self.connection.close(CloseCode::Dropped, "given up");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: CloseCode) -> Parting {
        let reason = "disk full".to_owned();
        TransportError::ClosedByPeer { code, reason }.into()
    }

    #[test]
    fn a_close_on_purpose_is_told_and_an_outage_is_not_an_end() {
        assert!(matches!(closed(CloseCode::Stopped), Parting::StoppedThere));
        assert!(matches!(
            closed(CloseCode::Failed),
            Parting::Failed(Failure { line, resumable: true }) if line == "disk full"
        ));
        assert!(matches!(closed(CloseCode::Dropped), Parting::Lost(_)));
        assert!(matches!(closed(CloseCode::Done), Parting::Broken(_)));
        for error in [TransportError::ControlEnded, TransportError::ClosedByUs] {
            assert!(matches!(error.into(), Parting::Lost(_)));
        }
        let not_delivered = TransportError::NotDelivered { seconds: 1 };
        assert!(matches!(not_delivered.into(), Parting::Lost(_)));
        assert!(matches!(
            TransportError::Trailing.into(),
            Parting::Broken(_)
        ));
    }
}

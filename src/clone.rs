//! `pgpipe clone`: send and recv in one process, for a host that reaches both servers.
//!
//! The same two state machines over the loopback interface: nothing behaves differently, and an
//! interrupted clone resumes like a migration between hosts.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use crate::recv::{self, RecvError};
use crate::report::{Display, Meter, Outcome};
use crate::send::{self, SendError};
use crate::transport::peering::{Code, LinkSpec};

/// How long the other side may take to roll back when one has failed.
const GRACE: Duration = Duration::from_secs(15);
/// Both sides start at once.
const PAIR_LIFETIME: Duration = Duration::from_secs(600);

/// Why clone could not go on: the side whose own trouble it was.
#[derive(Debug, thiserror::Error)]
pub enum CloneError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Recv(#[from] RecvError),
    #[error("cannot use the loopback interface")]
    Loopback(#[from] std::io::Error),
}

impl CloneError {
    /// Whether the same command can go on later (exit code 3).
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Send(error) => error.is_resumable(),
            Self::Recv(error) => error.is_resumable(),
            Self::Loopback(_) => false,
        }
    }
}

/// Runs both sides to their end. Their `link` and `code` are set here.
pub async fn run(
    mut source: send::Options,
    mut target: recv::Options,
    display: Display,
) -> Result<Outcome, CloneError> {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
    let path = source.state.join(format!("{}.pair", source.migration));
    let code = Code::File {
        path: path.clone(),
        lifetime: PAIR_LIFETIME,
    };
    source.link = LinkSpec::Dial(address.clone());
    target.link = LinkSpec::Listen(address);
    source.code = code.clone();
    target.code = code;
    source.shares_process = true;
    let silent = Display {
        meter: Arc::new(Meter::new()),
        say: Arc::new(|_: &str| ()),
        say_of_server: Arc::clone(&display.say_of_server),
        stop: display.stop.clone(),
        wish: display.wish.clone(),
    };
    let ended = both(send::run(source, display), recv::run(target, silent)).await;
    let _ = std::fs::remove_file(path);
    ended
}

/// Waits for both; when one fails the other gets a while to clean up.
async fn both(
    send: impl Future<Output = Result<Outcome, SendError>>,
    recv: impl Future<Output = Result<Outcome, RecvError>>,
) -> Result<Outcome, CloneError> {
    let (mut send, mut recv) = (Box::pin(send), Box::pin(recv));
    tokio::select! {
        sent = &mut send => {
            let received = tokio::time::timeout(GRACE, recv).await;
            match (sent, received) {
                // What send calls recv's trouble, recv itself tells better.
                (Err(SendError::Peer { .. }), Ok(Err(error))) => Err(error.into()),
                (sent, _) => Ok(sent?),
            }
        }
        received = &mut recv => {
            let sent = tokio::time::timeout(GRACE, send).await;
            match (received, sent) {
                (Err(RecvError::Peer { .. }), Ok(Err(error))) => Err(error.into()),
                (Err(error), _) => Err(error.into()),
                (Ok(outcome), Ok(sent)) => Ok(sent.unwrap_or(outcome)),
                (Ok(outcome), Err(_)) => Ok(outcome),
            }
        }
    }
}

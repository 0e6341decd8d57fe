//! Letting the peer in, or not: the exchange of [`crate::wire::handshake`] on the control stream.
//!
//! The rules are there; here is who speaks when, the time limit, and that a pin is on disk before
//! the other side can count on it. The listener pins before it answers, the dialler once it has
//! checked the answer: a crash in between leaves one side pinned, which the next exchange heals, as
//! the pinned peer may prove the code again.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::time::timeout;

use super::close::CloseCode;
use super::connection::Connection;
use super::control::{Control, ControlReceiver, ControlSender};
use super::error::TransportError;
use crate::state::{PairingState, StateDir, StateError};
use crate::wire::Role;
use crate::wire::handshake::{
    Fingerprint, Introduction, Message, MessageError, PROTOCOL_VERSION, Proof, Statement, Verdict,
};

pub use crate::wire::handshake::{Credentials, Refusal};

/// The state file that holds the fingerprint of the peer's certificate.
const PIN_FILE: &str = "peer";
const EXPORTER_LABEL: &[u8] = b"EXPORTER-pgpipe-pairing-v1";
/// Three small messages; a peer that needs longer is none.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a refused peer may take to read why, before the connection is closed under it.
const LINGER: Duration = Duration::from_secs(1);

/// How the peer was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paired {
    /// Its certificate was pinned just now: from here on no code is needed.
    pub newly: bool,
}

/// Why the two sides do not talk.
#[derive(Debug, Error)]
pub enum AuthError {
    #[error("refused {} at {remote}: {}", us.peer().as_str(), refusal.explain(*us))]
    Refused {
        remote: SocketAddr,
        us: Role,
        refusal: Refusal,
    },
    #[error("{} at {remote} refused: {}", us.peer().as_str(), refusal.explain(us.peer()))]
    RefusedByPeer {
        remote: SocketAddr,
        us: Role,
        refusal: Refusal,
    },
    #[error("{remote} does not speak pgpipe's protocol; check host and port")]
    NotPgpipe { remote: SocketAddr },
    #[error("{remote} broke the rules of the handshake; check that it is pgpipe, and its version")]
    Protocol {
        remote: SocketAddr,
        source: Option<MessageError>,
    },
    #[error("{remote} did not finish the handshake within {seconds} s")]
    TimedOut { remote: SocketAddr, seconds: u64 },
    #[error("the handshake with {remote} failed")]
    Transport {
        remote: SocketAddr,
        source: TransportError,
    },
    #[error("cannot keep the pairing with {remote}")]
    State {
        remote: SocketAddr,
        source: StateError,
    },
}

impl AuthError {
    /// The reason, whichever side refused.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refusal, .. } | Self::RefusedByPeer { refusal, .. } => Some(*refusal),
            _ => None,
        }
    }

    /// Whether dialling anew can help; see [`TransportError::is_lost`].
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.is_lost(),
            Self::TimedOut { .. } => true,
            _ => false,
        }
    }
}

/// The pin that the state directory holds.
pub fn pinned(state: &StateDir) -> Result<Option<Fingerprint>, StateError> {
    state.read(PIN_FILE)
}

/// Proves each side to the other, pins where the code was proved, and raises the connection's
/// limits. Takes at most 10 s; on any error the connection is closed, after a refused peer was told.
///
/// Which side calls with `is_dialler` must be the one that dialled. A new pin goes to `state`
/// (whose pin overrides an older `creds.pinned` if the two differ) and recv's saved code is marked
/// as used; give the peer's fingerprint in `creds.pinned` from then on. Not cancel-safe: drop the
/// connection too.
pub async fn authenticate(
    conn: &Connection,
    is_dialler: bool,
    creds: &Credentials,
    state: &StateDir,
) -> Result<(ControlSender, ControlReceiver, Paired), AuthError> {
    let terms = Terms {
        version: PROTOCOL_VERSION,
        limit: LIMIT,
    };
    authenticate_on(conn, is_dialler, creds, state, terms).await
}

/// What [`authenticate`] fixes and tests vary.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub version: u16,
    pub limit: Duration,
}

#[doc(hidden)]
pub async fn authenticate_on(
    conn: &Connection,
    is_dialler: bool,
    creds: &Credentials,
    state: &StateDir,
    terms: Terms,
) -> Result<(ControlSender, ControlReceiver, Paired), AuthError> {
    let exchange = Exchange {
        conn,
        creds,
        state,
        version: terms.version,
    };
    let shaken = timeout(terms.limit, exchange.run(is_dialler)).await;
    let ended = shaken.unwrap_or_else(|_| {
        Err(AuthError::TimedOut {
            remote: conn.remote_addr(),
            seconds: terms.limit.as_secs(),
        })
    });
    match ended {
        Ok((mut control, paired)) => {
            conn.raise_limits();
            control.raise_limits();
            Ok((control.sender, control.receiver, paired))
        }
        Err(error) => {
            conn.close(CloseCode::Refused, &brief(&error));
            Err(error)
        }
    }
}

/// The close reason: no paths or causes of ours, the peer is not trusted.
fn brief(error: &AuthError) -> String {
    match error {
        AuthError::Refused { us, refusal, .. } => refusal.explain(*us).to_string(),
        AuthError::RefusedByPeer { .. } => "refused".to_owned(),
        AuthError::TimedOut { seconds, .. } => format!("no handshake within {seconds} s"),
        _ => "the handshake failed".to_owned(),
    }
}

/// One side's view of one handshake.
struct Exchange<'a> {
    conn: &'a Connection,
    creds: &'a Credentials,
    state: &'a StateDir,
    version: u16,
}

impl Exchange<'_> {
    async fn run(&self, is_dialler: bool) -> Result<(Control, Paired), AuthError> {
        if is_dialler {
            let control = self
                .conn
                .open_control()
                .await
                .map_err(|e| self.transport(e))?;
            self.as_dialler(control).await
        } else {
            let control = self.conn.accept_control().await;
            self.as_listener(control.map_err(|e| self.transport(e))?)
                .await
        }
    }

    async fn as_dialler(&self, mut control: Control) -> Result<(Control, Paired), AuthError> {
        if self.creds.needs_expired_code(SystemTime::now()) {
            return Err(self.refuse(control, Refusal::CodeExpired).await);
        }
        let hello = Message::Hello(self.introduction(self.our_proof()));
        self.send(&mut control, &hello).await?;
        let welcome = match self.receive(&mut control).await {
            Ok(Message::Welcome(welcome)) => welcome,
            other => return Err(self.fail(control, other).await),
        };
        match self.admit(&welcome) {
            Ok(Ok(paired)) => {
                self.send(&mut control, &Message::Confirmed).await?;
                Ok((control, paired))
            }
            Ok(Err(refusal)) => Err(self.refuse(control, refusal).await),
            Err(error) => Err(error),
        }
    }

    async fn as_listener(&self, mut control: Control) -> Result<(Control, Paired), AuthError> {
        let hello = match self.receive(&mut control).await {
            Ok(Message::Hello(hello)) => hello,
            other => return Err(self.fail(control, other).await),
        };
        let paired = match self.admit(&hello)? {
            Ok(paired) => paired,
            Err(refusal) => return Err(self.refuse(control, refusal).await),
        };
        // Only a peer that is let in sees a proof of ours.
        let welcome = Message::Welcome(self.introduction(self.our_proof()));
        self.send(&mut control, &welcome).await?;
        match self.receive(&mut control).await {
            Ok(Message::Confirmed) => Ok((control, paired)),
            other => Err(self.fail(control, other).await),
        }
    }

    /// Judges an introduction; the pin is on disk when this returns a peer newly let in.
    fn admit(&self, theirs: &Introduction) -> Result<Result<Paired, Refusal>, AuthError> {
        if theirs.role == self.creds.role {
            return Ok(Err(Refusal::SameRole));
        }
        let peer = self.conn.peer();
        let claim = self
            .creds
            .check(theirs.proof.as_ref(), &self.statement(theirs.role));
        match self.creds.judge(peer, claim, SystemTime::now()) {
            Ok(Verdict::Known) => Ok(Ok(Paired { newly: false })),
            Ok(Verdict::Pin) => self.pin(peer).map_err(|source| AuthError::State {
                remote: self.conn.remote_addr(),
                source,
            }),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Blocks for two fsyncs, once in a migration's life. A pin is created, never replaced: of
    /// two peers that prove the same code at once, one is paired.
    fn pin(&self, peer: Fingerprint) -> Result<Result<Paired, Refusal>, StateError> {
        let newly = self.state.create(PIN_FILE, &peer)?;
        if !newly && pinned(self.state)? != Some(peer) {
            return Ok(Err(Refusal::CodeUsed));
        }
        PairingState::mark_used(self.state)?;
        Ok(Ok(Paired { newly }))
    }

    /// What a side of `prover`'s role proves on this connection.
    fn statement(&self, prover: Role) -> Statement {
        let (ours, theirs) = (self.conn.ours(), self.conn.peer());
        let ours_is_prover = prover == self.creds.role;
        Statement {
            role: prover,
            exporter: self.conn.exporter(EXPORTER_LABEL),
            prover: if ours_is_prover { ours } else { theirs },
            verifier: if ours_is_prover { theirs } else { ours },
        }
    }

    fn our_proof(&self) -> Option<Proof> {
        let code = self.creds.code.as_ref()?;
        Some(self.statement(self.creds.role).prove(code))
    }

    fn introduction(&self, proof: Option<Proof>) -> Introduction {
        Introduction {
            role: self.creds.role,
            proof,
        }
    }

    async fn send(&self, control: &mut Control, message: &Message) -> Result<(), AuthError> {
        let body = message
            .encode(self.version)
            .map_err(|source| self.protocol(Some(source)))?;
        let sent = control.sender.send_body(&body).await;
        sent.map_err(|source| self.transport(source))
    }

    async fn receive(&self, control: &mut Control) -> Result<Message, AuthError> {
        let body = match control.receiver.recv_body().await {
            Ok(body) => body,
            Err(TransportError::Frame(e)) => return Err(self.protocol(Some(e.into()))),
            Err(source) => return Err(self.transport(source)),
        };
        Message::decode(&body, self.version).map_err(|source| match source {
            MessageError::NotPgpipe => AuthError::NotPgpipe {
                remote: self.conn.remote_addr(),
            },
            MessageError::Version { theirs } => self.refused(Refusal::Version {
                ours: self.version,
                theirs,
            }),
            source @ MessageError::Frame(_) => self.protocol(Some(source)),
        })
    }

    /// The error for a message that is not the awaited one; another version is told of ours.
    async fn fail(&self, control: Control, got: Result<Message, AuthError>) -> AuthError {
        match got {
            Ok(Message::Refusal(refusal)) => AuthError::RefusedByPeer {
                remote: self.conn.remote_addr(),
                us: self.creds.role,
                refusal,
            },
            Ok(_) => self.protocol(None),
            Err(AuthError::Refused { refusal, .. }) => self.refuse(control, refusal).await,
            Err(error) => error,
        }
    }

    /// Tells the peer why, and lets it hang up first: a close would overtake the message.
    async fn refuse(&self, mut control: Control, refusal: Refusal) -> AuthError {
        let told = self.send(&mut control, &Message::Refusal(refusal)).await;
        if told.is_ok() {
            // The peer hangs up, or has had its time.
            let _ = timeout(LINGER, self.conn.closed()).await;
        }
        self.refused(refusal)
    }

    fn refused(&self, refusal: Refusal) -> AuthError {
        AuthError::Refused {
            remote: self.conn.remote_addr(),
            us: self.creds.role,
            refusal,
        }
    }

    fn protocol(&self, source: Option<MessageError>) -> AuthError {
        AuthError::Protocol {
            remote: self.conn.remote_addr(),
            source,
        }
    }

    fn transport(&self, source: TransportError) -> AuthError {
        AuthError::Transport {
            remote: self.conn.remote_addr(),
            source,
        }
    }
}

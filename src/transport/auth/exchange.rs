//! Who says what when, and what is on disk by then.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::error::AuthError;
use super::{PIN_FILE, Paired, pinned};
use crate::state::{PairingState, StateDir, StateError};
use crate::transport::connection::Connection;
use crate::transport::control::Control;
use crate::transport::error::TransportError;
use crate::wire::Role;
use crate::wire::handshake::{
    Credentials, Fingerprint, Introduction, Message, MessageError, Proof, Refusal, Statement,
    Verdict,
};

const EXPORTER_LABEL: &[u8] = b"EXPORTER-pgpipe-pairing-v1";
/// How long a refused peer may take to read why, before the connection is closed under it.
const LINGER: Duration = Duration::from_secs(1);

/// One side's view of one handshake.
pub(super) struct Exchange<'a> {
    pub(super) conn: &'a Connection,
    pub(super) creds: &'a Credentials,
    pub(super) state: &'a StateDir,
    pub(super) version: u16,
}

impl Exchange<'_> {
    pub(super) async fn run(&self, is_dialler: bool) -> Result<(Control, Paired), AuthError> {
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

//! Letting the peer in, or not: the exchange of [`crate::wire::handshake`] on the control stream.
//!
//! The rules are there; here is who speaks when, the time limit, and that a pin is on disk before
//! the other side can count on it. The listener pins before it answers, the dialler once it has
//! checked the answer: a crash in between leaves one side pinned, which the next exchange heals, as
//! the pinned peer may prove the code again.

mod error;
mod exchange;
mod meet;

use std::time::Duration;

use tokio::time::timeout;

use super::close::CloseCode;
use super::connection::Connection;
use super::control::{ControlReceiver, ControlSender};
use crate::state::{StateDir, StateError};
use crate::wire::handshake::{Fingerprint, PROTOCOL_VERSION};
use exchange::Exchange;

pub use self::error::AuthError;
pub use self::meet::{Session, meet};
pub use crate::wire::handshake::{Credentials, Refusal};

/// The state file that holds the fingerprint of the peer's certificate.
pub const PIN_FILE: &str = "peer";
/// Three small messages; a peer that needs longer is none.
const LIMIT: Duration = Duration::from_secs(10);

/// How the peer was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paired {
    /// Its certificate was pinned just now: from here on no code is needed.
    pub newly: bool,
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

//! Why a peer was not let in, or did not let us in.

use std::net::SocketAddr;

use thiserror::Error;

use crate::state::StateError;
use crate::transport::error::TransportError;
use crate::wire::Role;
use crate::wire::handshake::{MessageError, Refusal};

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
    #[error(transparent)]
    Link(#[from] TransportError),
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
            Self::Transport { source, .. } | Self::Link(source) => source.is_lost(),
            Self::TimedOut { .. } => true,
            _ => false,
        }
    }
}

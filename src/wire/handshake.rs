//! How two ends come to trust each other: messages, proofs and the rules, without a socket.
//!
//! ```text
//! dialler                          listener
//!   Hello {role, proof?}      ──►
//!                             ◄──  Welcome {role, proof?}   or  Refusal
//!   Confirmed   or  Refusal   ──►
//!
//! body of each frame   "pgpipe" | version: u16 LE | postcard of Message
//! ```
//!
//! Magic and version stand in front of every message, so that another version is recognised
//! whatever its messages look like. Nothing but role and proof is told before both are proved.

mod code;
mod proof;
mod rules;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use code::{PairCode, PairCodeError};
pub use proof::{Fingerprint, Proof, Statement};
pub use rules::{Claim, Credentials, Refusal, Verdict};

use crate::wire::Role;
use crate::wire::frame::{self, FrameError};

/// What this build speaks. Another number is refused, never adapted to.
///
/// 1: blocks of rows; 2: blocks of columns too; 3: dictionaries that last along a part.
pub const PROTOCOL_VERSION: u16 = 7;

const MAGIC: [u8; 6] = *b"pgpipe";

/// The messages of the handshake, both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    Hello(Introduction),
    Welcome(Introduction),
    Confirmed,
    Refusal(Refusal),
}

/// Who a side is, and its proof that it holds the pairing code, if it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    pub role: Role,
    pub proof: Option<Proof>,
}

/// Why a frame is not a handshake message of our version.
#[derive(Debug, Error)]
pub enum MessageError {
    #[error("the peer does not speak pgpipe's protocol; check host and port")]
    NotPgpipe,
    #[error("the peer speaks protocol version {theirs}")]
    Version { theirs: u16 },
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl Message {
    /// The body of the frame that says this in protocol `version`.
    pub fn encode(&self, version: u16) -> Result<Vec<u8>, MessageError> {
        let mut body = MAGIC.to_vec();
        body.extend_from_slice(&version.to_le_bytes());
        let body = postcard::to_extend(self, body)
            .map_err(|source| MessageError::Frame(FrameError::Encode { source }))?;
        Ok(body)
    }

    /// Reads a frame's body; one of another version is not looked into.
    pub fn decode(body: &[u8], version: u16) -> Result<Self, MessageError> {
        let rest = body.strip_prefix(&MAGIC).ok_or(MessageError::NotPgpipe)?;
        let (theirs, rest) = rest.split_first_chunk().ok_or(MessageError::NotPgpipe)?;
        let theirs = u16::from_le_bytes(*theirs);
        if theirs != version {
            return Err(MessageError::Version { theirs });
        }
        Ok(frame::decode(rest)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_back() {
        let message = Message::Hello(Introduction {
            role: Role::Send,
            proof: Some(Proof([3; 32])),
        });
        let body = message.encode(1).unwrap();
        assert_eq!(body.len(), 8 + 1 + 1 + 1 + 32);
        assert_eq!(Message::decode(&body, 1).unwrap(), message);
    }

    #[test]
    fn another_version_is_named_whatever_follows() {
        let error = Message::decode(b"pgpipe\x02\x00\xff\xff\xff", 1).unwrap_err();
        assert!(matches!(error, MessageError::Version { theirs: 2 }));
    }

    #[test]
    fn strangers_and_damage_are_told_apart() {
        for body in [&b""[..], b"pgpip", b"pgpipe\x01", b"GET / HTTP/1.1"] {
            let error = Message::decode(body, 1).unwrap_err();
            assert!(matches!(error, MessageError::NotPgpipe));
        }
        let mut body = Message::Confirmed.encode(1).unwrap();
        body.push(0);
        let error = Message::decode(&body, 1).unwrap_err();
        assert!(matches!(
            error,
            MessageError::Frame(FrameError::Trailing { bytes: 1 })
        ));
        let whole = Message::Refusal(Refusal::Version { ours: 1, theirs: 2 });
        let whole = whole.encode(1).unwrap();
        assert!(Message::decode(&whole[..whole.len() - 1], 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(tail: Vec<u8>) {
            let mut body = b"pgpipe\x01\x00".to_vec();
            body.extend_from_slice(&tail);
            let _ = Message::decode(&body, 1);
            let _ = Message::decode(&tail, 1);
        }
    }
}

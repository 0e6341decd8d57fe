//! What the two ends say to each other: messages and their encoding. Pure: bytes in, bytes out.

use serde::{Deserialize, Serialize};

pub mod frame;
pub mod handshake;
pub mod message;

pub use message::fuzz_decode;

/// Which side of the data's way a process stands on; independent of who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    Send,
    Recv,
}

impl Role {
    pub fn peer(self) -> Self {
        match self {
            Self::Send => Self::Recv,
            Self::Recv => Self::Send,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Recv => "recv",
        }
    }
}

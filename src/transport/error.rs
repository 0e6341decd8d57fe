//! What can go wrong between the two ends.

use std::io;
use std::net::SocketAddr;

use quinn::{ConnectError, ConnectionError, ReadError, WriteError};
use quinn::{TransportErrorCode, VarInt};
use thiserror::Error;

use super::close::{CloseCode, incoming_reason};
use crate::wire::frame::FrameError;

/// An operation on the link, a connection or a stream failed.
#[derive(Debug, Error)]
pub enum TransportError {
    #[error("`{address}` is not an address; give HOST:PORT, an IPv6 address in brackets")]
    Address { address: String },
    #[error("cannot resolve `{address}`; check the name")]
    Resolve { address: String, source: io::Error },
    #[error("`{address}` has no address")]
    NoAddress { address: String },
    #[error("cannot listen on {address}; choose another address or port")]
    Bind {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot open a UDP socket")]
    Socket { source: io::Error },
    #[error("cannot set up TLS")]
    Tls { source: rustls::Error },
    #[error("{limits} is out of range for the transport")]
    Limits { limits: &'static str },
    #[error("cannot connect to {address}")]
    Dial {
        address: SocketAddr,
        source: ConnectError,
    },
    #[error(
        "no answer from {address} within {seconds} s; check that the other side listens there \
         and that UDP gets through"
    )]
    NoAnswer { address: String, seconds: u64 },
    #[error("cannot agree with {address} on a connection; is it pgpipe that listens there?")]
    Handshake {
        address: SocketAddr,
        source: ConnectionError,
    },
    #[error("this side no longer listens")]
    LinkClosed,
    #[error("the other side closed the connection ({code}): {reason}")]
    ClosedByPeer { code: CloseCode, reason: String },
    #[error("this side closed the connection")]
    ClosedByUs,
    #[error("connection lost")]
    Lost { source: ConnectionError },
    #[error("the other side broke off a stream (code {code})")]
    Reset { code: u64 },
    #[error("the other side wants no more of a stream (code {code})")]
    Stopped { code: u64 },
    #[error("a stream ended after {seen} of {wanted} bytes")]
    Truncated { seen: usize, wanted: usize },
    #[error("a stream goes on where its end was expected")]
    Trailing,
    #[error("the other side ended its control stream")]
    ControlEnded,
    #[error("nothing came on a stream for too long")]
    Silent,
    #[error("a stream was used after its end")]
    StreamClosed,
    #[error("the other side has not acknowledged the last message within {seconds} s")]
    NotDelivered { seconds: u64 },
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl TransportError {
    /// Whether the link failed, so that dialling anew can help; a refusal, a deliberate close and a
    /// breach of protocol are not that.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::NoAddress { .. } | Self::Dial { .. } => true,
            Self::NoAnswer { .. } | Self::NotDelivered { .. } => true,
            Self::ClosedByPeer { code, .. } => *code == CloseCode::Dropped,
            Self::Lost { source } | Self::Handshake { source, .. } => is_link_failure(source),
            _ => false,
        }
    }

    /// Whether it shows that the other side does not say what this program says: the next try will
    /// end no better.
    pub fn is_foreign(&self) -> bool {
        matches!(
            self,
            Self::Frame(_) | Self::Trailing | Self::Truncated { .. }
        )
    }

    /// Whether the whole connection is gone, for whatever reason, rather than one stream.
    pub fn is_disconnected(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. } | Self::ClosedByPeer { .. } | Self::ClosedByUs
        )
    }
}

/// A TLS alert (the codes from 0x100 on) or another QUIC version comes back at the next try too.
fn is_link_failure(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::VersionMismatch => false,
        ConnectionError::TransportError(e) => !is_tls_alert(e.code),
        ConnectionError::ConnectionClosed(close) => !is_tls_alert(close.error_code),
        _ => true,
    }
}

fn is_tls_alert(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}

impl From<ConnectionError> for TransportError {
    fn from(source: ConnectionError) -> Self {
        match source {
            ConnectionError::ApplicationClosed(close) => Self::ClosedByPeer {
                code: CloseCode::from_wire(close.error_code),
                reason: incoming_reason(&close.reason),
            },
            ConnectionError::LocallyClosed => Self::ClosedByUs,
            source => Self::Lost { source },
        }
    }
}

impl From<ReadError> for TransportError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset { code: plain(code) },
            ReadError::ConnectionLost(e) => e.into(),
            ReadError::ClosedStream
            | ReadError::IllegalOrderedRead
            | ReadError::ZeroRttRejected => Self::StreamClosed,
        }
    }
}

impl From<WriteError> for TransportError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::Stopped { code: plain(code) },
            WriteError::ConnectionLost(e) => e.into(),
            WriteError::ClosedStream | WriteError::ZeroRttRejected => Self::StreamClosed,
        }
    }
}

fn plain(code: VarInt) -> u64 {
    code.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_link_is_lost() {
        let lost = |source| TransportError::Lost { source }.is_lost();
        assert!(lost(ConnectionError::TimedOut));
        assert!(lost(ConnectionError::Reset));
        assert!(!lost(ConnectionError::VersionMismatch));

        let closed = |code| TransportError::ClosedByPeer {
            code,
            reason: String::new(),
        };
        assert!(closed(CloseCode::Dropped).is_lost());
        assert!(!closed(CloseCode::Stopped).is_lost());
        assert!(!TransportError::ClosedByUs.is_lost());
        assert!(!TransportError::Trailing.is_lost());
    }
}

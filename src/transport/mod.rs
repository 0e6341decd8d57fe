//! Connections between the two ends: QUIC, TLS 1.3 with certificates both ways, pinned peers.
//!
//! A connection proves only that the peer holds the key of its certificate; **who** that is, is
//! judged by [`auth::authenticate`] before any message is acted on. Until then the peer may open
//! one control stream and send little; data streams and full windows come with authentication.

pub mod auth;
mod close;
mod config;
mod connection;
mod control;
mod dialler;
mod error;
mod identity;
mod link;
mod listener;
pub mod peering;
mod stream;
pub mod talk;
mod tls;

pub use close::CloseCode;
pub use config::Limits;
pub use connection::{Connection, LinkStats};
pub use control::{Control, ControlReceiver, ControlSender};
pub use error::TransportError;
pub use identity::{Identity, IdentityError};
pub use link::Link;
pub use stream::{RecvStream, SendStream};

pub use crate::wire::handshake::Fingerprint;

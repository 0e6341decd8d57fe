//! The only place that opens PostgreSQL connections: where the server is, and a blocking client of
//! the version 3 protocol for catalog, DDL and COPY.
//!
//! Source: PostgreSQL documentation, "Frontend/Backend Protocol".

mod cancel;
pub mod catalog;
mod client;
mod closer;
mod connect;
mod conninfo;
mod copy_in;
mod copy_out;
mod door;
mod endpoint;
mod error;
mod inbox;
mod messages;
mod row;
pub mod session;
mod startup;
mod stream;
mod tls;

pub use cancel::CancelToken;
pub use client::Client;
pub use closer::Closer;
pub use conninfo::{ConnInfo, ConnInfoError};
pub use copy_in::CopyIn;
pub use copy_out::CopyOut;
pub use door::{Door, Latch};
pub use error::{ConnectFailure, PgError, ServerError, TlsError};
pub use postgres_protocol::escape::{escape_identifier, escape_literal};
pub use row::Row;

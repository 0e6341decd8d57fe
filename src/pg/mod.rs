//! The only place that opens PostgreSQL connections: where the server is, and a blocking client of
//! the version 3 protocol for catalog, DDL and COPY.

mod conninfo;

pub use conninfo::{ConnInfo, ConnInfoError};

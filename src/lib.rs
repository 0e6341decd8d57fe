//! pgpipe moves a PostgreSQL database between two hosts: per-table COPY BINARY in parallel,
//! compressed, checksummed, over QUIC, exactly once.
//!
//! `ARCHITECTURE.md` draws the map; the layers below may each use only what stands above them.

// 1. plain data
pub mod chunk;
pub mod lsn;
pub mod schema;

// 2. pure
pub mod codec;
pub mod control;
pub mod copy;
pub mod ledger;
pub mod phase;
pub mod planner;
pub mod selection;
pub mod wire;

// 3. the outside world
pub mod pg;
pub mod report;
pub mod runtime;
pub mod state;
pub mod transport;

// 4. the two ends
pub mod sink;
pub mod source;

// 5. where they meet
pub mod clone;
pub mod recv;
pub mod send;

// 6. what the user touches
pub mod cli;
pub mod demo;

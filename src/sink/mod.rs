//! The target's end: journal, rows, schema, and what comes last. Speaks raw bytes and chunk ids;
//! knows nothing of the network.

pub mod archive;
pub mod blockers;
pub mod clean;
pub mod database;
pub mod ddl;
pub mod existing;
pub mod extensions;
pub mod finish;
pub mod foresight;
pub mod journal;
pub mod objects;
pub mod properties;
pub mod roles;
pub mod space;
pub mod undo;
pub mod writer;

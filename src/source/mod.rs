//! The source's end: snapshot, catalog, rows, and what is read last. Speaks raw bytes and chunk
//! ids; knows nothing of the network.

mod blockers;
pub mod catalog;
pub mod changes;
pub mod choice;
pub mod dump;
pub mod entry;
pub mod keeper;
pub mod pooling;
pub mod privileges;
pub mod reader;
pub mod server;
pub mod single;
pub mod tail;

//! The order in which schema entries are restored: a pure scheduler over the archive's table of
//! contents.
//!
//! [`toc`] parses the listing, [`stage`] says when in the run an entry belongs, [`schedule`] hands
//! entries out. What runs them, and where, is not known here: no clock, no I/O.
//!
//! # Where REFRESH goes
//!
//! A schema-only archive holds no `MATERIALIZED VIEW DATA`, so the entries here create materialized
//! views unpopulated. The driver refreshes those that were populated, as [`Refreshes`] hands them out, when
//! [`Schedule::awaits_refresh`] turns true: after indexes, keys, foreign keys, views and grants (all
//! of which a query may need), and before event triggers, which would fire on it. It then calls
//! [`Schedule::refreshed`].

mod descriptor;
pub mod refreshes;
pub mod schedule;
pub mod stage;
pub mod toc;

pub use refreshes::Refreshes;
pub use schedule::{Counts, Schedule, Step, Task};
pub use stage::{Stage, pre_data_batches};
pub use toc::{DumpId, Entry, Section, Toc, TocError};

/// Entries per batch: 500 `CREATE` statements keep a transaction's locks well below the default
/// lock table (64 × 100 slots), and make the cost of a `pg_restore` call per entry vanish.
pub const MAX_BATCH: usize = 500;

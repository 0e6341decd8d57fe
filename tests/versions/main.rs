//! Sources and targets of other versions than the one that is installed. What `scripts/servers` has not
//! fetched is skipped with a line that says so; `make test-versions` wants them all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod downgrade;
mod keys;
mod login;
mod lost;
mod mapped;
mod matrix;
mod pooled;
mod roles;
mod splits;

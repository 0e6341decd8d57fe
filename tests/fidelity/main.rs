//! Whole databases, object by object: after a migration pg_dump and SQL must see no difference.
//!
//! `databases/*.sql` together hold each kind of object that PostgreSQL knows. A part of the
//! combinations runs with all tests; all of them by `make test-fidelity`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod cleaned;
mod extension_rows;
mod installation;
mod judge;
mod labels;
mod large_rows;
mod mapped;
mod privileges;
mod refreshed;
mod roles;
mod round_trips;
mod scene;
mod tablespaces;

//! Whole databases moved by recv and send as a user runs them: two processes, two servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod again;
mod broken;
mod changed;
mod encoding;
mod indexes;
mod keys;
mod link;
mod options;
mod report;
mod whole;

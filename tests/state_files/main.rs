//! The state directories of both sides: private, and nothing in them is believed that is not whole
//! and ours.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod flaws;
mod full;
mod interrupted;
mod modes;
mod recv;
mod send;
#[path = "../support/mod.rs"]
mod support;

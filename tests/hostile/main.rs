//! A peer that recv has let in and that then misbehaves: it is refused in one line, nothing of it is
//! on the target, memory stays bounded, and the real send goes on afterwards.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod chunks;
mod client;
mod crowds;
mod endings;
mod messages;
mod plans;
mod rows;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod tls;

//! `--snapshot single`: a whole database through one connection, and of one instant all the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;
mod elsewhere;
mod ends;
mod lent;
mod limits;
mod options;
mod pooler;
mod poolers;
#[path = "../support/mod.rs"]
mod support;
mod watcher;
mod whole;

use std::time::Duration;

use support::{Databases, End, Run, TWO_TABLES as DATA, assert_equal, assert_nothing_left};
use support::{journal, start_recv, start_send};

const LIMIT: Duration = Duration::from_secs(60);
const SINGLE: [&str; 2] = ["--snapshot", "single"];

/// A rate that makes [`DATA`] take four seconds.
const SLOW: [&str; 4] = ["--rate", "16Mbit", "--chunk-size", "1MiB"];

/// Both sides, send through one connection and slowly.
fn start_both(dbs: &Databases, send: &[&str]) -> (Run, Run) {
    let recv = start_recv(dbs, &["--keep-journal"]);
    let args = [&SINGLE[..], &SLOW, send].concat();
    (start_send(dbs, &args), recv)
}

/// Both end well, the databases are equal, and nothing is left.
#[track_caller]
fn finish(dbs: &Databases, send: Run, recv: Run) -> End {
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(0);
    recv.must_end(0);
    dbs.target_sql("DROP SCHEMA IF EXISTS pgpipe CASCADE");
    assert_equal(dbs);
    assert_nothing_left(dbs);
    send
}

//! Rows alone, into tables that the target has: which are held against the source's first, and what
//! does not fit is named before a row moves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acting;
mod adapted;
mod after_schema;
mod again;
mod append;
mod clean;
mod columns;
mod partitions;
#[path = "../support/mod.rs"]
mod support;
mod versions;

use std::time::Duration;

use support::{Databases, End, assert_nothing_left, start_recv, start_send};

const LIMIT: Duration = Duration::from_secs(60);

/// Runs both sides, send with `--data-only`.
fn migrate(dbs: &Databases, send: &[&str], recv: &[&str]) -> (End, End) {
    let recv = start_recv(dbs, recv);
    let send = start_send(dbs, &[&["--data-only"], send].concat());
    (send.wait(), recv.wait())
}

/// Both end well, and leave nothing but the rows.
#[track_caller]
fn moved(dbs: &Databases, send: &[&str], recv: &[&str]) -> (End, End) {
    let (send, recv) = migrate(dbs, send, recv);
    send.must_end(0);
    recv.must_end(0);
    assert_nothing_left(dbs);
    (send, recv)
}

/// Both end with 1 and say all of these; nothing is done on the target.
#[track_caller]
fn refused(dbs: &Databases, send: &[&str], recv: &[&str], words: &[&str]) {
    let (send, recv) = migrate(dbs, send, recv);
    for end in [&send, &recv] {
        end.must_end(1);
        assert_says(end, words);
    }
    assert_nothing_left(dbs);
}

#[track_caller]
fn assert_says(end: &End, words: &[&str]) {
    for word in words {
        let output = end.output();
        assert!(output.contains(word), "{word:?} is not in {output}");
    }
}

/// A query answers the same on both servers.
#[track_caller]
fn assert_same(dbs: &Databases, sql: &str) {
    let source = dbs.source_sql(sql);
    assert!(!source.trim().is_empty(), "{sql} finds nothing");
    assert_eq!(source, dbs.target_sql(sql), "{sql}");
}

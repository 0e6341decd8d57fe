//! Processes and servers that die: what the journal has stays, what it has not is sent again, and
//! nothing is doubled.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backends;
mod ends;
mod held;
mod random;
mod recv;
mod scene;
mod send;
mod stalls;
mod stops;
#[path = "../support/mod.rs"]
mod support;
mod taken_back;
mod target;

use rustix::process::Signal;

use support::{Databases, Run, assert_equal, assert_nothing_left, journal};
use support::{start_recv, start_send};

/// Some 12 chunks that do not compress much: about 6 MB on the wire, three seconds at [`SLOW`].
/// The index functions read no clock: an immutable one must give the same on both servers.
const DATA: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 40000) g;
    CREATE TABLE small (i int PRIMARY KEY, big int REFERENCES big, s text);
    INSERT INTO small SELECT g, g, md5(g::text) FROM generate_series(1, 2000) g;
    CREATE INDEX ON small (s);
    CREATE SEQUENCE counter; SELECT setval('counter', 4711);";

/// No single step takes a tenth of it.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

const SLOW: [&str; 6] = ["--rate", "16Mbit", "--chunk-size", "1MiB", "--jobs", "2"];

/// Both sides, send at a rate that leaves time to kill somebody.
fn start_both(dbs: &Databases, send: &[&str], recv: &[&str]) -> (Run, Run) {
    let recv = start_recv(dbs, recv);
    let slow = SLOW.chunks(2).filter(|option| !send.contains(&option[0]));
    let args: Vec<_> = slow.flatten().chain(send).copied().collect();
    (start_send(dbs, &args), recv)
}

/// `kill -9`: returns when the process is gone, with what it had said.
fn kill(run: Run) -> String {
    run.signal(Signal::KILL);
    let end = run.wait();
    assert_eq!(
        end.status.code(),
        None,
        "{} ended before: {}",
        end.side,
        end.output()
    );
    end.output()
}

/// Both end well, the databases are equal, nothing is left.
#[track_caller]
fn finish(dbs: &Databases, send: Run, recv: Run) -> String {
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(0);
    recv.must_end(0);
    assert_equal(dbs);
    assert_nothing_left(dbs);
    send.output()
}

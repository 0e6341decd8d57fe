//! The snapshot is gone while rows are missing: the run goes on in a new one, and keeps what that
//! one shows just so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changed;
mod clone;
mod ends;
mod killed;
mod lockless;
mod options;
mod passing;
#[path = "../support/mod.rs"]
mod support;
mod unlinked;

use std::collections::BTreeMap;
use std::time::Duration;

use pgpipe::chunk::{Chunk, Plan};
use rustix::process::{Pid, Signal, kill_process};

use support::{
    Databases, End, Run, TWO_TABLES as DATA, assert_equal, assert_nothing_left, journal,
};
use support::{keepers, poll, start_recv, start_send};

const LIMIT: Duration = Duration::from_secs(30);

const SLOW: [&str; 6] = ["--rate", "16Mbit", "--chunk-size", "1MiB", "--jobs", "2"];

/// Both sides, send at a rate that leaves time to end something; the journal stays.
fn start_both(dbs: &Databases, send: &[&str]) -> (Run, Run) {
    let recv = start_recv(dbs, &["--keep-journal"]);
    let args: Vec<_> = SLOW.iter().chain(send).copied().collect();
    (start_send(dbs, &args), recv)
}

/// `kill -9` of the keeper; nothing of pgpipe is left on the source after it.
fn kill_keeper(dbs: &Databases) {
    let pids = keepers(dbs);
    assert_eq!(pids.len(), 1, "keepers {pids:?}");
    let pid = Pid::from_raw(pids[0].cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    poll(LIMIT, || keepers(dbs).is_empty().then_some(())).expect("the keeper ends");
}

/// Both sides and the keeper: whoever starts next comes to another instant.
fn kill_all(dbs: &Databases, send: Run, recv: Run) {
    send.kill();
    recv.kill();
    kill_keeper(dbs);
    let sql = "SELECT count(*) = 0 FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe%'";
    let quiet = || (dbs.source_sql(sql).trim() == "t").then_some(());
    poll(LIMIT, quiet).expect("pgpipe's sessions on the source end");
}

/// The plan that send recorded.
fn plan(dbs: &Databases) -> Plan {
    let bytes = std::fs::read(dbs.path("send.state/main/send/plan")).unwrap();
    postcard::from_bytes(&bytes).unwrap()
}

/// The parts of a table's chunks, as the journal's helper names them.
fn parts_of(plan: &Plan, table: &str) -> Vec<String> {
    let parts = |chunk: &Chunk| {
        let id = chunk.id;
        let parts: Vec<_> = (0..chunk.parts.len())
            .filter(|&p| plan.table(chunk.parts[p].table).name.name == table)
            .map(|p| format!("{id}.{p}"))
            .collect();
        parts
    };
    plan.chunks.iter().flat_map(parts).collect()
}

/// Both end well, the databases are equal, nothing is left but the journal that was asked for;
/// returns
/// how send ended and what the journal had.
#[track_caller]
fn finish(dbs: &Databases, send: Run, recv: Run) -> (End, BTreeMap<String, String>) {
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(0);
    recv.must_end(0);
    let of_journal = dbs.target_sql("SELECT snapshot_time FROM pgpipe.migration");
    assert_eq!(send.report()["snapshot"]["time"], of_journal.trim());
    let committed = journal::committed(dbs);
    dbs.target_sql("DROP SCHEMA pgpipe CASCADE");
    assert_equal(dbs);
    assert_nothing_left(dbs);
    (send, committed)
}

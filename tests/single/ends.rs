//! The session, send or recv ends while rows are missing.

use rustix::process::Signal;

use crate::journal::{assert_kept, committed, wait_for_chunks};
use crate::support::{Databases, Run, assert_no_keeper, poll, start_recv, start_send};
use crate::watcher::Watcher;
use crate::{DATA, LIMIT, SINGLE, SLOW, finish, start_both};

/// The snapshot has gone with it: what is committed is proved in a new one.
#[test]
fn send_is_killed() {
    let dbs = Databases::new("killed", DATA);
    let (send, recv) = start_both(&dbs, &[]);
    let before = wait_for_chunks(&dbs, 4);
    send.kill();
    dbs.source_sql("UPDATE second SET s = 'other' WHERE i = 20000");
    let args = [&SINGLE[..], &SLOW].concat();
    let send = start_send(&dbs, &args);
    let line = send.wait_for("new snapshot:");
    assert!(line.contains("committed chunks stay"), "{line}");
    let (sent, received) = (send.wait(), recv.wait());
    sent.must_end(0);
    received.must_end(0);
    assert_kept(&before, &committed(&dbs));
}

/// The same, by the user; a later start goes on as the first was begun.
#[test]
fn send_is_stopped_and_started_without_the_option() {
    let dbs = Databases::new("stopped", DATA);
    let (send, recv) = start_both(&dbs, &[]);
    let before = wait_for_chunks(&dbs, 3);
    let status = dbs_status(&dbs);
    assert!(status.contains("send itself (process"), "{status}");
    assert!(status.contains("ends with it"), "{status}");
    send.signal(Signal::INT);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    let watcher = Watcher::start(&dbs);
    let recv = start_recv(&dbs, &["--keep-journal"]);
    let send = start_send(&dbs, &SLOW);
    send.wait_for("reading through one connection");
    send.wait_for("new snapshot: all");
    let (sent, received) = (send.wait(), recv.wait());
    watcher.saw_one();
    sent.must_end(0);
    received.must_end(0);
    assert_kept(&before, &committed(&dbs));
}

fn dbs_status(dbs: &Databases) -> String {
    let state = dbs.path("send.state").display().to_string();
    let run = Run::start(dbs.dir(), "status", &["--state".into(), state], &[]);
    run.wait().output()
}

/// With several connections again, if the user says so: then a keeper has the snapshot.
#[test]
fn another_start_exports_the_snapshot() {
    // Whose text depends on the session's settings: the archives are compared.
    let moments = "CREATE TABLE moments (t timestamptz DEFAULT '2020-01-01 00:00+00', b bytea DEFAULT '\\x0102');
        ALTER DATABASE changed_mind SET TimeZone = 'Asia/Tokyo';
        ALTER DATABASE changed_mind SET bytea_output = 'escape';";
    let dbs = Databases::new("changed_mind", &format!("{DATA}{moments}"));
    let (send, recv) = start_both(&dbs, &[]);
    wait_for_chunks(&dbs, 3);
    send.kill();
    let args = [&["--snapshot", "export", "--jobs", "2"], &SLOW[..]].concat();
    let send = start_send(&dbs, &args);
    send.wait_for("new snapshot: all");
    let keepers = crate::support::keepers(&dbs);
    assert_eq!(keepers.len(), 1, "{keepers:?}");
    send.kill();
    // And back: the keeper's snapshot is of no use then, and it does not stay.
    let send = start_send(&dbs, &[&SINGLE[..], &SLOW].concat());
    send.wait_for("new snapshot: all");
    assert_no_keeper(dbs.dir());
    finish(&dbs, send, recv);
}

/// It is noticed at once by whoever reads, and goes on by itself.
#[test]
fn the_session_is_terminated() {
    let dbs = Databases::new("terminated", DATA);
    let (send, recv) = start_both(&dbs, &[]);
    let before = wait_for_chunks(&dbs, 3);
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe send%'";
    assert_eq!(dbs.source_sql(terminate).trim(), "t");
    send.wait_for("new snapshot: all");
    let after = committed(&dbs);
    finish(&dbs, send, recv);
    assert_kept(&before, &after);
}

/// Told that way, it does not.
#[test]
fn a_run_that_may_not_go_on_says_what_has_ended() {
    let dbs = Databases::new("may_not", DATA);
    let (send, recv) = start_both(&dbs, &["--on-lost-snapshot", "stop"]);
    wait_for_chunks(&dbs, 3);
    dbs.source_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe send%'",
    );
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(1);
    recv.must_end(1);
    assert!(
        send.stderr
            .contains("session that held the snapshot has ended"),
        "{}",
        send.stderr
    );
}

/// What was on its way begins again in the same snapshot: the COPY is given up, the session is not.
#[test]
fn recv_is_killed_while_rows_flow() {
    let dbs = Databases::new("recv_killed", DATA);
    // One chunk has both tables: its COPY takes seconds at that rate.
    let send = start_send(&dbs, &[&SINGLE[..], &["--rate", "8Mbit"]].concat());
    let copying = "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'pgpipe send%' AND query LIKE 'COPY%' AND state = 'active'";
    let mut seen = vec![String::new()];
    for _ in 0..3 {
        let recv = start_recv(&dbs, &["--keep-journal"]);
        let another = || {
            let copy = dbs.source_sql(copying);
            (!copy.trim().is_empty() && !seen.contains(&copy)).then_some(copy)
        };
        seen.push(poll(LIMIT, another).expect("rows flow"));
        recv.kill();
    }
    let recv = start_recv(&dbs, &["--keep-journal"]);
    let end = finish(&dbs, send, recv);
    assert!(!end.output().contains("new snapshot"), "{}", end.output());
}

/// Longer than `--stall`: nothing runs on the source then but the one session, which waits.
#[test]
fn a_lost_link_keeps_no_copy_open() {
    let dbs = Databases::new("no_link", DATA);
    let stall = ["--stall", "2s"];
    let recv = start_recv(&dbs, &["--keep-journal", "--stall", "2s"]);
    let send = start_send(&dbs, &[&SINGLE[..], &["--rate", "8Mbit"], &stall].concat());
    let session = |state: &str| {
        format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND application_name LIKE 'pgpipe send%' AND {state}"
        )
    };
    let wait_for = |state: &str| {
        let is_so = || (dbs.source_sql(&session(state)).trim() == "1").then_some(());
        poll(LIMIT, is_so).unwrap_or_else(|| panic!("never: {state}"));
    };
    wait_for("query LIKE 'COPY%' AND state = 'active'");
    recv.kill();
    wait_for("state = 'idle in transaction'");
    let recv = start_recv(&dbs, &["--keep-journal"]);
    let end = finish(&dbs, send, recv);
    assert!(!end.output().contains("new snapshot"), "{}", end.output());
}

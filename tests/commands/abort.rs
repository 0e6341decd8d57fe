//! Given up on either host: both sides roll back, the keeper is gone, and what is left is said.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::chown;
use std::thread;
use std::time::{Duration, Instant};

use pgpipe::pg::{Client, ConnInfo};
use rustix::process::{Signal, geteuid};

use crate::support::holds::{Hold, wait_until_held};
use crate::support::{
    CUT, Databases, Relay, Run, assert_equal, assert_nothing_left, keepers, poll, start_recv,
    start_send, start_side,
};
use crate::{
    DATA, LIMIT, SLOW, Said, assert_quiet, committed, pgpipe, sessions, under_way, wait_for_chunks,
};

/// Whoever gives a migration up gets an answer within this, whatever holds it up.
const ANSWER: Duration = Duration::from_secs(30);

#[track_caller]
fn answered(dbs: &Databases, side: &str) -> Said {
    let asked = Instant::now();
    let said = pgpipe(dbs, side, &["abort"]);
    let took = asked.elapsed();
    assert!(took < ANSWER, "{took:?}: {said:?}");
    said
}

/// Both ended with 1 by an abort that one user asked for.
#[track_caller]
fn both_aborted(send: Run, recv: Run) {
    for run in [send, recv] {
        let end = run.wait();
        end.must_end(1);
        assert!(end.stderr.contains("aborted by "), "{}", end.output());
    }
}

#[test]
fn on_sends_host() {
    let dbs = Databases::new("abort_send", DATA);
    let (send, recv) = under_way(&dbs);
    let said = pgpipe(&dbs, "send", &["abort"]);
    said.must(
        0,
        &[
            "the snapshot is released",
            "no open transaction",
            "chunks, what was made for them, and the journal",
            "pgpipe reset main",
        ],
    );
    assert!(!said.stdout.contains("not told"), "{said:?}");
    both_aborted(send, recv);
    assert_quiet(&dbs);
    pgpipe(&dbs, "recv", &["abort"]).must(0, &["no open transaction", "with recv's --target"]);
}

#[test]
fn on_recvs_host() {
    let dbs = Databases::new("abort_recv", DATA);
    let (send, recv) = under_way(&dbs);
    let said = pgpipe(&dbs, "recv", &["abort"]);
    said.must(
        0,
        &["nothing is at work on the target", "left on the target"],
    );
    both_aborted(send, recv);
    assert_quiet(&dbs);
}

/// Neither goes on with what was given up, until it is reset.
#[test]
fn what_was_given_up_is_not_gone_on_with() {
    let dbs = Databases::new("abort_again", DATA);
    let (send, recv) = under_way(&dbs);
    pgpipe(&dbs, "send", &["abort"]).must(0, &[]);
    both_aborted(send, recv);
    for end in [start_send(&dbs, &[]).wait(), start_recv(&dbs, &[]).wait()] {
        end.must_end(1);
        assert!(end.stderr.contains("pgpipe reset main"), "{}", end.stderr);
    }
}

/// The other side says nothing any more: it is named, and nothing waits for it for long.
#[test]
fn without_a_link_the_other_side_is_named() {
    let dbs = Databases::new("abort_cut", DATA);
    let (send, recv) = under_way(&dbs);
    recv.signal(Signal::STOP);
    let said = pgpipe(&dbs, "send", &["abort"]);
    said.must(0, &["the snapshot is released", "recv was not told"]);
    send.wait().must_end(1);
    assert!(keepers(&dbs).is_empty());
    recv.signal(Signal::CONT);
    // What its host has kept for it may still tell it.
    pgpipe(&dbs, "recv", &["abort"]).must(0, &["left on the target"]);
    recv.wait().must_end(1);
    assert_quiet(&dbs);
}

/// Both hosts are asked while nothing goes through: neither waits for the other.
#[test]
fn on_both_hosts_while_the_link_is_cut() {
    let dbs = Databases::new("abort_both_cut", DATA);
    let relay = Relay::start(dbs.address().parse().unwrap(), 4);
    let recv = start_recv(&dbs, &[]);
    let address = relay.address();
    let args: Vec<_> = SLOW.into_iter().chain(["--connect", &address]).collect();
    let send = start_send(&dbs, &args);
    wait_for_chunks(&dbs, &send);
    relay.set(CUT);
    thread::scope(|scope| {
        scope.spawn(|| answered(&dbs, "send").must(0, &["recv was not told"]).code);
        answered(&dbs, "recv").must(0, &["send was not told"]);
    });
    both_aborted(send, recv);
    assert_quiet(&dbs);
}

/// Another session has the table that rows are written to; the one that would write waits no more.
fn while_rows_wait_for_a_lock(name: &str, side: &str) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = under_way(&dbs);
    let hold = Hold::with(&dbs, "LOCK TABLE public.big IN SHARE MODE");
    wait_until_held(&dbs, "relation", "COPY%");
    answered(&dbs, side).must(0, &["no open transaction"]);
    both_aborted(send, recv);
    assert_quiet(&dbs);
    hold.release();
}

#[test]
fn on_sends_host_while_rows_wait_for_a_lock() {
    while_rows_wait_for_a_lock("abort_lock_send", "send");
}

#[test]
fn on_recvs_host_while_rows_wait_for_a_lock() {
    while_rows_wait_for_a_lock("abort_lock_recv", "recv");
}

/// Readers queue behind a session that waits for the keeper's lock.
#[test]
fn while_readers_wait_for_a_lock() {
    let dbs = Databases::new("abort_readers", DATA);
    let (send, recv) = under_way(&dbs);
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut session = Client::connect(&info, "the application").unwrap();
    let locking = thread::spawn(move || session.execute("BEGIN; LOCK TABLE public.big"));
    send.wait_for("waiting for a lock on");
    answered(&dbs, "recv").must(0, &["no open transaction"]);
    both_aborted(send, recv);
    assert_quiet(&dbs);
    // Nobody has it any more.
    locking.join().unwrap().unwrap();
}

#[test]
fn of_a_dead_send_and_a_dead_recv() {
    let dbs = Databases::new("abort_dead", DATA);
    let (send, recv) = under_way(&dbs);
    for run in [send, recv] {
        run.kill();
    }
    assert_eq!(keepers(&dbs).len(), 1);
    pgpipe(&dbs, "send", &["abort"]).must(0, &["the snapshot is released", "recv was not told"]);
    pgpipe(&dbs, "send", &["abort"]).must(0, &["the snapshot is released"]);
    pgpipe(&dbs, "recv", &["abort"]).must(0, &["send was not told"]);
    assert_quiet(&dbs);
}

/// An index build does not look at its socket: it is cancelled, not waited for.
#[test]
fn while_indexes_are_built() {
    let sql = "CREATE FUNCTION nap(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE
            AS 'BEGIN PERFORM pg_catalog.pg_sleep(120); RETURN i; END';
        CREATE TABLE t (i int) WITH (autovacuum_enabled = false); CREATE INDEX slow ON t (nap(i));
        CREATE OR REPLACE FUNCTION nap(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE
            AS 'BEGIN RETURN i; END';
        INSERT INTO t SELECT generate_series(1, 3);
        CREATE OR REPLACE FUNCTION nap(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE
            AS 'BEGIN PERFORM pg_catalog.pg_sleep(120); RETURN i; END'";
    let dbs = Databases::new("abort_index", sql);
    let (send, recv) = (start_send(&dbs, &[]), start_recv(&dbs, &[]));
    let building = poll(LIMIT, || {
        let seen = sessions(dbs.target(), &dbs);
        let is_building = |line: &str| line.contains(" index ") && line.ends_with("active");
        seen.lines().any(is_building).then_some(())
    });
    assert!(building.is_some(), "{}", recv.stderr());
    pgpipe(&dbs, "recv", &["abort"]).must(0, &[]);
    both_aborted(send, recv);
    assert_quiet(&dbs);
}

/// A send that hears nothing keeps no snapshot either.
#[test]
fn of_a_send_that_does_not_answer() {
    let dbs = Databases::new("abort_silent", DATA);
    let (send, recv) = under_way(&dbs);
    send.signal(Signal::STOP);
    pgpipe(&dbs, "send", &["status"]).must(0, &["send silent", "does not answer"]);
    let said = pgpipe(&dbs, "send", &["abort"]);
    said.must(
        1,
        &["does not answer", "its snapshot is released all the same"],
    );
    // It answers before it is gone.
    let gone = poll(LIMIT, || keepers(&dbs).is_empty().then_some(()));
    gone.expect("the keeper ends");
    drop((send, recv));
    assert_quiet(&dbs);
}

/// Some user who is neither root nor whoever runs the tests.
const STRANGER: u32 = 54321;

/// Gives a side's state to another user, as that of a service is; false, with the reason printed, where
/// that is not allowed.
fn give(dbs: &Databases, side: &str, uid: u32) -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped: this user can give no file away");
        return false;
    }
    let dir = dbs.path(&format!("{side}.state/main/{side}"));
    let files = fs::read_dir(&dir).unwrap();
    let paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    for path in paths.iter().chain([&dir]) {
        match chown(path, Some(uid), None) {
            // A live side has replaced it.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            given => given.unwrap(),
        }
    }
    true
}

/// The live processes do what is to be done, and root only looks.
#[test]
fn by_root_of_another_users_live_process() {
    let dbs = Databases::new("abort_root", DATA);
    let (send, recv) = under_way(&dbs);
    for side in ["send", "recv"] {
        if !give(&dbs, side, STRANGER) {
            return;
        }
    }
    let says = ["the snapshot is released", "no open transaction"];
    answered(&dbs, "send").must(0, &says);
    both_aborted(send, recv);
    assert_quiet(&dbs);
    pgpipe(&dbs, "send", &["abort"]).must(0, &says);
    pgpipe(&dbs, "recv", &["abort"]).must(0, &["no open transaction", "with recv's --target"]);
}

/// Nobody has noted it, and root's file would be in that user's way.
#[test]
fn by_root_of_another_users_dead_process() {
    let dbs = Databases::new("abort_root_dead", DATA);
    let (send, recv) = under_way(&dbs);
    for run in [send, recv] {
        run.kill();
    }
    for side in ["send", "recv"] {
        if !give(&dbs, side, STRANGER) {
            return;
        }
    }
    let says = [
        "another user (uid 54321)",
        "run this as",
        "sudo -u '#54321'",
    ];
    let said = pgpipe(&dbs, "send", &["abort"]);
    said.must(1, &says).must(1, &["is released all the same"]);
    pgpipe(&dbs, "recv", &["abort"]).must(1, &says);
    let target = dbs.target_conninfo();
    let reset = ["reset", "main", "--yes", "--target", &target];
    pgpipe(&dbs, "recv", &reset).must(1, &says);
    assert_quiet(&dbs);
    for side in ["send", "recv"] {
        give(&dbs, side, 0);
        pgpipe(&dbs, side, &["abort"]).must(0, &["no open transaction"]);
    }
}

#[test]
fn of_a_clone() {
    let dbs = Databases::new("abort_clone", DATA);
    let args = ["--chunk-size", "1MiB", "--jobs", "1", "--compress", "19"];
    let clone = start_side(&dbs, "clone", &args, &[]);
    let seen = poll(LIMIT, || (committed(&dbs) >= 1).then_some(()));
    assert!(seen.is_some(), "{}", clone.stderr());
    pgpipe(&dbs, "clone", &["abort"]).must(0, &["the snapshot is released", "left on the target"]);
    let end = clone.wait();
    end.must_end(1);
    assert!(end.stderr.contains("aborted by "), "{}", end.stderr);
    assert_quiet(&dbs);
    // One host has both directories: one reset is for both.
    let target = dbs.target_conninfo();
    let reset = ["reset", "main", "--yes", "--target", &target];
    pgpipe(&dbs, "clone", &reset).must(0, &["recv begins anew", "send begins anew"]);
    start_side(&dbs, "clone", &[], &[]).wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn of_nothing() {
    let dbs = Databases::new("abort_nothing", "");
    pgpipe(&dbs, "send", &["abort"]).must(1, &["cannot look into the state directory"]);
}

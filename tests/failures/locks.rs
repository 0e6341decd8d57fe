//! What another session holds on the target: waited for, as long as it takes, and given up at once
//! when the user says so.

use std::time::Duration;

use pgpipe::pg::{Client, ConnInfo};
use rustix::process::Signal;

use crate::support::holds::{DROP, Hold, wait_until_held};
use crate::support::journal::wait_for_chunks;
use crate::support::{
    Databases, Run, assert_equal, assert_nothing_left, poll, start_recv, start_send,
};
use crate::{LARGE, SLOW};

const LIMIT: Duration = Duration::from_secs(60);
/// Both sides with `--stall 2s`, recv held up by a session that has the table locked.
fn held_up(name: &str) -> (Databases, Run, Run, Hold) {
    let dbs = Databases::new(name, LARGE);
    let recv = start_recv(&dbs, &["--stall", "2s"]);
    let send = start_send(&dbs, &[&SLOW[..], &["--stall", "2s"]].concat());
    wait_for_chunks(&dbs, 1);
    let hold = Hold::with(&dbs, "LOCK TABLE public.big IN SHARE MODE");
    wait_until_held(&dbs, "relation", "COPY%");
    (dbs, send, recv, hold)
}

/// For longer than a silent link is borne: it is not silent.
#[test]
fn a_locked_table_is_waited_for() {
    let (dbs, mut send, mut recv, hold) = held_up("locked_table");
    let line = recv.wait_for("waiting for locks on public.big held by");
    assert!(
        line.contains("data: ") && line.contains("(the application)"),
        "{line}"
    );
    let by = "waiting for recv, which waits for locks on public.big held by";
    let line = send.wait_for(by);
    assert!(
        line.contains("data: ") && line.contains("(the application)"),
        "{line}"
    );
    let said = status_of_send(&dbs);
    assert!(said.contains(by), "{said}");
    assert!(send.is_running() && recv.is_running());
    hold.release();
    let goes_on = || (!status_of_send(&dbs).contains(by)).then_some(());
    poll(LIMIT, goes_on).expect("send says that recv goes on");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

fn status_of_send(dbs: &Databases) -> String {
    let state = dbs.path("send.state").display().to_string();
    let status = Run::start(dbs.dir(), "status", &["--state".into(), state], &[]);
    status.wait().output()
}

/// The last thing that can be held up.
#[test]
fn the_end_of_the_journal_is_waited_for() {
    let (dbs, send, recv, hold) = held_up("locked_end");
    let last = Hold::with(&dbs, DROP);
    hold.release();
    let line = recv.wait_for("end of the journal: indexes 1 of 1, waiting for locks");
    assert!(line.contains("(the application)"), "{line}");
    let line = send.wait_for("which waits for locks on pgpipe.migration held by");
    assert!(line.contains("(the application)"), "{line}");
    last.release();
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_nothing_left(&dbs);
}

/// A new send is told nothing before the server has said how what the one before sent has ended: it is told who holds
/// that up.
#[test]
fn a_commit_that_a_new_send_waits_for_is_held_up() {
    let dbs = Databases::new("locked_commit", LARGE);
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &SLOW);
    wait_for_chunks(&dbs, 1);
    let hold = Hold::with(&dbs, "LOCK TABLE pgpipe.chunk IN SHARE MODE");
    wait_until_held(&dbs, "relation", "%INSERT INTO%chunk%");
    send.kill();
    let send = start_send(&dbs, &SLOW);
    let line = send.wait_for("waiting for recv, which waits for locks on pgpipe.chunk held by");
    assert!(line.contains("(the application)"), "{line}");
    hold.release();
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

fn interrupted(name: &str, stops_send: bool) {
    let (dbs, send, recv, hold) = held_up(name);
    let stopped = if stops_send { &send } else { &recv };
    stopped.signal(Signal::INT);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    hold.release();
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn recv_is_interrupted_while_it_waits() {
    interrupted("locked_recv", false);
}

#[test]
fn send_is_interrupted_while_recv_waits() {
    interrupted("locked_send", true);
}

/// Before there is a journal.
#[test]
fn recv_is_interrupted_while_it_waits_to_begin() {
    let dbs = Databases::new("locked_journal", LARGE);
    let hold = Hold::journal(&dbs);
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &[]));
    wait_until_held(&dbs, "advisory", "%CREATE SCHEMA%");
    recv.signal(Signal::INT);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    dbs.target_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%'",
    );
    hold.release_tables(&dbs);
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &[]));
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

/// Readers queue behind whoever waits for the keeper's lock: shown, with the name of the session.
#[test]
fn readers_behind_an_exclusive_lock_on_the_source_say_so() {
    let dbs = Databases::new("queue", LARGE);
    let recv = start_recv(&dbs, &[]);
    let args = [&SLOW[..], &["--jobs", "1"]].concat();
    let send = start_send(&dbs, &args);
    send.wait_for("data: ");
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut session = Client::connect(&info, "the application").unwrap();
    let queued = std::thread::spawn(move || {
        let lock = "SET lock_timeout = '15s'; LOCK TABLE public.big";
        session
            .execute(lock)
            .unwrap_err()
            .sqlstate()
            .map(str::to_owned)
    });
    let line = send.wait_for("waiting for a lock on");
    assert!(line.contains("public.big"), "{line}");
    assert!(line.contains("the application"), "{line}");
    assert_eq!(queued.join().unwrap().as_deref(), Some("55P03"));
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

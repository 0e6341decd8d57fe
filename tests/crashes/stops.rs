//! Stopped on purpose: by a signal, by `pgpipe abort`, by a limit.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::Signal;

use crate::journal::wait_for_chunks;
use crate::support::{Databases, assert_nothing_left, keepers, poll, start_recv, start_send};
use crate::{DATA, SLOW, finish, kill, start_both};

const LIMIT: Duration = Duration::from_secs(10);

/// One side is interrupted; both end with 3, the same commands go on.
fn interrupted(name: &str, stops_send: bool) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_for_chunks(&dbs, 3);
    let stopped = if stops_send { &send } else { &recv };
    stopped.signal(Signal::INT);
    for end in [send.wait(), recv.wait()] {
        end.must_end(3);
        let says = end
            .stderr
            .contains("pgpipe: stopped; the same command goes on from there");
        assert!(says, "{}", end.output());
    }
    assert_eq!(keepers(&dbs).len(), 1, "the keeper waits for the next send");
    let (send, recv) = start_both(&dbs, &[], &[]);
    let line = send.wait_for("migration main:");
    assert!(
        line.contains("continuing") && line.contains("snapshot alive"),
        "{line}"
    );
    finish(&dbs, send, recv);
}

#[test]
fn send_is_interrupted() {
    interrupted("interrupt_send", true);
}

#[test]
fn recv_is_interrupted() {
    interrupted("interrupt_recv", false);
}

/// recv waits for the next send when told to.
#[test]
fn recv_stays_when_send_is_stopped() {
    let dbs = Databases::new("stay", DATA);
    let (send, mut recv) = start_both(&dbs, &[], &["--stay"]);
    wait_for_chunks(&dbs, 3);
    send.signal(Signal::INT);
    send.wait().must_end(3);
    recv.wait_for("waiting for the next send");
    assert!(recv.is_running());
    let send = start_send(&dbs, &SLOW);
    send.wait().must_end(0);
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    crate::support::assert_equal(&dbs);
}

fn abort(state: &Path) -> Output {
    let mut abort = Command::new(env!("CARGO_BIN_EXE_pgpipe"));
    abort
        .arg("abort")
        .arg("--state")
        .arg(state)
        .output()
        .unwrap()
}

#[test]
fn abort_ends_the_keeper_of_a_dead_send() {
    let dbs = Databases::new("abort_dead", DATA);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_for_chunks(&dbs, 2);
    kill(send);
    kill(recv);
    assert_eq!(keepers(&dbs).len(), 1);
    let said = abort(&dbs.path("send.state"));
    assert!(said.status.success());
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("the snapshot is released"), "{text}");
    let gone = poll(LIMIT, || keepers(&dbs).is_empty().then_some(()));
    assert!(gone.is_some(), "the keeper lives");
    let said = abort(&dbs.path("send.state"));
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("no snapshot is held"), "{text}");
    dbs.target_sql("DROP SCHEMA pgpipe CASCADE");
    assert_nothing_left(&dbs);
}

#[test]
fn abort_ends_a_send_at_work() {
    let dbs = Databases::new("abort_live", DATA);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_for_chunks(&dbs, 2);
    assert!(abort(&dbs.path("send.state")).status.success());
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(1);
    recv.must_end(1);
    assert!(send.stderr.contains("snapshot"), "{}", send.stderr);
    assert!(recv.stderr.contains("pgpipe: send: "), "{}", recv.stderr);
    dbs.target_sql("DROP SCHEMA pgpipe CASCADE");
    assert_nothing_left(&dbs);
}

#[test]
fn a_recv_that_never_comes_back_is_given_up() {
    let dbs = Databases::new("give_up", DATA);
    let (send, recv) = start_both(&dbs, &["--give-up", "3s"], &[]);
    wait_for_chunks(&dbs, 2);
    kill(recv);
    let end = send.wait();
    end.must_end(3);
    assert!(
        end.stderr.contains("could not be reached within 3 s"),
        "{}",
        end.stderr
    );
    // Whoever starts both again goes on.
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &[]);
    finish(&dbs, send, recv);
}

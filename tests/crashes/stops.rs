//! Stopped on purpose: by a signal, by a limit. By commands: tests/commands.

use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::journal::wait_for_chunks;
use crate::support::{Databases, Run, keepers, start_recv, start_send};
use crate::{DATA, SLOW, finish, kill, start_both};

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
    // A restart, which knows recv already, has the same limit.
    let end = start_send(&dbs, &["--give-up", "1s"]).wait();
    end.must_end(3);
    let said = "could not be reached within 1 s";
    assert!(end.stderr.contains(said), "{}", end.stderr);
    // Whoever starts both again goes on.
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &[]);
    finish(&dbs, send, recv);
}

/// Without `--give-up` nothing else ends the wait for recv: no limit of send's own.
#[test]
fn without_a_limit_send_waits_as_long_as_the_keeper_lives() {
    let dbs = Databases::new("no_limit", DATA);
    let recv = start_recv(&dbs, &[]);
    let path = |name: &str| dbs.path(name).display().to_string();
    let (state, pair, address) = (path("send.state"), path("pair"), dbs.address());
    let source = dbs.source_conninfo();
    let mut args = vec!["--state", &state, "--pair-file", &pair, "--source", &source];
    args.extend(["--connect", &address, "--on-lost-snapshot", "stop"]);
    args.extend(SLOW);
    let args: Vec<_> = args.into_iter().map(str::to_owned).collect();
    let mut send = Run::start(dbs.dir(), "send", &args, &[]);
    wait_for_chunks(&dbs, 2);
    kill(recv);
    send.wait_for("connection to recv lost");
    // Each try to dial takes some seconds.
    thread::sleep(Duration::from_secs(12));
    assert!(send.is_running());
    let keeper = keepers(&dbs)[0];
    kill_process(Pid::from_raw(keeper.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let end = send.wait();
    end.must_end(1);
    assert!(
        end.stderr.contains("the snapshot is gone"),
        "{}",
        end.stderr
    );
}

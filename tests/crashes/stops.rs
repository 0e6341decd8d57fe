//! Stopped on purpose: by a signal, by a limit. By commands: tests/commands.

use rustix::process::Signal;

use crate::journal::wait_for_chunks;
use crate::support::{Databases, keepers, start_recv, start_send};
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
    // Whoever starts both again goes on.
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &[]);
    finish(&dbs, send, recv);
}

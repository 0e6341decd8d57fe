//! What the user may want instead of a proof.

use crate::journal::wait_for_chunks;
use crate::support::Databases;
use crate::{DATA, finish, kill_keeper, start_both};

#[test]
fn restart_begins_again_without_reading() {
    let dbs = Databases::new("restarted", DATA);
    let (send, recv) = start_both(&dbs, &["--on-lost-snapshot", "restart"]);
    let before = wait_for_chunks(&dbs, 2);
    kill_keeper(&dbs);
    let line = send.wait_for("new snapshot:");
    assert!(line.contains("new snapshot: 0 of "), "{line}");
    let (send, after) = finish(&dbs, send, recv);
    for (part, time) in &before {
        assert_ne!(&after[part], time, "part {part} was kept");
    }
    let phases = send.report()["phases"].to_string();
    assert!(!phases.contains("proof"), "{phases}");
}

#[test]
fn stop_ends_the_run() {
    let dbs = Databases::new("stopped", DATA);
    let (send, recv) = start_both(&dbs, &["--on-lost-snapshot", "stop"]);
    wait_for_chunks(&dbs, 2);
    kill_keeper(&dbs);
    let (send, recv) = (send.wait(), recv.wait());
    for end in [&send, &recv] {
        end.must_end(1);
        assert!(
            end.stderr.contains("the snapshot is gone"),
            "{}",
            end.stderr
        );
        assert!(end.stderr.contains("--on-lost-snapshot"), "{}", end.stderr);
    }
    let (send, recv) = start_both(&dbs, &["--on-lost-snapshot", "stop"]);
    send.wait().must_end(1);
    recv.wait().must_end(1);
    // The user thinks better of it.
    let (send, recv) = start_both(&dbs, &[]);
    finish(&dbs, send, recv);
}

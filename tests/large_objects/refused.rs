//! What is there already, and what is taken back.

use std::process::Command;

use crate::support::{Databases, migrate, start_recv, start_send};
use crate::{finish, small, wait_for_chunks};

#[test]
fn an_object_of_the_targets_own_is_refused_by_name() {
    let dbs = Databases::new("lo_there", &small(10));
    dbs.target_sql("SELECT lo_create(100005)");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(1);
    recv.must_end(1);
    assert!(
        recv.stderr.contains("LARGE OBJECT 100005;"),
        "{}",
        recv.output()
    );
    let there = dbs.target_sql("SELECT count(*) FROM pg_largeobject_metadata");
    assert_eq!(there.trim(), "1");
}

/// What somebody else made meanwhile, amid the OIDs of ours, stays.
#[test]
fn reset_removes_ours_alone() {
    let dbs = Databases::new("lo_reset", &small(4000));
    let slow = ["--rate", "8Mbit", "--chunk-size", "1MiB", "--jobs", "2"];
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &slow));
    wait_for_chunks(&dbs, 4);
    send.kill();
    recv.kill();
    dbs.target_sql("SELECT lo_create(7)");
    let recv_state = dbs.path("recv.state");
    let said = Command::new(env!("CARGO_BIN_EXE_pgpipe"))
        .args(["reset", "main", "--yes", "--target", &dbs.target_conninfo()])
        .arg("--state")
        .arg(recv_state)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    let left = dbs.target_sql("SELECT oid FROM pg_largeobject_metadata");
    assert_eq!(left.trim(), "7");
    dbs.target_sql("SELECT lo_unlink(7)");
    finish(&dbs, start_send(&dbs, &[]), start_recv(&dbs, &[]));
}

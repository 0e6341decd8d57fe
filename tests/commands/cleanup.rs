//! What a migration that is over has left is removed, and nothing of one that is not.

use crate::support::{Databases, assert_equal, keepers, migrate};
use crate::{DATA, assert_quiet, pgpipe, under_way};

#[test]
fn of_a_finished_one() {
    let dbs = Databases::new(
        "cleanup_done",
        "CREATE TABLE t (i int); INSERT INTO t VALUES (1)",
    );
    let (send, recv) = migrate(&dbs, &[], &["--keep-journal"]);
    send.must_end(0);
    recv.must_end(0);
    pgpipe(&dbs, "send", &["cleanup", "main"]).must(2, &["--yes"]);
    pgpipe(&dbs, "send", &["cleanup", "main", "--yes"]).must(0, &["removed"]);
    assert!(!dbs.path("send.state/main").exists());
    let target = dbs.target_conninfo();
    let args = ["cleanup", "main", "--yes", "--target", &target];
    pgpipe(&dbs, "recv", &args).must(0, &["the journal on the target is dropped"]);
    assert!(!dbs.path("recv.state/main").exists());
    assert_equal(&dbs);
    pgpipe(&dbs, "recv", &args).must(1, &["there is no migration main"]);
}

#[test]
fn of_one_that_is_not_over() {
    let dbs = Databases::new("cleanup_open", DATA);
    let (send, recv) = under_way(&dbs);
    for force in [&["--yes"][..], &["--yes", "--force"]] {
        let args = [&["cleanup", "main"], force].concat();
        pgpipe(&dbs, "send", &args).must(1, &["is at work"]);
    }
    pgpipe(&dbs, "send", &["stop"]).must(0, &[]);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    for (side, consequence) in [
        ("send", "its snapshot is released"),
        ("recv", "stays there"),
    ] {
        let said = pgpipe(&dbs, side, &["cleanup", "main", "--yes"]);
        said.must(1, &["not finished", "--force", consequence]);
    }
    assert_eq!(keepers(&dbs).len(), 1);
    pgpipe(&dbs, "send", &["cleanup", "main", "--yes", "--force"])
        .must(0, &["the snapshot is released"]);
    pgpipe(&dbs, "recv", &["cleanup", "main", "--yes", "--force"]).must(0, &["removed"]);
    assert_quiet(&dbs);
}

#[test]
fn of_an_aborted_one() {
    let dbs = Databases::new("cleanup_aborted", DATA);
    let (send, recv) = under_way(&dbs);
    pgpipe(&dbs, "recv", &["abort"]).must(0, &[]);
    send.wait().must_end(1);
    recv.wait().must_end(1);
    for side in ["send", "recv"] {
        pgpipe(&dbs, side, &["cleanup", "main", "--yes"]).must(0, &["removed"]);
    }
}

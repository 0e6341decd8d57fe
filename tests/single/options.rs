//! What goes with one connection, and what names it.

use crate::support::{
    Databases, Run, assert_equal, assert_no_keeper, migrate, start_recv, start_send,
};
use crate::{DATA, SINGLE};

fn refused(args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let common = ["--connect", "127.0.0.1:1", "--snapshot", "single"];
    let args: Vec<_> = common.iter().chain(args).map(|s| (*s).to_owned()).collect();
    let end = Run::start(dir.path(), "send", &args, &[]).wait();
    end.must_end(2);
    end.stderr
}

#[test]
fn what_needs_several_connections_or_a_keeper_is_refused() {
    let said = refused(&["--jobs", "2"]);
    assert!(
        said.contains("--jobs does not go with --snapshot single"),
        "{said}"
    );
    let said = refused(&["--keep-snapshot", "1h"]);
    assert!(said.contains("--keep-snapshot does not go with"), "{said}");
}

/// A role that may not export: the message names the other way, and that goes.
#[test]
fn a_server_that_exports_no_snapshot() {
    let dbs = Databases::new("no_export", DATA);
    dbs.source_sql(
        "REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC;
         CREATE ROLE no_exporter LOGIN; GRANT SELECT ON first, second TO no_exporter",
    );
    let conninfo = dbs
        .source_conninfo()
        .replace("user=postgres", "user=no_exporter");
    let source = ["--source", &conninfo, "--no-privileges"];
    let send = start_send(&dbs, &source);
    let recv = start_recv(&dbs, &[]);
    let (sent, received) = (send.wait(), recv.wait());
    sent.must_end(1);
    received.must_end(1);
    for words in [
        "permission denied for function pg_export_snapshot",
        "--snapshot single",
    ] {
        assert!(sent.stderr.contains(words), "{}", sent.stderr);
    }
    assert_no_keeper(dbs.dir());
    let (sent, received) = migrate(&dbs, &[&SINGLE[..], &source].concat(), &[]);
    sent.must_end(0);
    received.must_end(0);
    dbs.source_sql(
        "REVOKE ALL ON first, second FROM no_exporter;
         GRANT EXECUTE ON FUNCTION pg_export_snapshot() TO PUBLIC",
    );
    assert_equal(&dbs);
}

/// Both ends in one process have one connection to the source too.
#[test]
fn clone_reads_through_one_connection() {
    let dbs = Databases::new("cloned", DATA);
    let watcher = crate::watcher::Watcher::start(&dbs);
    crate::support::start_side(&dbs, "clone", &SINGLE, &[])
        .wait()
        .must_end(0);
    watcher.saw_one();
    assert_equal(&dbs);
}

//! A target that must not be written to.

use std::time::Duration;

use crate::support::{
    Databases, assert_equal, assert_nothing_left, migrate, poll, start_recv, start_send,
};
use crate::{LARGE, SLOW, SMALL, fails, stranger};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_filled_table_is_named_and_left_alone() {
    let dbs = Databases::new("filled", SMALL);
    dbs.target_sql("CREATE TABLE t (other int); INSERT INTO t VALUES (7)");
    let (send, recv) = migrate(&dbs, &[], &[]);
    fails(&send, 1, &["recv: ", "not empty", "public.t"]);
    fails(&recv, 1, &["not empty", "public.t"]);
    assert_eq!(dbs.target_sql("SELECT other FROM t").trim(), "7");
    assert_nothing_left(&dbs);
}

#[test]
fn an_empty_table_is_refused_too() {
    let dbs = Databases::new("empty_table", SMALL);
    dbs.target_sql("CREATE TABLE t (i int)");
    let (send, recv) = migrate(&dbs, &[], &[]);
    fails(&send, 1, &["already there", "public.t"]);
    fails(&recv, 1, &["already there", "public.t"]);
    assert_nothing_left(&dbs);
}

/// What the user then wants to move is the source of then, not of the first try.
#[test]
fn the_run_after_a_refusal_takes_a_new_snapshot() {
    let dbs = Databases::new("second_try", SMALL);
    dbs.target_sql("CREATE TABLE t (i int)");
    let (send, _) = migrate(&dbs, &[], &[]);
    send.must_end(1);
    dbs.target_sql("DROP TABLE t");
    dbs.source_sql("INSERT INTO t VALUES (0, 'later')");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn the_source_itself_is_no_target() {
    let dbs = Databases::new("itself", SMALL);
    let recv = start_recv(&dbs, &["--target", &dbs.source_conninfo()]);
    let send = start_send(&dbs, &[]);
    fails(&send.wait(), 1, &["the source database itself"]);
    fails(&recv.wait(), 1, &["the source database itself"]);
    let journal = "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgpipe'";
    assert_eq!(dbs.source_sql(journal).trim(), "0");
    assert_nothing_left(&dbs);
}

/// Another pair, with state directories of its own, into the target of one that is at work.
#[test]
fn another_migration_at_work_in_the_target_is_not_disturbed() {
    let dbs = Databases::new("two_into_one", LARGE);
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &SLOW));
    let begun = || {
        let there = dbs.target_sql("SELECT to_regclass('pgpipe.migration') IS NOT NULL");
        (there.trim() == "t").then_some(())
    };
    assert!(poll(LIMIT, begun).is_some(), "{}", recv.stderr());
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    drop(socket);
    let pair = dbs.path("second.pair").display().to_string();
    let args = |link| [link, &*address, "--pair-file", &*pair];
    let second = stranger(&dbs, "recv", "second.recv", &args("--listen"));
    let caller = stranger(&dbs, "send", "second.send", &args("--connect")).wait();
    let says = ["the unfinished migration \"main\" of another sender"];
    fails(&caller, 1, &[&["recv: "], &says[..]].concat());
    fails(&second.wait(), 1, &says);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

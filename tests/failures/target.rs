//! A target that must not be written to.

use crate::support::{
    Databases, assert_equal, assert_nothing_left, migrate, start_recv, start_send,
};
use crate::{SMALL, fails};

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

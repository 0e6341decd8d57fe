//! Both sides in one process, for a host that reaches both servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{Databases, assert_equal, assert_nothing_left, start_side};

const FILL: &str = "
    CREATE TABLE parent (id int PRIMARY KEY, name text);
    CREATE TABLE child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES parent, t regtype);
    INSERT INTO parent SELECT i, md5(i::text) FROM generate_series(1, 50000) i;
    INSERT INTO child (parent, t) SELECT id, 'int' FROM parent WHERE id % 3 = 0;
    CREATE INDEX ON parent (name);
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM child;";

#[test]
fn a_clone_equals_its_source_and_is_made_once() {
    let dbs = Databases::new("cloned", FILL);
    let clone = || start_side(&dbs, "clone", &["--chunk-size", "1MiB", "--jobs", "2"], &[]).wait();
    let first = clone();
    first.must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
    let report = first.report();
    assert_eq!(report["totals"]["rows"], 50_000 + 16_666);
    assert_eq!(report["verified"], "stream");
    dbs.target_sql("DELETE FROM child");
    let second = clone();
    let line = second.must_end(0).stderr.lines().next().unwrap_or_default();
    assert_eq!(line, "migration main: finished; nothing to do");
    assert_eq!(dbs.target_sql("SELECT count(*) FROM child").trim(), "0");
    assert_nothing_left(&dbs);
}

#[test]
fn a_clone_makes_its_database() {
    let dbs = Databases::without_target("clone_makes", "", FILL);
    let clone = start_side(&dbs, "clone", &["--create-db"], &[]).wait();
    clone.must_end(0);
    assert_equal(&dbs);
}

#[test]
fn a_clone_onto_itself_is_refused() {
    let dbs = Databases::new("onto_itself", FILL);
    let source = dbs.source_conninfo();
    let clone = start_side(&dbs, "clone", &["--target", &source], &[]).wait();
    clone.must_end(1);
    assert!(
        clone
            .stderr
            .contains("the target database is the source database itself"),
        "{}",
        clone.stderr
    );
    assert_eq!(
        dbs.source_sql("SELECT count(*) FROM parent").trim(),
        "50000"
    );
    assert_nothing_left(&dbs);
}

/// The state of a failed clone must not keep the next one from its work.
#[test]
fn a_table_in_the_way_is_named_and_left_alone() {
    let dbs = Databases::new("in_the_way", FILL);
    dbs.target_sql("CREATE TABLE parent (other int); INSERT INTO parent VALUES (1)");
    let refused = start_side(&dbs, "clone", &[], &[]).wait();
    refused.must_end(1);
    assert!(
        refused
            .stderr
            .contains("already there and not empty: public.parent"),
        "{}",
        refused.stderr
    );
    assert_eq!(dbs.target_sql("SELECT * FROM parent").trim(), "1");
    dbs.target_sql("DROP TABLE parent");
    start_side(&dbs, "clone", &[], &[]).wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

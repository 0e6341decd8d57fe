//! Indexes are built side by side, and the last one by all who are left.

use super::support::{Databases, assert_equal, migrate};

/// Moves one table with one index, which the target builds with a helper; what its server logs.
fn is_helped(name: &str, index: &str) -> String {
    let table = "CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) AS i";
    let dbs = Databases::new(name, &format!("{table}; {index}"));
    let set = |what: &str| {
        dbs.target_sql(&format!("ALTER DATABASE {name} SET {what}"));
    };
    set("log_min_messages = debug1");
    set("min_parallel_table_scan_size = 0");
    let (send, recv) = migrate(&dbs, &[], &["--index-jobs", "2"]);
    send.must_end(0);
    recv.must_end(0);
    dbs.target_sql(&format!("ALTER DATABASE {name} RESET ALL"));
    assert_equal(&dbs);
    let log = dbs.target().log();
    let build = format!("building index \"{name}\" on table \"t\" ");
    let helped = format!("{build}with request for 1 parallel workers");
    assert!(log.contains(&helped), "{log}");
    log
}

#[test]
fn the_last_index_is_helped_with() {
    is_helped("helped", "CREATE INDEX helped ON t (i)");
}

/// Only parallel workers are in the way of this function, whatever it says.
#[test]
fn an_index_that_cannot_be_helped_with_is_built_alone() {
    let index = "CREATE FUNCTION safe(i int) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
            AS 'BEGIN RETURN i / 0; EXCEPTION WHEN division_by_zero THEN RETURN i; END';
        CREATE INDEX alone ON t (safe(i))";
    let log = is_helped("alone", index);
    assert!(
        log.contains("cannot start subtransactions during a parallel operation"),
        "{log}"
    );
    assert!(
        log.contains("building index \"alone\" on table \"t\" serially"),
        "{log}"
    );
}

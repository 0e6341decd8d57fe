//! Indexes are built side by side, and the last one by all who are left.

use super::support::{Databases, assert_equal, migrate};

/// Moves one table with one index upon what a function does, which the target builds with a helper; what
/// its server logs. The function is to say in the log what memory it is called with.
fn is_helped(name: &str, body: &str) -> String {
    let dbs = Databases::new(
        name,
        &format!(
            "CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) AS i;
            CREATE FUNCTION {name}_key(i int) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
                BEGIN
                    IF i = 500 THEN RAISE LOG '{name} has %', current_setting('maintenance_work_mem'); END IF;
                    {body}
                END $$;
            CREATE INDEX {name} ON t ({name}_key(i))"
        ),
    );
    let set = |what: &str| {
        dbs.target_sql(&format!("ALTER DATABASE {name} SET {what}"));
    };
    set("log_min_messages = debug1");
    set("min_parallel_table_scan_size = 0");
    set("maintenance_work_mem = '77MB'");
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
    let log = is_helped("helped", "RETURN i;");
    // Of both processes together.
    assert!(log.contains("helped has 64MB"), "{log}");
}

/// Only parallel workers are in the way of this function, whatever it says.
#[test]
fn an_index_that_cannot_be_helped_with_is_built_alone() {
    let body = "BEGIN RETURN i / 0; EXCEPTION WHEN division_by_zero THEN RETURN i; END;";
    let log = is_helped("alone", body);
    let refused = "cannot start subtransactions during a parallel operation";
    assert!(log.contains(refused), "{log}");
    let alone = "building index \"alone\" on table \"t\" serially";
    let after = log.split_once(alone).map(|(_, after)| after);
    assert!(
        after.is_some_and(|after| after.contains("alone has 64MB")),
        "{log}"
    );
}

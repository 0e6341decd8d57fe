//! A target that grants too little room for temporary files.

use crate::fails;
use crate::support::{Databases, assert_equal, assert_nothing_left, migrate};

/// The index's own expression spills, whatever memory recv gives the build.
const SPILLING: &str = "CREATE FUNCTION spill(i int) RETURNS bigint LANGUAGE sql IMMUTABLE
        SET work_mem = '64kB'
        AS 'SELECT count(*) FROM (SELECT g FROM pg_catalog.generate_series(1, 200000) g
            ORDER BY g DESC) sorted';
    CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3);
    CREATE INDEX spilling ON t (public.spill(i))";

#[test]
fn an_index_build_without_room_for_temporary_files_ends_with_3() {
    let dbs = Databases::new("spill", SPILLING);
    let limit = |size| {
        let sql = format!("ALTER DATABASE spill SET temp_file_limit = {size}");
        dbs.target().psql("postgres", &sql).unwrap();
    };
    limit("'128kB'");
    let (send, recv) = migrate(&dbs, &[], &[]);
    fails(&recv, 3, &["spilling", "temp_file_limit", "53400"]);
    fails(&send, 3, &["recv: ", "temp_file_limit", "53400"]);
    limit("-1");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    dbs.target()
        .psql("postgres", "ALTER DATABASE spill RESET ALL")
        .unwrap();
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

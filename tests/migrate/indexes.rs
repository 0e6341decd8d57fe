//! Indexes are built side by side, and the last one by all who are left.

use super::support::{Databases, migrate};

#[test]
fn the_last_index_is_helped_with() {
    let sql = "CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) AS i; CREATE INDEX helped ON t (i)";
    let dbs = Databases::new("helped", sql);
    let set = |what: &str| {
        dbs.target_sql(&format!("ALTER DATABASE helped SET {what}"));
    };
    set("log_min_messages = debug1");
    set("min_parallel_table_scan_size = 0");
    let (send, recv) = migrate(&dbs, &[], &["--index-jobs", "2"]);
    send.must_end(0);
    recv.must_end(0);
    let log = dbs.target().log();
    let build = r#"building index "helped" on table "t" with request for 1 parallel workers"#;
    assert!(log.contains(build), "{log}");
}

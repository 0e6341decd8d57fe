//! Tablespaces belong to the server: one that the target lacks is named before anything is made.

use super::judge;
use super::scene::prepare;
use super::support::{Databases, assert_nothing_left, migrate};

#[test]
fn a_missing_tablespace_ends_the_run_or_is_left_out() {
    prepare();
    let dbs = Databases::new("lacks_space", "");
    let source = |sql: &str| dbs.source().psql("postgres", sql).unwrap();
    source("CREATE TABLESPACE \"only here\" LOCATION ''");
    dbs.source_sql("CREATE TABLE t (i int) TABLESPACE \"only here\"; INSERT INTO t VALUES (1);");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(1);
    recv.must_end(1);
    assert!(
        recv.stderr
            .contains("the target has no tablespace only here"),
        "{recv:?}"
    );
    assert_nothing_left(&dbs);
    let (send, recv) = migrate(&dbs, &["--no-tablespaces"], &[]);
    send.must_end(0);
    recv.must_end(0);
    dbs.source_sql("ALTER TABLE t SET TABLESPACE pg_default");
    judge::assert_same(&dbs, "no tablespaces");
    source("DROP TABLESPACE \"only here\"");
}

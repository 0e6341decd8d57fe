//! Partitions that are written through their ancestor, of which some are unlogged: after a crash
//! of the target rows and journal would not agree.

use crate::support::{Databases, assert_no_keeper, migrate};
use crate::{assert_empty_target, fails};

/// The server spreads rows of moods anew, as an enum's hash is another one there. Rows of days it
/// leaves where they are.
const MIXED: &str = "CREATE TYPE mood AS ENUM ('sad', 'glad', 'so', 'la');
    CREATE TABLE moods (m mood, i int) PARTITION BY HASH (m);
    CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE UNLOGGED TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO moods SELECT unnest(enum_range(NULL::mood)), i FROM generate_series(1, 100) i;
    CREATE TABLE days (day int, s text) PARTITION BY RANGE (day);
    CREATE TABLE days_0 PARTITION OF days FOR VALUES FROM (0) TO (10);
    CREATE UNLOGGED TABLE days_1 PARTITION OF days FOR VALUES FROM (10) TO (20);
    INSERT INTO days SELECT i, md5(i::text) FROM generate_series(0, 19) i;";

#[test]
fn a_hash_family_that_is_partly_unlogged_is_refused() {
    let dbs = Databases::new("partly_unlogged", MIXED);
    let says = [
        "rows of public.moods go through it",
        "public.moods_0 is logged and public.moods_1 unlogged",
        "SET LOGGED or SET UNLOGGED",
    ];
    let (send, recv) = migrate(&dbs, &[], &[]);
    fails(&send, 1, &says);
    fails(&recv, 1, &says);
    assert!(
        !send.stderr.contains("--load-via-partition-root"),
        "{}",
        send.stderr
    );
    assert_empty_target(&dbs);
    assert_no_keeper(dbs.dir());
    dbs.source_sql("ALTER TABLE moods_1 SET LOGGED");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    for rows in ["TABLE moods ORDER BY m, i", "TABLE days ORDER BY day"] {
        assert_eq!(dbs.source_sql(rows), dbs.target_sql(rows));
    }
}

/// Any family, where the user wants its rows to go through the root.
#[test]
fn so_is_any_where_rows_go_through_roots() {
    let sql = format!("{MIXED}; ALTER TABLE moods_0 SET UNLOGGED");
    let dbs = Databases::new("partly_unlogged_root", &sql);
    let (send, recv) = migrate(&dbs, &["--load-via-partition-root"], &[]);
    let says = [
        "public.days_0 is logged and public.days_1 unlogged",
        "begin anew without --load-via-partition-root",
    ];
    fails(&send, 1, &says);
    fails(&recv, 1, &says);
    assert_empty_target(&dbs);
}

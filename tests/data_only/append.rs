//! Tables that have rows.

use crate::support::Databases;
use crate::{assert_says, migrate, moved};

/// Rows are added, and what is in the way of one stops the run: its chunk alone is rolled back, and
/// the same commands go on when it is gone.
#[test]
fn rows_are_added_and_a_double_key_is_named() {
    let dbs = Databases::new(
        "do_append",
        "CREATE SEQUENCE ahead; SELECT setval('ahead', 10); CREATE SEQUENCE behind; SELECT setval('behind', 10);
        CREATE TABLE t (i int PRIMARY KEY, s text); CREATE TABLE u (i int PRIMARY KEY);
        INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 2000) i;
        INSERT INTO u SELECT generate_series(1, 10)",
    );
    dbs.target_sql(
        "CREATE SEQUENCE ahead; SELECT setval('ahead', 99); CREATE SEQUENCE behind;
        CREATE TABLE t (i int PRIMARY KEY, s text); CREATE TABLE u (i int PRIMARY KEY);
        INSERT INTO t VALUES (5000, 'mine'), (1999, 'mine'); INSERT INTO u VALUES (100)",
    );
    let send = ["--chunk-size", "256KiB", "--jobs", "1"];
    let (sent, received) = migrate(&dbs, &send, &["--append"]);
    for end in [&sent, &received] {
        end.must_end(1);
        assert_says(
            end,
            &[
                "public.t (a key is there already",
                "duplicate key value violates unique constraint",
            ],
        );
    }
    let committed = dbs.target_sql("SELECT count(*) FROM pgpipe.chunk");
    assert_ne!(committed.trim(), "0");
    dbs.target_sql("DELETE FROM t WHERE s = 'mine' AND i = 1999");
    moved(&dbs, &send, &["--append"]);
    let counts = "SELECT count(*), count(DISTINCT i), (SELECT count(*) FROM u) FROM t";
    assert_eq!(dbs.target_sql(counts).trim(), "2001|2001|11");
    let values = "SELECT (SELECT last_value FROM ahead), (SELECT last_value FROM behind)";
    assert_eq!(dbs.target_sql(values).trim(), "99|10", "never back");
}

/// It adds to what is there, and says so where the run makes its tables itself.
#[test]
fn it_needs_a_data_only_send() {
    let dbs = Databases::new("do_append_whole", "CREATE TABLE t AS SELECT 1 AS i");
    let recv = crate::start_recv(&dbs, &["--append"]);
    let send = crate::start_send(&dbs, &[]);
    for end in [send.wait(), recv.wait()] {
        end.must_end(1);
        assert_says(&end, &["--append adds the rows of send --data-only"]);
    }
    crate::assert_nothing_left(&dbs);
}

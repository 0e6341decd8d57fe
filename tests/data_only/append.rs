//! Tables that have rows.

use crate::support::Databases;
use crate::{assert_says, migrate, moved, start_recv, start_send};

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
    let recv = start_recv(&dbs, &["--append"]);
    let send = start_send(&dbs, &[]);
    for end in [send.wait(), recv.wait()] {
        end.must_end(1);
        assert_says(&end, &["--append adds the rows of send --data-only"]);
    }
    crate::assert_nothing_left(&dbs);
}

/// They do not keep the others from being set, nor the run from its end.
#[test]
fn sequences_that_cannot_be_set_are_listed() {
    let name = "do_sequences";
    let sequences = |names: &str| -> String {
        let make = |name| format!("CREATE SEQUENCE {name}; SELECT setval('{name}', 300);");
        names.split(' ').map(make).collect()
    };
    let dbs = Databases::new(name, &sequences("narrow unseen plain"));
    dbs.target_sql(
        "CREATE SEQUENCE narrow AS smallint MAXVALUE 200; CREATE SEQUENCE unseen; CREATE SEQUENCE plain;
        CREATE ROLE do_setter LOGIN; GRANT CREATE ON DATABASE do_sequences TO do_setter;
        GRANT SELECT, UPDATE ON SEQUENCE narrow, plain TO do_setter; GRANT UPDATE ON SEQUENCE unseen TO do_setter;
        CREATE TABLE t (i int); INSERT INTO t VALUES (0); GRANT ALL ON t TO do_setter",
    );
    dbs.source_sql("CREATE TABLE t AS SELECT 1 AS i");
    let target = dbs
        .target_conninfo()
        .replace("user=postgres", "user=do_setter");
    let (sent, received) = migrate(&dbs, &[], &["--append", "--target", &target]);
    for end in [&sent, &received] {
        end.must_end(4);
        let errors = end.report()["errors"].to_string();
        for told in [
            "has a smaller range on the target; its value is to be 300",
            "may not be read by recv's role; its value is to be 300",
        ] {
            assert!(errors.contains(told), "{told:?} is not in {errors}");
        }
    }
    assert_eq!(dbs.target_sql("SELECT last_value FROM plain").trim(), "300");
}

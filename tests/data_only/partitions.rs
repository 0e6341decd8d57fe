//! Partitions that are not the source's.

use pgpipe::chunk::Plan;

use crate::support::{Databases, assert_equal, migrate as migrate_all};
use crate::{assert_same, assert_says, migrate, moved};

const SOURCE: &str = "CREATE TABLE ev (at date, i int) PARTITION BY RANGE (at);
    CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
    CREATE TABLE alike (at date, i int) PARTITION BY RANGE (at);
    CREATE TABLE alike_1 PARTITION OF alike FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE split (i int) PARTITION BY LIST (i); CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1);
    CREATE TABLE split_2 PARTITION OF split FOR VALUES IN (2); CREATE TABLE plain (i int);
    INSERT INTO ev SELECT '2026-01-01'::date + i % 59, i FROM generate_series(1, 3000) i;
    INSERT INTO alike SELECT '2026-01-01'::date + i % 31, i FROM generate_series(1, 1000) i;
    INSERT INTO split SELECT i % 2 + 1 FROM generate_series(1, 1000) i; INSERT INTO plain SELECT generate_series(1, 1000)";

/// What is not there just so goes through its ancestor; an ordinary table may be partitioned there,
/// and the other way round.
#[test]
fn rows_find_their_places() {
    let dbs = Databases::new("do_partitions", SOURCE);
    dbs.target_sql(
        "CREATE TABLE ev (i bigint, at date) PARTITION BY RANGE (at);
        CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-01-10');
        CREATE TABLE ev_rest PARTITION OF ev DEFAULT;
        CREATE TABLE alike (at date, i int) PARTITION BY RANGE (at);
        CREATE TABLE alike_1 PARTITION OF alike FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE alike_2 PARTITION OF alike FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
        INSERT INTO alike_2 VALUES ('2026-02-02', 0); CREATE TABLE split (i int);
        CREATE TABLE plain (i int) PARTITION BY HASH (i); CREATE TABLE plain_0 PARTITION OF plain FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    );
    moved(&dbs, &["--chunk-size", "64KiB"], &[]);
    assert_same(&dbs, "SELECT at, i FROM ev ORDER BY i");
    assert_same(&dbs, "SELECT at, i FROM alike_1 ORDER BY i");
    assert_same(&dbs, "SELECT i, count(*) FROM split GROUP BY i ORDER BY i");
    assert_same(&dbs, "SELECT i FROM plain ORDER BY i");
    let ninth = dbs.target_sql("SELECT count(*) > 0, max(at) FROM ev_1");
    assert_eq!(ninth.trim(), "t|2026-01-09");
    let analyzed = "SELECT string_agg(DISTINCT tablename, ',' ORDER BY tablename) FROM pg_stats
        WHERE tablename IN ('ev', 'alike', 'split', 'plain')";
    assert_eq!(dbs.target_sql(analyzed).trim(), "alike,ev,plain,split");
}

/// A row without a partition stops the run, which goes on when there is one.
#[test]
fn a_row_without_a_partition_is_told() {
    let dbs = Databases::new("do_no_partition", SOURCE);
    dbs.target_sql(
        "CREATE TABLE ev (at date, i int) PARTITION BY RANGE (at); CREATE TABLE alike (at date, i int);
        CREATE TABLE ev_early PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE split (i int); CREATE TABLE plain (i int)",
    );
    let (send, recv) = migrate(&dbs, &[], &[]);
    for end in [&send, &recv] {
        end.must_end(1);
        let words = ["a row has no partition on the target", "\"ev\""];
        assert_says(end, &words);
    }
    dbs.target_sql("CREATE TABLE ev_rest PARTITION OF ev DEFAULT");
    moved(&dbs, &[], &[]);
    assert_same(&dbs, "SELECT at, i FROM ev ORDER BY i");
}

/// As it is wished: whatever the target's partitions are, in any migration.
#[test]
fn all_go_through_their_roots_where_that_is_wished() {
    let dbs = Databases::new("do_roots", SOURCE);
    let (send, recv) = migrate_all(&dbs, &["--load-via-partition-root"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    let expected = [
        "alike_1 in alike",
        "ev_1 in ev",
        "ev_2 in ev",
        "plain in plain",
        "split_1 in split",
        "split_2 in split",
    ];
    assert_eq!(ways(&dbs), expected);
}

/// Each table of the plan, and what its rows were written to.
fn ways(dbs: &Databases) -> Vec<String> {
    let bytes = std::fs::read(dbs.path("send.state/main/send/plan")).unwrap();
    let plan: Plan = postcard::from_bytes(&bytes).unwrap();
    let tables = plan.tables.iter();
    let mut ways: Vec<_> = tables
        .map(|t| format!("{} in {}", t.name.name, t.target().name))
        .collect();
    ways.sort_unstable();
    ways
}

/// A default partition there takes less where it has more siblings; and what goes through the root
/// takes the other partitions along, so that a reset can count what came.
#[test]
fn a_default_partition_has_other_siblings() {
    let dbs = Databases::new(
        "do_default",
        "CREATE TABLE ev (at date, i int) PARTITION BY RANGE (at);
        CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE ev_rest PARTITION OF ev DEFAULT;
        CREATE TABLE alike (at date, i int) PARTITION BY RANGE (at); CREATE TABLE alike_rest PARTITION OF alike DEFAULT;
        INSERT INTO ev SELECT '2026-01-01'::date + i % 89, i FROM generate_series(1, 3000) i;
        INSERT INTO alike SELECT at, i FROM ev",
    );
    dbs.target_sql(
        "CREATE TABLE ev (at date, i int) PARTITION BY RANGE (at);
        CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE ev_feb PARTITION OF ev FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
        CREATE TABLE ev_rest PARTITION OF ev DEFAULT;
        CREATE TABLE alike (at date, i int) PARTITION BY RANGE (at); CREATE TABLE alike_rest PARTITION OF alike DEFAULT",
    );
    moved(&dbs, &["--chunk-size", "64KiB"], &[]);
    assert_same(&dbs, "SELECT at, i FROM ev ORDER BY i");
    assert_same(&dbs, "SELECT at, i FROM alike_rest ORDER BY i");
    let counts = "SELECT count(*), (SELECT count(*) FROM ev_rest) FROM ev_feb";
    assert_ne!(dbs.target_sql(counts).trim().split('|').next(), Some("0"));
    assert_eq!(
        ways(&dbs),
        ["alike_rest in alike_rest", "ev_1 in ev", "ev_rest in ev"]
    );
}

/// What a default partition takes lists all its siblings: 120 of these would be more than a plan's table may have.
#[test]
fn a_default_partition_has_many_siblings() {
    let siblings = |count| {
        format!(
            "CREATE TABLE ev (k text, i int) PARTITION BY LIST (k);
            SELECT format('CREATE TABLE ev_%s PARTITION OF ev FOR VALUES IN (%L)', n, repeat('x', 20000) || n)
            FROM generate_series(1, {count}) n \\gexec\nCREATE TABLE ev_rest PARTITION OF ev DEFAULT;"
        )
    };
    let fill = "INSERT INTO ev SELECT 'k' || i, i FROM generate_series(1, 1000) i";
    for (name, there, rest) in [
        ("do_siblings", 120, "ev_rest in ev_rest"),
        ("do_siblings_fewer", 119, "ev_rest in ev"),
    ] {
        let dbs = Databases::new(name, &format!("{} {fill}", siblings(120)));
        dbs.target_sql(&siblings(there));
        moved(&dbs, &[], &[]);
        assert_same(&dbs, "SELECT k, i FROM ev ORDER BY i");
        assert!(ways(&dbs).iter().any(|way| way == rest), "{rest}");
    }
}

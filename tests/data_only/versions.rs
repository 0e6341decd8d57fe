//! The oldest servers at either end.

use crate::support::{Databases, server_of, servers, target_of};
use crate::{assert_same, assert_says, moved, refused};

const SOURCE: &str = "CREATE TABLE t (i int PRIMARY KEY, at timestamp); CREATE TABLE ev (i int, k int) PARTITION BY LIST (k);
    CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1); CREATE TABLE ev_2 PARTITION OF ev FOR VALUES IN (2);
    INSERT INTO t SELECT i, '2026-01-01'::timestamp + i * interval '1 s' FROM generate_series(1, 3000) i;
    INSERT INTO ev SELECT i, i % 2 + 1 FROM generate_series(1, 3000) i; CREATE SEQUENCE s; SELECT setval('s', 7)";
const TARGET: &str = "CREATE TABLE t (at timestamptz, i bigint PRIMARY KEY, twice bigint GENERATED ALWAYS AS (i * 2) STORED);
    CREATE TABLE ev (k int, i int) PARTITION BY LIST (k); CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1);
    CREATE TABLE ev_rest PARTITION OF ev DEFAULT; CREATE SEQUENCE s";

fn check(dbs: &Databases) {
    refused(
        dbs,
        &[],
        &[],
        &["public.t is not on the target", "public.ev_1"],
    );
    dbs.target_sql(TARGET);
    let (_, recv) = moved(dbs, &["--chunk-size", "64KiB"], &[]);
    assert_same(dbs, "SELECT i, at::timestamp FROM t ORDER BY i");
    assert_same(dbs, "SELECT i, k FROM ev ORDER BY i");
    assert_same(dbs, "SELECT last_value FROM s");
    assert_says(&recv, &["public.t: column i is integer on the source"]);
}

#[test]
fn version_10_fills_version_12() {
    if let (Some(source), Some(target)) = (server_of(10), target_of(12)) {
        check(&Databases::between(source, target, "do_10_12", SOURCE));
    }
}

#[test]
fn version_13_fills_the_installed_one() {
    if let Some(source) = server_of(13) {
        let target = &servers().target;
        check(&Databases::between(source, target, "do_13", SOURCE));
    }
}

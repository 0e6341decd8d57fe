//! Everything that a database may hold arrives, whatever it is called.

use super::report;
use super::support::{Databases, assert_equal, assert_nothing_left, migrate};

const NASTY: &str = include_str!("nasty.sql");

fn moves(name: &str, jobs: &str, chunk_size: &str) -> serde_json::Value {
    let dbs = Databases::new(name, NASTY);
    let send = ["--jobs", jobs, "--chunk-size", chunk_size];
    let (send, recv) = migrate(&dbs, &send, &["--index-jobs", jobs]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    let report = send.report();
    assert_eq!(report, recv.report());
    report::holds_the_contract(&report);
    report::agrees_with_the_target(&report, &dbs);
    assert_nothing_left(&dbs);
    report
}

/// The large tables are many chunks, most tables share one.
#[test]
fn everything_arrives_by_one_worker() {
    let report = moves("by_one_worker", "1", "128MiB");
    assert_eq!(report::table(&report, "public.history")["chunks"], 1);
}

#[test]
fn everything_arrives_by_four_workers_in_small_chunks() {
    let report = moves("by_four_workers", "4", "1MiB");
    let chunks = |name: &str| report::table(&report, name)["chunks"].as_u64().unwrap();
    assert!(chunks("public.history") > 2, "{report}");
    assert_eq!(chunks("public.empty"), 1);
    let formats = [
        ("public.parent", "binary"),
        ("public.by_name", "text"),
        ("public.grants", "text"),
        ("public.large_by_name", "text"),
        ("public.numbers", "binary"),
    ];
    for (name, format) in formats {
        assert_eq!(report::table(&report, name)["format"], format, "{name}");
    }
}

#[test]
fn an_empty_database_arrives() {
    let dbs = Databases::new("nothing_at_all", "");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    assert_eq!(send.report()["totals"]["rows"], 0);
    assert_nothing_left(&dbs);
}

/// An enum's value hashes as its OID, which is another one on the target: the same row belongs
/// into another partition there, below partitions that mean the same everywhere.
#[test]
fn hash_partitions_whose_hash_changes_arrive() {
    let fill = "
        CREATE TYPE early AS ENUM ('takes'); DROP TYPE early;
        CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
        CREATE TABLE \"Top\" (y int, m mood, i int) PARTITION BY RANGE (y);
        CREATE TABLE below PARTITION OF \"Top\" FOR VALUES FROM (0) TO (10) PARTITION BY HASH (m);
        CREATE TABLE below_0 PARTITION OF below FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE below_1 (i int, m mood, y int) PARTITION BY HASH (i);
        ALTER TABLE below ATTACH PARTITION below_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE below_1_0 PARTITION OF below_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE INDEX ON \"Top\" (i);
        INSERT INTO \"Top\" SELECT i % 10, (enum_range(NULL::mood))[1 + i % 8], i FROM generate_series(1, 4000) i;";
    let dbs = Databases::new("changing_hash", fill);
    let (send, recv) = migrate(&dbs, &["--jobs", "2"], &[]);
    send.must_end(0);
    recv.must_end(0);
    let sum = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY i)) FROM \"Top\" t;
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;";
    assert_eq!(dbs.source_sql(sum), dbs.target_sql(sum));
    assert_eq!(send.report()["totals"]["rows"], 4000);
    assert_nothing_left(&dbs);
}

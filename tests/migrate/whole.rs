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
    assert_eq!(report::table(&report, "public.large")["chunks"], 1);
}

#[test]
fn everything_arrives_by_four_workers_in_small_chunks() {
    let report = moves("by_four_workers", "4", "1MiB");
    let chunks = |name: &str| report::table(&report, name)["chunks"].as_u64().unwrap();
    assert!(chunks("public.large") > 1, "{report}");
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

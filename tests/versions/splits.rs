//! Large tables of servers that have no Tid Range Scan: by ranges of a key where one is fit, else row
//! by row at their addresses; never by reading the whole table for each range.

use std::time::Duration;

use super::support::{
    Databases, assert_equal, assert_nothing_left, migrate, poll, server_of, servers,
};

const FILL: &str = include_str!("splits.sql");
const SMALL: [&str; 2] = ["--chunk-size", "1MiB"];
/// Until the server's statistics have what a session that has ended did.
const LIMIT: Duration = Duration::from_secs(20);
const BY_KEY: [&str; 10] = [
    "as_text",
    "by_day",
    "by_large",
    "by_moment",
    "by_serial",
    "by_small",
    "by_time",
    "parent",
    "refilled",
    "unlogged",
];
const BY_ADDRESS: [&str; 9] = [
    "child",
    "hollow",
    "lines",
    "narrow",
    "nowhere",
    "open_ended",
    "partly",
    "same",
    "scattered",
];

fn arrives(major: u32, jobs: &str) {
    let Some(source) = server_of(major) else {
        return;
    };
    let dbs = Databases::between(source, &servers().target, &format!("splits_{major}"), FILL);
    forget_scans(&dbs);
    let send = [&SMALL[..], &["--jobs", jobs]].concat();
    let (send, recv) = migrate(&dbs, &send, &[]);
    send.must_end(0);
    recv.must_end(0);
    reads_what_it_needs(&dbs);
    assert_equal(&dbs);
    for table in BY_KEY.iter().chain(&BY_ADDRESS) {
        let report = send.report();
        let tables = report["tables"].as_array().unwrap();
        let found = tables
            .iter()
            .find(|t| t["name"] == format!("public.{table}"));
        let chunks = found.unwrap()["chunks"].as_u64().unwrap();
        assert!(chunks > 2, "{table} on {major}: {chunks} chunks");
    }
    assert_nothing_left(&dbs);
}

/// A session's counts come when it ends, which psql does not wait for.
fn forget_scans(dbs: &Databases) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let ended = || (dbs.source_sql(others).trim() == "0").then_some(());
    poll(LIMIT, ended).expect("no other session");
    dbs.source_sql("SELECT pg_stat_reset()");
}

/// Told by the server's counters: no table was scanned, those with a fit key were read by an index.
fn reads_what_it_needs(dbs: &Databases) {
    let read = "SELECT relname || ' ' || seq_scan || ' ' || (coalesce(idx_scan, 0) > 2)
        FROM pg_stat_user_tables WHERE relname IN ";
    let look = |tables: &[&str], by_index: bool| {
        let names = format!("('{}')", tables.join("','"));
        let told = dbs.source_sql(&format!("{read} {names} ORDER BY 1"));
        let wrong = |line: &&str| !line.ends_with(if by_index { " 0 true" } else { " 0 false" });
        told.lines().filter(wrong).collect::<Vec<_>>().join(", ")
    };
    let wrong = || look(&BY_KEY, true) + &look(&BY_ADDRESS, false);
    if poll(LIMIT, || wrong().is_empty().then_some(())).is_none() {
        panic!("sequential scans, and whether by an index: {}", wrong());
    }
}

#[test]
fn tables_of_13_are_split() {
    arrives(13, "2");
}

#[test]
fn tables_of_12_are_split() {
    arrives(12, "1");
}

#[test]
fn tables_of_10_are_split() {
    arrives(10, "2");
}

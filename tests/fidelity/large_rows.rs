//! Rows of hundreds of megabytes, in the least memory that pgpipe takes.

use super::scene::Origin;
use super::support::migrate;

const FILL: &str = include_str!("databases/large_rows.sql");
/// Of the process: codec contexts, buffers and windows, whatever a row's size.
const MOST_RSS: u64 = 160 << 20;

#[test]
#[ignore = "minutes and gigabytes: make test-fidelity"]
fn rows_of_hundreds_of_megabytes_arrive_in_little_memory() {
    let origin = Origin::new("large_rows", FILL);
    let little = ["--memory", "64MiB"];
    let report = origin.moves("large_rows", &little, &little).report();
    for side in ["peak_rss_send", "peak_rss_recv"] {
        let peak = report["totals"][side].as_u64().unwrap();
        assert!(peak < MOST_RSS, "{side}: {peak}");
    }
}

/// No server can write it as text: the table is named, and what to do.
#[test]
#[ignore = "gigabytes: make test-fidelity"]
fn a_value_that_is_too_long_as_text_is_told() {
    let fill = "CREATE TABLE long_ (r regclass, b bytea);
        INSERT INTO long_ SELECT 'long_', convert_to(repeat('x', 550000000), 'UTF8');";
    let origin = Origin::new("too_long", fill);
    let dbs = origin.dbs();
    dbs.target().create_database(dbs.name()).unwrap();
    let (send, recv) = migrate(dbs, &[], &[]);
    send.must_end(1);
    recv.must_end(1);
    let told = "cannot read table public.long_ (COPY writes no row of more than 1 GB, and as text no bytea of more than 512 MB";
    assert!(send.stderr.contains(told), "{send:?}");
    assert!(recv.stderr.contains(told), "{recv:?}");
}

//! Rows of hundreds of megabytes, in the least memory that pgpipe takes.

use super::scene::Origin;

const FILL: &str = include_str!("databases/large_rows.sql");
/// Of the process: codec contexts, buffers and windows, whatever a row's size.
const MOST_RSS: u64 = 160 << 20;

#[test]
#[ignore = "half a minute and gigabytes: make test-fidelity"]
fn rows_of_hundreds_of_megabytes_arrive_in_little_memory() {
    let origin = Origin::new("large_rows", FILL);
    let little = ["--memory", "64MiB"];
    let report = origin.moves("large_rows", &little, &little).report();
    for side in ["peak_rss_send", "peak_rss_recv"] {
        let peak = report["totals"][side].as_u64().unwrap();
        assert!(peak < MOST_RSS, "{side}: {peak}");
    }
}

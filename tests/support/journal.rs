//! The journal on the target, read as a user could.

use std::collections::BTreeMap;
use std::time::Duration;

use super::databases::Databases;
use super::process::poll;

const LIMIT: Duration = Duration::from_secs(60);

/// When each chunk's parts were committed.
pub(crate) fn committed(dbs: &Databases) -> BTreeMap<String, String> {
    let sql = "SELECT chunk || '.' || part, committed FROM pgpipe.chunk";
    let rows = dbs.target().psql(dbs.name(), sql).unwrap_or_default();
    let pairs = rows.lines().filter_map(|line| line.split_once('|'));
    pairs
        .map(|(part, time)| (part.to_owned(), time.to_owned()))
        .collect()
}

/// Waits until so many parts are committed.
#[track_caller]
pub(crate) fn wait_for_chunks(dbs: &Databases, count: usize) -> BTreeMap<String, String> {
    let found = poll(LIMIT, || {
        let there = committed(dbs);
        (there.len() >= count).then_some(there)
    });
    found.unwrap_or_else(|| panic!("{count} chunks are never there"))
}

/// Waits until a query on the target answers `t`.
#[track_caller]
pub(crate) fn wait_until(dbs: &Databases, sql: &str) {
    let is_so = || {
        let answer = dbs.target().psql(dbs.name(), sql).unwrap_or_default();
        (answer.trim() == "t").then_some(())
    };
    poll(LIMIT, is_so).unwrap_or_else(|| panic!("never true on the target: {sql}"));
}

/// What was committed before is committed still, by the same transactions.
#[track_caller]
pub(crate) fn assert_kept(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (part, time) in before {
        assert_eq!(after.get(part), Some(time), "part {part} was sent again");
    }
}

//! The snapshot is lost while a server before 14 is read: committed ranges are read again in a new one.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::support::journal::wait_for_chunks;
use super::support::{
    Databases, assert_equal, assert_nothing_left, keepers, poll, server_of, servers, start_recv,
    start_send,
};

const LIMIT: Duration = Duration::from_secs(60);
pub(super) const DATA: &str = "CREATE TABLE by_key (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO by_key SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 22000) g;
    CREATE TABLE by_address (i int, s text NOT NULL);
    INSERT INTO by_address SELECT g, (SELECT string_agg(md5((g * 37 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 20000) g;";
pub(super) const SLOW: [&str; 6] = ["--rate", "16Mbit", "--chunk-size", "1MiB", "--jobs", "2"];

/// Everything dies at that many chunks, and then `change` comes to the source; what send says of it.
fn changed(name: &str, chunks: usize, change: &str) -> Option<String> {
    let dbs = Databases::between(server_of(13)?, &servers().target, name, DATA);
    let both = || (start_send(&dbs, &SLOW), start_recv(&dbs, &[]));
    let (send, recv) = both();
    wait_for_chunks(&dbs, chunks);
    let keeper = keepers(&dbs);
    send.kill();
    recv.kill();
    kill_process(
        Pid::from_raw(keeper[0].cast_signed()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    poll(LIMIT, || keepers(&dbs).is_empty().then_some(())).expect("the keeper ends");
    dbs.source_sql(change);
    let (send, recv) = both();
    let line = send.wait_for("new snapshot:");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
    Some(line)
}

/// The first ranges were committed and hold what they held; the last ones are open.
#[test]
fn rows_that_are_appended_are_in_the_open_ranges() {
    let append = "INSERT INTO by_key SELECT i + 30000, s FROM by_key WHERE i <= 9000;
        INSERT INTO by_address SELECT i + 30000, s FROM by_key WHERE i <= 9000";
    if let Some(line) = changed("appended_13", 3, append) {
        assert!(line.contains("committed chunks stay"), "{line}");
        assert!(!line.contains("begin again"), "{line}");
    }
}

/// Rows in the place of others: a range of keys does not care, one of addresses begins again.
#[test]
fn rows_that_move_are_read_again() {
    let refill = "DELETE FROM by_key WHERE i % 3 = 0; DELETE FROM by_address WHERE i % 3 = 0;
        VACUUM by_key; VACUUM by_address;
        INSERT INTO by_key SELECT i, 'other' FROM generate_series(3, 22000, 3) i;
        INSERT INTO by_address SELECT i, 'other' FROM generate_series(3, 20000, 3) i;";
    if let Some(line) = changed("refilled_13", 9, refill) {
        assert!(line.contains("begin again"), "{line}");
    }
}

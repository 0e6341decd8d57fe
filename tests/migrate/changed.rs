//! A source that is written to while it is read: the target is the snapshot, and says so.

use std::time::Duration;

use pgpipe::pg::{Client, ConnInfo};

use super::support::{Databases, End, assert_nothing_left, poll, start_recv, start_send};

const FILL: &str = "CREATE TABLE t (i int PRIMARY KEY, t text);
    CREATE TABLE quiet AS SELECT 1 AS i;
    CREATE SEQUENCE s;
    INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 2000) i;";
const LIMIT: Duration = Duration::from_secs(60);

/// Rows and a checksum.
const SUM: &str = "SELECT count(*), md5(string_agg(t, ',' ORDER BY i)) FROM t";

/// Runs `write` on the source after send's snapshot and before its end: recv cannot make its
/// journal as long as the test holds a lock on the target, and send offers the snapshot before.
fn migrate_while(dbs: &Databases, write: &str, send: &[&str]) -> (End, End) {
    let info = ConnInfo::resolve(&dbs.target_conninfo(), &|_| None).unwrap();
    let mut holder = Client::connect(&info, "a test that holds a lock").unwrap();
    let lock = "BEGIN; LOCK TABLE pg_catalog.pg_namespace IN EXCLUSIVE MODE";
    holder.execute(lock).unwrap();
    let recv = start_recv(dbs, &[]);
    let send = start_send(dbs, send);
    let waits = format!(
        "SELECT 1 FROM pg_stat_activity WHERE datname = '{}' AND application_name LIKE 'pgpipe recv%'
         AND wait_event_type = 'Lock'",
        dbs.name()
    );
    let waits = || {
        let found = dbs.target().psql("postgres", &waits).unwrap();
        (!found.is_empty()).then_some(())
    };
    poll(LIMIT, waits).expect("recv makes its journal");
    dbs.source_sql(write);
    holder.execute("ROLLBACK").unwrap();
    drop(holder);
    (send.wait(), recv.wait())
}

#[test]
fn a_write_after_the_snapshot_is_told_and_not_moved() {
    let dbs = Databases::new("source_written", FILL);
    let before = dbs.source_sql(SUM);
    let write = "UPDATE t SET t = 'later' WHERE i < 10; DELETE FROM t WHERE i > 1990";
    let (send, recv) = migrate_while(&dbs, write, &[]);
    for end in [send, recv] {
        end.must_end(5);
        assert_eq!(end.report()["source_changed"], true);
        assert_eq!(end.report()["verified"], "stream");
        assert!(end.output().contains("source"), "{}", end.output());
    }
    assert_eq!(dbs.target_sql(SUM), before);
    assert_ne!(dbs.source_sql(SUM), before);
    assert_nothing_left(&dbs);
}

#[test]
fn a_rehearsal_allows_it() {
    let dbs = Databases::new("rehearsal", FILL);
    let before = dbs.source_sql(SUM);
    let write = "INSERT INTO t SELECT i, 'new' FROM generate_series(3000, 3100) i";
    let (send, recv) = migrate_while(&dbs, write, &["--allow-changes"]);
    for end in [send, recv] {
        end.must_end(0);
        assert_eq!(end.report()["source_changed"], true);
    }
    assert_eq!(dbs.target_sql(SUM), before);
    assert_nothing_left(&dbs);
}

/// Sequences are not transactional; the target gets the last value.
#[test]
fn a_moved_sequence_is_a_change() {
    let dbs = Databases::new("sequence_moved", FILL);
    let (send, recv) = migrate_while(&dbs, "SELECT nextval('s'), nextval('s')", &[]);
    send.must_end(5);
    recv.must_end(5);
    assert_eq!(dbs.target_sql("SELECT last_value FROM s").trim(), "2");
}

/// What happens in other databases of the server is not the source's.
#[test]
fn reading_and_other_databases_are_no_change() {
    let dbs = Databases::new("only_read", FILL);
    let other = format!("CREATE DATABASE {}_beside", dbs.name());
    dbs.source().psql("postgres", &other).unwrap();
    let (send, recv) = migrate_while(&dbs, "SELECT count(*) FROM t; VACUUM t; ANALYZE t", &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_eq!(send.report()["source_changed"], false);
}

//! A source that is written to while it is read: the target is the snapshot, and says so.

use std::time::Duration;

use pgpipe::pg::{Client, ConnInfo};

use super::support::{Databases, End, assert_nothing_left, keepers, poll, start_recv, start_send};

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

/// An index of which a test decides when it is built.
const GATED: &str = "CREATE FUNCTION gate(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(4711); RETURN i; END$$;
    CREATE INDEX ON t (public.gate(i));";

fn gated(name: &str) -> Databases {
    let dbs = Databases::new(name, FILL);
    dbs.source_sql(GATED);
    dbs
}

/// Runs `write` when all rows are on the target and the snapshot is released, but no index is built.
fn migrate_and_then(dbs: &Databases, write: impl FnOnce(), send: &[&str]) -> (End, End) {
    let info = ConnInfo::resolve(&dbs.target_conninfo(), &|_| None).unwrap();
    let mut gate = Client::connect(&info, "a test that holds a gate").unwrap();
    gate.execute("SELECT pg_catalog.pg_advisory_lock(4711)")
        .unwrap();
    let recv = start_recv(dbs, &[]);
    let send = start_send(dbs, send);
    let all_there = || {
        let journal =
            "SELECT count(*) > 0 FROM pg_tables WHERE schemaname = 'pgpipe' AND tablename = 'step'";
        let data = "SELECT count(*) FROM pgpipe.step WHERE step = 'data'";
        let found = dbs.target_sql(journal).trim() == "t" && dbs.target_sql(data).trim() == "1";
        found.then_some(())
    };
    poll(LIMIT, all_there).expect("all rows are there");
    let released = poll(LIMIT, || keepers(dbs).is_empty().then_some(()));
    released.expect("the keeper ends before the indexes are built");
    write();
    drop(gate);
    (send.wait(), recv.wait())
}

#[track_caller]
fn assert_told(ends: (&End, &End), sign: &str) {
    for end in [ends.0, ends.1] {
        end.must_end(5);
        assert_eq!(end.report()["source_changed"], true);
        let says = |line: &&str| line.contains("source changed since the snapshot");
        let output = end.output();
        let line = output
            .lines()
            .find(says)
            .unwrap_or_else(|| panic!("{output}"));
        assert!(line.contains(sign), "{line}");
        let lsn = end.report()["snapshot"]["lsn"].as_str().unwrap().to_owned();
        assert!(line.contains(&lsn), "{line}");
    }
}

/// The last look is after the last index: hours may lie between it and the last row.
#[test]
fn a_write_while_indexes_are_built_is_seen() {
    let dbs = gated("written_late");
    let before = dbs.source_sql(SUM);
    let write = || drop(dbs.source_sql("DELETE FROM t WHERE i = 7"));
    let (send, recv) = migrate_and_then(&dbs, write, &[]);
    assert_told((&send, &recv), "public.t");
    assert_eq!(dbs.target_sql(SUM), before);
    assert_nothing_left(&dbs);
}

/// It counts no row, and changes no counter.
#[test]
fn a_truncated_table_is_seen() {
    let dbs = gated("truncated_late");
    let before = dbs.source_sql(SUM);
    let write = || drop(dbs.source_sql("TRUNCATE t"));
    let (send, recv) = migrate_and_then(&dbs, write, &[]);
    assert_told((&send, &recv), "public.t");
    assert_eq!(dbs.target_sql(SUM), before);
}

#[test]
fn dropped_and_new_tables_are_seen() {
    let dbs = gated("other_tables");
    let write = || drop(dbs.source_sql("DROP TABLE quiet; CREATE TABLE \"New\" (i int)"));
    let (send, recv) = migrate_and_then(&dbs, write, &[]);
    assert_told((&send, &recv), "public.\"New\", public.quiet");
}

/// What it has written shows in no counter yet, and may be committed at any moment.
#[test]
fn an_open_transaction_that_writes_is_seen() {
    let dbs = gated("written_open");
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut writer = Client::connect(&info, "a clerk").unwrap();
    let write = || {
        drop(
            writer
                .execute("BEGIN; INSERT INTO t VALUES (0, 'open')")
                .unwrap(),
        )
    };
    let (send, recv) = migrate_and_then(&dbs, write, &[]);
    assert_told((&send, &recv), "(a clerk)");
}

/// One of a pool, which stays: the server counts its rows seconds later.
#[test]
fn a_write_of_a_session_that_stays_is_seen() {
    let dbs = gated("written_pooled");
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut pooled = Client::connect(&info, "a pool").unwrap();
    let write = || {
        pooled.execute("SELECT count(*) FROM t").unwrap();
        pooled
            .execute("INSERT INTO t VALUES (0, 'pooled')")
            .unwrap();
    };
    let (send, recv) = migrate_and_then(&dbs, write, &[]);
    assert_told((&send, &recv), "public.t");
}

#[test]
fn a_prepared_transaction_is_seen() {
    let dbs = gated("written_prepared");
    let prepare = "BEGIN; INSERT INTO t VALUES (0, 'prepared'); PREPARE TRANSACTION 'left here'";
    let write = || drop(dbs.source_sql(prepare));
    let (send, recv) = migrate_and_then(&dbs, write, &[]);
    dbs.source_sql("ROLLBACK PREPARED 'left here'");
    assert_told((&send, &recv), "prepared transaction left here");
}

/// An open transaction that only reads, and what a server does by itself.
#[test]
fn a_quiet_source_is_no_change() {
    let dbs = gated("kept_quiet");
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut reader = Client::connect(&info, "a reader").unwrap();
    let read = || {
        reader.execute("BEGIN; SELECT count(*) FROM t").unwrap();
        dbs.source_sql("ANALYZE; VACUUM; CHECKPOINT");
    };
    let (send, recv) = migrate_and_then(&dbs, read, &[]);
    for end in [send, recv] {
        end.must_end(0);
        assert_eq!(end.report()["source_changed"], false);
    }
    drop(reader);
    assert_nothing_left(&dbs);
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

/// An exclusion leaves large objects in, and writes to them count.
#[test]
fn large_objects_beside_excluded_tables_count() {
    let dbs = Databases::new("changed_objects", FILL);
    dbs.source_sql("SELECT lo_create(70000)");
    let send = ["--exclude-table", "quiet"];
    let (send, recv) = migrate_while(&dbs, "SELECT lo_create(70001)", &send);
    send.must_end(5);
    recv.must_end(5);
}

//! What a second run finds, and what of the target is made or left on request.

use rustix::process::Signal;

use super::support::{
    Databases, assert_equal, assert_nothing_left, migrate, start_recv, start_send,
};

const SMALL: &str = "CREATE TABLE t (i int PRIMARY KEY, t text);
    INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 5000) i;";

/// Rows of any table that a journal schema has.
const JOURNALED: &str = "SELECT count(*) FROM SCHEMA.chunk";

#[test]
fn a_finished_migration_is_told_and_not_repeated() {
    let dbs = Databases::new("finished", SMALL);
    let (send, recv) = migrate(&dbs, &[], &[]);
    for end in [send, recv] {
        let new = |line: &str| line.starts_with("migration main: new");
        assert!(end.must_end(0).stderr.lines().any(new), "{}", end.stderr);
    }
    // Would be found again, were anything done.
    dbs.target_sql("DELETE FROM t WHERE i > 10");
    for again in [start_recv(&dbs, &[]), start_send(&dbs, &[])] {
        let again = again.wait();
        let first = again.must_end(0).stderr.lines().next().unwrap_or_default();
        assert_eq!(first, "migration main: finished; nothing to do");
        assert_eq!(again.report()["totals"]["rows"], 5000);
    }
    assert_eq!(dbs.target_sql("SELECT count(*) FROM t").trim(), "10");
    assert_nothing_left(&dbs);
}

#[test]
fn the_journal_is_kept_on_request() {
    let dbs = Databases::new("keeps_journal", SMALL);
    let (send, recv) = migrate(&dbs, &[], &["--keep-journal"]);
    send.must_end(0);
    recv.must_end(0);
    let chunks = dbs.target_sql(&JOURNALED.replace("SCHEMA", "pgpipe"));
    assert_eq!(chunks.trim(), "1");
    assert_equal(&dbs);
}

/// A user may have a schema called pgpipe, which is then moved like any other.
#[test]
fn the_journal_can_have_another_name() {
    let own = "CREATE SCHEMA pgpipe; CREATE TABLE pgpipe.chunk AS SELECT 1 AS i;";
    let dbs = Databases::new("other_journal", &format!("{SMALL}{own}"));
    let recv_args = ["--journal-schema", "other \" name", "--keep-journal"];
    let (send, recv) = migrate(&dbs, &[], &recv_args);
    send.must_end(0);
    recv.must_end(0);
    assert_eq!(dbs.target_sql("SELECT i FROM pgpipe.chunk").trim(), "1");
    let journaled = dbs.target_sql(&JOURNALED.replace("SCHEMA", "\"other \"\" name\""));
    assert_ne!(journaled.trim(), "0");
    dbs.target_sql("DROP SCHEMA \"other \"\" name\" CASCADE");
    assert_equal(&dbs);
}

#[test]
fn a_missing_database_is_made_like_the_source() {
    let options = "ENCODING 'LATIN2' LC_COLLATE 'C' LC_CTYPE 'C'";
    let dbs = Databases::without_target("made", options, SMALL);
    let (send, recv) = migrate(&dbs, &[], &["--create-db"]);
    send.must_end(0);
    recv.must_end(0);
    let look = "SELECT pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider
                FROM pg_database WHERE datname = current_database()";
    assert_eq!(dbs.target_sql(look), dbs.source_sql(look));
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn recv_stays_for_a_second_send() {
    let dbs = Databases::new("stays", SMALL);
    let mut recv = start_recv(&dbs, &["--stay"]);
    start_send(&dbs, &[]).wait().must_end(0);
    assert!(recv.is_running());
    let again = start_send(&dbs, &[]).wait();
    assert!(again.must_end(0).stderr.contains("finished"));
    assert!(recv.is_running());
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

//! TRUNCATE, DROP and ALTER … TYPE between the snapshot and the reading: stopped by name, since the
//! snapshot would show an empty table without an error.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use pgpipe::chunk::{Chunk, Plan};
use pgpipe::pg::{Client, ConnInfo};
use pgpipe::planner::{self, Candidates, Cut};
use pgpipe::runtime::{BLOCK_BYTES, Pool};
use pgpipe::source::catalog;
use pgpipe::source::choice::Choice;
use pgpipe::source::reader::{ReadError, Reader, Sessions};
use rustix::process::Signal;

use support::{
    Databases, Run, assert_equal, assert_nothing_left, keepers, poll, start_recv, start_send,
};

const LIMIT: Duration = Duration::from_secs(30);
const SQL: &str = "CREATE TABLE kept (i int PRIMARY KEY, s text);
    INSERT INTO kept SELECT g, md5(g::text) FROM generate_series(1, 1000) g;
    CREATE TABLE changed (i int, s text);
    INSERT INTO changed SELECT g, md5(g::text) FROM generate_series(1, 1000) g;";

fn client(dbs: &Databases) -> Client {
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    Client::connect(&info, "the application").unwrap()
}

/// A send whose keeper waits for what another session has not committed.
fn waiting_send(dbs: &Databases) -> (Run, Run) {
    let recv = start_recv(dbs, &[]);
    let send = start_send(dbs, &["--progress", "json"]);
    let waits = send.wait_for("a lock on public.changed");
    assert!(
        waits.contains("the application"),
        "not told who holds it: {waits}"
    );
    (send, recv)
}

/// The statement is uncommitted when the snapshot is taken, and committed before the lock is had.
fn overtaken(name: &str, statement: &str) {
    let dbs = Databases::new(name, SQL);
    let mut application = client(&dbs);
    application.execute(&format!("BEGIN; {statement}")).unwrap();
    let (send, recv) = waiting_send(&dbs);
    application.execute("COMMIT").unwrap();
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(3);
    recv.must_end(3);
    let named = "pgpipe: table public.changed was rewritten since the snapshot";
    assert!(send.stderr.contains(named), "{}", send.stderr);
    assert!(
        recv.stderr.contains("table public.changed was rewritten"),
        "{}",
        recv.stderr
    );
    drop(application);
    assert_nothing_left(&dbs);
    let recv = start_recv(&dbs, &[]);
    start_send(&dbs, &[]).wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn a_truncate_before_the_lock_is_named() {
    overtaken("truncated", "TRUNCATE changed");
}

#[test]
fn an_alter_type_before_the_lock_is_named() {
    overtaken("altered", "ALTER TABLE changed ALTER COLUMN i TYPE bigint");
}

#[test]
fn a_drop_before_the_lock_is_named() {
    overtaken("dropped", "DROP TABLE changed");
}

/// The old table keeps its file, and the new one has its name: only both together tell.
#[test]
fn a_table_renamed_and_made_anew_before_the_lock_is_named() {
    overtaken(
        "renamed",
        "ALTER TABLE changed RENAME TO aside; CREATE TABLE changed (LIKE aside INCLUDING ALL)",
    );
}

/// A rolled back statement has changed nothing: the migration goes on.
#[test]
fn a_truncate_that_is_rolled_back_is_only_waited_for() {
    let dbs = Databases::new("rolled_back", SQL);
    let mut application = client(&dbs);
    application.execute("BEGIN; TRUNCATE changed").unwrap();
    let (send, recv) = waiting_send(&dbs);
    application.execute("ROLLBACK").unwrap();
    send.wait().must_end(0);
    recv.wait().must_end(0);
    drop(application);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

/// The user need not wait for the lock to stop; nor does a keeper outlive a send that is killed
/// before it has recorded the snapshot.
#[test]
fn a_send_that_ends_while_it_waits_leaves_no_keeper() {
    let dbs = Databases::new("impatient", SQL);
    let mut application = client(&dbs);
    application.execute("BEGIN; TRUNCATE changed").unwrap();
    let (send, recv) = waiting_send(&dbs);
    send.signal(Signal::INT);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    assert!(poll(LIMIT, || keepers(&dbs).is_empty().then_some(())).is_some());
    let (send, _recv) = waiting_send(&dbs);
    send.kill();
    assert!(poll(LIMIT, || keepers(&dbs).is_empty().then_some(())).is_some());
    assert!(application.in_transaction());
}

/// What the reader sees when no lock of a keeper protects its table.
fn read_after(name: &str, statement: &str) -> Result<usize, Box<ReadError>> {
    let dbs = Databases::new(name, SQL);
    let mut exporter = client(&dbs);
    exporter
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .unwrap();
    let rows = exporter.query("SELECT pg_export_snapshot()").unwrap();
    let snapshot = rows[0].text(0).unwrap().to_owned();
    let mut other = client(&dbs);
    let import =
        format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{snapshot}'");
    other.execute(&import).unwrap();
    let cut = Cut {
        chunk_bytes: 1 << 20,
        tid_ranges: true,
    };
    let plan = planner::plan(
        catalog::tables(&mut other, &Choice::all()).unwrap(),
        cut,
        &Candidates::new(),
    );
    other.execute("COMMIT").unwrap();
    other.execute(statement).unwrap();
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let sessions = Sessions::Own {
        info: Box::new(info),
        name: "pgpipe test".into(),
        snapshot,
    };
    let mut reader = Reader::open(&sessions, "UTF8")?;
    plan.chunks
        .iter()
        .map(|chunk| read(&mut reader, &plan, chunk))
        .sum()
}

fn read(reader: &mut Reader, plan: &Plan, chunk: &Chunk) -> Result<usize, Box<ReadError>> {
    let pool = Pool::new(4, BLOCK_BYTES);
    let mut bytes = 0;
    reader.read(plan, chunk, &pool, &mut |filled| {
        bytes += filled.bytes.len();
        true
    })?;
    Ok(bytes)
}

#[test]
fn a_reader_without_a_keepers_lock_stops_by_name() {
    for (name, statement) in [
        ("read_truncated", "TRUNCATE changed"),
        (
            "read_altered",
            "ALTER TABLE changed ALTER COLUMN i TYPE bigint",
        ),
        ("read_dropped", "DROP TABLE changed"),
        ("read_clustered", "VACUUM FULL changed"),
    ] {
        match read_after(name, statement).map_err(|error| *error) {
            Err(ReadError::Rewritten { table }) => assert_eq!(table, "public.changed"),
            other => panic!("{statement}: {other:?}"),
        }
    }
    // Rows that come later are no rewriting: the snapshot does not show them.
    let bytes = read_after("read_grown", "INSERT INTO changed SELECT * FROM changed").unwrap();
    assert!(bytes > 2 * 1000 * 32, "{bytes}");
}

#[test]
fn nobody_truncates_a_table_that_is_being_moved() {
    let dbs = Databases::new("locked_table", SQL);
    dbs.source_sql(
        "CREATE TABLE big AS SELECT g i, (SELECT string_agg(md5((g * 31 + n)::text), '')
             FROM generate_series(1, 8) n) s FROM generate_series(1, 20000) g",
    );
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &["--rate", "8Mbit", "--chunk-size", "1MiB"]);
    send.wait_for("data: ");
    let mut application = client(&dbs);
    application.execute("SET lock_timeout = '100ms'").unwrap();
    // Its rows may be read already, or not yet: it is locked either way.
    for table in ["big", "kept", "changed"] {
        let error = application
            .execute(&format!("TRUNCATE {table}"))
            .unwrap_err();
        assert_eq!(error.sqlstate(), Some("55P03"), "{table}: {error}");
    }
    drop(application);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

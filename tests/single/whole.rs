//! Whole databases: all kinds of rows, while others write.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use pgpipe::pg::{Client, ConnInfo};

use crate::support::{
    Databases, assert_equal, assert_nothing_left, migrate, programs_of, server_of, servers,
    start_recv, start_send, target_of,
};
use crate::watcher::Watcher;
use crate::{DATA, SINGLE, SLOW, finish, start_both};

/// What goes its own way: large objects, text, a partitioned table, a materialized view, functions.
const MIXED: &str = "
    CREATE TYPE mood AS ENUM ('low', 'high');
    CREATE TABLE parts (i int, m mood) PARTITION BY RANGE (i);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (5000);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (5000) TO (10001);
    INSERT INTO parts SELECT i, 'low' FROM generate_series(1, 10000) i;
    CREATE TABLE named (c regclass, a aclitem[]);
    INSERT INTO named VALUES ('parts', '{=r/postgres}');
    CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS 'SELECT 2 * i';
    CREATE PROCEDURE nothing() LANGUAGE sql AS '';
    CREATE VIEW seen AS SELECT twice(i) AS i FROM parts;
    CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM parts;
    CREATE UNLOGGED TABLE volatile AS SELECT i FROM generate_series(1, 100) i;
    CREATE SEQUENCE counter; SELECT setval('counter', 4711);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
    CREATE TABLE typed (p positive, t text COLLATE \"C\" DEFAULT 'x', g int GENERATED ALWAYS AS (p * 2) STORED);
    INSERT INTO typed (p) SELECT generate_series(1, 100);
    ALTER TABLE typed ENABLE ROW LEVEL SECURITY;
    CREATE POLICY large ON typed USING (p > 50);
    SELECT lo_from_bytea(n, convert_to(repeat(n::text, 5000), 'UTF8')) FROM generate_series(70001, 71200) n;";

#[test]
fn everything_comes_through_one_connection() {
    let dbs = Databases::new("mixed", &format!("{DATA}{MIXED}"));
    let watcher = Watcher::start(&dbs);
    let args = [&SINGLE[..], &["--chunk-size", "1MiB", "--roles"]].concat();
    let (send, recv) = migrate(&dbs, &args, &[]);
    watcher.saw_one();
    send.must_end(0);
    recv.must_end(0);
    assert!(
        send.output().contains("reading through one connection"),
        "{}",
        send.output()
    );
    assert_eq!(send.report()["source_changed"], false);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn in_text_too() {
    let dbs = Databases::new("as_text", MIXED);
    let args = [&SINGLE[..], &["--format", "text"]].concat();
    let (send, recv) = migrate(&dbs, &args, &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
}

#[test]
fn a_part_comes_without_the_rest() {
    let dbs = Databases::new("a_part", &format!("{DATA}{MIXED}"));
    let part = ["--table", "second", "--where", "second=i <= 5000"];
    let args = [&SINGLE[..], &SLOW[2..], &part].concat();
    let (send, recv) = migrate(&dbs, &args, &[]);
    send.must_end(0);
    recv.must_end(0);
    let there = "SELECT (SELECT count(*) FROM second), to_regclass('first') IS NULL";
    assert_eq!(dbs.target_sql(there).trim(), "5000|t");
}

#[test]
fn objects_and_rows_come_one_after_the_other() {
    let dbs = Databases::new("in_turn", DATA);
    for (content, state) in [("--schema-only", "a"), ("--data-only", "b")] {
        let in_dir = |name: &str| dbs.path(&format!("{name}.{state}")).display().to_string();
        let (sent, received, pair) = (in_dir("send"), in_dir("recv"), in_dir("pair"));
        let common = ["--pair-file", &pair, "--state"];
        let recv = start_recv(&dbs, &[&common[..], &[&received]].concat());
        let args = [&SINGLE[..], &common, &[&sent, content]].concat();
        start_send(&dbs, &args).wait().must_end(0);
        recv.wait().must_end(0);
    }
    assert_equal(&dbs);
}

/// Bytes that are no UTF-8 travel as they are, while the catalog is read in UTF-8.
#[test]
fn a_database_without_an_encoding() {
    let options = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'";
    let sql = "CREATE TABLE bytes (i int PRIMARY KEY, t text);
        INSERT INTO bytes SELECT i, E'\\xff\\xfe' || i FROM generate_series(1, 1000) i";
    let dbs = Databases::without_target("no_encoding", options, sql);
    let (send, recv) = migrate(&dbs, &SINGLE, &["--create-db"]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
}

/// Each of the application's transactions counts up in two tables and makes a third: a snapshot shows
/// all of it or nothing, in rows that are read late as in the schema.
#[test]
fn rows_and_schema_are_of_one_instant() {
    let sql = "CREATE TABLE a_count (n int); INSERT INTO a_count VALUES (0);
        CREATE TABLE z_count (n int); INSERT INTO z_count VALUES (0);";
    let dbs = Databases::new("instant", &format!("{sql}{DATA}"));
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut client = Client::connect(&info, "the application").unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let application = thread::spawn(move || {
        for n in 1.. {
            let write = format!(
                "BEGIN; UPDATE a_count SET n = {n}; CREATE TABLE made_{n} (i int);
                 DELETE FROM first WHERE i = {n}; UPDATE z_count SET n = {n}; COMMIT"
            );
            client.execute(&write).unwrap();
            if until.load(Relaxed) {
                return n;
            }
        }
        unreachable!("it is told to end")
    });
    let watcher = Watcher::start(&dbs);
    let (send, recv) = start_both(&dbs, &["--allow-changes"]);
    let (send, recv) = (send.wait(), recv.wait());
    over.store(true, Relaxed);
    let written: i64 = application.join().unwrap();
    watcher.saw_one();
    send.must_end(0);
    recv.must_end(0);
    let seen = dbs.target_sql(
        "SELECT a.n, z.n, (SELECT count(*) FROM pg_class WHERE relname LIKE 'made_%'),
            22000 - (SELECT count(*) FROM first) FROM a_count a, z_count z",
    );
    let seen: Vec<i64> = seen.trim().split('|').map(|n| n.parse().unwrap()).collect();
    assert!(seen.iter().all(|n| *n == seen[0]), "{seen:?}");
    assert!(seen[0] < written, "{seen:?} of {written}");
    assert_eq!(send.report()["source_changed"], true);
}

/// From the oldest to the newest: no ranges of pages, no catalog as of now, other settings.
#[test]
fn sources_of_other_versions() {
    for major in [10, 13, 18] {
        let Some(source) = server_of(major) else {
            continue;
        };
        let target = match major {
            18 => target_of(18).unwrap(),
            _ => &servers().target,
        };
        let dbs = Databases::between(source, target, &format!("from_{major}"), DATA);
        let bin = programs_of(major).display().to_string();
        let programs = if major == 18 {
            vec!["--pg-bin", &bin]
        } else {
            Vec::new()
        };
        let args = [&SINGLE[..], &SLOW[2..], &programs].concat();
        let (send, recv) = migrate(&dbs, &args, &programs);
        send.must_end(0);
        recv.must_end(0);
        assert_equal(&dbs);
    }
}

/// Before the first row, and shown.
#[test]
fn a_table_that_is_locked_is_waited_for() {
    let dbs = Databases::new("locked", DATA);
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut session = Client::connect(&info, "the application").unwrap();
    session
        .execute("BEGIN; LOCK TABLE public.second IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let (send, recv) = start_both(&dbs, &[]);
    send.wait_for("a lock on public.second, held by");
    session.execute("COMMIT").unwrap();
    finish(&dbs, send, recv);
}

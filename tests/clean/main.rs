//! `send --clean` and `recv --clean`: what is in the way on the target goes, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use rustix::process::Signal;

use support::holds::{Hold, wait_until_held};
use support::{
    Databases, assert_equal, assert_nothing_left, migrate, poll, start_recv, start_send, start_side,
};

const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// What is moved.
const SOURCE: &str = "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad', 'glad');
    CREATE TABLE app.t (id serial PRIMARY KEY, feels app.mood, s text);
    INSERT INTO app.t (feels, s) SELECT 'glad', repeat(md5(i::text), 8) FROM generate_series(1, 20000) i;
    CREATE TABLE app.u (id int PRIMARY KEY, t int REFERENCES app.t);
    INSERT INTO app.u SELECT i, i FROM generate_series(1, 100) i;
    CREATE VIEW app.seen AS SELECT id FROM app.t; CREATE TABLE public.turned (i int); INSERT INTO turned VALUES (1);
    CREATE FUNCTION app.f(i int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE SEQUENCE app.counter; SELECT setval('app.counter', 7);
    CREATE INDEX ON app.u (t);";

/// What is there under the same names: an earlier state, and things of other kinds.
const TARGET: &str = "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('old');
    CREATE TABLE app.t (id serial, feels app.mood, older int UNIQUE);
    INSERT INTO app.t (feels) SELECT 'old' FROM generate_series(1, 1000); ANALYZE app.t;
    CREATE TABLE app.seen (i int); CREATE VIEW public.turned AS SELECT id FROM app.t;
    CREATE TABLE app.u (id int PRIMARY KEY, older int REFERENCES app.t (older));
    CREATE PROCEDURE app.f(i int) LANGUAGE sql AS 'SELECT 2';
    CREATE TABLE public.mine (i int); INSERT INTO mine VALUES (1);";

const SLOW: [&str; 5] = ["--clean", "--rate", "16Mbit", "--chunk-size", "64KiB"];

fn scene(name: &str) -> Databases {
    let dbs = Databases::new(name, SOURCE);
    dbs.target_sql(TARGET);
    dbs
}

/// What is the user's own is as it was, everything else is the source's.
#[track_caller]
fn assert_cleaned(dbs: &Databases) {
    assert_eq!(dbs.target_sql("SELECT * FROM public.mine").trim(), "1");
    dbs.target_sql("DROP TABLE public.mine");
    assert_equal(dbs);
    assert_nothing_left(dbs);
}

/// Nothing was dropped, and nothing made.
#[track_caller]
fn assert_untouched(dbs: &Databases) {
    let there =
        "SELECT count(*), (SELECT count(*) FROM public.mine), to_regclass('pgpipe.migration'),
        to_regclass('app.counter') FROM app.t";
    assert_eq!(dbs.target_sql(there).trim(), "1000|1||");
}

#[test]
fn what_is_in_the_way_is_dropped_and_nothing_else() {
    let dbs = scene("in_the_way");
    let log = dbs.path("recv.log").display().to_string();
    let (send, recv) = migrate(&dbs, &["--clean"], &["--clean", "--log", &log]);
    send.must_end(0);
    recv.must_end(0);
    let told =
        "objects of the target will be dropped in 3 s, 3 tables with about 1000 rows among them";
    assert!(recv.output().contains(told), "{}", recv.output());
    let log = std::fs::read_to_string(log).unwrap();
    for object in [
        "table app.t",
        "view public.turned",
        "function app.f(integer)",
        "schema app",
    ] {
        let listed = log
            .lines()
            .any(|line| line.contains(object) && line.contains("is dropped by --clean"));
        assert!(listed, "{object} is not in {log}");
    }
    assert_cleaned(&dbs);
}

/// One side's word is not enough, whichever it is.
#[test]
fn both_sides_must_want_it() {
    let dbs = scene("both_want");
    let (send, recv) = migrate(&dbs, &["--clean"], &[]);
    for end in [send, recv] {
        end.must_end(1);
        let told = "give recv --clean too";
        assert!(end.stderr.contains(told), "{}", end.stderr);
    }
    assert_untouched(&dbs);
    // The wish stands; now recv's user lets it.
    let (send, recv) = migrate(&dbs, &[], &["--clean"]);
    send.must_end(0);
    recv.must_end(0);
    assert_cleaned(&dbs);

    let dbs = scene("recv_wants");
    let (send, recv) = migrate(&dbs, &[], &["--clean"]);
    send.must_end(1);
    recv.must_end(1);
    assert!(recv.stderr.contains("already there"), "{}", recv.stderr);
    assert_untouched(&dbs);
}

/// A view of the user's reads a table that would go: it is named. When it is gone the same command
/// goes on.
#[test]
fn what_depends_on_it_stops_it() {
    let dbs = scene("depends");
    dbs.target_sql("CREATE VIEW public.report AS SELECT count(older) FROM app.t");
    let clone = || start_side(&dbs, "clone", &["--clean"], &[]).wait();
    let end = clone();
    end.must_end(1);
    for told in [
        "has dropped nothing",
        "view public.report depends on",
        "app.t",
    ] {
        assert!(end.stderr.contains(told), "{told}: {}", end.stderr);
    }
    assert_untouched(&dbs);
    dbs.target_sql("DROP VIEW public.report");
    let end = clone();
    end.must_end(0);
    assert!(
        end.stderr.contains("objects of the target will be dropped"),
        "{}",
        end.stderr
    );
    assert_cleaned(&dbs);
}

/// recv dies in the transaction that drops: nothing is dropped, and the next one drops it all.
#[test]
fn recv_dies_while_it_drops() {
    let dbs = scene("dies_dropping");
    let (recv, send) = (
        start_recv(&dbs, &["--clean"]),
        start_send(&dbs, &["--clean"]),
    );
    recv.wait_for("will be dropped");
    let hold = Hold::with(&dbs, "LOCK TABLE app.t IN ACCESS SHARE MODE");
    wait_until_held(&dbs, "relation", "%SAVEPOINT%");
    recv.kill();
    hold.release();
    let recv = start_recv(&dbs, &["--clean"]);
    send.wait().must_end(0);
    let end = recv.wait();
    end.must_end(0);
    assert!(end.output().contains("continuing"), "{}", end.output());
    assert_cleaned(&dbs);
}

/// Once it is done it is not done again, whatever recv is told: what is there now is ours.
#[test]
fn recv_dies_when_rows_have_arrived() {
    let dbs = scene("dies_later");
    let (recv, send) = (start_recv(&dbs, &["--clean"]), start_send(&dbs, &SLOW));
    let count = || {
        let there = dbs.target_sql("SELECT to_regclass('pgpipe.chunk') IS NOT NULL");
        let count = match there.trim() {
            "t" => dbs.target_sql("SELECT count(*) FROM pgpipe.chunk"),
            _ => String::new(),
        };
        count
            .trim()
            .parse::<u32>()
            .is_ok_and(|n| n >= 2)
            .then_some(())
    };
    poll(LIMIT, count).unwrap();
    recv.kill();
    let (recv, send) = (start_recv(&dbs, &[]), send);
    send.wait().must_end(0);
    let end = recv.wait();
    end.must_end(0);
    assert!(!end.output().contains("--clean"), "{}", end.output());
    assert_cleaned(&dbs);
}

/// Ctrl-C while it is said prevents it; started again, it is said again.
#[test]
fn a_stop_before_it_begins_prevents_it() {
    let dbs = scene("prevented");
    let (recv, send) = (
        start_recv(&dbs, &["--clean"]),
        start_send(&dbs, &["--clean"]),
    );
    recv.wait_for("will be dropped");
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    send.wait().must_end(3);
    assert_untouched(&dbs);
    let (send, recv) = migrate(&dbs, &[], &["--clean"]);
    send.must_end(0);
    recv.must_end(0);
    assert!(
        recv.output().contains("will be dropped"),
        "{}",
        recv.output()
    );
    assert_cleaned(&dbs);
}

/// Those of the target's that have the OID of one of the source's go, and no others.
#[test]
fn large_objects_are_replaced_by_their_oids() {
    let objects = "SELECT lo_from_bytea(70000 + i, convert_to('new ' || i, 'UTF8')) FROM generate_series(1, 1200) i";
    let dbs = Databases::new("lo_replaced", &format!("{SOURCE} {objects}"));
    dbs.target_sql(&format!(
        "{TARGET} SELECT lo_from_bytea(70000 + i, 'old'), lo_from_bytea(90000 + i, 'mine') FROM generate_series(1, 1200, 100) i"
    ));
    let (send, recv) = migrate(&dbs, &["--clean"], &["--clean"]);
    send.must_end(0);
    recv.must_end(0);
    let told = "--clean: of 24 large objects of the target those go that have the OID of one of the source's";
    assert!(recv.output().contains(told), "{}", recv.output());
    let mine =
        "SELECT count(*), count(DISTINCT lo_get(oid)), min(convert_from(lo_get(oid), 'UTF8'))
        FROM pg_largeobject_metadata WHERE oid > 90000";
    assert_eq!(dbs.target_sql(mine).trim(), "12|1|mine");
    dbs.target_sql("SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata WHERE oid > 90000");
    let theirs = "SELECT count(*), md5(string_agg(oid || ' ' || lo_get(oid)::text, ',' ORDER BY oid)) FROM pg_largeobject_metadata";
    assert_eq!(dbs.target_sql(theirs), dbs.source_sql(theirs));
    assert_cleaned(&dbs);
}

/// recv's role may not unlink them, and which of them are in the way is known too late.
#[test]
fn large_objects_of_others_stop_it() {
    let object = "SELECT lo_create(70001);";
    let dbs = Databases::new("lo_of_others", &(SOURCE.to_owned() + object));
    dbs.target_sql(&(TARGET.to_owned() + object + "CREATE ROLE lo_cleaner LOGIN"));
    let target = dbs
        .target_conninfo()
        .replace("user=postgres", "user=lo_cleaner");
    let (send, recv) = migrate(&dbs, &["--clean"], &["--clean", "--target", &target]);
    for end in [send, recv] {
        end.must_end(1);
        let told = "has dropped nothing: large objects that belong to postgres";
        assert!(end.stderr.contains(told), "{}", end.stderr);
    }
    assert_untouched(&dbs);
}

/// All drops in one transaction need more locks than the server has: the setting is named, and with
/// that it goes on.
#[test]
fn too_few_lock_slots_are_told_with_the_setting() {
    let settings = [
        ("max_locks_per_transaction", "10"),
        ("max_connections", "20"),
    ];
    let options = ClusterOptions::with(&settings);
    let mut target = Cluster::start(&options).unwrap();
    let tables = "SELECT format('CREATE TABLE t%s (id serial PRIMARY KEY, s text UNIQUE)', n) FROM generate_series(1, 600) n \\gexec";
    let dbs = Databases::new("few_slots", tables);
    target.create_database("few_slots").unwrap();
    target.psql("few_slots", tables).unwrap();
    let conninfo = target.conninfo("few_slots");
    let clone = || start_side(&dbs, "clone", &["--clean", "--target", &conninfo], &[]).wait();
    let end = clone();
    end.must_end(3);
    let told = "nothing was dropped: set max_locks_per_transaction to ";
    let (_, rest) = end
        .stderr
        .split_once(told)
        .unwrap_or_else(|| panic!("{}", end.stderr));
    let setting: u32 = rest.split_once(' ').unwrap().0.parse().unwrap();
    let there = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    assert_eq!(target.psql("few_slots", there).unwrap().trim(), "600");
    let raise = format!("ALTER SYSTEM SET max_locks_per_transaction = {setting}");
    target.psql("postgres", &raise).unwrap();
    target.stop(StopMode::Fast).unwrap();
    target.start_again().unwrap();
    clone().must_end(0);
    assert_eq!(target.psql("few_slots", there).unwrap().trim(), "600");
}

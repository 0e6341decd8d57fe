//! Migrations of a part: what arrives is what pg_dump of the same part would bring, and what is
//! broken by it is said before anything moves.

use serde_json::Value;

use super::pg_dump;
use super::support::{Databases, assert_nothing_left, migrate, start_recv, start_send};

const SCHEMA: &str = include_str!("nasty.sql");
const FILL: &str = "INSERT INTO public.vm (feels) SELECT 'sad' FROM generate_series(1, 2000);
    INSERT INTO public.vm_history SELECT i, now() FROM generate_series(1, 1000) i;
    INSERT INTO app.vm (parent) SELECT i FROM generate_series(1, 500) i;
    INSERT INTO public.events SELECT '2026-01-05'::date + i, i FROM generate_series(1, 40) i;
    INSERT INTO public.axb VALUES (1); INSERT INTO app.child VALUES (1, 2);
    SELECT setval('app.counter', 77); REFRESH MATERIALIZED VIEW app.kept;";

pub(super) fn filled(name: &str) -> Databases {
    Databases::new(name, &format!("{SCHEMA}{FILL}"))
}

/// Rows and objects: both ends dumped with the same options.
#[track_caller]
fn assert_same_dump(dbs: &Databases, options: &[&str]) {
    let dump = |server, options: &[&str]| pg_dump(server, dbs.name(), options).unwrap();
    let (source, target) = (dump(dbs.source(), options), dump(dbs.target(), options));
    assert_eq!(source, target);
    assert!(source.contains("COPY "), "{source}");
}

pub(super) fn skipped(report: &Value) -> Vec<String> {
    let line = |s: &Value| {
        format!(
            "{}: {}",
            s["object"].as_str().unwrap(),
            s["reason"].as_str().unwrap()
        )
    };
    report["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

#[track_caller]
pub(super) fn assert_has(lines: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(
            lines.iter().any(|l| l.contains(wanted)),
            "{wanted:?} is not in {lines:#?}"
        );
    }
}

/// The report and the screen say what is left out; nothing else is on the target.
#[test]
fn one_schema_arrives_with_what_it_holds() {
    let dbs = filled("one_schema");
    dbs.target_sql("CREATE SCHEMA app2; CREATE EXTENSION hstore SCHEMA app2;
        CREATE TABLE public.vm (id int PRIMARY KEY); INSERT INTO vm SELECT generate_series(1, 2000);
        CREATE TABLE public.\"a*b\" (i int); CREATE TABLE public.events (at date, i int) PARTITION BY RANGE (at)");
    let (send, recv) = migrate(&dbs, &["--schema", "app"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_same_dump(&dbs, &["--schema=app"]);
    let relations =
        dbs.target_sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'vm_history%'");
    assert_eq!(relations.trim(), "1");
    let told = skipped(&send.report());
    assert_eq!(told, skipped(&recv.report()));
    assert_has(
        &told,
        &[
            "everything else: only what --schema app selects is moved",
            "extensions hstore: ",
            "table public.vm: app.seen needs it, foreign key vm_parent_fkey of app.vm references it",
            "type app2.hstore: app.vm_history needs it",
            "table public.events: app.events_2 is a partition of it",
            "table public.\"a*b\": app.child inherits from it",
        ],
    );
    assert!(
        send.output().contains("left out: table public.vm: "),
        "{}",
        send.output()
    );
    assert_nothing_left(&dbs);
}

/// What the missing tables break is recorded, as pg_restore would complain of it.
#[test]
fn excluded_tables_stay_and_their_keys_are_listed() {
    let dbs = filled("excluded");
    let options = [
        "--exclude-table=public.vm",
        "--exclude-table=public.events_1",
    ];
    let (send, recv) = migrate(&dbs, &options, &[]);
    send.must_end(4);
    recv.must_end(4);
    let told = skipped(&send.report());
    assert_has(
        &told,
        &[
            "table public.vm: app.seen needs it, foreign key",
            "partition public.events_1: table public.events comes without it",
        ],
    );
    let errors = send.report()["errors"].to_string();
    assert!(errors.contains("vm_history_id_fkey"), "{errors}");
    assert_eq!(dbs.target_sql("SELECT count(*) FROM events").trim(), "14");
    assert_eq!(
        dbs.target_sql("SELECT to_regclass('public.vm'), last_value FROM app.counter")
            .trim(),
        "|77"
    );
}

/// A table alone: its sequence comes with it, its type and trigger function must be there.
#[test]
fn one_table_arrives_where_its_types_are() {
    let dbs = filled("one_table");
    dbs.target_sql(
        "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad', 'glad');
        CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    );
    let (send, recv) = migrate(&dbs, &["--table", "VM"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_same_dump(&dbs, &["--table=vm"]);
    assert_has(
        &skipped(&send.report()),
        &[
            "type app.mood: public.vm needs it",
            "function app.noted(): trigger note of public.vm needs it",
        ],
    );
    assert_nothing_left(&dbs);
}

/// Writes to what is not moved are no change of the source; those to what is moved are.
#[test]
fn only_writes_to_what_is_moved_count() {
    let dbs = filled("selected_writes");
    let recv = start_recv(&dbs, &["--stay"]);
    let send = start_send(&dbs, &["--table", "public.axb", "--rate", "1kbit"]);
    send.wait_for("data");
    drop(send);
    dbs.source_sql("INSERT INTO public.vm_history VALUES (2000, now())");
    start_send(&dbs, &[]).wait().must_end(0);
    drop(recv);
    assert_same_dump(&dbs, &["--table=public.axb"]);
}

/// A role that may do nothing but read what is selected; what else the source has, a schema that it may
/// not use, a subscription, somebody's tablespace, is no business of it, nor are the target's own tables.
#[test]
fn a_reader_of_one_schema_moves_it() {
    let dbs = Databases::new(
        "one_reader",
        "CREATE ROLE one_reader LOGIN; CREATE ROLE one_other; CREATE SCHEMA app; CREATE SCHEMA closed AUTHORIZATION one_other;
         CREATE TABLE app.t AS SELECT generate_series(1, 100) AS i; CREATE TABLE closed.t (i int);
         ALTER TABLE closed.t OWNER TO one_other;
         CREATE SUBSCRIPTION one_sub CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false);
         GRANT USAGE ON SCHEMA app TO one_reader; GRANT SELECT ON app.t TO one_reader",
    );
    dbs.target_sql("CREATE TABLE theirs AS SELECT generate_series(1, 1000) AS i");
    let source = dbs
        .source_conninfo()
        .replace("user=postgres", "user=one_reader");
    let send = [
        "--source",
        &source,
        "--schema",
        "app",
        "--no-owner",
        "--no-privileges",
    ];
    let (send, recv) = migrate(&dbs, &send, &[]);
    send.must_end(0);
    recv.must_end(0);
    assert!(!recv.output().contains("one_other"), "{}", recv.output());
    assert_eq!(dbs.target_sql("SELECT count(*) FROM app.t").trim(), "100");
    let analyzed = "SELECT string_agg(DISTINCT tablename, ' ') FROM pg_stats WHERE schemaname IN ('app', 'public')";
    assert_eq!(dbs.target_sql(analyzed).trim(), "t", "not what is theirs");
    dbs.source_sql("ALTER SUBSCRIPTION one_sub SET (slot_name = NONE); DROP SUBSCRIPTION one_sub");
}

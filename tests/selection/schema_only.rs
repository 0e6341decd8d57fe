//! `send --schema-only`: all objects and nothing that is in them.

use rustix::process::Signal;

use super::pg_dump;
use super::support::holds::{Hold, wait_until_held};
use super::support::{Databases, assert_nothing_left, migrate, start_recv, start_send, start_side};
use super::whole::{assert_has, filled, skipped};

/// Rows of all tables, sequences that have moved, large objects, views that are populated.
const CONTENTS: &str = "
    SELECT sum((xpath('/row/c/text()', query_to_xml(
        format('SELECT count(*) c FROM %s', c.oid::regclass), false, true, '')))[1]::text::bigint)
    FROM pg_class c WHERE relkind = 'r' AND relnamespace::regnamespace::text !~ '^(pg_|information)';
    SELECT count(*) FROM pg_sequences WHERE last_value IS NOT NULL;
    SELECT count(*) FROM pg_largeobject_metadata;
    SELECT count(*) FROM pg_matviews WHERE ispopulated;";

#[track_caller]
fn assert_objects_alone(dbs: &Databases) {
    let dump = |server| pg_dump(server, dbs.name(), &["--schema-only", "--create"]).unwrap();
    assert_eq!(dump(dbs.source()), dump(dbs.target()));
    assert_eq!(dbs.target_sql(CONTENTS).trim(), "0\n0\n0\n0");
    assert_nothing_left(dbs);
}

#[test]
fn objects_arrive_without_what_is_in_them() {
    let dbs = filled("objects_alone");
    dbs.source_sql(
        "SELECT lo_from_bytea(0, 'x'); COMMENT ON DATABASE objects_alone IS 'comes along'",
    );
    let (send, recv) = migrate(&dbs, &["--schema-only"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_objects_alone(&dbs);
    let report = recv.report();
    assert_eq!(report, send.report());
    assert_eq!(report["tables"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(report["totals"]["rows"], 0);
    assert_eq!(report["verified"], "no");
    let told =
        "rows, sequence values, large objects and contents of materialized views: --schema-only";
    assert_has(&skipped(&report), &[told]);
    assert!(
        send.output().contains(&format!("left out: {told}")),
        "{}",
        send.output()
    );
}

/// Both die while the schema is made; the later start need not say it again.
#[test]
fn it_goes_on_after_both_have_died() {
    let dbs = filled("objects_again");
    let hold = Hold::tables(&dbs);
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &["--schema-only"]));
    wait_until_held(&dbs, "advisory", "%");
    for run in [send, recv] {
        run.kill();
    }
    hold.release_tables(&dbs);
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_objects_alone(&dbs);
}

/// Rows that are written after the snapshot make no difference; a table that is made does.
#[test]
fn only_new_objects_count_as_a_change() {
    let dbs = filled("objects_changed");
    let hold = Hold::tables(&dbs);
    let (recv, send) = (
        start_recv(&dbs, &["--stay"]),
        start_send(&dbs, &["--schema-only"]),
    );
    wait_until_held(&dbs, "advisory", "%");
    dbs.source_sql("INSERT INTO public.axb VALUES (2); SELECT nextval('app.counter')");
    hold.release_tables(&dbs);
    send.wait().must_end(0);
    drop(recv);
    assert_objects_alone(&dbs);

    let dbs = filled("objects_made");
    let hold = Hold::tables(&dbs);
    let (recv, send) = (
        start_recv(&dbs, &["--stay"]),
        start_send(&dbs, &["--schema-only"]),
    );
    wait_until_held(&dbs, "advisory", "%");
    dbs.source_sql("CREATE TABLE public.late (i int)");
    hold.release_tables(&dbs);
    let end = send.wait();
    end.must_end(5);
    drop(recv);
    assert!(end.output().contains("public.late"), "{}", end.output());
}

#[test]
fn a_migration_keeps_its_content() {
    let dbs = filled("kept_content");
    let recv = start_recv(&dbs, &["--stay"]);
    let send = start_send(&dbs, &["--rate", "1kbit"]);
    send.wait_for("data");
    send.signal(Signal::INT);
    send.wait().must_end(3);
    let end = start_send(&dbs, &["--schema-only"]).wait();
    end.must_end(1);
    let told = "was begun with none of these options; give the same, or nothing";
    assert!(end.stderr.contains(told), "{}", end.stderr);
    drop(recv);
}

/// What pg_dump needs is enough: rows behind row security and sequences are not read.
#[test]
fn rows_and_sequences_need_not_be_readable() {
    let dbs = filled("objects_unread");
    dbs.source_sql(
        "CREATE ROLE objects_unread LOGIN; GRANT USAGE ON SCHEMA public, app, \"App\", \"a.b\", \"x$y\" TO objects_unread;
         GRANT SELECT ON ALL TABLES IN SCHEMA public, app, \"App\", \"a.b\", \"x$y\" TO objects_unread;
         ALTER TABLE public.vm ENABLE ROW LEVEL SECURITY",
    );
    let source = dbs
        .source_conninfo()
        .replace("user=postgres", "user=objects_unread");
    let options = ["--schema-only", "--no-privileges", "--source", &source];
    start_side(&dbs, "clone", &options, &[]).wait().must_end(0);
    assert_eq!(dbs.target_sql(CONTENTS).trim(), "0\n0\n0\n0");

    dbs.source_sql("REVOKE SELECT ON public.axb FROM objects_unread");
    let end = start_side(
        &dbs,
        "clone",
        &[&options[..], &["--migration", "again"]].concat(),
        &[],
    )
    .wait();
    end.must_end(1);
    let told = "table public.axb: GRANT SELECT ON public.axb";
    assert!(end.output().contains(told), "{}", end.output());
}

/// A table that is there is named before anything is made, as ever.
#[test]
fn a_table_that_is_there_is_refused() {
    let dbs = filled("objects_there");
    dbs.target_sql("CREATE TABLE public.axb (i int)");
    let (send, recv) = migrate(&dbs, &["--schema-only"], &[]);
    send.must_end(1);
    recv.must_end(1);
    assert!(
        recv.stderr.contains("already there: public.axb"),
        "{}",
        recv.stderr
    );
}

//! Rows of an extension's tables, where the target had the extension before the migration.

use serde_json::Value;

use super::scene::prepare;
use super::support::{Databases, End, assert_nothing_left, migrate};

const FILL: &str = "
    CREATE EXTENSION pgpipe_test;
    INSERT INTO setting VALUES ('added', 'by the user', true);
    INSERT INTO ruled (rule, shipped) SELECT 'rule ' || i, false FROM generate_series(1, 50) i;
    SELECT setval('ticket', 4711);
    CREATE TABLE t AS SELECT generate_series(1, 100) AS i;";
/// Rows of each table, and a sequence that the extension calls the user's.
const FOUND: &str = "
    SELECT (SELECT count(*) FROM setting), (SELECT count(*) FROM ruled), (SELECT last_value FROM ticket),
           (SELECT count(*) FROM t);";

fn with_extension_on_target(name: &str, owner: &str) -> Databases {
    prepare();
    let dbs = Databases::new(name, FILL);
    dbs.target_sql(&format!(
        "CREATE EXTENSION pgpipe_test; ALTER DATABASE {name} OWNER TO {owner}"
    ));
    dbs
}

/// (object, SQLSTATE) of each, by name.
fn errors(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = report["errors"].as_array().unwrap().iter();
    let mut errors: Vec<_> = errors
        .map(|e| (text(&e["object"]), text(&e["sqlstate"])))
        .collect();
    errors.sort();
    errors
}

fn told(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(object, code): &(&str, &str)| ((*object).to_owned(), (*code).to_owned());
    expected.iter().map(owned).collect()
}

/// Nothing of it is deleted: a key that is there twice is listed, and all else arrives.
#[test]
fn rows_are_added_to_an_extension_that_was_there() {
    let dbs = with_extension_on_target("added_to", "postgres");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let refused = [
        ("TABLE public.branch", "23505"),
        ("TABLE public.setting", "23505"),
        ("TABLE public.trunk", "23505"),
    ];
    assert_eq!(errors(&send.report()), told(&refused));
    assert_eq!(dbs.target_sql(FOUND).trim(), "3|70|4711|100");
    assert_nothing_left(&dbs);
}

/// The tables are a superuser's: what may not be written there is listed.
#[test]
fn a_plain_owner_is_told_what_he_may_not_write() {
    let dbs = with_extension_on_target("not_his_own", "alice");
    let target = dbs.target_conninfo().replace("user=postgres", "user=alice");
    let recv = ["--target", &target];
    let (send, recv) = migrate(&dbs, &["--no-owner", "--no-privileges"], &recv);
    send.must_end(4);
    recv.must_end(4);
    let refused = [
        ("SEQUENCE public.ruled_id_seq", "42501"),
        ("SEQUENCE public.ticket", "42501"),
        ("TABLE public.branch", "42501"),
        ("TABLE public.ruled", "42501"),
        ("TABLE public.setting", "42501"),
        ("TABLE public.trunk", "42501"),
    ];
    assert_eq!(errors(&send.report()), told(&refused));
    assert_eq!(dbs.target_sql(FOUND).trim(), "3|20|1|100");
    assert_nothing_left(&dbs);
}

/// CREATE EXTENSION IF NOT EXISTS goes through all the same: so it is said.
#[test]
fn an_extension_in_another_schema_is_told() {
    prepare();
    let dbs = Databases::new("elsewhere_there", "CREATE EXTENSION hstore;");
    dbs.target_sql("CREATE SCHEMA other; CREATE EXTENSION hstore SCHEMA other;");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    let line =
        "differs: extension hstore: is in schema other on the target, in public on the source";
    assert!(recv.stderr.contains(line), "{recv:?}");
}

/// What the extension has brought stays where rows alone are moved and tables are emptied, also in a table whose rows
/// of the user's are none so far.
#[test]
fn rows_of_an_extension_are_not_emptied() {
    let dbs = with_extension_on_target("not_emptied", "postgres");
    dbs.target_sql("CREATE TABLE t AS SELECT 7 AS i");
    let (send, recv) = migrate(&dbs, &["--data-only", "--clean"], &["--clean"]);
    send.must_end(4);
    recv.must_end(4);
    let told = "--clean: 1 tables of the target with about 0 rows will be emptied";
    assert!(recv.stderr.contains(told), "{recv:?}");
    let refused: Vec<_> = errors(&send.report());
    assert!(
        refused.iter().all(|(_, code)| code == "23505"),
        "{refused:?}"
    );
    assert_eq!(dbs.target_sql(FOUND).trim(), "3|70|4711|100");
    assert_nothing_left(&dbs);
}

/// A table of the user's with the name of an extension's is his: nothing is written there.
#[test]
fn a_table_that_only_looks_like_an_extensions_is_refused() {
    prepare();
    let dbs = Databases::new("looks_alike", FILL);
    dbs.target_sql("CREATE TABLE setting AS SELECT 'precious' AS name, 'x' AS value, true AS own;");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(1);
    recv.must_end(1);
    assert!(
        recv.stderr
            .contains("already there and not empty: public.setting"),
        "{recv:?}"
    );
    assert_eq!(
        dbs.target_sql("SELECT * FROM setting").trim(),
        "precious|x|t"
    );
    assert_nothing_left(&dbs);
}

/// Rows come in no order that keys between the tables would want, over rows that keys lead to, and a
/// trigger would change them.
#[test]
fn keys_and_triggers_of_an_extension_do_not_act() {
    prepare();
    let more = "BEGIN; SET LOCAL session_replication_role = replica;
        INSERT INTO trunk VALUES (10, 20), (11, NULL); INSERT INTO branch VALUES (20, 10, 'by the user'), (21, 2, NULL);
        DELETE FROM trunk WHERE id = 1; INSERT INTO trunk VALUES (1, 1); COMMIT;";
    let dbs = Databases::new("hushed", &(FILL.to_owned() + more));
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    let rows = "SELECT * FROM trunk ORDER BY id; SELECT * FROM branch ORDER BY id;
        SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY conname";
    assert_eq!(dbs.target_sql(rows), dbs.source_sql(rows));
    let refused = "DO $$ BEGIN DELETE FROM branch WHERE id = 20; RAISE 'a key is not checked';
        EXCEPTION WHEN foreign_key_violation THEN NULL; END $$";
    dbs.target_sql(refused);
    assert_nothing_left(&dbs);
}

/// Columns in another order, a further one and other types are told, and the rows arrive, whatever their binary
/// form would mean there. What has no place for a column is told too, and then listed.
#[test]
fn columns_of_another_version_are_told() {
    prepare();
    let dbs = Databases::new("newer_there", FILL);
    dbs.target_sql("CREATE EXTENSION pgpipe_test VERSION '2.0'");
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let said = [
        "differs: extension pgpipe_test: version 2.0 on the target, 1.0 on the source",
        "differs: public.setting: column since is only on the target: left to the default",
        "differs: public.setting: column value is text on the source and character varying(100) on the target",
        "differs: public.branch: column trunk is integer on the source and real on the target",
        "will be skipped: rows of public.ruled, if any: column shipped is missing on the target",
        "will be skipped: rows of public.ruled, if any: column origin is only on the target, NOT NULL and without a default",
    ];
    assert_said(&recv, &said);
    assert_eq!(
        recv.stderr.matches("differs: public.trunk").count(),
        0,
        "{recv:?}"
    );
    let refused = [("TABLE public.ruled", "42703")];
    assert_eq!(errors(&send.report()), told(&refused));
    for rows in [
        "SELECT name, value, own FROM setting ORDER BY name",
        "SELECT * FROM branch",
        "SELECT * FROM trunk WHERE id > 1",
    ] {
        assert_eq!(dbs.target_sql(rows), dbs.source_sql(rows), "{rows}");
    }
    assert_nothing_left(&dbs);
}

/// One that recv makes: it keeps its own rows where those of the source have no place.
#[test]
fn an_older_version_that_recv_makes_keeps_its_rows() {
    prepare();
    let fill = "CREATE EXTENSION pgpipe_test VERSION '2.0'; INSERT INTO ruled (rule, origin) VALUES ('mine', 'user');
        INSERT INTO setting (name, value) VALUES ('added', 'by the user'); INSERT INTO branch VALUES (7, 2, 'mine');";
    let dbs = Databases::new("older_made", fill);
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let said = [
        "will be skipped: rows of public.ruled, if any: column origin is missing on the target",
        "will be skipped: rows of public.setting, if any: column since is missing on the target",
        "differs: public.branch: column trunk is real on the source and integer on the target",
    ];
    assert_said(&recv, &said);
    let refused = [
        ("TABLE public.ruled", "42703"),
        ("TABLE public.setting", "42703"),
    ];
    assert_eq!(errors(&send.report()), told(&refused));
    let found =
        "SELECT (SELECT count(*) FROM setting), (SELECT count(*) FROM ruled); SELECT * FROM branch";
    assert_eq!(dbs.target_sql(found).trim(), "3|20\n7|2|mine");
    assert_nothing_left(&dbs);
}

#[track_caller]
fn assert_said(end: &End, lines: &[&str]) {
    for line in lines {
        assert!(end.stderr.contains(line), "{line}: {end:?}");
    }
}

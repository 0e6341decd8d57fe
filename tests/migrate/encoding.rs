//! Text in other encodings than UTF-8, in names, values and both formats.

use super::support::{Databases, End, assert_equal, assert_nothing_left, migrate, start_send};

const LATIN1: &str = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'";

const NO_ENCODING: &str = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'";

const FILL: &str = "
    SET client_encoding = 'UTF8';
    CREATE TYPE \"größe\" AS ENUM ('groß', 'übergroß');
    CREATE TABLE \"straße\" (id int PRIMARY KEY, \"ß\" text DEFAULT 'ä', v varchar(5), g \"größe\");
    INSERT INTO \"straße\" SELECT i, repeat('é', i % 50) || i, 'ÀÿÖñ', 'übergroß' FROM generate_series(1, 3000) i;
    CREATE TABLE by_name (id int PRIMARY KEY, r regclass, t text, j jsonb);
    INSERT INTO by_name SELECT i, '\"straße\"', E'é\\n\\\\' || i, '{\"ü\": \"£\"}' FROM generate_series(1, 3000) i;
    CREATE INDEX \"maß\" ON \"straße\" (\"ß\") WHERE v <> 'ü';
    COMMENT ON TABLE \"straße\" IS 'Maße der Straße: ½ µm';
    CREATE FUNCTION \"öffne\"() RETURNS text LANGUAGE sql AS 'SELECT ''ÄÖÜ''';";

/// Everything in it as one checksum that does not depend on the server's encoding.
const SUM: &str = "
    SET client_encoding = 'UTF8';
    SELECT md5(string_agg(md5(convert_to(t::text, 'UTF8')), ',' ORDER BY id)) FROM \"straße\" t;
    SELECT md5(string_agg(md5(convert_to(t::text, 'UTF8')), ',' ORDER BY id)) FROM by_name t;
    SELECT \"öffne\"(), obj_description('\"straße\"'::regclass), pg_get_indexdef('\"maß\"'::regclass);";

#[test]
fn latin1_arrives_in_a_database_like_it() {
    let dbs = Databases::without_target("latin1", LATIN1, FILL);
    let (send, recv) = migrate(&dbs, &[], &["--create-db"]);
    send.must_end(0);
    recv.must_end(0);
    assert!(!recv.output().contains("sorts by"), "{}", recv.output());
    let encoding = dbs.target_sql("SHOW server_encoding");
    assert_eq!(encoding.trim(), "LATIN1");
    assert_eq!(dbs.source_sql(SUM), dbs.target_sql(SUM));
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn latin1_arrives_in_utf8() {
    let dbs = Databases::without_target("latin1_to_utf8", LATIN1, FILL);
    dbs.target().create_database(dbs.name()).unwrap();
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    let told = "the target database sorts by libc C in UTF8, the source's by libc C in LATIN1: \
        order may differ, and unique indexes on expressions such as lower() may be refused";
    assert_eq!(recv.stderr.matches(told).count(), 1, "{}", recv.stderr);
    assert_eq!(dbs.target_sql("SHOW server_encoding").trim(), "UTF8");
    assert_eq!(dbs.source_sql(SUM), dbs.target_sql(SUM));
    let name = send.report()["tables"].to_string();
    assert!(name.contains("straße"), "{name}");
    assert_nothing_left(&dbs);
}

/// A database without an encoding holds any bytes, and gives them back.
#[test]
fn bytes_without_an_encoding_arrive_as_they_are() {
    let fill = "SET client_encoding = 'SQL_ASCII';
        CREATE TABLE t (id int PRIMARY KEY, t text);
        CREATE TABLE by_name (id int PRIMARY KEY, r regclass, t text);
        INSERT INTO t VALUES (1, E'\\xff\\xfe\\x80'), (2, E'ok \\xc3\\xa9'), (3, E'\\xe9');
        INSERT INTO by_name SELECT id, 't', t FROM t;";
    let dbs = Databases::without_target("no_encoding", NO_ENCODING, fill);
    let (send, recv) = migrate(&dbs, &[], &["--create-db"]);
    send.must_end(0);
    recv.must_end(0);
    for table in ["t", "by_name"] {
        let bytes = format!(
            "SELECT id, t::bytea, encode(convert_to(t, 'SQL_ASCII'), 'hex') FROM {table} ORDER BY id"
        );
        assert_eq!(dbs.source_sql(&bytes), dbs.target_sql(&bytes));
    }
    assert_nothing_left(&dbs);
}

/// Latin-1 wherever a schema may hold it, but in names that pgpipe itself needs.
const STRAY: &str = r#"SET client_encoding = 'SQL_ASCII';
    CREATE TYPE mood AS ENUM (E'gl\xfccklich', 'sad');
    CREATE TABLE t (id int PRIMARY KEY, m mood, s text DEFAULT E'caf\xe9', CHECK (s <> E'\xff'));
    INSERT INTO t (id, m) SELECT i, E'gl\xfccklich' FROM generate_series(1, 1000) i;
    CREATE INDEX i ON t (s) WHERE s <> E'\xe9';
    COMMENT ON TABLE t IS E'ta\xdfchen \xc3\xa9 \xf4\x8f\xbf\xbf';
    CREATE VIEW v AS SELECT E'\xe4' || s AS s FROM t;
    CREATE FUNCTION f() RETURNS text LANGUAGE sql AS E'SELECT ''\xfc''::text';
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS E'BEGIN RAISE ''\xe9''; END';
    CREATE TRIGGER refuse BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.s = E'\xe9') EXECUTE PROCEDURE refuse();
    DO $$ BEGIN EXECUTE E'CREATE FUNCTION "f\xfcr"(a text) RETURNS int LANGUAGE sql AS ''SELECT 1''';
        EXECUTE E'ALTER TABLE t ADD CONSTRAINT "gr\xf6\xdfe" CHECK (id > 0)'; END $$;"#;

/// What of it arrived, as text of ASCII alone.
const OF_STRAY: &str = r#"SET client_encoding = 'SQL_ASCII';
    SELECT encode(convert_to(text, 'SQL_ASCII'), 'hex') FROM (
        SELECT obj_description('t'::regclass) UNION ALL SELECT pg_get_viewdef('v'::regclass)
        UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
        UNION ALL SELECT enumlabel FROM pg_enum
        UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = 't'::regclass AND contype <> 'n'
        UNION ALL SELECT pg_get_indexdef('i'::regclass)
        UNION ALL SELECT proname || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger) AS of (text) ORDER BY 1;
    SELECT md5(string_agg(md5(convert_to(t::text, 'SQL_ASCII')), ',' ORDER BY id)), f() = E'\xfc' FROM t"#;

#[test]
fn a_schema_without_an_encoding_arrives_as_it_is() {
    for (name, options) in [
        ("stray_schema", &[][..]),
        ("stray_single", &["--snapshot", "single"][..]),
    ] {
        let dbs = Databases::without_target(name, NO_ENCODING, STRAY);
        let (send, recv) = migrate(&dbs, options, &["--create-db"]);
        send.must_end(0);
        recv.must_end(0);
        let found = dbs.target_sql(OF_STRAY);
        assert!(found.trim_end().ends_with("|t"), "{found}");
        assert_eq!(dbs.source_sql(OF_STRAY), found);
        assert_nothing_left(&dbs);
    }
}

#[track_caller]
fn assert_told(end: &End, parts: &[&str]) {
    let told = end.output();
    let is_it = |line: &str| parts.iter().all(|part| line.contains(part));
    assert!(told.lines().any(is_it), "{parts:?} not in {told}");
}

/// Its server could read none of it.
#[test]
fn a_schema_without_an_encoding_is_refused_where_the_target_has_one() {
    let dbs = Databases::without_target("stray_refused", NO_ENCODING, STRAY);
    dbs.target().create_database(dbs.name()).unwrap();
    let (send, recv) = migrate(&dbs, &[], &[]);
    for end in [&send, &recv] {
        end.must_end(1);
        assert_told(
            end,
            &["UTF8", "TYPE mood", "ENCODING 'SQL_ASCII'", "--data-only"],
        );
    }
    let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(dbs.target_sql(made).trim(), "0");
}

/// The way out that the refusal names.
#[test]
fn rows_go_into_a_schema_that_was_moved_by_hand() {
    let fill = r#"SET client_encoding = 'SQL_ASCII';
        CREATE TABLE t (id int PRIMARY KEY, s text);
        INSERT INTO t SELECT i, E'\xc3\xa9' || i FROM generate_series(1, 1000) i;
        COMMENT ON TABLE t IS E'ta\xdfchen';"#;
    let dbs = Databases::without_target("stray_by_hand", NO_ENCODING, fill);
    dbs.target().create_database(dbs.name()).unwrap();
    dbs.target_sql("CREATE TABLE t (id int PRIMARY KEY, s text)");
    let (send, recv) = migrate(&dbs, &["--data-only"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_told(&recv, &["SQL_ASCII", "refuses what is not valid"]);
    let sum = "SELECT md5(string_agg(md5(textsend(t::text)), ',' ORDER BY id)) FROM t";
    assert_eq!(dbs.source_sql(sum), dbs.target_sql(sum));
    assert_nothing_left(&dbs);
}

#[test]
fn rows_that_the_encoding_refuses_are_told_of_before_and_after() {
    let fill = r#"SET client_encoding = 'SQL_ASCII';
        CREATE TABLE "straße" (id int PRIMARY KEY, s text);
        INSERT INTO "straße" SELECT i, E'caf\xe9' FROM generate_series(1, 1000) i;"#;
    for format in ["auto", "text"] {
        let name = format!("stray_rows_{format}");
        let dbs = Databases::without_target(&name, NO_ENCODING, fill);
        dbs.target().create_database(dbs.name()).unwrap();
        let (send, recv) = migrate(&dbs, &["--format", format], &[]);
        for end in [&send, &recv] {
            end.must_end(1);
            assert_told(
                end,
                &["cannot write table public.\"straße\"", "SQLSTATE 22021"],
            );
        }
        assert_told(&recv, &["SQL_ASCII", "the target, UTF8, refuses"]);
    }
}

#[test]
fn names_that_are_not_utf8_are_named() {
    let fill = r#"SET client_encoding = 'SQL_ASCII'; CREATE TABLE "straße" ("größe" int);
        DO $$ BEGIN EXECUTE E'CREATE TABLE "caf\xe9" ("gr\xf6\xdfe" int)'; END $$;
        DO $$ BEGIN EXECUTE E'CREATE TYPE "paar\xe9" AS (a int)'; END $$;
        CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        DO $$ BEGIN EXECUTE E'CREATE EVENT TRIGGER "\xe9v" ON sql_drop EXECUTE FUNCTION f()'; END $$;"#;
    let dbs = Databases::without_target("stray_names", NO_ENCODING, fill);
    let send = start_send(&dbs, &[]).wait();
    send.must_end(1);
    assert_told(
        &send,
        &[
            "not UTF-8",
            ": column caf?.gr??e, event trigger ?v, table caf?, type paar?; ",
        ],
    );
}

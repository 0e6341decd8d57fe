//! Columns that are not as on the source.

use crate::support::{Databases, assert_nothing_left, start_recv, start_send, start_side};
use crate::{assert_same, assert_says, moved, refused};

/// Order, types, further columns, and the table's own objects are the target's. Sequences and
/// materialized views are filled as pg_dump fills them.
#[test]
fn they_may_stand_otherwise() {
    let dbs = Databases::new(
        "do_columns",
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN amount AS numeric(9,2);
        CREATE TABLE t (id serial PRIMARY KEY, gone int, name varchar(20), n int, at timestamp, feels mood,
            sum amount, twice int GENERATED ALWAYS AS (n * 2) STORED, regs regclass);
        ALTER TABLE t DROP COLUMN gone;
        INSERT INTO t (name, n, at, feels, sum, regs) SELECT 'n' || i, i, '2026-01-01'::timestamp + i * interval '1 h',
            (ARRAY['sad', 'glad', NULL]::mood[])[i % 3 + 1], i / 3.0, 'pg_class' FROM generate_series(1, 5000) i;
        CREATE TABLE same (a text, b int[]); INSERT INTO same SELECT i::text, ARRAY[i] FROM generate_series(1, 100) i;
        CREATE TABLE empty (); CREATE SEQUENCE counter; SELECT setval('counter', 77);
        CREATE MATERIALIZED VIEW sums AS SELECT sum(n) FROM t; SELECT lo_from_bytea(70000, 'large')",
    );
    dbs.target_sql(
        "CREATE TYPE mood AS ENUM ('glad', 'so so', 'sad');
        CREATE TABLE t (twice bigint GENERATED ALWAYS AS (n * 2) STORED, more text DEFAULT 'x', feels mood, n bigint NOT NULL,
            name text, at timestamptz, sum numeric, regs regclass, id serial PRIMARY KEY, own int GENERATED ALWAYS AS IDENTITY);
        CREATE INDEX ON t (name); CREATE VIEW seen AS SELECT * FROM t;
        CREATE TABLE same (b int[], a text NOT NULL); CREATE TABLE empty (x int); CREATE SEQUENCE counter;
        CREATE MATERIALIZED VIEW sums AS SELECT sum(n) FROM t",
    );
    let (send, recv) = moved(&dbs, &["--chunk-size", "64KiB"], &[]);
    assert_same(
        &dbs,
        "SELECT id, name, n, at::timestamp, feels, sum, twice, regs FROM t ORDER BY id",
    );
    assert_same(&dbs, "SELECT a, b FROM same ORDER BY b");
    assert_same(&dbs, "SELECT last_value, nextval('counter') FROM t_id_seq");
    assert_same(&dbs, "SELECT * FROM sums");
    assert_same(&dbs, "SELECT lo_get(70000)");
    let more = "SELECT count(DISTINCT own), min(more) FROM t";
    assert_eq!(dbs.target_sql(more).trim(), "5000|x");
    assert_says(
        &recv,
        &[
            "public.t: columns more, own are only on the target",
            "public.t: column n is integer on the source and bigint on the target",
            "column at is timestamp without time zone on the source and timestamp with time zone on the target",
        ],
    );
    let report = send.report();
    let format = |name: &str| {
        let tables = report["tables"].as_array().unwrap();
        let table = tables.iter().find(|t| t["name"] == name).unwrap();
        table["format"].as_str().unwrap().to_owned()
    };
    assert_eq!(format("public.t"), "text");
    assert_eq!(format("public.same"), "binary");
}

/// Everything that is wrong is named at once, on both sides, and nothing is done.
#[test]
fn what_does_not_fit_is_named() {
    let dbs = Databases::new(
        "do_unfit",
        "CREATE TABLE gone (i int); CREATE TABLE seen (i int); CREATE TABLE a (i int, j int, k int);
        CREATE TABLE b (i int); CREATE TABLE full_ (i int); CREATE TABLE u (i int);
        INSERT INTO gone VALUES (1); INSERT INTO a VALUES (1, 2, 3)",
    );
    dbs.target_sql(
        "CREATE VIEW seen AS SELECT 1 AS i; CREATE TABLE a (i int, k int GENERATED ALWAYS AS (i) STORED);
        CREATE TABLE b (i int, n int NOT NULL); CREATE TABLE full_ AS SELECT 7 AS i;
        CREATE TABLE u (i int) PARTITION BY LIST (i); CREATE TABLE u_1 PARTITION OF u FOR VALUES IN (1);
        CREATE UNLOGGED TABLE u_2 PARTITION OF u DEFAULT",
    );
    let words = [
        "public.gone is not on the target",
        "public.seen is a view on the target",
        "public.a: column j is missing on the target",
        "public.a: column k is generated on the target",
        "public.b: column n is only on the target, NOT NULL and without a default",
        "public.full_ is not empty on the target (recv --append adds rows to it, --clean on both sides empties it)",
        "public.u: has unlogged partitions and others",
    ];
    refused(&dbs, &[], &[], &words);
    assert_eq!(dbs.target_sql("SELECT count(*) FROM a").trim(), "0");
    dbs.target_sql(
        "CREATE TABLE gone (i int); DROP VIEW seen; CREATE TABLE seen (i int); DROP TABLE a, b, u; DELETE FROM full_;
        CREATE TABLE a (i int, j int, k int); CREATE TABLE b (i int, n int DEFAULT 3); CREATE TABLE u (i int)",
    );
    moved(&dbs, &[], &[]);
    assert_same(&dbs, "SELECT * FROM a");
}

/// By selection as pg_dump has it, and within one process.
#[test]
fn a_selection_is_cloned() {
    let dbs = Databases::new(
        "do_clone",
        "CREATE SCHEMA app; CREATE TABLE app.t AS SELECT generate_series(1, 10) AS i;
        CREATE TABLE other AS SELECT 1 AS i",
    );
    dbs.target_sql("CREATE SCHEMA app; CREATE TABLE app.t (i bigint)");
    let args = ["--data-only", "--schema", "app"];
    start_side(&dbs, "clone", &args, &[]).wait().must_end(0);
    assert_same(&dbs, "SELECT * FROM app.t ORDER BY i");
    assert_nothing_left(&dbs);
}

/// What the first start of send said holds for the migration.
#[test]
fn a_migration_keeps_what_it_moves() {
    let dbs = Databases::new("do_kept", "CREATE TABLE t AS SELECT 1 AS i");
    dbs.target_sql("CREATE TABLE t (i int)");
    let recv = start_recv(&dbs, &["--stay"]);
    start_send(&dbs, &["--data-only"]).wait().must_end(0);
    drop(recv);
    let dbs = Databases::new(
        "do_whole",
        "CREATE TABLE t AS SELECT i, repeat('x', 500) AS x FROM generate_series(1, 20000) i",
    );
    let recv = start_recv(&dbs, &["--stay"]);
    let send = start_send(&dbs, &["--rate", "800kbit", "--compress", "none"]);
    send.wait_for("data: ");
    send.signal(rustix::process::Signal::INT);
    send.wait().must_end(3);
    let other = start_send(&dbs, &["--data-only"]).wait();
    other.must_end(1);
    assert_says(&other, &["was begun with none of these options"]);
    drop(recv);
}

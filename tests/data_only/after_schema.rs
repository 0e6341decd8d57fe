//! Objects first, rows later, in two migrations.

use crate::moved;
use crate::support::{Databases, assert_equal, migrate};

/// What differs where objects are there before their rows: keys, triggers, generated and identity columns, partitions,
/// sequences, views and large objects.
const FILL: &str = "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad', 'glad');
    CREATE TABLE app.child (id int PRIMARY KEY, parent int, at timestamptz DEFAULT now());
    CREATE TABLE app.parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, feels app.mood, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO app.parent (feels) SELECT (ARRAY['sad', 'glad', NULL]::app.mood[])[i % 3 + 1] FROM generate_series(1, 3000) i;
    INSERT INTO app.child SELECT i, i FROM generate_series(1, 3000) i;
    ALTER TABLE app.child ADD FOREIGN KEY (parent) REFERENCES app.parent;
    CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a trigger acts'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON app.child FOR EACH ROW EXECUTE FUNCTION app.refuse();
    CREATE TABLE app.ev (i int, k int) PARTITION BY LIST (k); CREATE TABLE app.ev_1 PARTITION OF app.ev FOR VALUES IN (1);
    CREATE TABLE app.ev_2 PARTITION OF app.ev FOR VALUES IN (2); INSERT INTO app.ev SELECT i, i % 2 + 1 FROM generate_series(1, 3000) i;
    CREATE SEQUENCE app.counter; SELECT setval('app.counter', 77); CREATE INDEX ON app.child (at);
    CREATE MATERIALIZED VIEW app.sums AS SELECT feels, count(*) FROM app.parent GROUP BY feels;
    CREATE UNLOGGED TABLE app.scratch AS SELECT generate_series(1, 100) AS i; SELECT lo_from_bytea(70000, 'large');
    CREATE POLICY p ON app.parent USING (id > 5); ALTER TABLE app.parent ENABLE ROW LEVEL SECURITY;";

#[test]
fn rows_follow_a_schema_only_migration() {
    let dbs = Databases::new("do_after", FILL);
    let objects = ["--migration", "objects"];
    let (send, recv) = migrate(&dbs, &[&["--schema-only"], &objects[..]].concat(), &objects);
    send.must_end(0);
    recv.must_end(0);
    assert_eq!(
        dbs.target_sql("SELECT count(*) FROM app.parent").trim(),
        "0"
    );
    let pair = dbs.path("pair of rows").display().to_string();
    let rows = ["--migration", "rows", "--pair-file", &pair];
    moved(&dbs, &rows, &rows);
    assert_equal(&dbs);
}

//! Security labels. Their providers are libraries that no package brings; so they are put into the source's catalog
//! by hand, and the target, which has no provider either, refuses each by name.

use super::scene::prepare;
use super::support::{Databases, assert_nothing_left, migrate};

const FILL: &str = "CREATE SCHEMA app; CREATE TABLE app.t (i int PRIMARY KEY, s text);
    INSERT INTO app.t SELECT i, md5(i::text) FROM generate_series(1, 1000) i;
    CREATE VIEW app.v AS SELECT i FROM app.t; CREATE FUNCTION app.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE app.mood AS ENUM ('sad', 'glad'); SELECT lo_from_bytea(4711, 'bytes');
    SET allow_system_table_mods = on;
    INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label) VALUES
        ('app'::regnamespace::oid, 'pg_namespace'::regclass, 0, 'dummy', 'of the schema'),
        ('app.t'::regclass::oid, 'pg_class'::regclass, 0, 'dummy', 'of the table'),
        ('app.t'::regclass::oid, 'pg_class'::regclass, 2, 'dummy', 'of the column''s'),
        ('app.v'::regclass::oid, 'pg_class'::regclass, 0, 'dummy', 'of the view'),
        ('app.f(int)'::regprocedure::oid, 'pg_proc'::regclass, 0, 'Other \"one', 'of the function'),
        ('app.mood'::regtype::oid, 'pg_type'::regclass, 0, 'dummy', 'of the type'),
        (4711, 'pg_largeobject'::regclass, 0, 'dummy', 'of the large object');";
/// Whether all that was labelled is there.
const THERE: &str = "SELECT count(*), md5(string_agg(s, ',' ORDER BY i)), (SELECT count(*) FROM app.v), app.f(1),
    'glad'::app.mood, lo_get(4711), (SELECT count(*) FROM pg_constraint WHERE conname = 't_pkey') FROM app.t";

#[test]
fn what_has_no_provider_on_the_target_is_listed() {
    prepare();
    let dbs = Databases::new("labelled", FILL);
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let report = send.report();
    let errors = report["errors"].as_array().unwrap();
    let text = |of: &serde_json::Value| of.as_str().unwrap_or_default().to_owned();
    let statements: Vec<_> = errors.iter().map(|e| text(&e["statement"])).collect();
    for label in [
        "SECURITY LABEL FOR dummy ON SCHEMA app IS 'of the schema'",
        "SECURITY LABEL FOR dummy ON TABLE app.t IS 'of the table'",
        "SECURITY LABEL FOR dummy ON COLUMN app.t.s IS 'of the column''s'",
        "SECURITY LABEL FOR dummy ON VIEW app.v IS 'of the view'",
        "SECURITY LABEL FOR \"Other \"\"one\" ON FUNCTION app.f(integer) IS 'of the function'",
        "SECURITY LABEL FOR dummy ON TYPE app.mood IS 'of the type'",
        "SECURITY LABEL FOR \"dummy\" ON LARGE OBJECT 4711 IS 'of the large object'",
    ] {
        assert!(
            statements.iter().any(|s| s.contains(label)),
            "{label}: {statements:#?}"
        );
    }
    for error in errors {
        assert!(text(&error["message"]).contains("is not loaded"), "{error}");
    }
    assert_eq!(dbs.target_sql(THERE), dbs.source_sql(THERE));
    assert_nothing_left(&dbs);
}

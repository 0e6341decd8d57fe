//! Objects that the target cannot have: each is told with its reason, everything else arrives.

use serde_json::Value;

use super::report;
use super::support::{Databases, assert_nothing_left, migrate, start_recv, start_send};

/// An orphan behind a foreign key, an expression that only some search path can evaluate, an owner
/// and a grantee that only the source has.
const BROKEN: &str = "
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (id int PRIMARY KEY, parent int CONSTRAINT to_parent REFERENCES parent, t text);
    INSERT INTO parent SELECT generate_series(1, 100);
    ALTER TABLE child DISABLE TRIGGER ALL;
    INSERT INTO child SELECT i, i, md5(i::text) FROM generate_series(1, 200) i;
    ALTER TABLE child ENABLE TRIGGER ALL;
    CREATE FUNCTION helper(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 7';
    CREATE FUNCTION caller(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper(i); END';
    CREATE INDEX by_caller ON child (caller(id));
    CREATE INDEX by_text ON child (t);
    CREATE MATERIALIZED VIEW called AS SELECT caller(id) AS i FROM parent;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM child;
    CREATE TABLE owned (i int PRIMARY KEY);
    INSERT INTO owned VALUES (1), (2);
    CREATE ROLE only_on_source;
    ALTER TABLE owned OWNER TO only_on_source;
    GRANT SELECT ON parent TO only_on_source;
    COMMENT ON INDEX by_text IS 'arrives';";

#[track_caller]
fn error<'a>(errors: &'a [Value], object: &str, sqlstate: &str) -> &'a Value {
    let found = errors.iter().find(|error| {
        let named = error["object"].as_str().unwrap().contains(object);
        named && error["sqlstate"] == sqlstate
    });
    found.unwrap_or_else(|| panic!("no error {sqlstate} of {object} in {errors:#?}"))
}

#[test]
fn what_cannot_be_restored_is_listed_and_the_rest_arrives() {
    let dbs = Databases::new("broken", BROKEN);
    let (send, recv) = migrate(&dbs, &["--jobs", "2"], &[]);
    send.must_end(4);
    recv.must_end(4);
    let report = send.report();
    assert_eq!(report, recv.report());
    let errors = report["errors"].as_array().unwrap();
    let key = error(errors, "to_parent", "23503");
    assert!(
        key["statement"].as_str().unwrap().contains("FOREIGN KEY"),
        "{key}"
    );
    assert!(
        key["message"].as_str().unwrap().contains("to_parent"),
        "{key}"
    );
    let index = error(errors, "by_caller", "42883");
    assert!(
        index["statement"]
            .as_str()
            .unwrap()
            .contains("CREATE INDEX"),
        "{index}"
    );
    let view = error(errors, "called", "42883");
    assert!(
        view["statement"].as_str().unwrap().contains("REFRESH"),
        "{view}"
    );
    error(errors, "owned", "42704");
    error(errors, "parent", "42704");
    assert_eq!(errors.len(), 5, "{errors:#?}");
    for end in [&send, &recv] {
        assert!(end.output().contains("to_parent"), "{}", end.output());
    }
    the_rest_is_there(&dbs, &report);
    assert_nothing_left(&dbs);
    // That it ended so was told once; nothing is left to be done.
    for again in [start_recv(&dbs, &[]), start_send(&dbs, &[])] {
        let again = again.wait();
        assert!(again.must_end(0).stderr.contains("finished; nothing to do"));
        assert_eq!(again.report()["errors"], report["errors"]);
    }
}

fn the_rest_is_there(dbs: &Databases, report: &Value) {
    report::agrees_with_the_target(report, dbs);
    for table in ["parent", "child", "owned"] {
        let sum = format!(
            "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t"
        );
        assert_eq!(dbs.source_sql(&sum), dbs.target_sql(&sum), "{table}");
    }
    assert_eq!(dbs.target_sql("SELECT n FROM counted").trim(), "200");
    let there = "SELECT indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = indrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND indisvalid ORDER BY 1::text";
    let keys = "by_text child_pkey owned_pkey parent_pkey";
    let found = dbs.target_sql(there);
    let mut found: Vec<&str> = found.split_whitespace().collect();
    found.sort_unstable();
    assert_eq!(found.join(" "), keys);
    let comment = dbs.target_sql("SELECT obj_description('by_text'::regclass)");
    assert_eq!(comment.trim(), "arrives");
}

/// Without owners and privileges there is nothing that the missing role could break.
#[test]
fn owners_and_privileges_can_be_left_out() {
    let owned = "CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (1);
        CREATE ROLE left_out; ALTER TABLE t OWNER TO left_out; CREATE TABLE u (i int);
        GRANT SELECT ON u TO left_out;";
    let dbs = Databases::new("owners_left_out", owned);
    let (send, recv) = migrate(&dbs, &["--no-owner", "--no-privileges"], &[]);
    send.must_end(0);
    recv.must_end(0);
    let owner = dbs.target_sql("SELECT tableowner FROM pg_tables WHERE tablename = 't'");
    assert_eq!(owner.trim(), "postgres");
    assert_nothing_left(&dbs);
}

/// An index function that works while the index is built and fails under ANALYZE.
#[test]
fn a_refused_analyze_is_listed() {
    let moody = "CREATE FUNCTION moody(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            $$BEGIN IF current_query() LIKE 'ANALYZE%' THEN RAISE 'not now'; END IF; RETURN i; END$$;
        CREATE TABLE t (i int);
        INSERT INTO t SELECT generate_series(1, 500);
        CREATE INDEX ON t (moody(i));";
    let dbs = Databases::new("moody", moody);
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let report = send.report();
    let refused = error(
        report["errors"].as_array().unwrap(),
        "TABLE public.t",
        "P0001",
    );
    assert!(refused["message"].as_str().unwrap().contains("not now"));
    assert_nothing_left(&dbs);
}

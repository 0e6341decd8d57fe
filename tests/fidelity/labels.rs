//! Security labels. No package brings a provider for tests: `label_provider.c` is one. The source's sessions have it
//! loaded; those of the target have it, or refuse each label by name.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::judge;
use super::scene::{installation, prepare};
use super::support::{Databases, assert_nothing_left, migrate, servers};

/// All kinds of objects that labels are given to, but for tablespaces, which are not moved. `:role` is one of the source.
const FILL: &str = "SET client_min_messages = error;
    CREATE SCHEMA app; CREATE ROLE :role;
    CREATE TABLE app.t (i int PRIMARY KEY, s text); GRANT SELECT ON app.t TO :role;
    INSERT INTO app.t SELECT i, md5(i::text) FROM generate_series(1, 1000) i;
    CREATE TABLE app.parts (i int) PARTITION BY RANGE (i); CREATE TABLE app.part PARTITION OF app.parts DEFAULT;
    CREATE VIEW app.v AS SELECT i FROM app.t; CREATE MATERIALIZED VIEW app.m AS SELECT i FROM app.t;
    CREATE SEQUENCE app.s; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
    CREATE FOREIGN TABLE app.f (i int) SERVER far;
    CREATE FUNCTION app.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE app.p() LANGUAGE sql AS '';
    CREATE AGGREGATE app.a(int) (sfunc = int4pl, stype = int);
    CREATE TYPE app.mood AS ENUM ('sad', 'glad'); CREATE DOMAIN app.d AS int; CREATE TYPE app.c AS (i int);
    CREATE FUNCTION app.handles() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
    CREATE LANGUAGE again HANDLER app.handles;
    CREATE FUNCTION app.acts() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER acts ON ddl_command_end EXECUTE FUNCTION app.acts();
    CREATE PUBLICATION tells FOR TABLE app.t;
    CREATE SUBSCRIPTION hears CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE);
    SELECT lo_from_bytea(4711, 'bytes');";
const LABELLED: [&str; 22] = [
    "SCHEMA app",
    "TABLE app.t",
    "COLUMN app.t.s",
    "TABLE app.parts",
    "COLUMN app.parts.i",
    "VIEW app.v",
    "COLUMN app.v.i",
    "MATERIALIZED VIEW app.m",
    "SEQUENCE app.s",
    "FOREIGN TABLE app.f",
    "COLUMN app.f.i",
    "FUNCTION app.f(integer)",
    "PROCEDURE app.p()",
    "AGGREGATE app.a(integer)",
    "TYPE app.mood",
    "TYPE app.c",
    "DOMAIN app.d",
    "LANGUAGE again",
    "EVENT TRIGGER acts",
    "PUBLICATION tells",
    "SUBSCRIPTION hears",
    "LARGE OBJECT 4711",
];
/// Of labels that are in no database, those of this one and of the roles.
const SHARED: &str = "SELECT l.provider, l.label FROM pg_shseclabel l
    LEFT JOIN pg_database d ON l.classoid = 'pg_database'::regclass AND l.objoid = d.oid
    LEFT JOIN pg_authid r ON l.classoid = 'pg_authid'::regclass AND l.objoid = r.oid
    WHERE d.datname = current_database() OR r.rolname = current_database() || '_role' ORDER BY l.label";
/// Whether all that was labelled is there.
const THERE: &str = "SELECT count(*), md5(string_agg(s, ',' ORDER BY i)), (SELECT count(*) FROM app.v), app.f(1),
    'glad'::app.mood, lo_get(4711), (SELECT count(*) FROM pg_constraint WHERE conname = 't_pkey') FROM app.t";

/// The provider's library, made for the servers of this test binary.
fn provider() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        prepare();
        let version = servers().source.psql("postgres", "SHOW server_version_num");
        let define = format!("-DSERVER_VERSION={}", version.unwrap().trim());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fidelity/label_provider.c");
        installation().build(&source, &define)
    })
}

fn label(object: &str) -> String {
    let text = object.replace('\'', "''");
    format!(
        "SECURITY LABEL FOR \"pgpipe test\" ON {object} IS 'of \"{text}\"; it''s \\\nanother line'"
    )
}

/// The session of everybody who connects to the database has the provider.
fn loads_provider(name: &str) -> String {
    let library = provider().display();
    format!("ALTER DATABASE {name} SET session_preload_libraries = '{library}'")
}

/// A source with a label on each object, on the database and on the role `NAME_role`.
fn labelled(name: &str) -> Databases {
    prepare();
    let dbs = Databases::without_target(name, "", &loads_provider(name));
    let role = format!("{name}_role");
    dbs.source_sql(&FILL.replace(":role", &role));
    let shared = [format!("DATABASE {name}"), format!("ROLE {role}")];
    let objects = LABELLED.map(str::to_owned).into_iter().chain(shared);
    let labels: Vec<_> = objects.map(|object| label(&object)).collect();
    dbs.source_sql(&labels.join(";\n"));
    dbs.target().create_database(name).unwrap();
    dbs
}

#[test]
fn labels_arrive_where_their_provider_is() {
    let dbs = labelled("labels");
    dbs.target_sql(&loads_provider("labels"));
    let (send, recv) = migrate(&dbs, &["--roles"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert!(!recv.output().contains("will be skipped"), "{recv:?}");
    judge::assert_same(&dbs, "labels");
    assert_eq!(dbs.target_sql(SHARED), dbs.source_sql(SHARED));
    assert_eq!(dbs.target_sql(SHARED).matches("pgpipe test|").count(), 2);
    assert_nothing_left(&dbs);
}

/// All objects are there all the same, the role too.
#[test]
fn what_has_no_provider_on_the_target_is_said_and_listed() {
    let dbs = labelled("unlabelled");
    let (send, recv) = migrate(&dbs, &["--roles"], &[]);
    send.must_end(4);
    recv.must_end(4);
    let said = "will be skipped: security labels of pgpipe test: the target's server has not loaded that provider";
    assert_eq!(recv.stderr.matches(said).count(), 1, "{recv:?}");
    let report = send.report();
    let errors = report["errors"].as_array().unwrap();
    let text = |of: &serde_json::Value| of.as_str().unwrap_or_default().to_owned();
    let statements: Vec<_> = errors.iter().map(|e| text(&e["statement"])).collect();
    let shared = ["DATABASE \"unlabelled\"", "ROLE \"unlabelled_role\""];
    for object in LABELLED.into_iter().chain(shared) {
        let label = format!("SECURITY LABEL FOR \"pgpipe test\" ON {object} IS ");
        assert!(
            statements.iter().any(|s| s.contains(&label)),
            "{label}: {statements:#?}"
        );
    }
    for error in errors {
        assert!(text(&error["message"]).contains("is not loaded"), "{error}");
    }
    assert_eq!(dbs.target_sql(THERE), dbs.source_sql(THERE));
    let granted =
        dbs.target_sql("SELECT has_table_privilege('unlabelled_role', 'app.t', 'SELECT')");
    assert_eq!(granted.trim(), "t");
    assert_nothing_left(&dbs);
}

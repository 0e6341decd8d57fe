//! Other names of roles (`send --map-role`) in what another pg_dump than the installed one writes.

use super::support::{Databases, assert_nothing_left, migrate, programs_of, server_of, target_of};

/// What names a role, and what only looks like it.
const FILL: &str = "CREATE ROLE old_18; CREATE ROLE \"Old \"\"18\";
    CREATE SCHEMA app AUTHORIZATION old_18;
    CREATE TABLE app.old_18 (old_18 int PRIMARY KEY, s text DEFAULT 'OWNER TO old_18;');
    INSERT INTO app.old_18 VALUES (1, 'old_18'); ALTER TABLE app.old_18 OWNER TO \"Old \"\"18\";
    GRANT SELECT, UPDATE (old_18), MAINTAIN ON app.old_18 TO old_18 WITH GRANT OPTION;
    ALTER TABLE app.old_18 ENABLE ROW LEVEL SECURITY;
    CREATE POLICY old_18 ON app.old_18 TO old_18, \"Old \"\"18\" USING (s = 'TO old_18');
    ALTER DEFAULT PRIVILEGES FOR ROLE old_18 IN SCHEMA app GRANT SELECT ON TABLES TO \"Old \"\"18\";
    CREATE FUNCTION app.old_18() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT 'GRANT x TO old_18;'; END;
    ALTER FUNCTION app.old_18() OWNER TO old_18; REVOKE EXECUTE ON FUNCTION app.old_18() FROM PUBLIC;
    SELECT lo_create(4711); ALTER LARGE OBJECT 4711 OWNER TO old_18;
    GRANT SELECT ON LARGE OBJECT 4711 TO \"Old \"\"18\"";
/// Each with the roles that it names.
const NAMED: &str = "
    SELECT 'schema', nspname, pg_get_userbyid(nspowner), nspacl FROM pg_namespace WHERE nspname = 'app';
    SELECT 'relation', relname, pg_get_userbyid(relowner), relacl FROM pg_class WHERE oid = 'app.old_18'::regclass;
    SELECT 'column', attacl FROM pg_attribute WHERE attrelid = 'app.old_18'::regclass AND attacl IS NOT NULL;
    SELECT 'policy', ARRAY(SELECT unnest(roles) ORDER BY 1) FROM pg_policies;
    SELECT 'default', pg_get_userbyid(defaclrole), defaclacl FROM pg_default_acl;
    SELECT 'function', pg_get_userbyid(proowner), proacl FROM pg_proc WHERE proname = 'old_18';
    SELECT 'object', pg_get_userbyid(lomowner), lomacl FROM pg_largeobject_metadata";
/// What is no role's name stays.
const KEPT: &str =
    "SELECT old_18, s FROM app.old_18; SELECT app.old_18(), policyname, qual FROM pg_policies;
    SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'app.old_18'::regclass";

#[test]
fn roles_of_version_18_get_other_names() {
    let (Some(source), Some(target)) = (server_of(18), target_of(18)) else {
        return;
    };
    let dbs = Databases::between(source, target, "mapped_18", FILL);
    let programs = programs_of(18).display().to_string();
    let map = [
        "--map-role",
        "old_18=new_18",
        "--map-role",
        "\"Old \"\"18\"=\"New 18\"",
    ];
    let send = [&["--roles", "--pg-bin", &programs], &map[..]].concat();
    let (send, recv) = migrate(&dbs, &send, &["--pg-bin", &programs]);
    send.must_end(0);
    recv.must_end(0);
    // In privileges, quoted within a quoted item; in an array of names; and alone.
    let expected = dbs
        .source_sql(NAMED)
        .replace(r#"\"Old \"\"18\""#, r#"\"New 18\""#)
        .replace(r#"Old \"18"#, "New 18")
        .replace("Old \"18", "New 18")
        .replace("old_18", "new_18");
    // The table keeps its name.
    let found = dbs
        .target_sql(NAMED)
        .replace("relation|old_18|", "relation|new_18|");
    assert_eq!(found, expected);
    assert_eq!(dbs.target_sql(KEPT), dbs.source_sql(KEPT));
    assert_nothing_left(&dbs);
}

//! `send --map-role`: whatever names a role names another on the target, and nothing else changes.

use std::process::Command;

use super::scene::{Origin, prepare};
use super::support::{Databases, assert_nothing_left, migrate, start_send};

/// Everything in a database that names a role, and what only looks like it.
const FILL: &str = r#"
    CREATE ROLE map_a_old; CREATE ROLE "Map B ""old"; CREATE ROLE map_same;
    ALTER DATABASE mapped OWNER TO map_a_old;
    GRANT CREATE ON DATABASE mapped TO "Map B ""old" WITH GRANT OPTION;
    ALTER ROLE map_a_old IN DATABASE mapped SET work_mem = '5MB';
    CREATE SCHEMA map_a_old AUTHORIZATION map_a_old;
    CREATE TABLE map_a_old.map_a_old (map_a_old int PRIMARY KEY, "Map B ""old" text DEFAULT 'OWNER TO map_a_old;');
    INSERT INTO map_a_old.map_a_old VALUES (1, 'map_a_old');
    ALTER TABLE map_a_old.map_a_old OWNER TO "Map B ""old";
    GRANT SELECT, UPDATE (map_a_old) ON map_a_old.map_a_old TO map_a_old WITH GRANT OPTION;
    SET ROLE map_a_old; GRANT SELECT ON map_a_old.map_a_old TO map_same; RESET ROLE;
    ALTER TABLE map_a_old.map_a_old ENABLE ROW LEVEL SECURITY;
    CREATE POLICY map_a_old ON map_a_old.map_a_old TO map_same, "Map B ""old", map_a_old
        USING ("Map B ""old" = 'TO map_a_old');
    ALTER DEFAULT PRIVILEGES FOR ROLE map_a_old IN SCHEMA map_a_old GRANT SELECT ON TABLES TO "Map B ""old";
    CREATE FUNCTION map_a_old.map_a_old(map_a_old int) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
            GRANT SELECT ON map_a_old.map_a_old TO map_a_old;
            RETURN 'ALTER TABLE t OWNER TO map_a_old;';
        END $$;
    ALTER FUNCTION map_a_old.map_a_old(int) OWNER TO map_a_old;
    REVOKE EXECUTE ON FUNCTION map_a_old.map_a_old(int) FROM PUBLIC;
    CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
    CREATE USER MAPPING FOR map_a_old SERVER s OPTIONS ("user" 'map_a_old');
    CREATE USER MAPPING FOR public SERVER s;
    SELECT lo_create(4711); ALTER LARGE OBJECT 4711 OWNER TO map_a_old;
    GRANT SELECT ON LARGE OBJECT 4711 TO "Map B ""old" WITH GRANT OPTION;
    SET ROLE "Map B ""old"; GRANT SELECT ON LARGE OBJECT 4711 TO map_same; RESET ROLE;"#;

const MAP: [&str; 4] = [
    "--map-role",
    "map_a_old=map_a_new",
    "--map-role",
    "\"Map B \"\"old\"=\"Map B new\"",
];

/// Each role that something names, by what names it.
const NAMED: &str = "
    SELECT 'database', pg_get_userbyid(datdba), replace(datacl::text, E'\\\\', '') FROM pg_database WHERE datname = current_database();
    SELECT 'setting', pg_get_userbyid(setrole), setconfig::text FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database());
    SELECT 'schema', nspname, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'map_a_old';
    SELECT 'relation', relname, pg_get_userbyid(relowner), relacl FROM pg_class
    WHERE relnamespace = 'map_a_old'::regnamespace ORDER BY 2;
    SELECT 'column', attname, attacl, pg_get_expr(adbin, adrelid) FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = 'map_a_old.map_a_old'::regclass AND attnum > 0 ORDER BY attnum;
    SELECT 'policy', policyname, array_to_string(ARRAY(SELECT unnest(roles) ORDER BY 1), ' '), qual FROM pg_policies;
    SELECT 'default', pg_get_userbyid(defaclrole), defaclacl FROM pg_default_acl ORDER BY 2;
    SELECT 'function', proname, pg_get_userbyid(proowner), proacl, md5(prosrc) FROM pg_proc WHERE proname = 'map_a_old';
    SELECT 'mapping', usename, umoptions FROM pg_user_mappings ORDER BY 2;
    SELECT 'object', oid, pg_get_userbyid(lomowner), lomacl FROM pg_largeobject_metadata;
    SELECT 'row', * FROM map_a_old.map_a_old;";

/// What the source says, but for the roles: their columns say `[…]` here.
fn expected(dbs: &Databases) -> String {
    // Names of objects, columns and texts are the same as the old role's: they are kept.
    dbs.source_sql(&marked())
        .replace("[map_a_old]", "[map_a_new]")
        .replace("[Map B \"old]", "[Map B new]")
}

/// The same questions, with each role in brackets; privileges role by role.
fn marked() -> String {
    let acl = |column: &str| {
        format!(
            "(SELECT string_agg(format('%s=%s%s/%s', CASE grantee WHEN 0 THEN '' ELSE '[' || pg_get_userbyid(grantee) || ']' END,
              privilege_type, CASE WHEN is_grantable THEN '*' END, '[' || pg_get_userbyid(grantor) || ']'), ' ' ORDER BY number)
              FROM aclexplode({column}) WITH ORDINALITY a (grantor, grantee, privilege_type, is_grantable, number))"
        )
    };
    let mut sql = NAMED.replace("replace(datacl::text, E'\\\\', '')", &acl("datacl"));
    for column in ["relacl", "attacl", "defaclacl", "proacl", "lomacl"] {
        sql = sql.replace(&format!(", {column}"), &format!(", {}", acl(column)));
    }
    for column in [
        "datdba",
        "setrole",
        "nspowner",
        "relowner",
        "defaclrole",
        "proowner",
        "lomowner",
    ] {
        let get = format!("pg_get_userbyid({column})");
        sql = sql.replace(&get, &format!("'[' || {get} || ']'"));
    }
    sql.replace(
        "SELECT unnest(roles) ORDER BY 1",
        "SELECT '[' || r || ']' FROM unnest(roles) r ORDER BY r",
    )
    .replace("'mapping', usename", "'mapping', '[' || usename || ']'")
}

#[test]
fn whatever_names_a_role_names_the_new_one() {
    let origin = Origin::new("mapped", FILL);
    let dbs = origin.dbs();
    dbs.target().create_database(dbs.name()).unwrap();
    let send = [&["--roles", "--map-role", "nobody=map_same"][..], &MAP].concat();
    let end = origin.arrives("mapped", &send, &["--keep-journal"]);
    assert_eq!(dbs.target_sql(&marked()), expected(dbs));
    let made = dbs.target_sql("SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles WHERE rolname ~* '^map.[ab_s]'");
    assert_eq!(made.trim(), "Map B new, map_a_new, map_same");
    let told = "--map-role nobody=map_same: nothing in the database names that role";
    assert!(end.output().contains(told), "{}", end.output());
    // A reset knows by which names it went there.
    dbs.target_sql("ALTER DATABASE mapped OWNER TO postgres");
    dbs.target_sql("REVOKE ALL ON DATABASE mapped FROM map_a_new, \"Map B new\"; ALTER ROLE map_a_new IN DATABASE mapped RESET ALL");
    origin.resets("mapped");
    let left = dbs.target_sql("SELECT srvname FROM pg_foreign_server UNION ALL SELECT nspname FROM pg_namespace WHERE nspname ~ '^map'");
    assert_eq!(left.trim(), "");
}

/// Two become one; without `--roles` who is missing is named as he would be there.
#[test]
fn two_become_one_and_the_missing_are_named() {
    prepare();
    let sql = "CREATE ROLE merge_1; CREATE ROLE merge_2; CREATE TABLE a (i int); CREATE TABLE b (i int);
        ALTER TABLE a OWNER TO merge_1; ALTER TABLE b OWNER TO merge_2; GRANT SELECT ON a TO merge_2";
    let dbs = Databases::new("merged", sql);
    dbs.target().psql("postgres", "CREATE ROLE merge").unwrap();
    let map = ["--map-role", "merge_1=merge", "--map-role", "merge_2=merge"];
    let (send, recv) = migrate(&dbs, &map, &[]);
    send.must_end(0);
    recv.must_end(0);
    let owners = "SELECT string_agg(pg_get_userbyid(relowner), ' ') FROM pg_class WHERE relname IN ('a', 'b')";
    assert_eq!(dbs.target_sql(owners).trim(), "merge merge");
    assert_nothing_left(&dbs);

    let dbs = Databases::new(
        "unmerged",
        "CREATE TABLE a (i int); ALTER TABLE a OWNER TO merge_1",
    );
    let (send, recv) = migrate(&dbs, &["--map-role", "merge_1=\"Not There\""], &[]);
    send.must_end(4);
    recv.must_end(4);
    let told = "will be skipped: owner Not There of his objects: there is no such role";
    assert!(recv.output().contains(told), "{}", recv.output());
}

#[test]
fn what_is_no_rename_is_a_wrong_command_line() {
    for (value, says) in [
        ("a", "old=new"),
        ("a=public", "public is no role's name"),
        ("\"a=b", "old=new"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_pgpipe"))
            .args(["send", "--connect", "h:1", "--map-role", value])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
    prepare();
    let dbs = Databases::new("renamed_twice", "");
    let end = start_send(&dbs, &["--map-role", "a=b", "--map-role", "a=c"]).wait();
    end.must_end(2);
    assert!(
        end.stderr.contains("gives the role a two names"),
        "{}",
        end.stderr
    );
}

//! `send --roles` where a membership has options of its own, and who makes a role may not at once give
//! it anything (from 16 on).

use super::support::{
    Databases, End, assert_nothing_left, migrate, programs_of, server_of, target_of,
};

/// A database of `NAME_maker`, who is to make its other roles on the target.
const FILL: &str = "CREATE ROLE NAME_maker; CREATE ROLE NAME_readers; CREATE ROLE NAME_writers; CREATE ROLE NAME_app;
    ALTER DATABASE NAME OWNER TO NAME_maker;
    GRANT NAME_readers TO NAME_app WITH INHERIT FALSE, SET FALSE;
    GRANT NAME_writers TO NAME_app WITH ADMIN OPTION, INHERIT TRUE, SET FALSE;
    GRANT NAME_readers TO NAME_writers WITH INHERIT FALSE;
    ALTER ROLE NAME_app SET search_path = app, public; ALTER ROLE NAME_app SET work_mem = '7MB';
    CREATE SCHEMA app AUTHORIZATION NAME_app;
    CREATE TABLE app.t (i serial PRIMARY KEY); INSERT INTO app.t SELECT generate_series(1, 100);
    SELECT setval('app.t_i_seq', 100);
    CREATE MATERIALIZED VIEW app.m AS SELECT count(*) FROM app.t;
    ALTER TABLE app.t OWNER TO NAME_app; ALTER MATERIALIZED VIEW app.m OWNER TO NAME_app;
    GRANT SELECT ON app.t TO NAME_readers; GRANT INSERT ON app.t TO NAME_writers;";
const OWNERS: &str = "
    SELECT nspname, pg_get_userbyid(nspowner), nspacl FROM pg_namespace WHERE nspname = 'app';
    SELECT relname, pg_get_userbyid(relowner), relacl FROM pg_class WHERE relnamespace = 'app'::regnamespace ORDER BY 1;
    SELECT last_value, is_called FROM app.t_i_seq; TABLE app.m;";
const ROLES: &str = "
    SELECT pg_get_userbyid(member), pg_get_userbyid(roleid), admin_option, inherit_option, set_option
    FROM pg_auth_members WHERE pg_get_userbyid(member) LIKE 'NAME%' AND pg_get_userbyid(member) <> 'NAME_maker' ORDER BY 1, 2;
    SELECT rolname, rolcreatedb, rolconfig FROM pg_roles WHERE rolname LIKE 'NAME%' AND rolname <> 'NAME_maker' ORDER BY 1;";
/// What the maker can do with the roles that it has made.
const LEFT: &str = "
    SELECT pg_get_userbyid(roleid), inherit_option, set_option FROM pg_auth_members
    WHERE pg_get_userbyid(member) = 'NAME_maker' AND (inherit_option OR set_option)";

/// On servers of 18; the roles are made by the maker, who is no superuser.
fn moved(name: &str, more: &str) -> Option<(Databases, End, End)> {
    let (source, target) = (server_of(18)?, target_of(18)?);
    let fill = FILL.replace("NAME", name) + more;
    let dbs = Databases::between(source, target, name, &fill);
    dbs.target_sql(&format!(
        "CREATE ROLE {name}_maker LOGIN CREATEROLE; ALTER DATABASE {name} OWNER TO {name}_maker"
    ));
    let programs = programs_of(18).display().to_string();
    let maker = format!("user={name}_maker");
    let conninfo = dbs.target_conninfo().replace("user=postgres", &maker);
    let send = ["--roles", "--pg-bin", &programs];
    let (send, recv) = migrate(&dbs, &send, &["--pg-bin", &programs, "--target", &conninfo]);
    Some((dbs, send, recv))
}

#[test]
fn objects_are_given_to_roles_that_a_plain_role_makes() {
    let Some((dbs, send, recv)) = moved("made_18", "") else {
        return;
    };
    send.must_end(0);
    recv.must_end(0);
    assert!(!recv.output().contains("will be skipped"), "{recv:?}");
    assert_eq!(dbs.target_sql(OWNERS), dbs.source_sql(OWNERS));
    let roles = ROLES.replace("NAME", dbs.name());
    assert_eq!(dbs.target_sql(&roles), dbs.source_sql(&roles));
    assert_eq!(dbs.target_sql(&LEFT.replace("NAME", dbs.name())).trim(), "");
    assert_nothing_left(&dbs);
}

/// CREATEDB alone, and what only a superuser may set; the role is there, and has what is its own.
#[test]
fn what_a_plain_role_may_not_give_is_said_beforehand() {
    let more =
        "ALTER ROLE lacking_18_app CREATEDB; ALTER ROLE lacking_18_app SET log_statement = 'all';";
    let Some((dbs, send, recv)) = moved("lacking_18", more) else {
        return;
    };
    send.must_end(4);
    recv.must_end(4);
    let said = [
        "will be skipped: CREATEDB of role lacking_18_app",
        "will be skipped: setting log_statement of role lacking_18_app",
    ];
    for line in said {
        assert!(recv.stderr.contains(line), "{line}: {recv:?}");
    }
    let count = recv.stderr.matches("will be skipped: ").count();
    let report = recv.report();
    let errors = report["errors"].as_array().unwrap();
    assert_eq!((count, errors.len()), (2, 2), "{errors:?}");
    let is_of_role = |error: &serde_json::Value| error["object"] == "ROLE lacking_18_app";
    assert!(errors.iter().all(is_of_role), "{errors:?}");
    assert_eq!(dbs.target_sql(OWNERS), dbs.source_sql(OWNERS));
    assert_nothing_left(&dbs);
}

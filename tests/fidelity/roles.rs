//! `send --roles`: what belongs to roles that the target lacks arrives whole.

use rustix::process::Signal;

use super::judge;
use super::scene::Origin;
use super::support::holds::{Hold, wait_until_held};
use super::support::{migrate, start_recv, start_send};

const FILL: &str = "
    CREATE ROLE \"only here\" LOGIN PASSWORD 'sesame' CONNECTION LIMIT 3 VALID UNTIL '2040-01-01' CREATEDB;
    CREATE ROLE only_granted NOINHERIT SUPERUSER;
    CREATE ROLE stranger;
    GRANT only_granted, pg_monitor, alice TO \"only here\" WITH ADMIN OPTION;
    COMMENT ON ROLE \"only here\" IS 'comes along';
    CREATE TABLE t (i int);
    ALTER TABLE t OWNER TO \"only here\";
    GRANT SELECT ON t TO only_granted;
    ALTER ROLE only_granted IN DATABASE only_here SET work_mem = '5MB';
    CREATE POLICY p ON t TO only_granted USING (true);";
const ROLES: &str = "
    SELECT rolname, rolinherit, rolcreatedb, rolcanlogin, rolconnlimit, rolvaliduntil, rolpassword IS NULL, rolsuper,
           shobj_description(oid, 'pg_authid')
    FROM pg_authid WHERE rolname IN ('only here', 'only_granted', 'stranger') ORDER BY 1;
    SELECT pg_get_userbyid(roleid), pg_get_userbyid(member), admin_option FROM pg_auth_members
    WHERE pg_get_userbyid(member) = 'only here';";

#[test]
fn roles_that_the_target_lacks_come_without_passwords() {
    let origin = Origin::new("only_here", FILL);
    let dbs = origin.dbs();
    dbs.target().create_database(dbs.name()).unwrap();
    origin.arrives("roles", &["--roles"], &[]);
    judge::assert_same(dbs, "roles");
    let made = dbs.target_sql(ROLES);
    let expected = "only here|t|t|t|3|2040-01-01 00:00:00+00|t|f|comes along\n\
        only_granted|f|f|f|-1||t|f|\nonly_granted|only here|t";
    assert_eq!(made.trim(), expected);
}

/// The next one finds the roles there, made by its predecessor, and goes on with what belongs to them.
#[test]
fn recv_dies_between_a_role_and_its_membership() {
    let sql = "CREATE ROLE first_group; CREATE ROLE first_member; GRANT first_group TO first_member;
        CREATE TABLE t (i int); ALTER TABLE t OWNER TO first_member; GRANT SELECT ON t TO first_group";
    let origin = Origin::new("half_made", sql);
    let dbs = origin.dbs();
    dbs.target().create_database(dbs.name()).unwrap();
    let hold = Hold::with(dbs, "LOCK TABLE pg_catalog.pg_auth_members IN SHARE MODE");
    let (send, recv) = (start_send(dbs, &["--roles"]), start_recv(dbs, &[]));
    wait_until_held(dbs, "relation", "%GRANT%first_group%");
    recv.signal(Signal::KILL);
    recv.wait();
    let backends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%'";
    dbs.target_sql(backends);
    hold.release();
    let recv = start_recv(dbs, &[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    let member = "SELECT pg_has_role('first_member', 'first_group', 'MEMBER')";
    assert_eq!(dbs.target_sql(member).trim(), "t");
    judge::assert_same(dbs, "half made");
}

/// Without it everything is there all the same, as the user's own; each object is listed.
#[test]
fn without_the_option_owners_are_listed() {
    let sql = "CREATE ROLE not_there; CREATE TABLE t (i int); ALTER TABLE t OWNER TO not_there;";
    let origin = Origin::new("owner_not_there", sql);
    let dbs = origin.dbs();
    dbs.target().create_database(dbs.name()).unwrap();
    let (send, recv) = migrate(dbs, &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let errors = &send.report()["errors"];
    assert_eq!(errors[0]["object"], "TABLE public t", "{errors}");
    assert_eq!(errors[0]["sqlstate"], "42704", "{errors}");
}

/// What a reset takes back: the roles that the migration made, not those that were there.
#[test]
fn a_reset_takes_the_roles_back() {
    let sql = "CREATE ROLE taken_back; CREATE TABLE t (i int); ALTER TABLE t OWNER TO taken_back;
        CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;";
    let origin = Origin::new("taken_back", sql);
    let dbs = origin.dbs();
    dbs.target().create_database(dbs.name()).unwrap();
    origin.arrives("taken_back", &["--roles"], &["--keep-journal"]);
    origin.resets("taken_back");
    let left = dbs.target_sql(
        "SELECT rolname FROM pg_roles WHERE rolname = 'taken_back' \
         UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    );
    assert_eq!(left.trim(), "");
}

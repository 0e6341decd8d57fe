//! Undisturbed runs.

use crate::support::{Databases, assert_equal, assert_nothing_left, migrate};
use crate::{KINDS, assert_same_objects, small};

fn roles(prefix: &str) -> String {
    let role = |name: &str| format!("CREATE ROLE {prefix}_{name};");
    ["app", "reader", "other"].map(role).concat()
}

#[test]
fn twenty_thousand_and_every_kind() {
    let large = "SELECT lo_from_bytea(80000, (SELECT string_agg(decode(md5(i::text), 'hex'), '')
        FROM generate_series(1, 3276800) i));";
    let dbs = Databases::new("lo_whole", &(small(20_000) + KINDS + large));
    let (send, recv) = migrate(&dbs, &["--jobs", "2", "--chunk-size", "16MiB"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_same_objects(&dbs);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
    let report = send.report();
    let table = &report["tables"][0];
    assert_eq!(table["name"], "pg_catalog.pg_largeobject");
    assert!(table["chunks"].as_u64().unwrap() > 40, "{table}");
    assert!(report["errors"].as_array().unwrap().is_empty());
}

#[test]
fn owners_privileges_and_comments() {
    let prefix = "lo_roles";
    let privileges = "GRANT SELECT ON LARGE OBJECT 100001 TO lo_roles_reader WITH GRANT OPTION;
        SET ROLE lo_roles_reader; GRANT SELECT ON LARGE OBJECT 100001 TO lo_roles_other; RESET ROLE;
        ALTER LARGE OBJECT 100002 OWNER TO lo_roles_app;
        GRANT UPDATE ON LARGE OBJECT 100002 TO PUBLIC;
        ALTER LARGE OBJECT 100003 OWNER TO lo_roles_app;
        REVOKE UPDATE ON LARGE OBJECT 100003 FROM lo_roles_app;
        REVOKE ALL ON LARGE OBJECT 100004 FROM postgres;
        GRANT ALL ON LARGE OBJECT 100005 TO postgres;
        COMMENT ON LARGE OBJECT 100002 IS 'of the app';";
    let sql = roles(prefix) + &small(20) + privileges;
    let dbs = Databases::new(prefix, &sql);
    dbs.target_sql(&roles(prefix));
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_same_objects(&dbs);
    assert_nothing_left(&dbs);
}

/// They stay, without what the target has no role for.
#[test]
fn a_missing_role_is_listed() {
    let sql = small(3)
        + "CREATE ROLE lo_absent; ALTER LARGE OBJECT 100001 OWNER TO lo_absent;
           GRANT SELECT ON LARGE OBJECT 100002 TO lo_absent;";
    let dbs = Databases::new("lo_missing_role", &sql);
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let report = send.report();
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{errors:?}");
    for (error, oid) in errors.iter().zip([100_001, 100_002]) {
        assert_eq!(error["object"], format!("LARGE OBJECT {oid}"));
        assert_eq!(error["sqlstate"], "42704");
    }
    let count = dbs.target_sql("SELECT count(*) FROM pg_largeobject_metadata");
    assert_eq!(count.trim(), "3");
    assert_nothing_left(&dbs);
}

#[test]
fn owners_and_privileges_can_be_left_out() {
    let sql = small(3)
        + "CREATE ROLE lo_left_out; ALTER LARGE OBJECT 100001 OWNER TO lo_left_out;
           GRANT SELECT ON LARGE OBJECT 100001 TO PUBLIC;";
    let dbs = Databases::new("lo_left_out", &sql);
    let (send, recv) = migrate(&dbs, &["--no-owner", "--no-privileges"], &[]);
    send.must_end(0);
    recv.must_end(0);
    let plain = "SELECT count(*) FROM pg_largeobject_metadata
        WHERE lomowner = 'postgres'::regrole AND lomacl IS NULL";
    assert_eq!(dbs.target_sql(plain).trim(), "3");
}

/// It may read its own, what was granted to it, and nothing else.
#[test]
fn a_plain_role_reads_what_it_may() {
    let sql = KINDS.to_owned()
        + &small(200)
        + "CREATE ROLE lo_plain LOGIN; GRANT SELECT ON LARGE OBJECT 3, 70000, 70001 TO lo_plain;
           SELECT format('GRANT SELECT ON LARGE OBJECT %s TO PUBLIC', oid)
           FROM pg_largeobject_metadata WHERE oid BETWEEN 100001 AND 100199 \\gexec";
    let dbs = Databases::new("lo_plain", &sql);
    dbs.target_sql("CREATE ROLE lo_plain");
    let source = dbs.source_conninfo().replace("postgres", "lo_plain");
    let (send, recv) = migrate(&dbs, &["--source", &source], &[]);
    send.must_end(4);
    recv.must_end(4);
    let report = send.report();
    assert_eq!(
        report["errors"][0]["object"],
        "LARGE OBJECTS 100200, 4294967295"
    );
    let moved = "SELECT count(*), md5(string_agg(oid || md5(lo_get(oid)), ',' ORDER BY oid))
        FROM pg_largeobject_metadata WHERE oid NOT IN (100200, 4294967295)";
    assert_eq!(dbs.source_sql(moved), dbs.target_sql(moved));
    let there = dbs.target_sql("SELECT count(*) FROM pg_largeobject_metadata");
    assert_eq!(there.trim(), "202");
}

#[test]
fn a_write_after_the_snapshot_shows() {
    let dbs = Databases::new("lo_changed", &small(3000));
    let recv = crate::support::start_recv(&dbs, &[]);
    let slow = ["--rate", "8Mbit", "--chunk-size", "1MiB"];
    let send = crate::support::start_send(&dbs, &slow);
    crate::wait_for_chunks(&dbs, 1);
    dbs.source_sql("SELECT lo_put(100001, 0, 'late')");
    send.wait().must_end(5);
    recv.wait().must_end(5);
}

/// They would stay with recv's role, which has the name that is to be another one.
#[test]
fn those_of_recvs_own_role_get_their_new_owner() {
    let dbs = Databases::new("lo_mapped", &small(3));
    dbs.target_sql("CREATE ROLE lo_mapped_app");
    let (send, recv) = migrate(&dbs, &["--map-role", "postgres=lo_mapped_app"], &[]);
    send.must_end(0);
    recv.must_end(0);
    let owners = "SELECT DISTINCT pg_get_userbyid(lomowner) FROM pg_largeobject_metadata";
    assert_eq!(dbs.target_sql(owners).trim(), "lo_mapped_app");
}

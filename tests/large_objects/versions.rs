//! Sources of other versions, and archives of other versions of pg_dump.

use crate::support::{
    Databases, assert_nothing_left, migrate, programs_of, server_of, servers, target_of,
};
use crate::{KINDS, assert_same_objects, small};

/// Owned, granted and commented upon.
fn belongings(role: &str) -> String {
    format!(
        "ALTER LARGE OBJECT 100001 OWNER TO {role}; GRANT SELECT ON LARGE OBJECT 100002 TO {role};
         GRANT UPDATE ON LARGE OBJECT 100002 TO PUBLIC; REVOKE ALL ON LARGE OBJECT 100003 FROM postgres;
         COMMENT ON LARGE OBJECT 100004 IS 'of another version';"
    )
}

/// Both servers have the role.
fn arrive(dbs: &Databases, role: &str, options: &[&str]) {
    for server in [dbs.source(), dbs.target()] {
        let make = format!("CREATE ROLE {role}");
        server.psql("postgres", &make).unwrap();
    }
    dbs.source_sql(&(small(3000) + KINDS + &belongings(role)));
    let send = [&["--chunk-size", "1MiB", "--jobs", "2"], options].concat();
    let (send, recv) = migrate(dbs, &send, options);
    send.must_end(0);
    recv.must_end(0);
    assert_same_objects(dbs);
    assert_nothing_left(dbs);
}

#[test]
fn of_version_10() {
    if let Some(source) = server_of(10) {
        let dbs = Databases::between(source, &servers().target, "lo_10", "");
        arrive(&dbs, "lo_of_10", &[]);
    }
}

#[test]
fn of_version_13() {
    if let Some(source) = server_of(13) {
        let dbs = Databases::between(source, &servers().target, "lo_13", "");
        arrive(&dbs, "lo_of_13", &[]);
    }
}

/// pg_dump writes one entry for many objects from 17 on (`BLOB METADATA`), where it dumps them.
#[test]
fn of_version_18_by_its_own_programs() {
    if let (Some(source), Some(target)) = (server_of(18), target_of(18)) {
        let dbs = Databases::between(source, target, "lo_18", "");
        let programs = programs_of(18).display().to_string();
        arrive(&dbs, "lo_of_18", &["--pg-bin", &programs]);
    }
}

//! PostgreSQL's programs that are missing or too old.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Databases, assert_nothing_left, start_recv, start_send};
use crate::{SMALL, assert_empty_target, fails};

/// A directory of programs of which `program` only says a version.
fn bin_with(dbs: &Databases, program: &str, version: &str) -> PathBuf {
    let bin = dbs.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n");
    let path = bin.join(program);
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    bin
}

#[test]
fn missing_programs_are_named_with_what_helps() {
    let dbs = Databases::new("no_tools", SMALL);
    let bin = dbs.path("empty");
    fs::create_dir(&bin).unwrap();
    let bin = bin.display().to_string();
    let send = start_send(&dbs, &["--pg-bin", &bin]).wait();
    fails(&send, 1, &["pg_dump not found", &bin, "postgresql-client-"]);
    let recv = start_recv(&dbs, &["--pg-bin", &bin]).wait();
    fails(
        &recv,
        1,
        &["pg_restore not found", &bin, "postgresql-client-"],
    );
    assert_empty_target(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn a_pg_dump_older_than_the_server_is_refused() {
    let dbs = Databases::new("old_dump", SMALL);
    let bin = bin_with(&dbs, "pg_dump", "9.6.24").display().to_string();
    let send = start_send(&dbs, &["--pg-bin", &bin]).wait();
    fails(&send, 1, &["pg_dump is too old", "9.6.24", "--pg-bin"]);
    assert_nothing_left(&dbs);
}

#[test]
fn a_pg_restore_that_suits_nothing_is_refused_at_once() {
    let dbs = Databases::new("old_restore", SMALL);
    let bin = bin_with(&dbs, "pg_restore", "9.6.24").display().to_string();
    let recv = start_recv(&dbs, &["--pg-bin", &bin]).wait();
    fails(&recv, 1, &["pg_restore is too old", "9.6.24"]);
}

/// Only the archive tells recv what it needs: by then send holds a snapshot.
#[test]
fn a_pg_restore_older_than_the_archive_ends_both_sides() {
    let dbs = Databases::new("older_restore", SMALL);
    let bin = bin_with(&dbs, "pg_restore", "12.0").display().to_string();
    let recv = start_recv(&dbs, &["--pg-bin", &bin]);
    let send = start_send(&dbs, &[]);
    fails(&send.wait(), 1, &["recv: pg_restore is too old", "12.0"]);
    fails(&recv.wait(), 1, &["pg_restore is too old", "12.0"]);
    assert_empty_target(&dbs);
    assert_nothing_left(&dbs);
}

/// The snapshot of a run that could not be prepared is of no use to the next.
#[test]
fn a_pg_dump_that_fails_leaves_no_keeper() {
    let dbs = Databases::new("failing_dump", SMALL);
    let bin = bin_with(&dbs, "pg_dump", "99.1");
    let script = "#!/bin/sh\ncase $1 in --version) echo 'pg_dump (PostgreSQL) 99.1';;
        *) echo 'pg_dump: error: out of luck' >&2; exit 1;; esac\n";
    fs::write(bin.join("pg_dump"), script).unwrap();
    let bin = bin.display().to_string();
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &["--pg-bin", &bin]);
    fails(&send.wait(), 1, &["pg_dump", "out of luck"]);
    fails(&recv.wait(), 1, &["send: ", "out of luck"]);
    assert_empty_target(&dbs);
    assert_nothing_left(&dbs);
}

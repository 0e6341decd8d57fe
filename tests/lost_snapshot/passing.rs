//! What passes ends a run that takes a new snapshot with exit code 3; the next one goes on.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use pgpipe::pg::{Client, ConnInfo};

use crate::journal::{assert_kept, wait_for_chunks};
use crate::support::holds::Hold;
use crate::support::{Databases, Disk, Run, poll, start_recv, start_send};
use crate::{DATA, LIMIT, SLOW, finish, kill_all, kill_keeper, start_both};

/// A program of PostgreSQL, named `REAL` in the script that stands for it; `DIR` is the test's.
fn program(dbs: &Databases, name: &str, script: &str) {
    let client_dir = dbs.source().programs().client_dir();
    let real = client_dir.join(name).display().to_string();
    let script = script.replace("REAL", &real);
    let script = script.replace("DIR", &dbs.dir().display().to_string());
    let path = dbs.path("bin").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

/// Both programs, the one that is not named as it is.
fn programs(dbs: &Databases, name: &str, script: &str) -> String {
    fs::create_dir(dbs.path("bin")).unwrap();
    for all in ["pg_dump", "pg_restore"] {
        let script = if all == name {
            script
        } else {
            "exec REAL \"$@\""
        };
        program(dbs, all, script);
    }
    dbs.path("bin").display().to_string()
}

/// Some chunks are committed, and nobody is at work.
fn interrupted(name: &str) -> (Databases, BTreeMap<String, String>) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = start_both(&dbs, &[]);
    let before = wait_for_chunks(&dbs, 3);
    kill_all(&dbs, send, recv);
    (dbs, before)
}

/// One line, that what it says passes, and what to do.
#[track_caller]
fn ends_with_3(run: Run, says: &[&str]) {
    let end = run.wait();
    end.must_end(3);
    for word in says {
        assert!(end.stderr.contains(word), "{word:?}: {}", end.output());
    }
    let goes_on = "stopped; the same command goes on from there";
    assert!(end.stderr.contains(goes_on), "{}", end.output());
}

#[track_caller]
fn goes_on(dbs: &Databases, before: &BTreeMap<String, String>) {
    let (send, recv) = start_both(dbs, &[]);
    let line = send.wait_for("new snapshot:");
    assert!(line.contains("committed chunks stay"), "{line}");
    let (_, after) = finish(dbs, send, recv);
    assert_kept(before, &after);
}

/// Its limit of ten minutes, in short: a session waits behind the keeper, and pg_dump behind that.
#[test]
fn pg_dump_waits_too_long_for_a_lock() {
    let (dbs, before) = interrupted("dump_locked");
    let waits = ": >DIR/begun; while [ -e DIR/hold ]; do sleep 0.02; done
        exec REAL \"$@\" --lock-wait-timeout=500";
    let script = format!("[ \"$1\" = --version ] && exec REAL --version\n{waits}");
    let bin = programs(&dbs, "pg_dump", &script);
    fs::write(dbs.path("hold"), "").unwrap();
    let (send, recv) = start_both(&dbs, &["--pg-bin", &bin]);
    poll(LIMIT, || dbs.path("begun").exists().then_some(())).expect("pg_dump");
    let mut session = Hold::at(&dbs.source_conninfo());
    let queued = std::thread::spawn(move || session.wait_for("LOCK TABLE public.first"));
    let waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let waits = || (dbs.source_sql(waiting).trim() == "t").then_some(());
    poll(LIMIT, waits).expect("the session waits");
    fs::remove_file(dbs.path("hold")).unwrap();
    let says = ["pg_dump", "canceling statement", "start both again"];
    ends_with_3(send, &says);
    ends_with_3(recv, &says);
    assert!(queued.join().unwrap(), "no keeper is left to wait for");
    goes_on(&dbs, &before);
}

/// The server has a slot for pg_dump no more.
#[test]
fn pg_dump_finds_no_connection_slot() {
    let dbs = Databases::new("dump_crowded", "");
    let source = narrow_source(&dbs);
    let info = ConnInfo::resolve(&source.conninfo(dbs.name()), &|_| None).unwrap();
    let script = "[ -e DIR/hold ] && [ \"$1\" != --version ] && : >DIR/begun
        while [ -e DIR/hold ] && [ \"$1\" != --version ]; do sleep 0.02; done
        exec REAL \"$@\"";
    let bin = programs(&dbs, "pg_dump", script);
    let conninfo = source.conninfo(dbs.name());
    let (send, recv) = start_both(&dbs, &["--source", &conninfo, "--pg-bin", &bin]);
    let before = wait_for_chunks(&dbs, 3);
    fs::write(dbs.path("hold"), "").unwrap();
    kill_keeper(&dbs);
    poll(LIMIT, || dbs.path("begun").exists().then_some(())).expect("pg_dump");
    let connect = || Client::connect(&info, "the application").ok();
    let others: Vec<_> = std::iter::from_fn(connect).collect();
    fs::remove_file(dbs.path("hold")).unwrap();
    let says = ["pg_dump", "too many clients", "start both again"];
    ends_with_3(send, &says);
    ends_with_3(recv, &says);
    drop(others);
    let (send, recv) = start_both(&dbs, &["--source", &conninfo]);
    send.wait_for("committed chunks stay");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_kept(&before, &crate::journal::committed(&dbs));
}

/// A source of the test's own, with a few connections.
fn narrow_source(dbs: &Databases) -> Cluster {
    let settings = [
        ("max_connections", "12"),
        ("superuser_reserved_connections", "0"),
        ("max_wal_senders", "0"),
        ("fsync", "off"),
    ];
    let options = ClusterOptions::with(&settings);
    let source = Cluster::start(&options).unwrap();
    source.create_database(dbs.name()).unwrap();
    source.psql(dbs.name(), DATA).unwrap();
    source
}

/// As a system without memory does to it.
const KILLED: &str = "[ \"$1\" != --version ] && kill -9 $$\nexec REAL \"$@\"";

#[test]
fn sends_pg_restore_is_killed() {
    let (dbs, before) = interrupted("compare_killed");
    let bin = programs(&dbs, "pg_restore", KILLED);
    let (send, recv) = start_both(&dbs, &["--pg-bin", &bin]);
    let says = [
        "cannot compare the schema",
        "pg_restore",
        "start both again",
    ];
    ends_with_3(send, &says);
    ends_with_3(recv, &says);
    goes_on(&dbs, &before);
}

#[test]
fn recvs_pg_restore_is_killed() {
    let (dbs, before) = interrupted("restore_killed");
    let bin = programs(&dbs, "pg_restore", KILLED);
    let recv = start_recv(&dbs, &["--keep-journal", "--pg-bin", &bin]);
    let send = start_send(&dbs, &SLOW);
    let says = ["pg_restore", "signal: 9", "start both again"];
    ends_with_3(send, &says);
    ends_with_3(recv, &says);
    let (send, recv) = start_both(&dbs, &[]);
    let (_, after) = finish(&dbs, send, recv);
    assert_kept(&before, &after);
}

#[test]
fn the_disks_under_the_state_directories_are_full() {
    let dbs = Databases::new("state_full", DATA);
    let mount = |side: &str| Disk::mount(dbs.path(&format!("{side}.state")));
    let (Some(sends), Some(recvs)) = (mount("send"), mount("recv")) else {
        return;
    };
    let (send, recv) = start_both(&dbs, &[]);
    let before = wait_for_chunks(&dbs, 3);
    kill_all(&dbs, send, recv);
    let says = ["cannot write", "make room there", "No space left on device"];
    sends.fill();
    ends_with_3(start_send(&dbs, &SLOW), &says);
    sends.make_room();
    recvs.fill();
    let (send, recv) = start_both(&dbs, &[]);
    ends_with_3(send, &says);
    ends_with_3(recv, &says);
    recvs.make_room();
    goes_on(&dbs, &before);
}

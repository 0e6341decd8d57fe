//! Nothing changes on the source; the snapshot goes all the same.

use std::fs;

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare;

use crate::journal::{assert_kept, wait_for_chunks, wait_until};
use crate::support::holds::{Hold, pg_dump_to_hold, wait_until_held};
use crate::support::{Databases, poll, start_recv, start_send};
use crate::{DATA, LIMIT, SLOW, finish, kill_keeper, start_both};

/// A run in which `end` ends the snapshot: it goes on by itself and keeps what it had.
fn goes_on(name: &str, end: impl Fn(&Databases)) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = start_both(&dbs, &[]);
    let before = wait_for_chunks(&dbs, 3);
    let first = dbs.target_sql("SELECT snapshot_time FROM pgpipe.migration");
    end(&dbs);
    let line = send.wait_for("new snapshot:");
    assert!(line.contains("committed chunks stay"), "{line}");
    let (send, after) = finish(&dbs, send, recv);
    assert_kept(&before, &after);
    assert_ne!(send.report()["snapshot"]["time"], first.trim());
    let said = send.output();
    assert!(
        said.contains("the snapshot is gone; taking a new one"),
        "{said}"
    );
    assert!(
        said.contains("snapshot gone: they are to be proved"),
        "{said}"
    );
}

#[test]
fn the_keepers_session_is_terminated() {
    goes_on("session", terminate_keeper);
}

fn terminate_keeper(dbs: &Databases) {
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe keeper%'";
    assert_eq!(dbs.source_sql(terminate).trim(), "t");
}

/// pg_dump then finds no snapshot of that name: no fault of its own, and no end of the migration.
#[test]
fn the_new_snapshot_is_lost_while_the_schema_is_dumped() {
    let dbs = Databases::new("dumping", DATA);
    let bin = pg_dump_to_hold(&dbs);
    let (send, recv) = start_both(&dbs, &["--pg-bin", &bin]);
    let before = wait_for_chunks(&dbs, 3);
    fs::write(dbs.path("hold"), "").unwrap();
    terminate_keeper(&dbs);
    poll(LIMIT, || dbs.path("begun").exists().then_some(())).expect("pg_dump");
    terminate_keeper(&dbs);
    fs::remove_file(dbs.path("hold")).unwrap();
    let send = send.wait();
    send.must_end(3);
    let said = send.output();
    assert!(said.contains("the keeper ended"), "{said}");
    recv.wait().must_end(3);
    let (send, recv) = start_both(&dbs, &[]);
    let (_, after) = finish(&dbs, send, recv);
    assert_kept(&before, &after);
}

#[test]
fn the_keeper_is_killed() {
    goes_on("keeper", kill_keeper);
}

/// Send need not wait for the schema to see it.
#[test]
fn the_keeper_is_killed_while_tables_are_made() {
    let dbs = Databases::new("keeper_schema", &format!("{DATA} CREATE SEQUENCE counter;"));
    let hold = Hold::tables(&dbs);
    let (send, recv) = start_both(&dbs, &[]);
    wait_until_held(&dbs, "advisory", "%CREATE SEQUENCE%");
    kill_keeper(&dbs);
    send.wait_for("the snapshot is gone; taking a new one");
    hold.release_tables(&dbs);
    finish(&dbs, send, recv);
}

#[test]
fn the_new_snapshot_is_lost_too() {
    goes_on("twice", |dbs| {
        kill_keeper(dbs);
        let plan = dbs.path("send.state/main/send/plan.renewed");
        poll(LIMIT, || plan.exists().then_some(())).expect("a new snapshot");
        kill_keeper(dbs);
    });
}

/// A crash of the source empties its unlogged tables, which only the new snapshot knows.
#[test]
fn the_source_server_crashes() {
    let dbs = Databases::new("source_crash", "");
    let mut source = Cluster::start(&ClusterOptions::default()).unwrap();
    source.create_database("source_crash").unwrap();
    source.psql("source_crash", DATA).unwrap();
    let unlogged = "CREATE UNLOGGED TABLE volatile AS SELECT * FROM first;
        INSERT INTO volatile SELECT i + 100000, s FROM first WHERE i % 3 = 0";
    source.psql("source_crash", unlogged).unwrap();
    let conninfo = source.conninfo("source_crash");
    let args: Vec<_> = SLOW
        .iter()
        .copied()
        .chain(["--source", &conninfo])
        .collect();
    let recv = start_recv(&dbs, &["--keep-journal"]);
    let send = start_send(&dbs, &args);
    let both = "SELECT (SELECT count(*) FROM pgpipe.chunk_unlogged) > 0
        AND (SELECT count(*) FROM pgpipe.chunk) > 1";
    wait_until(&dbs, both);
    let before = crate::journal::committed(&dbs);
    source.stop(StopMode::Immediate).unwrap();
    send.wait().must_end(3);
    recv.wait().must_end(3);
    // As long as the server is down nothing can be taken.
    start_send(&dbs, &args).wait().must_end(3);
    source.start_again().unwrap();
    let recv = start_recv(&dbs, &["--keep-journal"]);
    let send = start_send(&dbs, &args);
    let line = send.wait_for("new snapshot:");
    assert!(line.ends_with("begin again: public.volatile"), "{line}");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_kept(&before, &crate::journal::committed(&dbs));
    dbs.target_sql("DROP SCHEMA pgpipe CASCADE");
    let (source, target) = (
        source.database("source_crash"),
        dbs.target().database("source_crash"),
    );
    assert_eq!(compare::differences(&source, &target).unwrap(), []);
    assert_eq!(dbs.target_sql("SELECT count(*) FROM volatile").trim(), "0");
}

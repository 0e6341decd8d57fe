//! A server, or a session on it, that ends under a migration.

use std::time::Duration;

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare;

use crate::journal::wait_for_chunks;
use crate::support::holds::{Hold, wait_until_held};
use crate::support::{Databases, poll, start_recv, start_send};
use crate::{DATA, SLOW, finish, start_both};

const LIMIT: Duration = Duration::from_secs(60);

/// The run goes on in a new snapshot, once it has proved what is committed (tests/lost_snapshot).
#[test]
fn the_keepers_session_is_terminated() {
    let dbs = Databases::new("keeper_ends", DATA);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_for_chunks(&dbs, 2);
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe keeper%'";
    assert_eq!(dbs.source_sql(terminate).trim(), "t");
    let said = finish(&dbs, send, recv);
    assert!(said.contains("committed chunks stay"), "{said}");
}

/// Chunk commits are asynchronous: an immediate stop may take the last of them, rows and journal
/// row together.
#[test]
fn the_target_server_crashes_in_the_data_phase() {
    let dbs = Databases::without_target("crashed", "", DATA);
    let mut target = Cluster::start(&ClusterOptions::default()).unwrap();
    target.create_database("crashed").unwrap();
    let conninfo = target.conninfo("crashed");
    let recv = start_recv(&dbs, &["--target", &conninfo]);
    let send = start_send(&dbs, &SLOW);
    let three = || {
        let sql = "SELECT count(*) >= 3 FROM pgpipe.chunk";
        let answer = target.psql("crashed", sql).unwrap_or_default();
        (answer.trim() == "t").then_some(())
    };
    poll(LIMIT, three).expect("three chunks");
    target.stop(StopMode::Immediate).unwrap();
    recv.wait().must_end(3);
    send.wait().must_end(3);
    target.start_again().unwrap();
    let recv = start_recv(&dbs, &["--target", &conninfo]);
    let send = start_send(&dbs, &[]);
    let line = send.wait_for("migration main:");
    assert!(line.contains("snapshot alive"), "{line}");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    let (source, target) = (dbs.source().database("crashed"), target.database("crashed"));
    assert_eq!(compare::differences(&source, &target).unwrap(), []);
}

/// Stopped in order, it keeps its statistics: nothing looks written to afterwards.
#[test]
fn the_source_server_is_stopped_before_the_tail() {
    let dbs = Databases::new("tailless", "");
    let mut source = Cluster::start(&ClusterOptions::default()).unwrap();
    source.create_database("tailless").unwrap();
    source.psql("tailless", DATA).unwrap();
    let conninfo = source.conninfo("tailless");
    let args = [&["--source", &conninfo], &SLOW[..]].concat();
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &args);
    wait_for_chunks(&dbs, 2);
    let hold = Hold::with(&dbs, "LOCK TABLE big IN ROW EXCLUSIVE MODE");
    wait_until_held(&dbs, "relation", "%INDEX%");
    source.stop(StopMode::Fast).unwrap();
    hold.release();
    send.wait().must_end(3);
    recv.wait().must_end(3);
    source.start_again().unwrap();
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &args);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    let target = dbs.target().database("tailless");
    let found = compare::differences(&source.database("tailless"), &target).unwrap();
    assert_eq!(found, []);
}

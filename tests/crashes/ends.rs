//! A server, or a session on it, that ends under a migration.

use std::time::Duration;

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare;

use crate::journal::wait_for_chunks;
use crate::support::{Databases, assert_nothing_left, poll, start_recv, start_send};
use crate::{DATA, SLOW, start_both};

const LIMIT: Duration = Duration::from_secs(60);

/// Two instants are never mixed: the migration ends, and says why.
#[test]
fn the_keepers_session_is_terminated() {
    let dbs = Databases::new("keeper_ends", DATA);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_for_chunks(&dbs, 2);
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe keeper%'";
    assert_eq!(dbs.source_sql(terminate).trim(), "t");
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(1);
    recv.must_end(1);
    for end in [&send, &recv] {
        let line = end
            .stderr
            .lines()
            .find(|l| l.starts_with("pgpipe: "))
            .unwrap();
        assert!(line.contains("snapshot") && line.contains("gone"), "{line}");
    }
    let (send, recv) = start_both(&dbs, &[], &[]);
    let line = send.wait_for("migration main:");
    assert!(line.contains("snapshot gone"), "{line}");
    send.wait().must_end(1);
    recv.wait().must_end(1);
    dbs.target_sql("DROP SCHEMA pgpipe CASCADE");
    assert_nothing_left(&dbs);
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

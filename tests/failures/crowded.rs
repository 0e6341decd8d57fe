//! Servers that take no more connections: what is there stays, and goes on when there is room.

use std::fs;
use std::time::Duration;

use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use pgpipe::demo::compare;
use pgpipe::pg::{Client, ConnInfo};

use crate::support::holds::Hold;
use crate::support::{Databases, poll, start_recv, start_send};
use crate::{LARGE, fails};

const LIMIT: Duration = Duration::from_secs(90);

/// For longer than any worker alone would ask a server without a connection for one.
const LONG: [&str; 6] = ["--jobs", "8", "--chunk-size", "256KiB", "--rate", "1Mbit"];

/// A server with room for so many sessions, its own none.
fn crowded(connections: &str) -> Cluster {
    let settings = [
        ("max_connections", connections),
        ("superuser_reserved_connections", "0"),
        ("max_wal_senders", "0"),
        ("fsync", "off"),
    ];
    let options = ClusterOptions {
        settings: settings.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(&options).unwrap();
    cluster.create_database("narrow").unwrap();
    cluster
}

#[test]
fn a_source_with_fewer_connections_than_jobs_is_read_all_the_same() {
    let dbs = Databases::new("crowded_source", "");
    let source = crowded("6");
    source.psql("narrow", LARGE).unwrap();
    let conninfo = source.conninfo("narrow");
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &[&["--source", &conninfo][..], &LONG].concat());
    send.wait().must_end(0);
    recv.wait().must_end(0);
    let target = dbs.target().database(dbs.name());
    let found = compare::differences(&source.database("narrow"), &target).unwrap();
    assert!(found.is_empty(), "{}", found[0]);
}

#[test]
fn a_target_with_fewer_connections_than_jobs_is_written_all_the_same() {
    let dbs = Databases::new("crowded_writers", LARGE);
    let target = crowded("5");
    let conninfo = target.conninfo("narrow");
    let recv = start_recv(&dbs, &["--target", &conninfo, "--index-jobs", "1"]);
    let send = start_send(&dbs, &LONG);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    let source = dbs.source().database(dbs.name());
    let found = compare::differences(&source, &target.database("narrow")).unwrap();
    assert!(found.is_empty(), "{}", found[0]);
}

/// Writers and others have every connection for longer than an index would be tried alone: the first
/// table's waits until the writers leave one.
#[test]
fn indexes_wait_for_the_connections_of_writers() {
    // The largest comes first; the others take the writers some 25 seconds more.
    let tables = [("first", "12000"), ("second", "11500"), ("third", "11500")];
    let sql = tables.map(|(name, rows)| LARGE.replace("big", name).replace("20000", rows));
    let dbs = Databases::new("crowded_indexes", &sql.concat());
    let target = crowded("5");
    let conninfo = target.conninfo("narrow");
    let log = dbs.path("recv.log");
    let shown = log.display().to_string();
    let options = ["--target", &conninfo, "--index-jobs", "1", "--log", &shown];
    let mut recv = start_recv(&dbs, &options);
    let send = start_send(&dbs, &LONG);
    let begun = || {
        let sql = "SELECT count(*) > 0 FROM pgpipe.chunk";
        let answer = target.psql("narrow", sql).unwrap_or_default();
        (answer.trim() == "t").then_some(())
    };
    poll(LIMIT, begun).expect("a chunk");
    let info = ConnInfo::resolve(&conninfo, &|_| None).unwrap();
    let connect = || Client::connect(&info, "the application").ok();
    let others: Vec<_> = std::iter::from_fn(connect).collect();
    let often = || {
        let logged = fs::read_to_string(&log).unwrap_or_default();
        (logged.matches("building again").count() > 5).then_some(())
    };
    poll(LIMIT, often).expect("an index that is tried more often than alone");
    assert!(recv.is_running());
    drop(others);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    let source = dbs.source().database(dbs.name());
    let found = compare::differences(&source, &target.database("narrow")).unwrap();
    assert!(found.is_empty(), "{}", found[0]);
}

#[test]
fn a_target_without_connections_to_spare_ends_with_3() {
    let dbs = Databases::new("crowded_target", LARGE);
    let target = crowded("5");
    let conninfo = target.conninfo("narrow");
    let run = || {
        let recv = start_recv(&dbs, &["--target", &conninfo, "--index-jobs", "1"]);
        let send = start_send(&dbs, &["--jobs", "2"]);
        (send.wait(), recv.wait())
    };
    // All but one, which is enough to look at the server.
    let others: Vec<_> = (0..4).map(|_| Hold::at(&conninfo)).collect();
    let (send, recv) = run();
    fails(&recv, 3, &["too many", "53300"]);
    fails(&send, 3, &["recv: ", "53300"]);
    drop(others);
    let (send, recv) = run();
    send.must_end(0);
    recv.must_end(0);
    let source = dbs.source().database(dbs.name());
    let found = compare::differences(&source, &target.database("narrow")).unwrap();
    assert!(found.is_empty(), "{}", found[0]);
}

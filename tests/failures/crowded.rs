//! Servers that take no more connections: what is there stays, and goes on when there is room.

use std::fs;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use pgpipe::demo::compare;
use pgpipe::pg::{Client, ConnInfo};

use crate::support::holds::Hold;
use crate::support::{Databases, Run, poll, start_recv, start_send};
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
    let options = ClusterOptions::with(&settings);
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

/// Two writers at work on the first of two tables, over a server with a few connections more.
struct Writing {
    dbs: Databases,
    target: Cluster,
    recv: Run,
    send: Run,
    /// Sees what they do.
    watch: Client,
}

impl Writing {
    fn start(name: &str) -> Self {
        // The largest comes first, at this rate for some seconds.
        let tables = [("first", "16000"), ("second", "6000")];
        let sql = tables.map(|(name, rows)| LARGE.replace("big", name).replace("20000", rows));
        let dbs = Databases::new(name, &sql.concat());
        let target = crowded("10");
        let (conninfo, log) = (target.conninfo("narrow"), dbs.path("recv.log"));
        let log = log.display().to_string();
        let options = ["--target", &conninfo, "--index-jobs", "1", "--log", &log];
        let recv = start_recv(&dbs, &options);
        let rate = ["--jobs", "2", "--chunk-size", "256KiB", "--rate", "4Mbit"];
        let mut writing = Self {
            send: start_send(&dbs, &rate),
            watch: session(&conninfo, "the test"),
            dbs,
            target,
            recv,
        };
        writing.wait_until("SELECT to_regclass('pgpipe.chunk') IS NOT NULL");
        writing.wait_until("SELECT count(*) > 0 FROM pgpipe.chunk");
        writing.wait_until(
            r"SELECT count(*) = 2 FROM pg_stat_activity
            WHERE application_name ~ '^pgpipe recv \S+ \d+$'",
        );
        writing
    }

    #[track_caller]
    fn wait_until(&mut self, sql: &str) {
        let mut ask = || {
            let rows = self.watch.query(sql).unwrap();
            rows[0].bool(0).unwrap().then_some(())
        };
        poll(LIMIT, &mut ask).unwrap_or_else(|| panic!("{sql}: {}", self.recv.stderr()));
    }

    fn conninfo(&self) -> String {
        self.target.conninfo("narrow")
    }

    /// Its rows wait until the session that is returned has ended.
    fn lock(&self, table: &str) -> Client {
        let mut session = session(&self.conninfo(), "the test");
        let sql = format!("BEGIN; LOCK TABLE {table}");
        session.execute(&sql).unwrap();
        session
    }

    fn must_end(self) {
        self.send.wait().must_end(0);
        self.recv.wait().must_end(0);
        let source = self.dbs.source().database(self.dbs.name());
        let found = compare::differences(&source, &self.target.database("narrow")).unwrap();
        assert!(found.is_empty(), "{}", found[0]);
    }
}

fn session(conninfo: &str, name: &str) -> Client {
    let info = ConnInfo::resolve(conninfo, &|_| None).unwrap();
    Client::connect(&info, name).unwrap()
}

/// An application that takes every connection that is or becomes free, until it is dropped.
struct Crowd {
    going: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Returns when it has some and has got no more for so long that no session can be about to end.
    fn at(conninfo: &str) -> Self {
        const BETWEEN: Duration = Duration::from_millis(10);
        const LONG_ENOUGH: Duration = Duration::from_secs(1);
        let info = ConnInfo::resolve(conninfo, &|_| None).unwrap();
        let (going, stopped) = channel::<()>();
        let (full, is_full) = channel();
        let thread = thread::spawn(move || {
            let (mut taken, mut last) = (Vec::new(), Instant::now());
            while stopped.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
                if let Ok(client) = Client::connect(&info, "the application") {
                    taken.push(client);
                    last = Instant::now();
                } else if !taken.is_empty() && last.elapsed() > LONG_ENOUGH {
                    let _ = full.send(());
                }
            }
        });
        is_full.recv_timeout(LIMIT).expect("a full server");
        Self {
            going: Some(going),
            thread: Some(thread),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.going.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writers and others have every connection for longer than an index would be tried alone: the first
/// table's waits until the writers leave one.
#[test]
fn indexes_wait_for_the_connections_of_writers() {
    let mut writing = Writing::start("crowded_indexes");
    let second = writing.lock("second");
    let first = writing.lock("first");
    let crowd = Crowd::at(&writing.conninfo());
    // Its rows end, and the writers stay at the second's.
    drop(first);
    let often = || {
        let logged = fs::read_to_string(writing.dbs.path("recv.log")).unwrap_or_default();
        (logged.matches("building again").count() > 5).then_some(())
    };
    poll(LIMIT, often).expect("an index that is tried more often than alone");
    assert!(writing.recv.is_running());
    drop((second, crowd));
    writing.must_end();
}

/// Whatever the writers leave others take at once; but a builder has a connection of the first table's
/// index.
#[test]
fn a_builder_that_has_a_connection_makes_the_rows_durable() {
    let mut writing = Writing::start("crowded_end");
    let second = writing.lock("second");
    writing.wait_until(
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE '% index 0'",
    );
    let crowd = Crowd::at(&writing.conninfo());
    drop(second);
    writing.wait_until("SELECT EXISTS (SELECT FROM pgpipe.step WHERE step = 'data')");
    drop(crowd);
    writing.must_end();
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

//! A standby as source: it is read like any other, and where it ends a session of ours to go on
//! replaying, the run goes on in a new snapshot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pgpipe::demo::Stop;
use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use pgpipe::demo::compare::{self, Database};
use tempfile::TempDir;

use support::{Databases, End, Run, assert_no_keeper, poll, start_recv, start_send};

const LIMIT: Duration = Duration::from_secs(60);
/// Some 12 chunks at a rate that makes them take three seconds.
const DATA: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 40000) g;
    CREATE SEQUENCE counter; SELECT setval('counter', 4711);";
const SLOW: [&str; 4] = ["--rate", "16Mbit", "--chunk-size", "1MiB"];
const TWO: [&str; 2] = ["--jobs", "2"];
const SINGLE: [&str; 2] = ["--snapshot", "single"];
/// Ends the server and removes its directory when the test process is gone: its stdin ends then.
const UNDERTAKER: &str = r#""$0" -D "$1/data" >"$1/log" 2>&1 & server=$!
cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$1/data""#;

/// A primary that only the test writes to, and its standby, of which databases are sent.
struct Scene {
    dbs: Databases,
    primary: Cluster,
    standby: Standby,
}

struct Standby {
    dir: TempDir,
    server: Child,
}

impl Scene {
    fn new(name: &str, sql: &str) -> Self {
        let options = ClusterOptions::with(&[("autovacuum", "off"), ("fsync", "off")]);
        let primary = Cluster::start(&options).unwrap();
        primary.create_database(name).unwrap();
        primary.psql(name, sql).unwrap();
        let dbs = Databases::without_target(name, "", "");
        dbs.target().create_database(name).unwrap();
        let standby = Standby::of(&primary);
        let scene = Self {
            dbs,
            primary,
            standby,
        };
        scene.catch_up();
        scene
    }

    fn conninfo(&self) -> String {
        let name = self.dbs.name();
        format!(
            "host={} user=postgres dbname={name}",
            self.standby.dir.path().display()
        )
    }

    fn database(&self) -> Database {
        let programs = self.primary.programs().clone();
        Database::new(programs, self.conninfo(), Stop::default())
    }

    /// Waits until the standby has replayed what the primary has written.
    fn catch_up(&self) {
        let lsn = "SELECT pg_current_wal_flush_lsn()";
        let lsn = self.primary.psql("postgres", lsn).unwrap();
        let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", lsn.trim());
        let there = || {
            let answer = self.database().psql(&reached).unwrap_or_default();
            (answer.trim() == "t").then_some(())
        };
        poll(LIMIT, there).expect("the standby catches up");
    }

    fn start(&self, send: &[&str]) -> (Run, Run) {
        self.start_with(&[&TWO, send].concat())
    }

    fn start_with(&self, send: &[&str]) -> (Run, Run) {
        let recv = start_recv(&self.dbs, &[]);
        let conninfo = self.conninfo();
        let args = [&["--source", &conninfo], &SLOW[..], send].concat();
        (start_send(&self.dbs, &args), recv)
    }

    fn wait_for_chunks(&self) {
        support::journal::wait_for_chunks(&self.dbs, 2);
    }

    /// Dead rows go on the primary, and with them whatever reads them on the standby.
    fn vacuum(&self) {
        let sql = "DELETE FROM big WHERE i % 7 = 0; VACUUM (TRUNCATE off) big";
        self.primary.psql(self.dbs.name(), sql).unwrap();
        self.catch_up();
    }

    #[track_caller]
    fn finish(&self, send: Run, recv: Run) -> End {
        let (send, recv) = (send.wait(), recv.wait());
        send.must_end(0);
        recv.must_end(0);
        let target = self.dbs.target().database(self.dbs.name());
        let source = self.primary.database(self.dbs.name());
        assert_eq!(compare::differences(&source, &target).unwrap(), []);
        send
    }
}

impl Standby {
    /// A copy that replays without patience for whoever reads.
    fn of(primary: &Cluster) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pgpipe-standby-")
            .tempdir_in("/tmp")
            .unwrap();
        let owner = fs::metadata(primary.data_dir()).unwrap();
        // Fails where the owner is ourselves and nothing is to be done.
        let _ = chown(dir.path(), Some(owner.uid()), Some(owner.gid()));
        let bin = primary.programs().bin_dir();
        let data = dir.path().join("data");
        let mut copy = Command::new(bin.join("pg_basebackup"));
        copy.args(["-R", "-X", "stream", "-c", "fast", "-U", "postgres", "-h"])
            .arg(primary.socket_dir())
            .arg("-D")
            .arg(&data);
        let copied = run_as(&owner, &mut copy).output().unwrap();
        assert!(copied.status.success(), "{copied:?}");
        let settings = format!(
            "unix_socket_directories = '{}'\nmax_standby_streaming_delay = 0\nhot_standby_feedback = off\n",
            dir.path().display()
        );
        let file = data.join("postgresql.auto.conf");
        let settings = fs::read_to_string(&file).unwrap() + &settings;
        fs::write(&file, settings).unwrap();
        let mut server = Command::new("sh");
        server
            .args(["-c", UNDERTAKER])
            .arg(bin.join("postgres"))
            .arg(dir.path());
        let server = run_as(&owner, &mut server)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { dir, server }
    }
}

fn run_as<'a>(owner: &fs::Metadata, command: &'a mut Command) -> &'a mut Command {
    if rustix::process::geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.current_dir("/").process_group(0)
}

impl Drop for Standby {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

#[test]
fn a_standby_of_a_quiet_primary_is_sent() {
    let scene = Scene::new("quiet", DATA);
    let (send, recv) = scene.start(&[]);
    let end = scene.finish(send, recv);
    assert!(!end.output().contains("new snapshot"), "{}", end.output());
    assert_eq!(end.report()["source_changed"], false);
}

/// Readers and keeper are cancelled, or ended, for the sake of replay.
#[test]
fn a_run_goes_on_in_a_new_snapshot_when_replay_ends_its_sessions() {
    let scene = Scene::new("cancelled", DATA);
    let (send, recv) = scene.start(&[]);
    scene.wait_for_chunks();
    scene.vacuum();
    let end = scene.finish(send, recv);
    assert!(end.output().contains("new snapshot"), "{}", end.output());
}

#[test]
fn a_standby_is_read_through_one_connection() {
    let scene = Scene::new("through_one", DATA);
    let (send, recv) = scene.start_with(&SINGLE);
    let end = scene.finish(send, recv);
    assert!(!end.output().contains("new snapshot"), "{}", end.output());
    assert_eq!(end.report()["source_changed"], false);
}

/// Its only session is ended, and with it the snapshot.
#[test]
fn one_connection_goes_on_in_a_new_snapshot_too() {
    let scene = Scene::new("one_cancelled", DATA);
    let (send, recv) = scene.start_with(&SINGLE);
    scene.wait_for_chunks();
    scene.vacuum();
    let end = scene.finish(send, recv);
    assert!(end.output().contains("new snapshot"), "{}", end.output());
}

/// Told that way, it stops for good, with the reason.
#[test]
fn a_run_that_may_not_go_on_says_what_ended_its_sessions() {
    let scene = Scene::new("stopped", DATA);
    let (send, recv) = scene.start(&["--on-lost-snapshot", "stop"]);
    scene.wait_for_chunks();
    scene.vacuum();
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(1);
    recv.must_end(1);
    assert!(send.stderr.contains("snapshot"), "{}", send.stderr);
}

/// A standby has none of its rows.
#[test]
fn an_unlogged_table_is_named_before_anything_is_made() {
    let sql = "CREATE UNLOGGED TABLE fleeting (i int); INSERT INTO fleeting VALUES (1)";
    let scene = Scene::new("unlogged", sql);
    let (send, recv) = scene.start(&[]);
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(1);
    recv.must_end(1);
    for word in ["public.fleeting", "unlogged", "primary"] {
        assert!(send.stderr.contains(word), "{}", send.stderr);
    }
    let made = "SELECT count(*) FROM pg_class WHERE relname = 'fleeting'";
    assert_eq!(scene.dbs.target_sql(made).trim(), "0");
    assert_no_keeper(scene.dbs.dir());
}

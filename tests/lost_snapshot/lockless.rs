//! A keeper that has no lock slots for its tables: the readers' check is all that protects them. A table
//! that is rewritten then is found by its reader, and the run goes on in a new snapshot by itself.

use std::process::Command;

use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use pgpipe::demo::compare;
use pgpipe::pg::{Client, ConnInfo};

use crate::LIMIT;
use crate::journal::wait_for_chunks;
use crate::support::{Databases, End, Run, keepers, poll, start_recv, start_send};

/// More than a reader has read ahead when the first chunks are committed.
const DATA: &str = "CREATE TABLE first (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO first SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 60000) g;
    CREATE TABLE second AS SELECT * FROM first WHERE i <= 1000;";
const SLOW: [&str; 6] = ["--rate", "16Mbit", "--chunk-size", "1MiB", "--jobs", "1"];

/// As many as the server has room for, but not beside others; `last` comes behind them.
const MANY: &str = "DO $$ BEGIN FOR n IN 1..150 LOOP
        EXECUTE format('CREATE TABLE t%s (i int)', n); END LOOP; END $$;
    CREATE TABLE last (i int)";
/// Lock slots that the application leaves to others.
const SLOTS: u32 = 60;
const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE application_name LIKE 'pgpipe send%' AND wait_event_type = 'Lock')";
/// What shows an empty table in the snapshot without an error.
const REWRITE: &str =
    "TRUNCATE first; INSERT INTO first SELECT g, 'other' FROM generate_series(1, 50) g";

/// A source of its own, small in lock slots, and a shared target.
struct Scene {
    dbs: Databases,
    source: Cluster,
}

impl Scene {
    fn new(name: &str) -> Self {
        let settings = [
            ("max_locks_per_transaction", "16"),
            ("max_connections", "20"),
        ];
        let options = ClusterOptions::with(&settings);
        let source = Cluster::start(&options).unwrap();
        source.create_database(name).unwrap();
        source.psql(name, &format!("{DATA} {MANY}")).unwrap();
        let dbs = Databases::new(name, "");
        Self { dbs, source }
    }

    fn sql(&self, sql: &str) -> String {
        let answer = self.source.psql(self.dbs.name(), sql).unwrap();
        answer.trim().to_owned()
    }

    fn session(&self) -> Client {
        let conninfo = self.source.conninfo(self.dbs.name());
        let info = ConnInfo::resolve(&conninfo, &|_| None).unwrap();
        Client::connect(&info, "the application").unwrap()
    }

    fn start(&self, send: &[&str]) -> (Run, Run) {
        let conninfo = self.source.conninfo(self.dbs.name());
        let recv = start_recv(&self.dbs, &[]);
        let args = [&SLOW, &["--source", &conninfo][..], send].concat();
        (start_send(&self.dbs, &args), recv)
    }

    /// Both sides at work, with a keeper that holds no lock: by then the application has the slots.
    /// It gives them back before pg_dump needs them.
    fn start_without_locks(&self, send: &[&str]) -> (Run, Run) {
        let (mut locker, mut hoarder) = (self.session(), self.session());
        locker.execute("BEGIN; LOCK TABLE last").unwrap();
        let all = "SELECT pg_advisory_lock(g) FROM generate_series(1, 100000) g";
        let error = hoarder.execute(all).unwrap_err();
        assert_eq!(error.sqlstate(), Some("53200"), "{error}");
        let some = format!("SELECT pg_advisory_unlock(g) FROM generate_series(1, {SLOTS}) g");
        hoarder.execute(&some).unwrap();
        let sides = self.start(send);
        // The sizes of the tables are asked for behind the application's lock.
        let waits = || (self.sql(WAITS) == "t").then_some(());
        poll(LIMIT, waits).expect("send looks for sizes");
        assert!(
            self.status().contains("holds NO locks"),
            "{}",
            self.status()
        );
        sides
    }

    fn status(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgpipe"));
        let state = self.dbs.path("send.state");
        let said = command.arg("status").arg("--state").arg(state).output();
        String::from_utf8(said.unwrap().stdout).unwrap()
    }

    fn rewrite_first(&self) {
        wait_for_chunks(&self.dbs, 2);
        self.sql(REWRITE);
    }

    #[track_caller]
    fn finish(&self, send: Run, recv: Run) -> End {
        let (send, recv) = (send.wait(), recv.wait());
        send.must_end(0);
        recv.must_end(0);
        let name = self.dbs.name();
        let (source, target) = (self.source.database(name), self.dbs.target().database(name));
        assert_eq!(compare::differences(&source, &target).unwrap(), []);
        assert!(keepers(&self.dbs).is_empty(), "a keeper is left");
        send
    }
}

const TOLD: &str = "table public.first was rewritten since the snapshot";

#[test]
fn a_rewritten_table_begins_again() {
    let scene = Scene::new("lockless");
    let (send, recv) = scene.start_without_locks(&[]);
    scene.rewrite_first();
    let line = send.wait_for("new snapshot:");
    assert!(line.ends_with("begin again: public.first"), "{line}");
    let said = scene.finish(send, recv).output();
    let told = format!("{TOLD}, which no longer shows its rows; taking a new one to go on in");
    assert!(said.contains(&told), "{said}");
}

#[test]
fn a_rewritten_table_ends_a_run_that_may_not_go_on() {
    let scene = Scene::new("lockless_stop");
    let (send, recv) = scene.start_without_locks(&["--on-lost-snapshot", "stop"]);
    scene.rewrite_first();
    let (send, recv) = (send.wait(), recv.wait());
    for end in [&send, &recv] {
        end.must_end(1);
        assert!(end.stderr.contains(TOLD), "{}", end.stderr);
        assert!(
            end.stderr.contains("--on-lost-snapshot prove"),
            "{}",
            end.stderr
        );
    }
    assert!(keepers(&scene.dbs).is_empty(), "a keeper is left");
    let (send, recv) = scene.start(&[]);
    scene.finish(send, recv);
}

/// pg_dump needs as many slots again, and so do the application's own sessions.
#[test]
fn a_keeper_leaves_half_of_the_slots() {
    let scene = Scene::new("lockless_half");
    let more = "DO $$ BEGIN FOR n IN 1..100 LOOP
        EXECUTE format('CREATE TABLE more%s (i int)', n); END LOOP; END $$";
    scene.sql(more);
    let (send, recv) = scene.start(&[]);
    wait_for_chunks(&scene.dbs, 2);
    let status = scene.status();
    assert!(status.contains("holds NO locks"), "{status}");
    scene.finish(send, recv);
}

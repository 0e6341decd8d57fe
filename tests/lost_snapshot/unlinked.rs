//! The link is lost before the last chunk is committed: recv goes on by itself, but makes nothing
//! that would keep a table from being emptied before all rows are durable.

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare;
use pgpipe::pg::{Client, ConnInfo};

use crate::support::holds::pg_dump_to_hold;
use crate::support::{CLEAR, CUT, Databases, Relay, Run, poll, start_recv, start_send};
use crate::{LIMIT, kill_keeper, plan};

/// `first` in some three chunks, the others in one each.
const DATA: &str = "CREATE TABLE first (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO first SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 10000) g;
    CREATE TABLE second (i int PRIMARY KEY, first int REFERENCES first);
    INSERT INTO second SELECT g, g FROM generate_series(1, 2000) g;
    CREATE INDEX ON second (first);
    CREATE UNLOGGED TABLE fleeting (i int PRIMARY KEY);
    INSERT INTO fleeting SELECT generate_series(1, 1000);";

/// A worker for each chunk: none waits behind the one that is held.
const SEND: [&str; 6] = ["--rate", "16Mbit", "--chunk-size", "1MiB", "--jobs", "6"];

const UNLOGGED_CHUNK: &str = "BEGIN; LOCK TABLE pgpipe.chunk_unlogged IN EXCLUSIVE MODE";
const CHUNK_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND query LIKE '%INSERT INTO%chunk_unlogged%')";

/// The end of the data waits for a lock that the test holds; nothing else does.
const HOLD_END: &str = "CREATE FUNCTION pgpipe.hold() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END';
    CREATE TRIGGER hold BEFORE INSERT ON pgpipe.step FOR EACH ROW
        WHEN (NEW.step = 'data') EXECUTE FUNCTION pgpipe.hold()";
const END_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%''data''%')";

const INDEXES_ARE_THERE: &str = "SELECT count(*) = 4 FROM pg_index
    WHERE indrelid IN ('first'::regclass, 'second'::regclass, 'fleeting'::regclass)";
const KEY_IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f')";
const DATA_IS_DURABLE: &str = "SELECT EXISTS (SELECT FROM pgpipe.step WHERE step = 'data')";

/// Shared databases but for the target, which is a server of this test alone.
struct Scene {
    dbs: Databases,
    target: Cluster,
}

impl Scene {
    fn new(name: &str) -> Self {
        let target = Cluster::start(&ClusterOptions::default()).unwrap();
        target.create_database(name).unwrap();
        let dbs = Databases::without_target(name, "", DATA);
        Self { dbs, target }
    }

    fn start(&self, send: &[&str]) -> (Run, Run) {
        let target = self.target.conninfo(self.dbs.name());
        let recv = start_recv(&self.dbs, &["--keep-journal", "--target", &target]);
        (start_send(&self.dbs, &[&SEND, send].concat()), recv)
    }

    fn session(&self, statement: &str) -> Client {
        let info = self.target.conninfo(self.dbs.name());
        let info = ConnInfo::resolve(&info, &|_| None).unwrap();
        let mut session = Client::connect(&info, "the application").unwrap();
        session.execute(statement).unwrap();
        session
    }

    fn sql(&self, sql: &str) -> String {
        self.target.psql(self.dbs.name(), sql).unwrap()
    }

    fn is(&self, sql: &str) -> bool {
        let answer = self.target.psql(self.dbs.name(), sql);
        answer.is_ok_and(|answer| answer.trim() == "t")
    }

    #[track_caller]
    fn wait_until(&self, sql: &str) {
        let is_so = || self.is(sql).then_some(());
        poll(LIMIT, is_so).unwrap_or_else(|| panic!("never true on the target: {sql}"));
    }

    /// Every chunk but the unlogged one is committed; that one waits for the session.
    fn hold_last_chunk(&self) -> Client {
        self.wait_until("SELECT to_regclass('pgpipe.step') IS NOT NULL");
        let session = self.session(UNLOGGED_CHUNK);
        self.wait_until(CHUNK_WAITS);
        let others = plan(&self.dbs).chunks.len() - 1;
        self.wait_until(&format!(
            "SELECT count(DISTINCT chunk) = {others} FROM pgpipe.chunk"
        ));
        session
    }

    /// The same, and send and its keeper have died, which recv knows.
    fn without_send(name: &str) -> (Self, Run, Client) {
        let scene = Self::new(name);
        let (send, recv) = scene.start(&[]);
        let session = scene.hold_last_chunk();
        send.kill();
        kill_keeper(&scene.dbs);
        recv.wait_for("connection to send lost");
        (scene, recv, session)
    }

    fn crash(&mut self) {
        self.target.stop(StopMode::Immediate).unwrap();
        self.target.start_again().unwrap();
    }

    #[track_caller]
    fn finish(&self, send: Run, recv: Run) -> String {
        let (send, recv) = (send.wait(), recv.wait());
        send.must_end(0);
        recv.must_end(0);
        self.sql("DROP SCHEMA pgpipe CASCADE");
        let name = self.dbs.name();
        let (source, target) = (self.dbs.source().database(name), self.target.database(name));
        assert_eq!(compare::differences(&source, &target).unwrap(), []);
        send.output()
    }
}

/// A crash takes unlogged rows back, and a table that another one's foreign key would name begins
/// again in the new snapshot.
#[test]
fn no_foreign_key_comes_before_the_end_of_the_data() {
    let (mut scene, recv, session) = Scene::without_send("no_key");
    let hold = scene.session("SELECT pg_advisory_lock(4711)");
    scene.sql(HOLD_END);
    drop(session);
    scene.wait_until(END_WAITS);
    scene.wait_until(INDEXES_ARE_THERE);
    assert!(!scene.is(KEY_IS_THERE) && !scene.is(DATA_IS_DURABLE));
    scene.crash();
    drop((hold, recv));
    scene
        .dbs
        .source_sql("UPDATE first SET s = 'other' WHERE i = 1");
    let (send, recv) = scene.start(&[]);
    let said = scene.finish(send, recv);
    assert!(said.contains("begin again: public.first"), "{said}");
}

#[test]
fn recv_ends_the_data_without_the_link() {
    let (scene, recv, session) = Scene::without_send("by_itself");
    drop(session);
    scene.wait_until(KEY_IS_THERE);
    assert!(scene.is(DATA_IS_DURABLE));
    let said = scene.finish(start_send(&scene.dbs, &SEND), recv);
    assert!(said.contains("all rows are there"), "{said}");
}

/// What the server then empties is listed, as there is no snapshot to read it from.
#[test]
fn a_crash_after_it_lists_unlogged_tables() {
    let (mut scene, recv, session) = Scene::without_send("listed");
    drop(session);
    scene.wait_until(KEY_IS_THERE);
    recv.kill();
    scene.crash();
    let (send, recv) = scene.start(&[]);
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(4);
    recv.must_end(4);
    let errors = &recv.report()["errors"];
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["object"], "TABLE public.fleeting");
    let counts = "SELECT count(*) FROM first; SELECT count(*) FROM second";
    assert_eq!(scene.sql(counts), "10000\n2000\n");
}

/// send may come with the new snapshot at any time: its rows may be others.
#[test]
fn the_data_does_not_end_while_send_takes_a_new_snapshot() {
    let scene = Scene::new("stays_open");
    let relay = Relay::start(scene.dbs.address().parse().unwrap(), 4);
    let bin = pg_dump_to_hold(&scene.dbs);
    let (send, recv) = scene.start(&["--connect", &relay.address(), "--pg-bin", &bin]);
    let session = scene.hold_last_chunk();
    std::fs::write(scene.dbs.path("hold"), "").unwrap();
    kill_keeper(&scene.dbs);
    poll(LIMIT, || scene.dbs.path("begun").exists().then_some(())).expect("pg_dump");
    relay.set(CUT);
    std::fs::remove_file(scene.dbs.path("hold")).unwrap();
    recv.wait_for("connection to send lost");
    drop(session);
    scene.wait_until(INDEXES_ARE_THERE);
    assert!(!scene.is(DATA_IS_DURABLE) && !scene.is(KEY_IS_THERE));
    relay.set(CLEAR);
    let said = scene.finish(send, recv);
    assert!(
        said.contains("snapshot gone: they are to be proved"),
        "{said}"
    );
}

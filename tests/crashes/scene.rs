//! A migration into a server of its own, which a test may crash.

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare;
use pgpipe::pg::{Client, ConnInfo};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Databases, Run, poll, start_recv, start_send};
use crate::{LIMIT, SLOW};

/// Nothing is made durable but what waits for it: no pages are written, which would take the WAL
/// before them along, and the WAL has room in memory. See [`Scene::forget`].
const FORGETFUL: [(&str, &str); 7] = [
    ("autovacuum", "off"),
    ("bgwriter_lru_maxpages", "0"),
    ("checkpoint_timeout", "1h"),
    ("fsync", "off"),
    ("max_wal_size", "4GB"),
    ("wal_buffers", "64MB"),
    ("wal_writer_flush_after", "1GB"),
];

pub(crate) const DATA_IS_DURABLE: &str =
    "SELECT EXISTS (SELECT FROM pgpipe.step WHERE step = 'data')";

/// Shared databases but for the target, which is a server of this test alone.
pub(crate) struct Scene {
    pub(crate) dbs: Databases,
    pub(crate) target: Cluster,
}

impl Scene {
    pub(crate) fn new(name: &str, sql: &str) -> Self {
        Self::on(&ClusterOptions::default(), name, sql)
    }

    /// Its target can lose asynchronous commits.
    pub(crate) fn forgetful(name: &str, sql: &str) -> Self {
        Self::on(&ClusterOptions::with(&FORGETFUL), name, sql)
    }

    fn on(options: &ClusterOptions, name: &str, sql: &str) -> Self {
        let target = Cluster::start(options).unwrap();
        target.create_database(name).unwrap();
        let dbs = Databases::without_target(name, "", sql);
        Self { dbs, target }
    }

    pub(crate) fn start(&self, recv: &[&str]) -> (Run, Run) {
        self.start_with(&[], recv)
    }

    pub(crate) fn start_with(&self, send: &[&str], recv: &[&str]) -> (Run, Run) {
        let conninfo = self.target.conninfo(self.dbs.name());
        let recv = start_recv(&self.dbs, &[&["--target", &conninfo], recv].concat());
        (start_send(&self.dbs, &[&SLOW[..], send].concat()), recv)
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, sql: &str) {
        let is_so = || {
            let answer = self.target.psql(self.dbs.name(), sql).unwrap_or_default();
            (answer.trim() == "t").then_some(())
        };
        poll(LIMIT, is_so).unwrap_or_else(|| panic!("never true on the target: {sql}"));
    }

    /// What a query on the target selects, unaligned, without headings.
    #[track_caller]
    pub(crate) fn ask(&self, sql: &str) -> String {
        let answer = self.target.psql(self.dbs.name(), sql).unwrap();
        answer.trim().to_owned()
    }

    /// Holds up the indexes of `table`, not its rows, as long as it lives.
    pub(crate) fn hold_indexes(&self, table: &str) -> Client {
        self.wait_until(&format!("SELECT count(*) > 0 FROM pgpipe.chunk, {table}"));
        self.hold(&format!("LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
    }

    /// A session in a transaction that has done this, as long as it lives.
    pub(crate) fn hold(&self, statement: &str) -> Client {
        let conninfo = self.target.conninfo(self.dbs.name());
        let info = ConnInfo::resolve(&conninfo, &|_| None).unwrap();
        let mut session = Client::connect(&info, "the application").unwrap();
        session.execute(&format!("BEGIN; {statement}")).unwrap();
        session
    }

    /// From here on asynchronous commits are lost in a [`Self::power_failure`], unless a synchronous
    /// one comes after them.
    pub(crate) fn forget(&self) {
        let pid = self.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
        let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
    }

    /// The server is gone at once, and comes back.
    pub(crate) fn power_failure(&mut self) {
        self.target.kill9();
        self.target.start_again().unwrap();
    }

    pub(crate) fn crash(&mut self) {
        self.target.stop(StopMode::Immediate).unwrap();
    }

    #[track_caller]
    pub(crate) fn assert_equal(&self) {
        let name = self.dbs.name();
        let (source, target) = (self.dbs.source().database(name), self.target.database(name));
        assert_eq!(compare::differences(&source, &target).unwrap(), []);
    }

    /// The same but for what pg_dump says of the tables.
    #[track_caller]
    pub(crate) fn assert_same_rows(&self) {
        let name = self.dbs.name();
        let (source, target) = (self.dbs.source().database(name), self.target.database(name));
        let found = compare::differing_contents(&source, &target).unwrap();
        assert_eq!(found, []);
    }
}

//! A migration into a server of its own, which a test may crash.

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare;
use pgpipe::pg::{Client, ConnInfo};

use crate::support::{Databases, Run, poll, start_recv, start_send};
use crate::{LIMIT, SLOW};

pub(crate) const DATA_IS_DURABLE: &str =
    "SELECT EXISTS (SELECT FROM pgpipe.step WHERE step = 'data')";

/// Shared databases but for the target, which is a server of this test alone.
pub(crate) struct Scene {
    pub(crate) dbs: Databases,
    pub(crate) target: Cluster,
}

impl Scene {
    pub(crate) fn new(name: &str, sql: &str) -> Self {
        let target = Cluster::start(&ClusterOptions::default()).unwrap();
        target.create_database(name).unwrap();
        let dbs = Databases::without_target(name, "", sql);
        Self { dbs, target }
    }

    pub(crate) fn start(&self, recv: &[&str]) -> (Run, Run) {
        let conninfo = self.target.conninfo(self.dbs.name());
        let recv = start_recv(&self.dbs, &[&["--target", &conninfo], recv].concat());
        (start_send(&self.dbs, &SLOW), recv)
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, sql: &str) {
        let is_so = || {
            let answer = self.target.psql(self.dbs.name(), sql).unwrap_or_default();
            (answer.trim() == "t").then_some(())
        };
        poll(LIMIT, is_so).unwrap_or_else(|| panic!("never true on the target: {sql}"));
    }

    /// Holds up the indexes of `table`, not its rows, as long as it lives.
    pub(crate) fn hold_indexes(&self, table: &str) -> Client {
        self.wait_until(&format!("SELECT count(*) > 0 FROM pgpipe.chunk, {table}"));
        let conninfo = self.target.conninfo(self.dbs.name());
        let info = ConnInfo::resolve(&conninfo, &|_| None).unwrap();
        let mut session = Client::connect(&info, "the application").unwrap();
        let lock = format!("BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE");
        session.execute(&lock).unwrap();
        session
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
}

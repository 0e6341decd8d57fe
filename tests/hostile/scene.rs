//! A migration that has just begun: recv waits, and somebody has taken send's place.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::runtime::{self, Runtime};

use crate::client::{Client, Loot};
use crate::support::{
    Databases, Run, assert_equal, assert_nothing_left, poll, start_recv, start_send,
};

/// Two chunks: one of three parts, and one of an unlogged table.
const DATA: &str = "CREATE TABLE a (s text NOT NULL);
    INSERT INTO a SELECT md5(g::text) FROM generate_series(1, 2500) g;
    CREATE TABLE b (s text NOT NULL);
    INSERT INTO b SELECT md5(g::text) FROM generate_series(1, 100) g;
    CREATE TABLE c (s text NOT NULL);
    INSERT INTO c SELECT md5(g::text) FROM generate_series(1, 100) g;
    CREATE UNLOGGED TABLE d (s text NOT NULL);
    INSERT INTO d SELECT md5(g::text) FROM generate_series(1, 2500) g;";

const LIMIT: Duration = Duration::from_secs(60);
/// What recv takes at most, whatever comes: `--memory` and the program itself.
const MEMORY_KIB: u64 = 320 << 10;

const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'pgpipe recv%' AND (xact_start IS NOT NULL OR state = 'active')";

pub(crate) struct Scene {
    pub(crate) dbs: Databases,
    recv: Run,
    pub(crate) loot: Arc<Loot>,
    runtime: Runtime,
}

impl Scene {
    /// recv stays whatever happens.
    pub(crate) fn new(name: &str, recv: &[&str]) -> Self {
        let args: Vec<_> = ["--stay"].iter().chain(recv).copied().collect();
        Self::without_stay(name, &args)
    }

    pub(crate) fn without_stay(name: &str, recv: &[&str]) -> Self {
        let dbs = Databases::new(name, DATA);
        let paired = start_recv(&dbs, &["--stay"]);
        let send = start_send(&dbs, &[]);
        // From here on the snapshot is taken; what is offered then is not heard.
        send.wait_for("migration main: new");
        paired.signal(Signal::STOP);
        let record = dbs.path("send.state/main/send/migration");
        poll(LIMIT, || is_prepared(&record).then_some(())).expect("send takes its snapshot");
        send.kill();
        paired.kill();
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let recv = start_recv(&dbs, recv);
        recv.wait_for("waiting for send to connect");
        Self {
            loot: Arc::new(Loot::take(&dbs)),
            recv,
            dbs,
            runtime,
        }
    }

    /// The attack is told, once on either side, and nothing comes of it.
    #[track_caller]
    pub(crate) fn suffers(&self, says: &str, attack: impl AsyncFnOnce(&mut Client)) {
        let before = self.complaints().len();
        let told = self.runs(async |client| {
            attack(client).await;
            client.told().await
        });
        assert!(told.contains(says), "{says:?} is not in: {told}");
        let lines = poll(LIMIT, || {
            let lines = self.complaints();
            (lines.len() > before).then_some(lines)
        });
        let lines = lines.expect("recv says why");
        assert_eq!(lines.len(), before + 1, "{lines:#?}");
        assert!(lines[before].contains(says), "{}", lines[before]);
        self.is_unharmed();
    }

    /// Lets the peer do something that recv puts up with.
    pub(crate) fn runs<T>(&self, act: impl AsyncFnOnce(&mut Client) -> T) -> T {
        self.runtime.block_on(async {
            let mut client = Client::connect(&self.loot).await;
            act(&mut client).await
        })
    }

    /// What recv said of sessions that have failed.
    fn complaints(&self) -> Vec<String> {
        let output = self.recv.stdout() + &self.recv.stderr();
        let told = |line: &&str| line.ends_with("waiting for the next send");
        output.lines().filter(told).map(str::to_owned).collect()
    }

    /// No row, no journal row, no open transaction, little memory, no panic.
    #[track_caller]
    pub(crate) fn is_unharmed(&self) {
        let quiet = || (self.dbs.target_sql(OPEN).trim() == "0").then_some(());
        poll(LIMIT, quiet).expect("no transaction is left open");
        for table in ["a", "b", "c", "d", "pgpipe.chunk", "pgpipe.chunk_unlogged"] {
            assert_eq!(self.rows(table), 0, "rows in {table}");
        }
        let peak = peak_kib(self.recv.pid());
        assert!(peak < MEMORY_KIB, "recv took {peak} KiB");
        let output = self.recv.stdout() + &self.recv.stderr();
        assert!(!output.contains("panicked"), "{output}");
    }

    fn rows(&self, table: &str) -> u64 {
        let there = format!("SELECT to_regclass('{table}') IS NOT NULL");
        if self.dbs.target_sql(&there).trim() == "f" {
            return 0;
        }
        let count = format!("SELECT count(*) FROM {table}");
        self.dbs.target_sql(&count).trim().parse().unwrap()
    }

    /// The real send comes back, and everything is moved.
    #[track_caller]
    pub(crate) fn completes(self) {
        start_send(&self.dbs, &[]).wait().must_end(0);
        let peak = peak_kib(self.recv.pid());
        assert!(peak < MEMORY_KIB, "recv took {peak} KiB");
        self.recv.signal(Signal::INT);
        self.recv.wait().must_end(3);
        assert_equal(&self.dbs);
        assert_nothing_left(&self.dbs);
    }

    /// recv, which does not stay, ends with this code and one line.
    #[track_caller]
    pub(crate) fn ends(self, code: i32, says: &str, attack: impl AsyncFnOnce(&mut Client)) {
        let told = self.runs(async |client| {
            attack(client).await;
            client.told().await
        });
        assert!(told.contains(says), "{says:?} is not in: {told}");
        let end = self.recv.wait();
        end.must_end(code);
        let lines = end.stderr.lines().filter(|l| l.starts_with("pgpipe: "));
        let lines: Vec<_> = lines.filter(|l| l.contains(says)).collect();
        assert_eq!(lines.len(), 1, "{}", end.stderr);
        let recv = start_recv(&self.dbs, &[]);
        start_send(&self.dbs, &[]).wait().must_end(0);
        recv.wait().must_end(0);
        assert_equal(&self.dbs);
        assert_nothing_left(&self.dbs);
    }
}

fn is_prepared(record: &Path) -> bool {
    let text = std::fs::read_to_string(record).unwrap_or_default();
    text.contains("\"prepared\":{")
}

/// The most memory that the process has had.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB"));
    kib.unwrap().parse().unwrap()
}

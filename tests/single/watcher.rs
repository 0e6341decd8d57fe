//! Counts pgpipe's sessions on the source, as long as it lives.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};

use pgpipe::pg::{Client, ConnInfo};

use crate::support::Databases;

/// Everything of a client's but our own.
const SESSIONS: &str = "SELECT count(*), string_agg(application_name, ', ') FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
    AND application_name NOT IN ('the watcher', 'the application', 'psql')";

pub(crate) struct Watcher {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(i64, String)>,
}

impl Watcher {
    pub(crate) fn start(dbs: &Databases) -> Self {
        let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
        let mut client = Client::connect(&info, "the watcher").unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut most = (0, String::new());
            while !until.load(Relaxed) {
                let rows = client.query(SESSIONS).unwrap();
                let count = rows[0].parse(0).unwrap();
                if count > most.0 {
                    most = (count, rows[0].get(1).unwrap_or_default().to_owned());
                }
            }
            most
        });
        Self { over, thread }
    }

    /// The most that were there at once.
    #[track_caller]
    pub(crate) fn saw_one(self) {
        self.over.store(true, Relaxed);
        let (count, names) = self.thread.join().unwrap();
        assert_eq!(count, 1, "{names}");
    }
}

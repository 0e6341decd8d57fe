//! What a migration must leave behind: an equal database, and nothing else.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pgpipe::demo::Stop;
use pgpipe::demo::cluster::Cluster;
use pgpipe::demo::compare::{self, Database};

use super::databases::Databases;
use super::process::poll;

/// A backend whose client has gone, and a released keeper, take a moment to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Judged by SQL and by pg_dump's text, not by pgpipe.
#[track_caller]
pub(crate) fn assert_equal(dbs: &Databases) {
    let database = |conninfo| Database::new(dbs.clients().clone(), conninfo, Stop::default());
    let source = database(dbs.source_conninfo());
    let target = database(dbs.target_conninfo());
    let found = compare::differences(&source, &target).unwrap();
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(
        found.is_empty(),
        "the databases differ:\n{}",
        told.join("\n")
    );
}

/// No journal, no session, no open or prepared transaction, no keeper.
#[track_caller]
pub(crate) fn assert_nothing_left(dbs: &Databases) {
    let journal = dbs.target_sql("SELECT nspname FROM pg_namespace WHERE nspname = 'pgpipe'");
    assert_eq!(journal.trim(), "", "a journal is left on the target");
    for (side, server) in [("source", dbs.source()), ("target", dbs.target())] {
        let left = left_when_quiet(|| traces(server, dbs.name()));
        assert_eq!(left, "", "left on the {side}");
    }
    assert_no_keeper(dbs.dir());
}

/// No keeper of a migration whose state lies in `dir`.
#[track_caller]
pub(crate) fn assert_no_keeper(dir: &Path) {
    let left = left_when_quiet(|| {
        keepers_in(dir)
            .iter()
            .map(|pid| format!("{pid} "))
            .collect()
    });
    assert_eq!(left, "", "keepers are left");
}

/// What [`traces`] finds when everything has had its time to end.
pub(crate) fn left_when_quiet(look: impl Fn() -> String) -> String {
    match poll(PATIENCE, || look().is_empty().then_some(())) {
        Some(()) => String::new(),
        None => look(),
    }
}

/// Sessions of pgpipe, open and prepared transactions, advisory locks.
pub(crate) fn traces(server: &Cluster, database: &str) -> String {
    let look = format!(
        "SELECT 'session ' || application_name || ', ' || coalesce(state, '') FROM pg_stat_activity
         WHERE datname = '{database}' AND (application_name LIKE 'pgpipe%' OR state LIKE 'idle in%');
         SELECT 'prepared ' || gid FROM pg_prepared_xacts WHERE database = '{database}';
         SELECT 'advisory lock of ' || l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE locktype = 'advisory' AND datname = '{database}'"
    );
    let found = server.psql("postgres", &look).unwrap();
    found.trim().to_owned()
}

/// The process ids of the keepers of this test's migrations.
pub(crate) fn keepers(dbs: &Databases) -> Vec<u32> {
    keepers_in(dbs.dir())
}

/// Those whose state lies in `dir`.
pub(crate) fn keepers_in(dir: &Path) -> Vec<u32> {
    let dir = dir.display().to_string();
    let is_ours = |pid: &u32| {
        // Gone between the listing and here, or nobody's: not a keeper.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains("\0keeper\0") && line.contains(&dir)
    };
    let pids = fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_ours).collect()
}

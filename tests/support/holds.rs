//! Another session that holds up what the backends of recv or send are at, so that a test can choose the
//! moment.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use pgpipe::pg::{Client, ConnInfo};

use super::databases::Databases;
use super::process::poll;

const LIMIT: Duration = Duration::from_secs(60);
/// `setval` waits; nothing is changed.
pub(crate) const SEQUENCES: &str = "ALTER SEQUENCE public.counter OWNED BY NONE";
/// DROP SCHEMA waits.
pub(crate) const DROP: &str = "LOCK TABLE pgpipe.migration IN ACCESS SHARE MODE";

/// A session that holds something until it is dropped or released.
pub(crate) struct Hold(Client);

impl Hold {
    /// In a transaction.
    pub(crate) fn with(dbs: &Databases, statement: &str) -> Self {
        let mut hold = Self::at(&dbs.target_conninfo());
        hold.0.execute(&format!("BEGIN; {statement}")).unwrap();
        hold
    }

    /// The schema before the data, whose sequences cannot be made. Before recv starts.
    pub(crate) fn tables(dbs: &Databases) -> Self {
        Self::statement(dbs, "CREATE SEQUENCE")
    }

    /// The journal, whose schema cannot be made. Before recv starts.
    pub(crate) fn journal(dbs: &Databases) -> Self {
        Self::statement(dbs, "CREATE SCHEMA")
    }

    /// Whoever runs a statement with this tag waits for a lock that the test holds.
    fn statement(dbs: &Databases, tag: &str) -> Self {
        dbs.target_sql(&trigger(tag));
        Self::advisory(&dbs.target_conninfo())
    }

    /// Advisory lock 4711, on any server.
    pub(crate) fn advisory(conninfo: &str) -> Self {
        let mut hold = Self::at(conninfo);
        hold.0.execute("SELECT pg_advisory_lock(4711)").unwrap();
        hold
    }

    /// A session of any server, which does nothing.
    pub(crate) fn at(conninfo: &str) -> Self {
        let info = ConnInfo::resolve(conninfo, &|_| None).unwrap();
        Self(Client::connect(&info, "the application").unwrap())
    }

    /// Runs what may wait; whether it got what it waited for.
    pub(crate) fn wait_for(&mut self, statement: &str) -> bool {
        self.0.execute(&format!("BEGIN; {statement}")).is_ok()
    }

    pub(crate) fn release(mut self) {
        self.0
            .execute("ROLLBACK; SELECT pg_advisory_unlock_all()")
            .unwrap();
    }

    /// What [`Self::tables`] or [`Self::journal`] has made is gone too.
    pub(crate) fn release_tables(self, dbs: &Databases) {
        self.release();
        dbs.target_sql("DROP EVENT TRIGGER hold; DROP FUNCTION hold()");
    }
}

/// Makes whoever runs a statement with this tag wait for advisory lock 4711.
pub(crate) fn trigger(tag: &str) -> String {
    format!(
        "CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(4711); END';
        CREATE EVENT TRIGGER hold ON ddl_command_start WHEN TAG IN ('{tag}')
            EXECUTE FUNCTION hold()"
    )
}

/// Waits until one of recv's backends waits for a lock of this kind with a statement like this.
#[track_caller]
pub(crate) fn wait_until_held(dbs: &Databases, event: &str, statement: &str) {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'pgpipe recv%' AND wait_event_type = 'Lock'
        AND wait_event LIKE '{event}' AND query LIKE '{statement}')"
    );
    let held = || {
        let answer = dbs.target().psql(dbs.name(), &sql).unwrap_or_default();
        (answer.trim() == "t").then_some(())
    };
    poll(LIMIT, held).unwrap_or_else(|| panic!("nobody waits with {statement}"));
}

/// A directory with a pg_dump that waits while the file `hold` is there; it makes `begun` then.
pub(crate) fn pg_dump_to_hold(dbs: &Databases) -> String {
    let bin = dbs.path("bin");
    fs::create_dir(&bin).unwrap();
    let real = dbs.source().programs().client_dir().join("pg_dump");
    let (dir, real) = (dbs.dir().display(), real.display());
    let script = format!(
        "#!/bin/sh
if [ \"$1\" != --version ] && [ -e {dir}/hold ]; then
    : >{dir}/begun
    while [ -e {dir}/hold ]; do sleep 0.02; done
fi
exec {real} \"$@\"
"
    );
    fs::write(bin.join("pg_dump"), script).unwrap();
    fs::set_permissions(bin.join("pg_dump"), Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(
        dbs.source().programs().client_dir().join("pg_restore"),
        bin.join("pg_restore"),
    )
    .unwrap();
    bin.display().to_string()
}

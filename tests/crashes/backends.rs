//! Sessions that an administrator terminates: tried again, without an end of either process.

use crate::journal::wait_until;
use crate::support::holds::{Hold, wait_until_held};
use crate::support::{Databases, poll};
use crate::{DATA, LIMIT, finish, start_both};

/// Terminates one backend that is at this kind of statement; says whether there was one.
fn terminate(dbs: &Databases, on_source: bool, at: &str) {
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'
        AND application_name LIKE 'pgpipe %' AND query LIKE '{at}' LIMIT 1) one"
    );
    let server = match on_source {
        true => dbs.source(),
        false => dbs.target(),
    };
    let hit = || {
        let answer = server.psql(dbs.name(), &sql).unwrap_or_default();
        (answer.trim() == "1").then_some(())
    };
    poll(LIMIT, hit).unwrap_or_else(|| panic!("nobody was ever at {at:?}"));
}

#[test]
fn readers_and_writers_are_terminated() {
    let dbs = Databases::new("terminated", DATA);
    // Larger than what the sockets take, so that the backends are found at work.
    let (mut send, mut recv) = start_both(&dbs, &["--chunk-size", "8MiB"], &[]);
    for _ in 0..2 {
        terminate(&dbs, true, "COPY %TO STDOUT%");
        terminate(&dbs, false, "COPY %FROM STDIN%");
    }
    assert!(send.is_running() && recv.is_running());
    finish(&dbs, send, recv);
}

/// A session holds the journal, which the writers come to last, and then waits for the table that they
/// hold. It never looks for a deadlock itself, and they look late enough to see it: they lose.
#[test]
fn writers_lose_a_deadlock() {
    let dbs = Databases::new("deadlock", DATA);
    let late = " options='-c deadlock_timeout=10s'";
    let target = dbs.target_conninfo() + late;
    let (mut send, mut recv) = start_both(&dbs, &["--rate", "2Mbit"], &["--target", &target]);
    wait_until(&dbs, "SELECT to_regclass('big') IS NOT NULL");
    let never = "SET LOCAL deadlock_timeout = '1h'; LOCK TABLE pgpipe.chunk IN EXCLUSIVE MODE";
    let mut hold = Hold::with(&dbs, never);
    wait_until_held(&dbs, "relation", "%INSERT INTO%chunk%");
    assert!(hold.wait_for("LOCK TABLE public.big IN SHARE MODE"));
    let lost = "SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()";
    wait_until(&dbs, lost);
    assert!(send.is_running() && recv.is_running());
    hold.release();
    finish(&dbs, send, recv);
}

/// Two statements: a key is built as an index first.
#[test]
fn index_builders_are_terminated() {
    let slow = "CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            $$BEGIN PERFORM pg_catalog.pg_sleep(0.0005); RETURN i; END$$;
        CREATE TABLE t (i int PRIMARY KEY, s text);
        INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 2000) g;
        CREATE INDEX slow_a ON t (public.slow(i));
        CREATE INDEX slow_b ON t (public.slow(i + 1));";
    let dbs = Databases::new("terminated_index", slow);
    let (send, recv) = start_both(&dbs, &[], &["--index-jobs", "1"]);
    for _ in 0..2 {
        terminate(&dbs, false, "%INDEX slow_%");
    }
    finish(&dbs, send, recv);
}

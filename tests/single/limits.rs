//! A server that hangs, and one whose lock table is too small for the one session.

use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use rustix::process::{Pid, Signal, kill_process};

use crate::journal::wait_for_chunks;
use crate::lent::{FOREVER, single};
use crate::support::holds::Hold;
use crate::support::{Databases, End, migrate, poll, start_recv, start_send};
use crate::{DATA, LIMIT, SINGLE, finish};

/// A backend that does nothing, until dropped.
struct Hung(Pid);

impl Hung {
    fn new(pid: &str) -> Self {
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        // It may have been killed since.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// A cancel request reaches it no more than anything else: the connection is closed after a while.
#[test]
fn a_server_that_hangs_is_given_up() {
    let dbs = Databases::new("hung", "");
    let single = single(&dbs);
    let mut loan = single.lend().unwrap();
    let _hung = Hung::new(&loan.backend_pid().to_string());
    loan.interrupter()();
    let error = loan.execute(FOREVER).unwrap_err();
    assert!(error.is_connection_lost(), "{error}");
    drop(loan);
    assert!(!single.pulse());
}

/// recv is gone, and the COPY of what it was sent cannot be ended: the snapshot goes with the session,
/// and what is committed is proved in a new one.
#[test]
fn a_server_hangs_while_a_copy_is_cancelled() {
    let dbs = Databases::new("hung_copy", DATA);
    let hold = Hold::advisory(&dbs.source_conninfo());
    let recv = start_recv(&dbs, &["--keep-journal"]);
    // Either table has several chunks before the row that its COPY waits at.
    let [first, second] = ["first", "second"].map(|table| {
        format!(
            "{table}=CASE WHEN i <= 15000 THEN true
            ELSE pg_advisory_xact_lock_shared(4711) IS NOT NULL END"
        )
    });
    let args = [
        "--chunk-size",
        "1MiB",
        "--where",
        &first,
        "--where",
        &second,
    ];
    let send = start_send(&dbs, &[&SINGLE[..], &args].concat());
    wait_for_chunks(&dbs, 2);
    let copying = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'pgpipe send%' AND query LIKE 'COPY%' AND wait_event = 'advisory'";
    let pid = poll(LIMIT, || {
        Some(dbs.source_sql(copying)).filter(|pid| !pid.trim().is_empty())
    });
    let hung = Hung::new(&pid.expect("a COPY waits"));
    hold.release();
    recv.signal(Signal::KILL);
    recv.wait();
    let recv = start_recv(&dbs, &["--keep-journal"]);
    let line = send.wait_for("new snapshot:");
    assert!(line.contains("all"), "{line}");
    drop(hung);
    finish(&dbs, send, recv);
}

/// pg_dump locks every table; what it was at names all of them, and is not shown whole.
#[test]
fn too_few_lock_slots_are_told() {
    let settings = [
        ("max_locks_per_transaction", "10"),
        ("max_connections", "20"),
    ];
    let options = ClusterOptions::with(&settings);
    let source = Cluster::start(&options).unwrap();
    source.create_database("slots").unwrap();
    let many = "SET synchronous_commit = off; CREATE SCHEMA part; CREATE TABLE part.t AS SELECT generate_series(1, 100) AS i;
        SELECT format('CREATE TABLE t%s ()', n) FROM generate_series(1, 3000) n \\gexec";
    source.psql("slots", many).unwrap();
    let dbs = Databases::new("slots", "");
    let conninfo = source.conninfo("slots");
    let moved = |args: &[&str]| -> (End, End) {
        let own = ["--source", &conninfo];
        migrate(&dbs, &[&SINGLE[..], &own, args].concat(), &[])
    };
    let (send, recv) = moved(&[]);
    for end in [send, recv] {
        end.must_end(3);
        let told = "the lock table of the source's server is too small for pg_dump, which locks each table: \
            raise max_locks_per_transaction there, restart that server, and start both again; or move a part";
        assert!(end.stderr.contains(told), "{}", end.stderr);
        assert!(!end.stderr.contains("public.t7"), "{}", end.stderr);
    }
    let (send, recv) = moved(&["--schema", "part"]);
    send.must_end(0);
    recv.must_end(0);
    assert_eq!(dbs.target_sql("SELECT count(*) FROM part.t").trim(), "100");
}

//! The keeper is seen, and its end is noticed.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Databases, assert_equal, keepers, poll};
use crate::{DATA, LIMIT, assert_quiet, pgpipe, under_way};

/// The keeper ends with its session, and send goes on in a new snapshot.
#[test]
fn its_session_is_terminated() {
    let dbs = Databases::new("keeper_session", DATA);
    let (send, recv) = under_way(&dbs);
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'pgpipe keeper main' AND datname = current_database()";
    assert_eq!(dbs.source_sql(terminate).trim(), "t");
    let gone = poll(LIMIT, || keepers(&dbs).is_empty().then_some(()));
    assert!(gone.is_some(), "the keeper lives without its session");
    send.wait_for("the snapshot is gone; taking a new one");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
}

/// Asking for status does not count as a send in touch.
#[test]
fn a_look_does_not_keep_it() {
    let dbs = Databases::new("keeper_look", DATA);
    let recv = crate::start_recv(&dbs, &[]);
    let mut args = crate::SLOW.to_vec();
    args.extend(["--keep-snapshot", "3s"]);
    let send = crate::start_send(&dbs, &args);
    let seen = poll(LIMIT, || (crate::committed(&dbs) >= 2).then_some(()));
    assert!(seen.is_some());
    pgpipe(&dbs, "send", &["stop"]).must(0, &[]);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    let gone = poll(LIMIT, || {
        pgpipe(&dbs, "send", &["status"]).must(0, &["stopped"]);
        keepers(&dbs).is_empty().then_some(())
    });
    assert!(gone.is_some(), "the keeper outlives its time");
    let hints = [
        "no snapshot is held: start send again",
        "proves in it",
        "--on-lost-snapshot",
    ];
    pgpipe(&dbs, "send", &["status"]).must(0, &hints);
    assert_quiet(&dbs);
    let (send, recv) = (crate::start_send(&dbs, &[]), crate::start_recv(&dbs, &[]));
    send.wait_for("new snapshot:");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
}

/// It does not wait for an answer of its server: whoever speaks to it meanwhile is heard.
#[test]
fn a_session_that_hangs_does_not_make_it_deaf() {
    let dbs = Databases::new("keeper_hangs", DATA);
    let (send, recv) = under_way(&dbs);
    for run in [send, recv] {
        run.kill();
    }
    let sql = "SELECT pid FROM pg_stat_activity
        WHERE application_name = 'pgpipe keeper main' AND datname = current_database()";
    let pid = Pid::from_raw(dbs.source_sql(sql).trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // Longer than a pulse.
    std::thread::sleep(Duration::from_secs(3));
    let status = pgpipe(&dbs, "send", &["status"]);
    let aborted = pgpipe(&dbs, "send", &["abort"]);
    kill_process(pid, Signal::CONT).unwrap();
    status.must(0, &["snapshot"]);
    aborted.must(0, &["the snapshot is released"]);
    assert_quiet(&dbs);
}

//! Through a pooler that has one connection to the server.

use crate::journal::wait_for_chunks;
use crate::pooler::Pooler;
use crate::support::{Databases, migrate, start_recv, start_send};
use crate::watcher::Watcher;
use crate::{DATA, SINGLE, SLOW};

/// What an application sees that gets the server's session after us.
const SESSION: &str = "SELECT current_setting('search_path'), current_setting('row_security'),
    current_setting('client_min_messages'), (SELECT count(*) FROM pg_prepared_statements),
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
    coalesce(current_setting('pgpipe.session', true), '')";

const CLEAN: [&str; 6] = ["\"$user\", public", "on", "notice", "0", "0", ""];

fn left(pooler: &Pooler) -> Vec<String> {
    let mut application = pooler.connect();
    let rows = application.query(SESSION).unwrap();
    (0..6)
        .map(|n| rows[0].text(n).unwrap().to_owned())
        .collect()
}

fn comes_through(mode: &str) {
    let dbs = Databases::new(
        &format!("by_{mode}"),
        &format!("{DATA} SELECT lo_create(70001);"),
    );
    let pooler = Pooler::start(&dbs, mode);
    let watcher = Watcher::start(&dbs);
    let conninfo = pooler.conninfo();
    let args = [&SINGLE[..], &SLOW[2..], &["--source", &conninfo]].concat();
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &args));
    let (sent, received) = (send.wait(), recv.wait());
    sent.must_end(0);
    received.must_end(0);
    assert_eq!(left(&pooler), CLEAN);
    drop(pooler);
    watcher.saw_one();
    crate::support::assert_equal(&dbs);
}

#[test]
fn a_session_at_a_time() {
    comes_through("session");
}

#[test]
fn a_transaction_at_a_time() {
    comes_through("transaction");
}

/// send says why, and names the other way.
#[track_caller]
fn refuses_to_export(dbs: &Databases, pooler: &Pooler, told: &str) {
    let conninfo = pooler.conninfo();
    let sent = start_send(dbs, &["--source", &conninfo]).wait();
    sent.must_end(1);
    assert!(sent.stderr.contains(told), "{}", sent.stderr);
    assert!(sent.stderr.contains("--snapshot single"), "{}", sent.stderr);
}

/// As it is with several connections: they wait for one another until the pooler has had enough.
#[test]
fn an_export_needs_more_than_one() {
    let dbs = Databases::new("pool_of_one", DATA);
    let pooler = Pooler::start(&dbs, "session");
    let told = "no second connection to the source is to be had (query_wait_timeout";
    refuses_to_export(&dbs, &pooler, told);
}

#[test]
fn sessions_of_a_pooler_can_export() {
    let dbs = Databases::new("pool_of_many", DATA);
    let pooler = Pooler::with(&dbs, "session", 20);
    let conninfo = pooler.conninfo();
    let (send, recv) = migrate(&dbs, &["--source", &conninfo], &[]);
    send.must_end(0);
    recv.must_end(0);
    drop(pooler);
    crate::support::assert_equal(&dbs);
}

/// What readers set would come to others, and row security could take rows out unnoticed.
#[test]
fn transactions_of_a_pooler_cannot_export() {
    let dbs = Databases::new("no_sessions", "");
    for connections in [1, 20] {
        let pooler = Pooler::with(&dbs, "transaction", connections);
        refuses_to_export(&dbs, &pooler, "behind a pooler in transaction mode");
        assert_eq!(left(&pooler), CLEAN);
    }
}

/// The pooler loses its server's session: the run goes on in a new one.
#[test]
fn the_session_behind_it_is_terminated() {
    let dbs = Databases::new("behind", DATA);
    let pooler = Pooler::start(&dbs, "transaction");
    let conninfo = pooler.conninfo();
    let args = [&SINGLE[..], &SLOW, &["--source", &conninfo]].concat();
    let (recv, send) = (
        start_recv(&dbs, &["--keep-journal"]),
        start_send(&dbs, &args),
    );
    wait_for_chunks(&dbs, 3);
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe send%'";
    assert_eq!(dbs.source_sql(terminate).trim(), "t");
    send.wait_for("new snapshot: all");
    drop(pooler.connect());
    let sent = send.wait();
    sent.must_end(0);
    recv.wait().must_end(0);
    drop(pooler);
    dbs.target_sql("DROP SCHEMA pgpipe CASCADE");
    crate::support::assert_equal(&dbs);
}

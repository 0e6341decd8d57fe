//! One side dies when recv has asked for another plan (`Adapt`), before send has offered it.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::holds::{Hold, wait_until_held};
use crate::support::{Databases, Run, assert_nothing_left, poll, start_recv, start_send};
use crate::{LIMIT, assert_same};

const SOURCE: &str = "CREATE TABLE t (i int PRIMARY KEY, s text); CREATE TABLE u (i int);
    INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 20000) i; INSERT INTO u SELECT generate_series(1, 10)";
/// `t` is to travel as text.
const TARGET: &str = "CREATE TABLE t (s text, i bigint PRIMARY KEY); CREATE TABLE u (i int)";
const QUIET: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%')";
/// For a datagram that is sent when its sessions have ended.
const SENT: Duration = Duration::from_millis(500);

/// Both at work; recv has asked, and send, which is stopped, has not heard it.
fn asked(dbs: &Databases) -> (Run, Run) {
    dbs.target_sql(TARGET);
    let hold = Hold::with(dbs, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
    let (recv, send) = (start_recv(dbs, &[]), start_send(dbs, &["--data-only"]));
    wait_until_held(dbs, "relation", "%");
    send.signal(Signal::STOP);
    hold.release();
    let quiet = || (dbs.target_sql(QUIET).trim() == "t").then_some(());
    poll(LIMIT, quiet).expect("recv has looked");
    thread::sleep(SENT);
    (send, recv)
}

fn finish(dbs: &Databases, send: Run, recv: Run) {
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_same(dbs, "SELECT count(*), sum(hashtext(i || s)::bigint) FROM t");
    assert_same(dbs, "SELECT count(*) FROM u");
    assert_nothing_left(dbs);
}

/// It has nothing of it in its record: it offers the first plan again, and is asked again.
#[test]
fn send_dies_before_it_hears_it() {
    let dbs = Databases::new("do_adapt_send", SOURCE);
    let (send, recv) = asked(&dbs);
    send.kill();
    let send = start_send(&dbs, &[]);
    finish(&dbs, send, recv);
}

/// Send hears it from a recv that is dead, records the other plan, and offers that to the next one.
#[test]
fn recv_dies_when_it_has_asked() {
    let dbs = Databases::new("do_adapt_recv", SOURCE);
    let (send, recv) = asked(&dbs);
    recv.kill();
    send.signal(Signal::CONT);
    let recv = start_recv(&dbs, &[]);
    finish(&dbs, send, recv);
}

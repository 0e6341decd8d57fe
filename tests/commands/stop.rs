//! Stopped on either host, as by a signal: both end with 3 and go on later.

use crate::support::{
    Databases, assert_equal, assert_nothing_left, keepers, start_recv, start_send,
};
use crate::{DATA, pgpipe, under_way};

fn stopped_on(side: &str) {
    let dbs = Databases::new(&format!("stop_{side}"), DATA);
    let (send, recv) = under_way(&dbs);
    pgpipe(&dbs, side, &["stop"]).must(0, &["stopped; the same commands go on"]);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    assert_eq!(keepers(&dbs).len(), 1);
    pgpipe(&dbs, side, &["stop"]).must(0, &["nothing is at work"]);
    let (send, recv) = (start_send(&dbs, &[]), start_recv(&dbs, &[]));
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn on_sends_host() {
    stopped_on("send");
}

#[test]
fn on_recvs_host() {
    stopped_on("recv");
}

/// Before there is a code there is nothing to go on with, but a stop is heard.
#[test]
fn while_the_pair_file_is_waited_for() {
    let dbs = Databases::new("stop_pairing", "");
    let send = start_send(&dbs, &[]);
    send.wait_for("waiting for the pairing code");
    pgpipe(&dbs, "send", &["stop"]).must(0, &["stopped"]);
    send.wait().must_end(3);
}

#[test]
fn of_a_migration_that_is_not_there() {
    let dbs = Databases::new("stop_nothing", "");
    std::fs::create_dir(dbs.path("send.state")).unwrap();
    pgpipe(&dbs, "send", &["stop", "--migration", "x"]).must(1, &["there is no migration x"]);
}

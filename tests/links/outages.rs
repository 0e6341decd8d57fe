//! Outages longer than the idle timeout: the processes live on and meet again.

use std::thread;

use crate::support::holds::{Hold, SEQUENCES, wait_until_held};
use crate::support::{CLEAR, CUT, STALL, Way, start_recv, start_send};
use crate::{LOST, Link, SLOW};

/// Packets are held, and come late when the connection is lost already.
#[test]
fn a_stall_outlasts_the_connection() {
    let link = Link::new("stalled");
    let (send, recv) = link.start();
    link.wait_for_data();
    link.relay.set(STALL);
    thread::sleep(LOST);
    link.relay.set(CLEAR);
    link.finish(send, recv);
}

/// What recv says does not arrive; what send says does.
#[test]
fn one_way_is_cut() {
    let link = Link::new("half_open");
    let (send, recv) = link.start();
    link.wait_for_data();
    link.relay.set_way(Way::Back, CUT);
    thread::sleep(LOST);
    link.relay.set(CLEAR);
    link.finish(send, recv);
}

/// Who dials has nothing to do with which way the rows go.
#[test]
fn recv_dials_again_after_a_cut() {
    let link = Link::new("recv_dials");
    let front = link.relay.address();
    let listen = link.dbs.address();
    let recv = start_recv(&link.dbs, &["--connect", &front]);
    let args: Vec<_> = SLOW.iter().copied().chain(["--listen", &listen]).collect();
    let send = start_send(&link.dbs, &args);
    link.wait_for_data();
    link.relay.set(CUT);
    thread::sleep(LOST);
    link.relay.set(CLEAR);
    link.finish(send, recv);
}

/// The link is lost, and what was held up goes on without it.
fn lost_while_held(link: &Link, release: impl FnOnce()) {
    link.relay.set(CUT);
    thread::sleep(LOST);
    release();
    link.relay.set(CLEAR);
}

#[test]
fn the_link_is_lost_while_tables_are_made() {
    let link = Link::new("lost_tables");
    let hold = Hold::tables(&link.dbs);
    let (send, recv) = link.start();
    wait_until_held(&link.dbs, "advisory", "%CREATE SEQUENCE%");
    lost_while_held(&link, || hold.release_tables(&link.dbs));
    link.finish(send, recv);
}

#[test]
fn the_link_is_lost_while_indexes_are_built() {
    let link = Link::new("lost_indexes");
    let (send, recv) = link.start();
    link.wait_for_data();
    let hold = Hold::with(&link.dbs, "LOCK TABLE big IN ROW EXCLUSIVE MODE");
    wait_until_held(&link.dbs, "relation", "%INDEX%");
    lost_while_held(&link, || hold.release());
    link.finish(send, recv);
}

#[test]
fn the_link_is_lost_while_sequences_are_set() {
    let link = Link::new("lost_sequences");
    let (send, recv) = link.start();
    link.wait_for_data();
    let hold = Hold::with(&link.dbs, SEQUENCES);
    wait_until_held(&link.dbs, "relation", "%setval%");
    lost_while_held(&link, || hold.release());
    link.finish(send, recv);
}

//! Processes that come back at another place behind the relay.

use std::net::UdpSocket;

use crate::Link;
use crate::support::start_recv;

/// send dials what it always dialled, and finds recv at its new address.
#[test]
fn the_listening_side_comes_back_on_another_port() {
    let link = Link::new("new_port");
    let (send, recv) = link.start();
    link.wait_for_data();
    recv.kill();
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let behind = free.local_addr().unwrap();
    drop(free);
    link.relay.lead_to(behind);
    let recv = start_recv(&link.dbs, &["--listen", &behind.to_string()]);
    link.finish(send, recv);
}

#[test]
fn both_sides_come_back_at_once() {
    let link = Link::new("both_back");
    let (send, recv) = link.start();
    link.wait_for_data();
    send.kill();
    recv.kill();
    let (send, recv) = link.start();
    let line = send.wait_for("migration main:");
    assert!(line.contains("snapshot alive"), "{line}");
    link.finish(send, recv);
}

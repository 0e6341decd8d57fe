//! Two sides that do not find one another, or must not.

use std::net::UdpSocket;

use crate::support::{Databases, assert_nothing_left, start_recv, start_send};
use crate::{SMALL, assert_empty_target, fails, stranger};

#[test]
fn a_host_without_an_address_is_named() {
    let dbs = Databases::new("unresolvable", SMALL);
    let code = pgpipe::wire::handshake::PairCode::generate().to_string();
    std::fs::write(dbs.path("pair"), code).unwrap();
    let send = start_send(&dbs, &["--connect", "nowhere.invalid:7777"]).wait();
    fails(&send, 1, &["cannot resolve", "nowhere.invalid:7777"]);
    assert_nothing_left(&dbs);
}

/// Both can be tried again as they are: exit code 3.
#[test]
fn a_peer_that_does_not_come_is_given_up() {
    let dbs = Databases::new("nobody", SMALL);
    let recv = start_recv(&dbs, &["--give-up", "1s"]).wait();
    fails(&recv, 3, &["send did not connect", &dbs.address()]);
    // Bound and mute: nobody answers there, not even the kernel.
    let _mute = UdpSocket::bind(dbs.address()).unwrap();
    let send = start_send(&dbs, &["--give-up", "1s"]).wait();
    fails(&send, 3, &["recv", "could not be reached", &dbs.address()]);
    assert_empty_target(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn a_port_in_use_is_named() {
    let dbs = Databases::new("port_in_use", SMALL);
    let _taken = UdpSocket::bind(dbs.address()).unwrap();
    let recv = start_recv(&dbs, &[]).wait();
    fails(&recv, 1, &["cannot listen on", &dbs.address()]);
    assert_empty_target(&dbs);
}

#[test]
fn a_state_directory_serves_one_process() {
    let dbs = Databases::new("locked", SMALL);
    let first = start_recv(&dbs, &[]);
    first.wait_for("pairing code");
    let state = dbs.path("recv.state").display().to_string();
    let args = ["--state", &state, "--listen", "127.0.0.1:0"];
    let second = stranger(&dbs, "recv", "second", &args).wait();
    let pid = first.pid().to_string();
    fails(&second, 1, &["in use", &state, &pid]);
}

#[test]
fn both_sides_call_the_migration_the_same() {
    let dbs = Databases::new("two_names", SMALL);
    let recv = start_recv(&dbs, &["--migration", "ours"]);
    let send = start_send(&dbs, &["--migration", "theirs"]);
    fails(
        &send.wait(),
        1,
        &["recv: ", "theirs", "ours", "--migration"],
    );
    fails(&recv.wait(), 1, &["theirs", "ours", "--migration"]);
    assert_empty_target(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn a_state_directory_belongs_to_its_source() {
    let dbs = Databases::new("one_source", SMALL);
    let code = pgpipe::wire::handshake::PairCode::generate().to_string();
    std::fs::write(dbs.path("pair"), code).unwrap();
    start_send(&dbs, &["--give-up", "1s"]).wait().must_end(3);
    let other = dbs.source().conninfo("postgres");
    let send = start_send(&dbs, &["--source", &other]).wait();
    fails(&send, 1, &["one_source", "--migration"]);
    assert_nothing_left(&dbs);
}

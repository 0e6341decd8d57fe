//! Peers that are not let in, as processes: recv says so, stays, and serves the right one.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use pgpipe::wire::handshake::PairCode;
use rustix::process::Signal;

use crate::support::{Databases, assert_equal, assert_nothing_left, poll, start_recv, start_send};
use crate::{LARGE, SLOW, SMALL, assert_empty_target, fails, stranger};

const LIMIT: Duration = Duration::from_secs(20);

fn text(path: PathBuf) -> String {
    path.display().to_string()
}

#[test]
fn a_wrong_code_is_refused_and_the_right_one_served() {
    let dbs = Databases::new("wrong_code", SMALL);
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("pairing code is in");
    let wrong = text(dbs.path("wrong"));
    fs::write(&wrong, PairCode::generate().to_string()).unwrap();
    let args = ["--connect", &dbs.address(), "--pair-file", &wrong];
    let mistaken = stranger(&dbs, "send", "mistaken", &args).wait();
    fails(
        &mistaken,
        1,
        &["recv at ", "refused", "pairing code is wrong"],
    );
    recv.wait_for("refused send at");
    assert_empty_target(&dbs);
    start_send(&dbs, &[]).wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn a_used_code_pairs_nobody_else() {
    let dbs = Databases::new("used_code", LARGE);
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &SLOW);
    send.wait_for("migration main: new");
    let pair = text(dbs.path("pair"));
    let args = ["--connect", &dbs.address(), "--pair-file", &pair];
    let second = stranger(&dbs, "send", "second", &args).wait();
    fails(&second, 1, &["recv at ", "already used by another send"]);
    recv.wait_for("already used");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn an_expired_code_is_replaced_by_a_restart() {
    let dbs = Databases::new("expired_code", SMALL);
    let recv = start_recv(&dbs, &["--pair-expires", "1s"]);
    recv.wait_for("pairing code is in");
    let old = fs::read(dbs.path("pair")).unwrap();
    // The code's second begins before it is shown.
    thread::sleep(Duration::from_secs(1));
    let late = start_send(&dbs, &[]).wait();
    fails(
        &late,
        1,
        &["recv at ", "pairing code has expired", "start recv again"],
    );
    recv.wait_for("pairing code has expired");
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    let recv = start_recv(&dbs, &[]);
    let renewed = poll(LIMIT, || {
        (fs::read(dbs.path("pair")).unwrap() != old).then_some(())
    });
    renewed.expect("recv writes a new code");
    start_send(&dbs, &[]).wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
}

#[test]
fn an_unknown_certificate_is_refused_without_a_code() {
    let dbs = Databases::new("certificate", LARGE);
    let recv = start_recv(&dbs, &[]);
    let mut send = start_send(&dbs, &SLOW);
    send.wait_for("migration main: new");
    send.signal(Signal::KILL);
    assert!(poll(LIMIT, || (!send.is_running()).then_some(())).is_some());
    let identity = dbs.path("send.state/main/send/identity");
    let kept = dbs.path("identity");
    fs::rename(&identity, &kept).unwrap();
    let changed = start_send(&dbs, &[]).wait();
    fails(
        &changed,
        1,
        &["recv at ", "paired with another send", "--state"],
    );
    recv.wait_for("paired with another send");
    fs::rename(&kept, &identity).unwrap();
    start_send(&dbs, &[]).wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

/// Anyone can send datagrams to an open port.
#[test]
fn garbage_on_the_port_disturbs_nobody() {
    let dbs = Databases::new("garbage", LARGE);
    let recv = start_recv(&dbs, &[]);
    let mut send = start_send(&dbs, &SLOW);
    send.wait_for("migration main: new");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut sent = 0;
    while send.is_running() {
        let bytes: Vec<u8> = (0..1200).map(|_| next_byte(&mut state)).collect();
        let length = 1 + usize::from(bytes[0]) * bytes.len() / 256;
        // Refused by the kernel once recv has gone.
        let _ = socket.send_to(&bytes[..length], dbs.address());
        sent += 1;
        thread::yield_now();
    }
    assert!(sent > 100, "only {sent} datagrams");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

/// xorshift64 (Marsaglia, 2003).
fn next_byte(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.to_le_bytes()[5]
}

//! Many at the door at once: half-open handshakes, and strangers that come in and say nothing.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::QuicClientConfig;
use tokio::runtime::{self, Runtime};

use crate::scene::peak_kib;
use crate::support::{Databases, assert_equal, assert_nothing_left, start_recv, start_send};
use crate::tls;

/// Some six seconds of them at [`SLOW`].
const DATA: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 20000) g;";
const SLOW: [&str; 4] = ["--rate", "4Mbit", "--chunk-size", "1MiB"];
const MEMORY_KIB: u64 = 320 << 10;
/// A dialler that is turned away tries again after 5 s at most, and a stranger is heard for 10 s.
const LIMIT: Duration = Duration::from_secs(40);

/// Strangers, for as long as the value lives.
struct Crowd {
    door: SocketAddr,
    runtime: Runtime,
    endpoint: quinn::Endpoint,
    /// Where half-open handshakes come from: nobody there ever answers.
    deaf: Vec<UdpSocket>,
    silent: Vec<quinn::Connection>,
}

impl Crowd {
    fn before(door: SocketAddr) -> Self {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let crypto = QuicClientConfig::try_from(tls::client(&tls::Stored::stranger())).unwrap();
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        drop(entered);
        Self {
            door,
            runtime,
            endpoint,
            deaf: Vec::new(),
            silent: Vec::new(),
        }
    }

    /// First packets of real handshakes, each from an address of its own.
    fn half_open(&mut self, count: usize) {
        let tap = UdpSocket::bind("127.0.0.1:0").unwrap();
        tap.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = tap.local_addr().unwrap();
        let mut datagram = [0; 2048];
        for _ in 0..count {
            let entered = self.runtime.enter();
            let connecting = self.endpoint.connect(address, "pgpipe").unwrap();
            let length = tap.recv(&mut datagram).unwrap();
            drop((connecting, entered));
            let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
            deaf.send_to(&datagram[..length], self.door).unwrap();
            self.deaf.push(deaf);
        }
    }

    /// Connections that finish TLS, or are turned away, and then only stand there.
    fn silent(&mut self, count: usize) {
        let (endpoint, door) = (&self.endpoint, self.door);
        let let_in = self.runtime.block_on(async {
            let tries: Vec<_> = (0..count)
                .map(|_| tokio::spawn(endpoint.connect(door, "pgpipe").unwrap()))
                .collect();
            let mut let_in = Vec::new();
            for tried in tries {
                let_in.extend(tried.await.unwrap());
            }
            let_in
        });
        self.silent.extend(let_in);
    }
}

#[test]
fn a_crowd_at_the_door_keeps_nobody_from_the_work() {
    let dbs = Databases::new("crowd", DATA);
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("waiting for send to connect");
    let mut crowd = Crowd::before(dbs.address().parse().unwrap());
    crowd.half_open(200);
    crowd.silent(50);
    assert!(!crowd.silent.is_empty(), "nobody came in");
    let mut send = start_send(&dbs, &SLOW);
    send.wait_for("migration main: new");
    let mut rounds = 0;
    while send.is_running() && rounds < 20 {
        crowd.half_open(20);
        crowd.silent(20);
        rounds += 1;
    }
    let peak = peak_kib(recv.pid());
    assert!(peak < MEMORY_KIB, "recv took {peak} KiB");
    assert!(rounds > 3, "the migration was over before the crowd came");
    send.wait().must_end(0);
    let end = recv.wait();
    end.must_end(0);
    assert!(!end.output().contains("panicked"), "{}", end.output());
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

/// Strangers that come and come, each silent for its ten seconds: the peer that is paired passes them.
#[test]
fn a_crowd_does_not_keep_the_paired_peer_out() {
    let dbs = Databases::new("crowd_again", DATA);
    let recv = start_recv(&dbs, &[]);
    let send = start_send(&dbs, &SLOW);
    send.wait_for("migration main: new");
    send.kill();
    let mut crowd = Crowd::before(dbs.address().parse().unwrap());
    crowd.silent(50);
    let send = start_send(&dbs, &SLOW);
    let came = Instant::now();
    let is_in = || (send.stdout() + &send.stderr()).contains("migration main:");
    while !is_in() {
        assert!(came.elapsed() < LIMIT, "never let in: {}", send.stderr());
        crowd.silent(20);
    }
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
}

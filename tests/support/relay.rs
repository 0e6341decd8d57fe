//! A UDP relay between the two sides that does what bad networks do.
//!
//! The dialling side is led to [`Relay::address`], the listening one is at `behind`. Two threads, one
//! for each way; what they do to a packet comes from dice of their own, made from one seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::dice::Dice;

/// How long a thread waits for a packet before it looks whether the weather has changed.
const TICK: Duration = Duration::from_millis(10);
/// What a late packet waits: long enough that those behind it overtake it.
const LATE: [Duration; 2] = [Duration::from_millis(3), Duration::from_millis(30)];
/// Packets that wait in one direction; further ones are lost, as in a router.
const QUEUE: usize = 4096;
const PACKET: usize = 65_536;

/// What happens to packets on one way, in thousandths of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    pub(crate) lost: u32,
    pub(crate) doubled: u32,
    pub(crate) late: u32,
    /// They are held, and go on their way when it is over.
    pub(crate) held: bool,
}

pub(crate) const CLEAR: Weather = Weather {
    lost: 0,
    doubled: 0,
    late: 0,
    held: false,
};
pub(crate) const CUT: Weather = Weather {
    lost: 1000,
    ..CLEAR
};
pub(crate) const STALL: Weather = Weather {
    held: true,
    ..CLEAR
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the dialling side to the listening one.
    There,
    Back,
}

/// Packets of one way that the relay has treated.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) passed: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) doubled: AtomicU64,
    pub(crate) late: AtomicU64,
}

pub(crate) struct Relay {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    front: UdpSocket,
    route: Mutex<Route>,
    ways: [OneWay; 2],
    stopped: AtomicBool,
}

struct Route {
    /// Whom the listening side sees; its packets come back here.
    back: Arc<UdpSocket>,
    behind: SocketAddr,
    dialler: Option<SocketAddr>,
}

#[derive(Default)]
struct OneWay {
    weather: Mutex<Weather>,
    counts: Counts,
}

impl Relay {
    /// `behind` is where the listening side listens, now or soon.
    pub(crate) fn start(behind: SocketAddr, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            front: socket(),
            route: Mutex::new(Route {
                back: Arc::new(socket()),
                behind,
                dialler: None,
            }),
            ways: <[OneWay; 2]>::default(),
            stopped: AtomicBool::new(false),
        });
        let run = |way| {
            let carrier = Carrier {
                shared: Arc::clone(&shared),
                way,
                dice: Dice::new(seed ^ way as u64),
                waiting: BinaryHeap::new(),
                number: 0,
            };
            thread::spawn(move || carrier.run())
        };
        let threads = vec![run(Way::There), run(Way::Back)];
        Self { shared, threads }
    }

    /// Where the dialling side connects to.
    pub(crate) fn address(&self) -> String {
        self.shared.front.local_addr().unwrap().to_string()
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.set_way(Way::There, weather);
        self.set_way(Way::Back, weather);
    }

    pub(crate) fn set_way(&self, way: Way, weather: Weather) {
        *self.shared.way(way).weather.lock().unwrap() = weather;
    }

    /// From now on the listening side sees the dialling one at another address, as behind a router
    /// that has forgotten it.
    pub(crate) fn change_address(&self) {
        self.shared.route.lock().unwrap().back = Arc::new(socket());
    }

    /// The listening side is at another address.
    pub(crate) fn lead_to(&self, behind: SocketAddr) {
        self.shared.route.lock().unwrap().behind = behind;
    }

    pub(crate) fn counts(&self, way: Way) -> &Counts {
        &self.shared.way(way).counts
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn way(&self, way: Way) -> &OneWay {
        &self.ways[way as usize]
    }

    /// The next packet, unless none comes within a tick.
    fn receive(&self, way: Way, buffer: &mut [u8]) -> Option<usize> {
        let received = match way {
            Way::There => self.front.recv_from(buffer),
            Way::Back => {
                let back = Arc::clone(&self.route.lock().unwrap().back);
                back.recv_from(buffer)
            }
        };
        match received {
            Ok((length, from)) => {
                if way == Way::There {
                    self.notice(from);
                }
                Some(length)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                None
            }
            Err(error) => panic!("the relay cannot receive: {error}"),
        }
    }

    /// A dialler that was started again is another flow, to be seen at another address.
    fn notice(&self, from: SocketAddr) {
        let mut route = self.route.lock().unwrap();
        if route.dialler.is_some_and(|known| known != from) {
            route.back = Arc::new(socket());
        }
        route.dialler = Some(from);
    }

    fn send(&self, way: Way, packet: &[u8]) {
        let route = self.route.lock().unwrap();
        // What the kernel refuses is lost, like any packet.
        let _ = match (way, route.dialler) {
            (Way::There, _) => route.back.send_to(packet, route.behind),
            (Way::Back, Some(dialler)) => self.front.send_to(packet, dialler),
            (Way::Back, None) => return,
        };
        self.way(way).counts.passed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A packet that waits. The heap gives the earliest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting(Reverse<(Instant, u64)>, Vec<u8>);

/// One way's thread.
struct Carrier {
    shared: Arc<Shared>,
    way: Way,
    dice: Dice,
    waiting: BinaryHeap<Waiting>,
    number: u64,
}

impl Carrier {
    fn run(mut self) {
        let mut buffer = vec![0; PACKET];
        while !self.shared.stopped.load(Ordering::Relaxed) {
            let received = self.shared.receive(self.way, &mut buffer);
            let weather = *self.shared.way(self.way).weather.lock().unwrap();
            if let Some(length) = received {
                self.treat(weather, &buffer[..length]);
            }
            if !weather.held {
                self.release();
            }
        }
    }

    fn treat(&mut self, weather: Weather, packet: &[u8]) {
        let counts = &self.shared.way(self.way).counts;
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        if self.dice.hits(weather.lost) || self.waiting.len() >= QUEUE {
            count(&counts.lost);
            return;
        }
        let mut due = Instant::now();
        if self.dice.hits(weather.late) {
            count(&counts.late);
            due += self.dice.between(LATE[0], LATE[1]);
        }
        let mut copies = 1;
        if self.dice.hits(weather.doubled) {
            count(&counts.doubled);
            copies = 2;
        }
        for _ in 0..copies {
            self.number += 1;
            let order = Reverse((due, self.number));
            self.waiting.push(Waiting(order, packet.to_vec()));
        }
    }

    /// Sends what is due.
    fn release(&mut self) {
        let now = Instant::now();
        while self
            .waiting
            .peek()
            .is_some_and(|packet| packet.0.0.0 <= now)
        {
            if let Some(packet) = self.waiting.pop() {
                self.shared.send(self.way, &packet.1);
            }
        }
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(TICK)).unwrap();
    let held = socket2::SockRef::from(&socket);
    // As large as the kernel grants: a burst must not be lost where the test did not ask for it.
    let _ = held.set_recv_buffer_size(4 << 20);
    socket
}

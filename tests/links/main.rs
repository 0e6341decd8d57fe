//! Bad links between living processes, each through a relay that does one thing: both sides go on by
//! themselves and end with 0, the databases are equal, nothing is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod names;
mod outages;
mod packets;
mod restarts;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use support::{
    Databases, End, Relay, Run, assert_equal, assert_nothing_left, poll, start_recv, start_send,
};

/// Some eight chunks; about 4 MB on the wire, four seconds at [`SLOW`].
const DATA: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 25000) g;
    CREATE TABLE small (i int PRIMARY KEY, big int REFERENCES big, s text);
    INSERT INTO small SELECT g, g, md5(g::text) FROM generate_series(1, 2000) g;
    CREATE INDEX ON small (s);
    CREATE SEQUENCE counter; SELECT setval('counter', 4711);";

const SLOW: [&str; 6] = ["--rate", "8Mbit", "--chunk-size", "1MiB", "--jobs", "2"];

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than the idle timeout of 15 s, after which either side holds the connection for lost.
const LOST: Duration = Duration::from_secs(17);

/// A migration through a relay.
struct Link {
    dbs: Databases,
    relay: Relay,
}

impl Link {
    fn new(name: &str) -> Self {
        let dbs = Databases::new(name, DATA);
        let relay = Relay::start(dbs.address().parse().unwrap(), 4);
        Self { dbs, relay }
    }

    /// send dials, recv listens.
    fn start(&self) -> (Run, Run) {
        let recv = start_recv(&self.dbs, &[]);
        (self.start_send(), recv)
    }

    fn start_send(&self) -> Run {
        let address = self.relay.address();
        let args: Vec<_> = SLOW
            .iter()
            .copied()
            .chain(["--connect", &address])
            .collect();
        start_send(&self.dbs, &args)
    }

    /// Until rows are moving: two chunks are committed.
    fn wait_for_data(&self) {
        let there = || {
            let sql = "SELECT count(*) >= 2 FROM pgpipe.chunk";
            let target = self.dbs.target();
            let answer = target.psql(self.dbs.name(), sql).unwrap_or_default();
            (answer.trim() == "t").then_some(())
        };
        poll(LIMIT, there).expect("two chunks");
    }

    #[track_caller]
    fn finish(&self, send: Run, recv: Run) -> (End, End) {
        let (send, recv) = (send.wait(), recv.wait());
        send.must_end(0);
        recv.must_end(0);
        assert_equal(&self.dbs);
        assert_nothing_left(&self.dbs);
        (send, recv)
    }
}

/// Whether a side has said that it lost its connection.
fn has_lost(end: &End) -> bool {
    end.output().contains("lost")
}

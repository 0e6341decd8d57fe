//! What the tests that move a database have in common: a pair of servers per test binary, a pair
//! of databases per test, and the two sides of pgpipe as processes.
//!
//! ```text
//! let dbs = Databases::new("my_test", "CREATE TABLE t (i int); …");
//! let (send, recv) = migrate(&dbs, &["--jobs", "4"], &[]);
//! send.must_end(0);
//! recv.must_end(0);
//! assert_equal(&dbs);
//! assert_nothing_left(&dbs);
//! ```

#![allow(dead_code, reason = "each test binary uses its own part of this")]

mod databases;
mod dice;
mod disk;
pub(crate) mod holds;
pub(crate) mod journal;
mod pair;
mod process;
mod relay;
mod servers;
mod traces;

#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub(crate) use self::{
    databases::{Databases, TWO_TABLES},
    dice::Dice,
    disk::Disk,
    pair::{migrate, start_recv, start_send, start_side, start_under},
    process::{End, Run, poll},
    relay::{CLEAR, CUT, Counts, Relay, STALL, Way, Weather},
    servers::{
        NEWEST, Servers, prepare_servers, programs_of, server_of, servers, target_of, undertaker,
    },
    traces::{
        assert_equal, assert_no_keeper, assert_nothing_left, keepers, keepers_in, left_when_quiet,
        traces,
    },
};

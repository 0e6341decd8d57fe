//! How other commands on the same host talk to a live send or recv: a Unix socket in its state
//! directory, one line of JSON to ask and one to answer.
//!
//! ```text
//! {"ask":"status"}      → {"answer":"status", role, pid, phase, bytes_done, …}
//! {"ask":"stop"}        → {"answer":"accepted","pid":4711}, and end of file when the process ends
//! {"ask":"abort"}       → the same
//! ```

mod ask;
mod serve;

use serde::{Deserialize, Serialize};

pub use ask::{Ending, find, request};
pub use serve::{Control, serve};

use crate::report::{Pace, Snapshot};
use crate::wire::Role;

/// The socket's name inside the state directory.
const SOCKET: &str = "control.sock";
/// A request is a word; an answer is a few figures and a phase, whose texts are cut to fit.
const LINE_LIMIT: usize = 8 << 10;
/// Of what a run waits for; a peer or a server may have named it.
const TEXT_LIMIT: usize = 500;

/// What is asked of a live process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    Status,
    /// As SIGTERM: stopped, to be continued.
    Stop,
    /// The migration is given up, on both sides.
    Abort,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Status(Live),
    Accepted { pid: u32 },
}

/// A live process at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub role: Role,
    pub pid: u32,
    pub stopping: bool,
    pub phase: Option<String>,
    pub waiting_for: Option<String>,
    pub bytes_done: u64,
    pub bytes_total: u64,
    /// Bytes per second, in the data phase.
    pub rate: Option<u64>,
    pub eta_seconds: Option<u64>,
    pub rows: u64,
    pub chunks_done: u64,
    pub chunks_total: u64,
    pub index_done: u64,
    pub index_total: u64,
    pub elapsed_seconds: u64,
}

impl Live {
    fn new(role: Role, stopping: bool, now: &Snapshot, pace: &Pace) -> Self {
        let cut = |text: &String| text.chars().take(TEXT_LIMIT).collect();
        Self {
            role,
            pid: std::process::id(),
            stopping,
            phase: now.phase.as_ref().map(cut),
            waiting_for: now.waiting_for.as_ref().map(cut),
            bytes_done: now.bytes_done,
            bytes_total: now.bytes_total,
            rate: pace.bytes_per_second().map(|rate| rate.round() as u64),
            eta_seconds: pace.seconds_left(now),
            rows: now.rows,
            chunks_done: now.chunks_done,
            chunks_total: now.chunks_total,
            index_done: now.index_done,
            index_total: now.index_total,
            elapsed_seconds: now.elapsed.as_secs(),
        }
    }
}

/// The socket's path, short enough whatever the state directory is called: sun_path takes 107
/// bytes (unix(7)), so the way leads through an open descriptor of the directory.
fn socket_path(dir: &std::fs::File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()).into()
}

//! The keeper: a small process beside the source that holds snapshot and locks, so that `kill -9`
//! of send loses nothing.
//!
//! [`process`] is its body; [`Keeper`] is send's hold on it. They talk over a Unix socket in
//! send's state directory. As long as a send is connected the keeper lives; after the last one it
//! waits `--keep-snapshot` for the next, then ends. `release` ends it at once.
//!
//! Where everything is read through one connection, send keeps the snapshot itself (`here`): it
//! answers at the same socket, and the snapshot ends with it.

mod desk;
mod here;
mod hold;
mod locks;
pub mod process;
mod taking;

use serde::{Deserialize, Serialize};

pub use here::{Here, keep_here, take_here};
pub use hold::{Keeper, KeeperError, Watch, standing};

use crate::selection::Selection;
use crate::wire::message::Snapshot;

/// The socket's name inside the state directory.
const SOCKET: &str = "keeper.sock";
/// The keeper's own log, for what it cannot tell anybody.
const LOG: &str = "keeper.log";

/// What send tells a new keeper on its standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// As given to send; the environment is inherited.
    pub source: String,
    pub migration: String,
    /// Whose tables are locked.
    pub selection: Selection,
    /// How long to hold the snapshot while no send is in touch.
    pub keep_seconds: u64,
}

/// What a keeper holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub snapshot: Snapshot,
    pub system_identifier: String,
    /// Whether ACCESS SHARE is held on every table; if not, the readers' check carries it alone.
    pub locked: bool,
    pub pid: u32,
    /// Whether send keeps it itself, in the one session that it has.
    #[serde(default)]
    pub single: bool,
}

/// How a keeper is, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub kept: Kept,
    /// Since the snapshot.
    pub age_seconds: u64,
    /// Transaction ids that vacuum cannot pass on the source because of the snapshot; nothing where
    /// the server does not tell.
    pub held_xids: Option<u64>,
}

/// What a new keeper says on its standard output until it is ready.
#[derive(Debug, Serialize, Deserialize)]
enum Birth {
    Waiting(String),
    Ready(Kept),
    Rewritten(String),
    Failed(String),
}

/// The socket's path, short enough whatever the state directory is called: sun_path takes 107
/// bytes (unix(7)), so the way leads through an open descriptor of the directory.
fn socket_path(dir: &std::fs::File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()).into()
}

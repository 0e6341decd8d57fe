//! What the command line says to send.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Terms;
use crate::codec::Tuner;
use crate::pg::{Client, ConnInfo, PgError, session};
use crate::report::Display;
use crate::runtime::Budget;
use crate::selection::Selection;
use crate::transport::peering::{Code, LinkSpec};

/// How hard blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// The default level, which keeps up with one COPY; within one host whatever costs less.
    Auto,
    None,
    Level(i32),
}

/// How all that is read comes to be of one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// As an earlier start of the migration; by an exported snapshot at first.
    #[default]
    Auto,
    /// A keeper exports it, and each session imports it. It outlives send.
    Export,
    /// There is one session alone, for servers and poolers that leave no other way.
    Single,
}

impl Sharing {
    /// Once it is settled.
    pub(super) fn is_single(self) -> bool {
        self == Self::Single
    }

    fn or_as_before(self, before: Self) -> Self {
        match self {
            Self::Auto => before,
            chosen => chosen,
        }
    }
}

/// What to do when the snapshot is gone, or a table that it shows no more is, before all rows are on
/// the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OnLostSnapshot {
    /// Take a new one and go on with each table whose committed rows it shows just so; the others
    /// begin again.
    #[default]
    Prove,
    /// Take a new one; every table that has committed rows begins again.
    Restart,
    /// End the run.
    Stop,
}

/// Everything that the command line says to send.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connection string; empty for the `PG*` environment.
    pub source: String,
    /// Empty to go on with what an earlier start selected.
    pub selection: Selection,
    pub terms: Terms,
    pub link: LinkSpec,
    pub code: Code,
    /// The root of all state directories.
    pub state: PathBuf,
    pub migration: String,
    /// Bytes.
    pub memory: u64,
    pub jobs: usize,
    pub chunk_bytes: u64,
    pub compress: Compress,
    /// Bytes per second on the wire at most.
    pub rate: Option<u64>,
    pub snapshot: Sharing,
    pub keep_snapshot: Duration,
    pub on_lost_snapshot: OnLostSnapshot,
    pub allow_changes: bool,
    pub give_up: Option<Duration>,
    /// How long a chunk on its way outlives a lost link.
    pub stall: Duration,
    pub pg_bin: Option<PathBuf>,
    /// Recv runs in this process too and measures for both.
    pub shares_process: bool,
}

impl Options {
    pub(super) fn application_name(&self) -> String {
        format!("pgpipe send {}", self.migration)
    }

    /// A session on the source. Where there is to be one alone it leaves no trace on the server: what
    /// is behind a pooler may be another client's next.
    pub(super) fn open_session(&self, info: &ConnInfo) -> Result<Client, PgError> {
        match self.snapshot.is_single() {
            true => session::open_within(info, &self.application_name()),
            false => session::open(info, &self.application_name(), "UTF8"),
        }
    }

    /// The way that an earlier start chose is gone on with, unless another is wished.
    pub(super) fn settle_snapshot(&mut self, before: Option<Sharing>, display: &Display) {
        self.snapshot = self.snapshot.or_as_before(before.unwrap_or_default());
        if self.snapshot.is_single() {
            self.jobs = 1;
            (display.say)(
                "reading through one connection (--snapshot single): the snapshot ends with this process",
            );
        }
    }

    /// What memory and jobs come to.
    pub(super) fn budget(&self) -> Budget {
        let derive = |level| Budget::derive(self.memory, self.jobs, level);
        match self.compress {
            Compress::Level(level) => derive(level),
            Compress::None => derive(1),
            // What may be tried must not cost a worker or the window.
            Compress::Auto => {
                let (usual, hard) = (derive(1), derive(Tuner::HARD_LEVEL));
                let fits = hard.max_level == Tuner::HARD_LEVEL
                    && (hard.jobs, hard.window_log) == (usual.jobs, usual.window_log);
                if fits { hard } else { usual }
            }
        }
    }
}

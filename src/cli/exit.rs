//! What the exit code tells a script.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, digests equal.
    Done = 0,
    /// Failed, or verify found a difference.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Stopped, and the same command goes on from there.
    Resumable = 3,
    /// The data is complete, but some objects could not be restored.
    Incomplete = 4,
    /// Complete, but the source was written to after the snapshot.
    SourceChanged = 5,
}

impl Exit {
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

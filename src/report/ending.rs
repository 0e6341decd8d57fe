//! How a run ended, where it did not fail.

/// The ends that a side can report to its user and to its peer, as exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is there and equal.
    Complete,
    /// Stopped on request; the same command goes on.
    Stopped,
    /// All rows are there, but some objects could not be restored; each is listed.
    ObjectsMissing,
    /// Complete as of the snapshot, but the source was written to after it.
    SourceChanged,
}

impl Ending {
    pub fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Stopped => 3,
            Self::ObjectsMissing => 4,
            Self::SourceChanged => 5,
        }
    }

    /// The ending that a peer's exit code stands for.
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Complete,
            Self::Stopped,
            Self::ObjectsMissing,
            Self::SourceChanged,
        ]
        .into_iter()
        .find(|ending| ending.code() == code)
    }
}

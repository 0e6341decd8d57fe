//! The note that a migration was given up: nobody goes on with it until it is reset.

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError};

/// The note's file in the state directory.
pub const ABORTED: &str = "aborted";

/// How a migration was given up, as this side saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aborted {
    pub by: String,
    /// Whether the other side knows; it may go on holding what it holds if not.
    pub peer_told: bool,
    /// Chunks that are committed on the target, where this side knew.
    pub committed: Option<u64>,
    /// All of the plan.
    pub chunks: u64,
}

impl Aborted {
    pub fn load(state: &StateDir) -> Result<Option<Self>, StateError> {
        state.read(ABORTED)
    }

    /// Notes it: from here on nobody goes on with this migration until it is reset. `chunks` are those
    /// that are committed, as this side knows, and all of them.
    pub fn note(
        state: &StateDir,
        by: &str,
        peer_told: bool,
        chunks: (u64, u64),
    ) -> Result<(), StateError> {
        let aborted = Self {
            by: by.to_owned(),
            peer_told,
            committed: Some(chunks.0),
            chunks: chunks.1,
        };
        aborted.save(state)
    }

    pub fn save(&self, state: &StateDir) -> Result<(), StateError> {
        state.write(ABORTED, self)
    }
}

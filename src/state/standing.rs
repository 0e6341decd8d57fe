//! What a state directory knows of its migration while no process works on it.

use std::path::Path;

use super::Aborted;
use crate::chunk::Plan;

/// How far a side's state directory knows the migration to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No other side was ever met.
    Unpaired,
    /// Paired, and nothing begun.
    Paired,
    Begun(PlanFigures),
    Aborted(Aborted),
    /// With the exit code of its end.
    Finished(u8),
}

/// What was to be moved, where it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanFigures {
    pub bytes: u64,
    pub chunks: u64,
    pub tables: u64,
}

impl PlanFigures {
    /// Of the plan in this file; nothing where there is none, or none that this pgpipe reads.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let plan = Plan::decode(&bytes).ok();
        plan.map_or_else(Self::default, |plan| Self {
            bytes: plan.bytes(),
            chunks: plan.chunks.len() as u64,
            tables: plan.tables.len() as u64,
        })
    }
}

impl Standing {
    /// The note that belongs to a migration given up in this standing; `None` where there is
    /// nothing to give up.
    pub fn aborted(&self, by: &str) -> Option<Aborted> {
        let Self::Begun(plan) = self else {
            return None;
        };
        Some(Aborted {
            by: by.to_owned(),
            peer_told: false,
            committed: None,
            chunks: plan.chunks,
        })
    }

    /// Whether nobody will go on with it.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Aborted(_) | Self::Finished(_))
    }

    /// Whether something of it may be left elsewhere: on a server, on the other side.
    pub fn is_under_way(&self) -> bool {
        matches!(self, Self::Begun(_))
    }
}

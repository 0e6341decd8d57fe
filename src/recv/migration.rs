//! A migration as recv holds it between connections: what was agreed, the journal, what
//! is on its way in, the builder.

use std::sync::Arc;

use super::builder::Builder;
use super::data::Moving;
use super::entries::Entries;
use super::intake::Intake;
use crate::chunk::{ChunkId, Plan};
use crate::report::Meter;
use crate::runtime::Company;
use crate::sink::journal::Journal;
use crate::sink::writer::Written;
use crate::wire::message::{Greet, Offer};

/// A migration under way.
pub(super) struct Migration {
    pub(super) greet: Greet,
    pub(super) offer: Offer,
    pub(super) plan: Arc<Plan>,
    pub(super) journal: Journal,
    pub(super) intake: Arc<Intake>,
    /// Writers keep the target's own triggers from acting.
    pub(super) as_replica: bool,
    /// The data phase under way. Before the builder, which it tells of what is committed.
    pub(super) moving: Option<Moving>,
    pub(super) builder: Builder,
    /// What the journal must have before the end.
    pub(super) entries: Arc<Entries>,
    /// Writers with a connection, for whom builders without one wait.
    pub(super) writers: Arc<Company>,
}

/// What is marked when the journal has a chunk.
pub(super) struct Marks<'a> {
    pub(super) plan: &'a Plan,
    pub(super) intake: &'a Intake,
    pub(super) builder: &'a Builder,
}

impl Marks<'_> {
    /// Marks a chunk committed that this process has written; opens the gates of the tables it completes.
    pub(super) fn commit(&self, meter: &Meter, id: ChunkId, written: &Written) {
        if self.intake.is_committed(id) {
            return;
        }
        for table in self.intake.commit(id) {
            self.builder.open_gate(self.plan.table(table).oid);
        }
        let raw_bytes = match written {
            Written::Committed(parts) => parts.iter().map(|p| p.digest.bytes).sum(),
            Written::AlreadyCommitted => 0,
        };
        let estimate = self.plan.chunk(id).map_or(0, |chunk| chunk.bytes);
        meter.chunk_done(estimate, raw_bytes);
    }
}

impl Migration {
    /// The threads that move rows, beside what their commits mark.
    pub(super) fn while_moving(&mut self) -> (Option<&mut Moving>, Marks<'_>) {
        let marks = Marks {
            plan: &self.plan,
            intake: &self.intake,
            builder: &self.builder,
        };
        (self.moving.as_mut(), marks)
    }

    pub(super) fn committed(&self) -> Vec<ChunkId> {
        self.intake.committed()
    }
}

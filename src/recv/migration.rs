//! A migration as recv holds it between connections: what was agreed, the journal, the builder.

use std::sync::Arc;

use super::RecvError;
use super::builder::Builder;
use crate::chunk::{ChunkId, Plan};
use crate::ledger::Ledger;
use crate::pg::Client;
use crate::sink::finish;
use crate::sink::journal::Journal;
use crate::wire::message::{Greet, Offer};

/// A migration under way.
pub(super) struct Migration {
    pub(super) greet: Greet,
    pub(super) offer: Offer,
    pub(super) plan: Arc<Plan>,
    pub(super) journal: Journal,
    pub(super) ledger: Ledger,
    pub(super) data_durable: bool,
    pub(super) builder: Builder,
}

impl Migration {
    /// Takes over what the journal says is committed; opens the gates of complete tables.
    pub(super) fn adopt(&mut self, committed: &[ChunkId]) {
        for &id in committed {
            self.commit(id);
        }
        if self.data_durable {
            for table in &self.plan.tables {
                self.builder.open_gate(table.oid);
            }
        }
    }

    /// Marks a chunk committed, as the journal says.
    pub(super) fn commit(&mut self, id: ChunkId) {
        for table in self.ledger.commit(id) {
            self.builder.open_gate(self.plan.table(table).oid);
        }
    }

    /// Forgets what was claimed: only the journal counts. Blocks.
    pub(super) fn reread(&mut self, client: &mut Client) -> Result<(), RecvError> {
        let contents = self.journal.read(client)?;
        self.data_durable = contents.steps.contains(finish::DATA);
        self.ledger = Ledger::new(&self.plan);
        self.adopt(&contents.committed(&self.plan));
        Ok(())
    }

    pub(super) fn committed(&self) -> Vec<ChunkId> {
        let ids = self.plan.chunks.iter().map(|c| c.id);
        ids.filter(|&id| self.ledger.is_committed(id)).collect()
    }
}

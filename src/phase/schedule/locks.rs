//! Which tables running tasks have locked, so that no worker sits waiting for another one's lock.

use std::collections::HashMap;

use crate::phase::toc::DumpId;

#[derive(Debug, Clone, Default)]
pub(super) struct Locks(HashMap<DumpId, Held>);

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    shared: u32,
    exclusive: bool,
}

impl Locks {
    pub(super) fn are_free(&self, tables: &[DumpId], exclusive: bool) -> bool {
        let held = tables.iter().filter_map(|table| self.0.get(table));
        held.copied()
            .all(|h| !h.exclusive && (h.shared == 0 || !exclusive))
    }

    pub(super) fn take(&mut self, tables: &[DumpId], exclusive: bool) {
        for table in tables {
            let held = self.0.entry(*table).or_default();
            held.exclusive |= exclusive;
            held.shared += u32::from(!exclusive);
        }
    }

    pub(super) fn release(&mut self, tables: &[DumpId], exclusive: bool) {
        for table in tables {
            let held = self.0.entry(*table).or_default();
            held.exclusive &= !exclusive;
            held.shared = held.shared.saturating_sub(u32::from(!exclusive));
        }
    }
}

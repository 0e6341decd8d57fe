//! When in the run an entry belongs.

use std::collections::HashMap;

use super::MAX_BATCH;
use super::toc::{DumpId, Entry, Section, Toc};

/// The stages of everything that comes after the tables exist, in their order. A stage begins when
/// the one before it is settled; the second one also needs every table's rows, made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Indexes and keys of tables: one entry a task, many at a time, each as soon as the rows of
    /// its table are there.
    Indexes,
    /// One entry a task, many at a time where they lock different tables. Before row security,
    /// which would make validation fall back to a check per row.
    ForeignKeys,
    /// Triggers, rules, policies, materialized views with their indexes, views and functions that
    /// need a key, statistics, publications, comments: in the archive's order, one batch at a time.
    Rest,
    /// Privileges, those of the pre-data section included: last, as in pg_restore, because an owner
    /// may have revoked from himself what adding a foreign key needs.
    Privileges,
    /// Event triggers and their comments: they must not see the run.
    EventTriggers,
}

impl Stage {
    pub(super) const COUNT: usize = 5;

    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// One entry a task, rather than a batch in the archive's order.
    pub(super) fn goes_out_singly(self) -> bool {
        matches!(self, Self::Indexes | Self::ForeignKeys)
    }

    /// Where the entry belongs by itself, whatever it depends on.
    fn of(entry: &Entry) -> Self {
        match &*entry.desc {
            "INDEX" | "CONSTRAINT" | "INDEX ATTACH" => Self::Indexes,
            "FK CONSTRAINT" => Self::ForeignKeys,
            "EVENT TRIGGER" => Self::EventTriggers,
            _ if entry.is_acl() => Self::Privileges,
            _ => Self::Rest,
        }
    }
}

/// Whether the entry is the [`super::Schedule`]'s, rather than one of [`pre_data_batches`].
pub(super) fn is_scheduled(entry: &Entry) -> bool {
    entry.section == Section::PostData || entry.is_acl()
}

/// The stage of each scheduled entry: its own or the latest of what it depends on.
///
/// So the index of a materialized view goes with the views, and a key that depends on a view that
/// depends on another key goes there too.
pub(super) fn stages(toc: &Toc) -> HashMap<DumpId, Stage> {
    let mut stages: HashMap<DumpId, Stage> = HashMap::new();
    for entry in &toc.entries {
        let own = if is_scheduled(entry) {
            Stage::of(entry)
        } else if entry.desc == "MATERIALIZED VIEW" {
            Stage::Rest
        } else {
            continue;
        };
        // The archive's order is topological, so one pass is enough.
        let deps = entry.deps.iter().filter_map(|dep| stages.get(dep).copied());
        stages.insert(entry.id, deps.fold(own, Stage::max));
    }
    stages
}

/// What must exist before rows can move, in batches of at most [`MAX_BATCH`], in the archive's order.
///
/// Privileges are left to the [`super::Schedule`].
pub fn pre_data_batches(toc: &Toc) -> Vec<Vec<DumpId>> {
    let ids: Vec<_> = toc.entries.iter().filter(|e| !is_scheduled(e)).collect();
    ids.chunks(MAX_BATCH)
        .map(|batch| batch.iter().map(|e| e.id).collect())
        .collect()
}

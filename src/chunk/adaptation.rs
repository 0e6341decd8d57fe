//! Where the target's own tables make rows travel otherwise than planned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Chunk, ChunkId, Part, Plan, TableIndex};
use crate::schema::{Format, Persistence, QualifiedName};

/// What becomes of one table in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptation {
    pub table: TableIndex,
    /// Why it must travel as text, if it did not.
    pub text_because: Option<String>,
    /// [`crate::schema::Table::through`] from now on.
    pub through: Option<QualifiedName>,
    /// Of what its rows are written to, and so of the journal's rows of its chunks.
    pub persistence: Persistence,
}

impl Plan {
    /// Adapts these tables. False, with nothing done, where one of them is not in the plan.
    pub fn adapt(&mut self, adaptations: &[Adaptation]) -> bool {
        let is_known = |a: &Adaptation| {
            let table = self.tables.get(a.table.0 as usize);
            table.is_some_and(|table| !table.is_large_objects())
        };
        if !adaptations.iter().all(is_known) {
            return false;
        }
        for adaptation in adaptations {
            let table = &mut self.tables[adaptation.table.0 as usize];
            table.through.clone_from(&adaptation.through);
            if let Some(reason) = &adaptation.text_because {
                table.format = Format::Text;
                table.text_because = Some(reason.clone());
            }
        }
        let written = adaptations.iter().map(|a| (a.table, a.persistence));
        self.part_chunks(&written.collect());
        true
    }

    /// The persistence of what the rows of each table are written to.
    pub fn persistences(&self) -> BTreeMap<TableIndex, Persistence> {
        let chunks = self.chunks.iter();
        chunks
            .flat_map(|chunk| chunk.parts.iter().map(|p| (p.table, chunk.persistence)))
            .collect()
    }

    /// Lets tables that share a chunk part where their rows are not journaled together any more.
    fn part_chunks(&mut self, written: &BTreeMap<TableIndex, Persistence>) {
        let mut chunks = Vec::with_capacity(self.chunks.len());
        for chunk in std::mem::take(&mut self.chunks) {
            let persistence = |part: &Part| *written.get(&part.table).unwrap_or(&chunk.persistence);
            let is_permanent = |part: &Part| persistence(part) == Persistence::Permanent;
            let (permanent, unlogged): (Vec<_>, Vec<_>) =
                chunk.parts.iter().cloned().partition(is_permanent);
            let groups = [
                (Persistence::Permanent, permanent),
                (Persistence::Unlogged, unlogged),
            ];
            let groups = groups.into_iter().filter(|(_, parts)| !parts.is_empty());
            let all = chunk.parts.len() as u64;
            chunks.extend(groups.map(|(persistence, parts)| Chunk {
                id: ChunkId(0),
                bytes: chunk.bytes * parts.len() as u64 / all,
                parts,
                persistence,
            }));
        }
        for (id, chunk) in (0..).zip(&mut chunks) {
            chunk.id = ChunkId(id);
        }
        self.chunks = chunks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};

    #[test]
    fn what_is_not_in_the_plan_changes_nothing() {
        let mut plan = plan_of(vec![table(1, 5), table(2, 5)], 100);
        let before = plan.clone();
        let to_root = |index| Adaptation {
            table: TableIndex(index),
            text_because: Some("column a is bigint on the target".into()),
            through: Some(QualifiedName::new("public", "root")),
            persistence: Persistence::Permanent,
        };
        assert!(!plan.adapt(&[to_root(0), to_root(2)]));
        assert_eq!(plan, before);
        assert!(plan.adapt(&[to_root(1)]));
        assert_eq!(plan.tables[0], before.tables[0]);
        assert_eq!(plan.tables[1].format, Format::Text);
        assert_eq!(plan.tables[1].sql_target(), "\"public\".\"root\"");
        assert_eq!(plan.chunks, before.chunks);
    }

    #[test]
    fn tables_that_are_journaled_apart_share_no_chunk() {
        let tables = vec![table(1, 5), table(2, 5), table(4, 5), table(5, 1000)];
        let mut plan = plan_of(tables, 100);
        let of = |plan: &Plan| -> Vec<_> { plan.persistences().into_values().collect() };
        let (permanent, unlogged) = (Persistence::Permanent, Persistence::Unlogged);
        assert_eq!(of(&plan), [permanent, permanent, unlogged, permanent]);
        let (count, bytes) = (plan.chunks.len(), plan.bytes());
        let turned = |index, persistence| Adaptation {
            table: TableIndex(index),
            text_because: None,
            through: None,
            persistence,
        };
        let turns = [
            turned(1, unlogged),
            turned(2, permanent),
            turned(3, unlogged),
        ];
        assert!(plan.adapt(&turns));
        assert_eq!(of(&plan), [permanent, unlogged, permanent, unlogged]);
        assert_eq!(plan.chunks.len(), count + 1);
        assert_eq!(plan.bytes(), bytes);
        assert!(plan.is_sound());
    }
}

//! The ledger: which chunks are pending, claimed or committed. Pure; the journal is its durable twin.
//!
//! Both ends keep one: the sender claims chunks to read ([`Sending`]), the receiver claims chunks
//! that arrive ([`Receiving`]). Only what the journal holds is ever marked committed, so a ledger can
//! be thrown away and built again from the journal at any moment.
//!
//! Between living processes a chunk on its way survives the loss of a connection: the sender keeps
//! the blocks that the receiver has not taken, and the receiver keeps what it has. `pair` steps both
//! ends through everything that can happen between them.

#[cfg(test)]
#[path = "pair/tests.rs"]
mod pair;
mod receiving;
mod sending;

pub use receiving::{Opened, Receiving, Standing, Taken};
pub use sending::{Again, NotLive, Sending};

use std::collections::{BTreeSet, HashMap};

use crate::chunk::{ChunkId, Plan, TableIndex};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Claimed,
    Committed,
}

/// Why a chunk cannot be claimed; each means that the peer or our own bookkeeping is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    #[error("chunk {0} is not in the plan")]
    Unknown(ChunkId),
    #[error("chunk {0} is already being written")]
    Claimed(ChunkId),
    #[error("chunk {0} is already committed")]
    Committed(ChunkId),
    #[error("attempt {0} at a chunk, more than there can be")]
    Number(u32),
    #[error("chunk {chunk} goes on at block {from}, and {held} are here")]
    Gap {
        chunk: ChunkId,
        from: u32,
        held: u32,
    },
}

/// Whether the journal lacks a chunk that is known to be committed: a crash of the target has taken
/// it back. Numbers do not tell: others may have been committed since, which nobody heard of.
pub fn has_lost(journal: &[ChunkId], known: &[ChunkId]) -> bool {
    let journal: BTreeSet<_> = journal.iter().collect();
    known.iter().any(|chunk| !journal.contains(chunk))
}

/// Progress over one plan.
#[derive(Debug)]
pub struct Ledger {
    states: Vec<State>,
    pending: BTreeSet<ChunkId>,
    committed: usize,
    groups: Vec<Group>,
    /// Which group a table belongs to.
    group_of: Vec<usize>,
    tables_of: Vec<Vec<TableIndex>>,
}

/// Tables that are complete together: one alone, or all that are written through the same ancestor,
/// where each of them may get rows as long as one is not read to its end.
#[derive(Debug, Default)]
struct Group {
    tables: Vec<TableIndex>,
    /// Parts not yet committed.
    open_parts: u32,
}

fn group(plan: &Plan) -> (Vec<Group>, Vec<usize>) {
    let (mut groups, mut shared) = (Vec::<Group>::new(), HashMap::new());
    let mut group_of = Vec::with_capacity(plan.tables.len());
    for (table, index) in plan.tables.iter().zip(0..) {
        let own = groups.len();
        let place = match &table.through {
            Some(ancestor) => *shared.entry(ancestor).or_insert(own),
            None => own,
        };
        if place == own {
            groups.push(Group::default());
        }
        groups[place].tables.push(TableIndex(index));
        group_of.push(place);
    }
    (groups, group_of)
}

impl Ledger {
    /// A ledger in which every chunk of the plan is pending.
    pub fn new(plan: &Plan) -> Self {
        let (mut groups, group_of) = group(plan);
        let tables_of: Vec<Vec<_>> = plan
            .chunks
            .iter()
            .map(|c| c.parts.iter().map(|p| p.table).collect())
            .collect();
        for table in tables_of.iter().flatten() {
            groups[group_of[table.0 as usize]].open_parts += 1;
        }
        Self {
            states: vec![State::Pending; plan.chunks.len()],
            pending: plan.chunks.iter().map(|c| c.id).collect(),
            committed: 0,
            groups,
            group_of,
            tables_of,
        }
    }

    /// Claims the first pending chunk in plan order, which is the largest.
    pub fn claim_next(&mut self) -> Option<ChunkId> {
        let id = self.pending.pop_first()?;
        self.states[id.0 as usize] = State::Claimed;
        Some(id)
    }

    /// Claims a given chunk.
    pub fn claim(&mut self, id: ChunkId) -> Result<(), ClaimError> {
        match self.states.get(id.0 as usize) {
            None => Err(ClaimError::Unknown(id)),
            Some(State::Claimed) => Err(ClaimError::Claimed(id)),
            Some(State::Committed) => Err(ClaimError::Committed(id)),
            Some(State::Pending) => {
                self.pending.remove(&id);
                self.states[id.0 as usize] = State::Claimed;
                Ok(())
            }
        }
    }

    /// A claimed chunk did not come to its end: it is pending again.
    pub fn release(&mut self, id: ChunkId) {
        if let Some(state) = self.states.get_mut(id.0 as usize)
            && *state == State::Claimed
        {
            *state = State::Pending;
            self.pending.insert(id);
        }
    }

    /// Marks a chunk committed, as the journal says, and returns the tables it completed.
    ///
    /// Saying it twice changes nothing; a chunk outside the plan is ignored.
    pub fn commit(&mut self, id: ChunkId) -> Vec<TableIndex> {
        match self.states.get_mut(id.0 as usize) {
            None | Some(State::Committed) => return Vec::new(),
            Some(state) => *state = State::Committed,
        }
        self.pending.remove(&id);
        self.committed += 1;
        let mut complete = Vec::new();
        for &table in &self.tables_of[id.0 as usize] {
            let group = &mut self.groups[self.group_of[table.0 as usize]];
            group.open_parts -= 1;
            if group.open_parts == 0 {
                complete.extend(&group.tables);
            }
        }
        complete
    }

    pub fn is_committed(&self, id: ChunkId) -> bool {
        self.states.get(id.0 as usize) == Some(&State::Committed)
    }

    /// The chunks that are committed, in plan order.
    fn committed(&self) -> Vec<ChunkId> {
        let all = (0..self.states.len() as u32).map(ChunkId);
        all.filter(|&id| self.is_committed(id)).collect()
    }

    fn is_unknown(&self, id: ChunkId) -> bool {
        self.states.get(id.0 as usize).is_none()
    }

    pub fn all_committed(&self) -> bool {
        self.committed == self.states.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::planner::tests::{plan_of, table};

    fn two_tables() -> Plan {
        plan_of(vec![table(1, 300), table(2, 100)], 100)
    }

    #[test]
    fn chunks_are_claimed_in_plan_order_and_once() {
        let plan = two_tables();
        let mut ledger = Ledger::new(&plan);
        let claimed: Vec<_> = std::iter::from_fn(|| ledger.claim_next()).collect();
        assert_eq!(
            claimed,
            plan.chunks.iter().map(|c| c.id).collect::<Vec<_>>()
        );
        assert_eq!(
            ledger.claim(ChunkId(0)),
            Err(ClaimError::Claimed(ChunkId(0)))
        );
        assert_eq!(
            ledger.claim(ChunkId(99)),
            Err(ClaimError::Unknown(ChunkId(99)))
        );
    }

    #[test]
    fn a_journal_that_is_as_long_may_have_lost_a_chunk() {
        let ids = |ids: &[u32]| ids.iter().copied().map(ChunkId).collect::<Vec<_>>();
        assert!(!has_lost(&ids(&[2, 0, 1]), &ids(&[0, 2])));
        assert!(has_lost(&ids(&[1, 2, 3]), &ids(&[0, 2])));
        assert!(has_lost(&[], &ids(&[0])));
        assert!(!has_lost(&[], &[]));
    }

    #[test]
    fn a_table_completes_with_its_last_chunk() {
        let plan = two_tables();
        let mut ledger = Ledger::new(&plan);
        let complete: Vec<_> = plan
            .chunks
            .iter()
            .map(|c| ledger.commit(c.id).len())
            .collect();
        assert_eq!(complete.iter().sum::<usize>(), 2);
        assert!(ledger.all_committed());
        assert!(ledger.commit(ChunkId(0)).is_empty());
        assert_eq!(
            ledger.claim(ChunkId(0)),
            Err(ClaimError::Committed(ChunkId(0)))
        );
    }

    #[test]
    fn tables_written_through_one_ancestor_complete_together() {
        let through = |mut table: crate::schema::Table| {
            table.through = Some(crate::schema::QualifiedName::new("public", "root"));
            table
        };
        let tables = vec![
            through(table(1, 300)),
            table(2, 200),
            through(table(3, 100)),
        ];
        let plan = plan_of(tables, 1000);
        let mut ledger = Ledger::new(&plan);
        let complete: Vec<_> = plan.chunks.iter().map(|c| ledger.commit(c.id)).collect();
        let complete: Vec<Vec<u32>> = complete
            .iter()
            .map(|tables| tables.iter().map(|t| t.0).collect())
            .filter(|tables: &Vec<_>| !tables.is_empty())
            .collect();
        let all: usize = complete.iter().map(Vec::len).sum();
        assert_eq!(all, 3, "{complete:?}");
        assert!(
            complete
                .iter()
                .any(|tables| tables.contains(&0) && tables.contains(&2))
        );
    }

    proptest! {
        /// Whatever the order of claims and commits: nothing is lost, nothing counted twice.
        #[test]
        fn counts_hold_under_any_order(steps in prop::collection::vec((0u8..3, 0u32..6), 0..200)) {
            let plan = two_tables();
            let mut ledger = Ledger::new(&plan);
            for (step, id) in steps {
                match step {
                    0 => { ledger.claim_next(); }
                    1 => { ledger.claim(ChunkId(id)).ok(); }
                    _ => { ledger.commit(ChunkId(id)); }
                }
                let committed = plan.chunks.iter().filter(|c| ledger.is_committed(c.id)).count();
                prop_assert_eq!(committed, ledger.committed);
            }
            for chunk in &plan.chunks {
                ledger.commit(chunk.id);
            }
            prop_assert!(ledger.all_committed());
            prop_assert!(ledger.groups.iter().all(|group| group.open_parts == 0));
        }
    }
}

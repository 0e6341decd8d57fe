//! The sender's end: what is read, what is on its way, and which blocks may have to go again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Ledger;
use crate::chunk::{Attempt, ChunkId, Held, Plan};

/// The attempt is over: recv has rolled it back, or does not know it. Its chunk belongs to whoever
/// claims it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("chunk {0} is not sent any more")]
pub struct NotLive(pub Attempt);

/// The sender's ledger, with the blocks that recv has not said it has. A block is whatever costs
/// little to clone.
#[derive(Debug)]
pub struct Sending<B> {
    ledger: Ledger,
    /// The last number that each chunk was tried under.
    numbers: Vec<u32>,
    live: BTreeMap<ChunkId, Outgoing<B>>,
    /// Attempts whose encoder has blocks to write, and goes on with them itself over a new connection.
    at_work: BTreeSet<Attempt>,
    /// Counts connections.
    generation: u64,
}

/// An attempt under way: from its claim to the word that it has committed, or that it has not.
#[derive(Debug)]
struct Outgoing<B> {
    number: u32,
    /// The number of the first block that is kept; all before it have been received.
    first: u32,
    kept: VecDeque<B>,
    /// The last block is among the kept ones, or received.
    sealed: bool,
}

/// What has to go again over a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again<B> {
    pub attempt: Attempt,
    /// The number of the first of `blocks`.
    pub from: u32,
    pub blocks: Vec<B>,
    /// The last block is among them, or received: nobody will add another.
    pub sealed: bool,
}

impl<B: Clone> Sending<B> {
    /// Attempts are numbered from above `last_number`, the highest that recv has seen.
    pub fn new(plan: &Plan, last_number: u32) -> Self {
        Self {
            ledger: Ledger::new(plan),
            numbers: vec![last_number; plan.chunks.len()],
            live: BTreeMap::new(),
            at_work: BTreeSet::new(),
            generation: 0,
        }
    }

    /// Claims the first pending chunk in plan order, under its next number.
    pub fn claim(&mut self) -> Option<Attempt> {
        let chunk = self.ledger.claim_next()?;
        let number = &mut self.numbers[chunk.0 as usize];
        *number += 1;
        let outgoing = Outgoing {
            number: *number,
            first: 0,
            kept: VecDeque::new(),
            sealed: false,
        };
        let number = outgoing.number;
        self.live.insert(chunk, outgoing);
        let attempt = Attempt { chunk, number };
        self.at_work.insert(attempt);
        Some(attempt)
    }

    /// Keeps the attempt's next block until recv has it; its number. `sealed` for the last one.
    pub fn keep(&mut self, attempt: Attempt, block: B, sealed: bool) -> Result<u32, NotLive> {
        let outgoing = self.outgoing(attempt).ok_or(NotLive(attempt))?;
        outgoing.kept.push_back(block);
        outgoing.sealed = sealed;
        Ok(outgoing.first + outgoing.kept.len() as u32 - 1)
    }

    /// Recv has the attempt's blocks up to this number of them; gives those that need no longer be
    /// kept. What comes late, or twice, changes nothing.
    pub fn received(&mut self, held: Held) -> Vec<B> {
        let Some(outgoing) = self.outgoing(held.attempt) else {
            return Vec::new();
        };
        let kept = outgoing.kept.len();
        let count = (held.blocks.saturating_sub(outgoing.first) as usize).min(kept);
        outgoing.first += count as u32;
        outgoing.kept.drain(..count).collect()
    }

    /// The attempt has failed, here or there: the chunk is pending again. Gives what was kept of it;
    /// nothing where it was over already.
    pub fn give_back(&mut self, attempt: Attempt) -> Option<Vec<B>> {
        self.at_work.remove(&attempt);
        self.outgoing(attempt)?;
        let outgoing = self.live.remove(&attempt.chunk)?;
        self.ledger.release(attempt.chunk);
        Some(outgoing.kept.into())
    }

    /// The journal has the chunk. Gives what was kept of it.
    pub fn commit(&mut self, chunk: ChunkId) -> Vec<B> {
        self.ledger.commit(chunk);
        let outgoing = self.live.remove(&chunk);
        outgoing.map_or_else(Vec::new, |outgoing| outgoing.kept.into())
    }

    /// A new connection: `held` is what recv still has of attempts that have not ended. The others
    /// of ours are over, and pending again.
    pub fn resume(&mut self, held: &[Held]) -> Vec<Attempt> {
        let goes_on: Vec<_> = held.iter().map(|held| held.attempt).collect();
        for attempt in self.live() {
            if !goes_on.contains(&attempt) {
                self.give_back(attempt);
            }
        }
        for &held in held {
            self.received(held);
        }
        let live = self.live();
        goes_on.into_iter().filter(|a| live.contains(a)).collect()
    }

    /// A new connection is there to be written to. Gives the attempts that nobody is at work on: their
    /// last block was written to an earlier one, and what is kept of them has to go [`Self::again`].
    pub fn attach(&mut self) -> Vec<Attempt> {
        self.generation += 1;
        let mut orphans = self.live();
        orphans.retain(|attempt| !self.at_work.contains(attempt));
        orphans
    }

    /// How many connections there were.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The encoder has written an attempt's last block to this connection. False where a newer one
    /// has come since: then it is to go on there.
    pub fn leave(&mut self, attempt: Attempt, generation: u64) -> bool {
        if self.generation != generation && self.is_live(attempt) {
            return false;
        }
        self.at_work.remove(&attempt);
        true
    }

    /// All attempts that have not ended.
    pub fn live(&self) -> Vec<Attempt> {
        let attempt = |(&chunk, outgoing): (&ChunkId, &Outgoing<B>)| Attempt {
            chunk,
            number: outgoing.number,
        };
        self.live.iter().map(attempt).collect()
    }

    pub fn is_live(&self, attempt: Attempt) -> bool {
        let outgoing = self.live.get(&attempt.chunk);
        outgoing.is_some_and(|outgoing| outgoing.number == attempt.number)
    }

    /// What recv may lack of an attempt.
    pub fn again(&self, attempt: Attempt) -> Result<Again<B>, NotLive> {
        let outgoing = self.live.get(&attempt.chunk);
        let outgoing = outgoing.filter(|outgoing| outgoing.number == attempt.number);
        let outgoing = outgoing.ok_or(NotLive(attempt))?;
        Ok(Again {
            attempt,
            from: outgoing.first,
            blocks: outgoing.kept.iter().cloned().collect(),
            sealed: outgoing.sealed,
        })
    }

    /// Whether nothing of the attempt is kept: its next block may always go.
    pub fn is_bare(&self, attempt: Attempt) -> bool {
        let outgoing = self.live.get(&attempt.chunk);
        outgoing.is_none_or(|outgoing| outgoing.kept.is_empty())
    }

    /// The chunks that recv has said are committed.
    pub fn committed(&self) -> Vec<ChunkId> {
        self.ledger.committed()
    }

    pub fn all_committed(&self) -> bool {
        self.ledger.all_committed()
    }

    pub fn is_committed(&self, chunk: ChunkId) -> bool {
        self.ledger.is_committed(chunk)
    }

    fn outgoing(&mut self, attempt: Attempt) -> Option<&mut Outgoing<B>> {
        let outgoing = self.live.get_mut(&attempt.chunk);
        outgoing.filter(|outgoing| outgoing.number == attempt.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};

    fn sending() -> Sending<u32> {
        Sending::new(&plan_of(vec![table(1, 300)], 100), 0)
    }

    #[test]
    fn blocks_are_kept_until_they_are_received() {
        let mut sending = sending();
        let attempt = sending.claim().unwrap();
        for block in 10..14 {
            assert_eq!(sending.keep(attempt, block, block == 13), Ok(block - 10));
        }
        let blocks = |blocks| Held { attempt, blocks };
        assert_eq!(sending.received(blocks(2)), [10, 11]);
        assert!(sending.received(blocks(1)).is_empty());
        assert_eq!(sending.resume(&[blocks(3)]), [attempt]);
        let again = sending.again(attempt).unwrap();
        assert_eq!(
            (again.from, again.blocks, again.sealed),
            (3, vec![13], true)
        );
        assert_eq!(sending.received(blocks(99)), [13]);
        assert!(sending.is_bare(attempt));
    }

    #[test]
    fn what_recv_does_not_hold_begins_again_under_another_number() {
        let mut sending = sending();
        let first = sending.claim().unwrap();
        sending.keep(first, 1, false).unwrap();
        assert!(sending.resume(&[]).is_empty());
        assert_eq!(sending.keep(first, 2, false), Err(NotLive(first)));
        assert_eq!(sending.give_back(first), None);
        let second = sending.claim().unwrap();
        assert_eq!((second.chunk, second.number), (first.chunk, 2));
        // The first one's fate does not touch the second.
        let late = Held {
            attempt: first,
            blocks: 1,
        };
        assert!(sending.received(late).is_empty());
        assert!(sending.is_live(second));
        assert!(sending.commit(first.chunk).is_empty());
        assert!(!sending.is_live(second) && sending.is_committed(first.chunk));
    }
}

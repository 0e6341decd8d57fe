//! The receiver's end: which attempts are being taken in, how far, and which may still be dropped.

use std::collections::BTreeMap;

use super::{ClaimError, Ledger};
use crate::chunk::{Attempt, ChunkId, Held, Plan, TableIndex};

/// The receiver's ledger.
#[derive(Debug)]
pub struct Receiving {
    ledger: Ledger,
    incoming: BTreeMap<ChunkId, Incoming>,
    /// How often each chunk was begun.
    tries: Vec<u32>,
    /// The highest number of any attempt at each chunk.
    latest: Vec<u32>,
    /// Counts connections. What was taken from an earlier one's stream after this one has been told
    /// how far each attempt is, does not count.
    link: u64,
}

/// What a new connection is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub committed: Vec<ChunkId>,
    pub held: Vec<Held>,
    /// The highest number of any attempt so far: a sender that does not know it begins above, so
    /// that no two attempts are ever taken for one.
    pub last_number: u32,
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It counts.
    Counted(Held),
    /// It comes from a connection that has been followed by another, which brings it again.
    Stale,
    /// The attempt is over.
    Over,
}

/// An attempt under way: from its stream's header to its commit, or its end without one.
#[derive(Debug)]
struct Incoming {
    number: u32,
    /// Blocks taken from its streams, in order.
    blocks: u32,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// May be dropped at any moment.
    Open,
    /// The sender does not go on with it; whoever works on it is to stop.
    Dropped,
    /// All of it is checked and with the server: only the journal knows how it ends.
    Whole,
    /// The same, and the sender does not know the attempt: its chunk may come again before that.
    Orphaned,
}

/// How a stream's header was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// A new attempt.
    Begins,
    /// An attempt that an earlier connection left behind goes on.
    GoesOn,
    /// An attempt that has ended here meanwhile: the sender will learn it, or knows it.
    Over,
}

impl Receiving {
    pub fn new(plan: &Plan) -> Self {
        Self {
            ledger: Ledger::new(plan),
            incoming: BTreeMap::new(),
            tries: vec![0; plan.chunks.len()],
            latest: vec![0; plan.chunks.len()],
            link: 0,
        }
    }

    /// A new connection: what it is to be told. Nothing while an attempt is with the server and its
    /// end unknown: that is to be waited for.
    pub fn begin_link(&mut self) -> Option<Standing> {
        if self.is_unsettled() {
            return None;
        }
        self.link += 1;
        Some(Standing {
            committed: self.committed(),
            held: self.held(),
            last_number: self.latest.iter().copied().max().unwrap_or(0),
        })
    }

    /// The connection of the moment, by which streams are told apart.
    pub fn link(&self) -> u64 {
        self.link
    }

    /// A stream that begins an attempt: claims its chunk. An earlier attempt gives way, as the sender
    /// has given it up: its stream's end may be on its way still. Not one that is with the server.
    ///
    /// The streams of two attempts may be seen in the wrong order: then the first one is over. So is
    /// one at a chunk that is committed: the sender is about to hear that.
    pub fn open(&mut self, attempt: Attempt) -> Result<Opened, ClaimError> {
        if attempt.number > Attempt::LAST_NUMBER {
            return Err(ClaimError::Number(attempt.number));
        }
        let seen = self.latest.get(attempt.chunk.0 as usize);
        let later = seen.is_some_and(|&number| number > attempt.number);
        if later || self.is_committed(attempt.chunk) {
            return Ok(Opened::Over);
        }
        let may_go = |fate| matches!(fate, Fate::Open | Fate::Dropped);
        let earlier = self.incoming.get(&attempt.chunk);
        if earlier.is_some_and(|e| e.number < attempt.number && may_go(e.fate)) {
            self.incoming.remove(&attempt.chunk);
            self.ledger.release(attempt.chunk);
        }
        self.ledger.claim(attempt.chunk)?;
        let incoming = Incoming {
            number: attempt.number,
            blocks: 0,
            fate: Fate::Open,
        };
        self.incoming.insert(attempt.chunk, incoming);
        self.tries[attempt.chunk.0 as usize] += 1;
        self.latest[attempt.chunk.0 as usize] = attempt.number;
        Ok(Opened::Begins)
    }

    /// A stream that goes on with an attempt at block `from`, which must be the one that is missing.
    pub fn reopen(&mut self, attempt: Attempt, from: u32) -> Result<Opened, ClaimError> {
        if self.ledger.is_unknown(attempt.chunk) {
            return Err(ClaimError::Unknown(attempt.chunk));
        }
        match self.find(attempt) {
            Some(incoming) if incoming.fate == Fate::Open => match incoming.blocks == from {
                true => Ok(Opened::GoesOn),
                false => Err(ClaimError::Gap {
                    chunk: attempt.chunk,
                    from,
                    held: incoming.blocks,
                }),
            },
            _ => Ok(Opened::Over),
        }
    }

    /// One more block of the attempt is here, from a stream of this connection.
    pub fn received(&mut self, attempt: Attempt, link: u64) -> Taken {
        let current = self.link;
        let incoming = self.find(attempt).filter(|i| i.fate == Fate::Open);
        match incoming {
            None => Taken::Over,
            Some(_) if link != current => Taken::Stale,
            Some(incoming) => {
                incoming.blocks += 1;
                let blocks = incoming.blocks;
                Taken::Counted(Held { attempt, blocks })
            }
        }
    }

    /// All of the attempt is here and checked: from now on it cannot be dropped. False where it was
    /// dropped before.
    pub fn is_whole(&mut self, attempt: Attempt) -> bool {
        match self.find(attempt) {
            Some(incoming) if incoming.fate == Fate::Open => {
                incoming.fate = Fate::Whole;
                true
            }
            _ => false,
        }
    }

    /// The attempt's transaction was rolled back: the chunk may come again. False where another
    /// attempt has taken its place already, or it had been dropped.
    pub fn release(&mut self, attempt: Attempt) -> bool {
        let Some(incoming) = self.find(attempt) else {
            return false;
        };
        let told = incoming.fate != Fate::Dropped;
        self.incoming.remove(&attempt.chunk);
        self.ledger.release(attempt.chunk);
        told
    }

    /// The journal has the chunk; the tables that this completes.
    pub fn commit(&mut self, chunk: ChunkId) -> Vec<TableIndex> {
        self.incoming.remove(&chunk);
        self.ledger.commit(chunk)
    }

    fn held(&self) -> Vec<Held> {
        let open = self.incoming.iter().filter(|(_, i)| i.fate == Fate::Open);
        open.map(|(&chunk, incoming)| Held {
            attempt: Attempt {
                chunk,
                number: incoming.number,
            },
            blocks: incoming.blocks,
        })
        .collect()
    }

    /// The sender goes on with these; gives those that are dropped for it.
    pub fn keep_only(&mut self, attempts: &[Attempt]) -> Vec<Attempt> {
        for (&chunk, incoming) in &mut self.incoming {
            let number = incoming.number;
            if incoming.fate == Fate::Whole && !attempts.contains(&Attempt { chunk, number }) {
                incoming.fate = Fate::Orphaned;
            }
        }
        let mut dropped = Vec::new();
        for held in self.held() {
            if !attempts.contains(&held.attempt)
                && let Some(incoming) = self.find(held.attempt)
            {
                incoming.fate = Fate::Dropped;
                dropped.push(held.attempt);
            }
        }
        dropped
    }

    fn is_unsettled(&self) -> bool {
        let with_the_server = |fate| matches!(fate, Fate::Whole | Fate::Orphaned);
        self.incoming.values().any(|i| with_the_server(i.fate))
    }

    /// Whether such an attempt is one that the sender does not know: no stream is to be taken before
    /// its end, as it may be at the same chunk.
    pub fn has_orphans(&self) -> bool {
        self.incoming.values().any(|i| i.fate == Fate::Orphaned)
    }

    pub fn is_dropped(&self, attempt: Attempt) -> bool {
        let incoming = self.incoming.get(&attempt.chunk);
        incoming.is_none_or(|i| i.number != attempt.number || i.fate == Fate::Dropped)
    }

    /// How often the chunk has begun, the attempt under way included.
    pub fn tries(&self, chunk: ChunkId) -> u32 {
        self.tries.get(chunk.0 as usize).copied().unwrap_or(0)
    }

    pub fn is_committed(&self, chunk: ChunkId) -> bool {
        self.ledger.is_committed(chunk)
    }

    /// The chunks that are committed, as far as this process knows.
    pub fn committed(&self) -> Vec<ChunkId> {
        self.ledger.committed()
    }

    pub fn all_committed(&self) -> bool {
        self.ledger.all_committed()
    }

    fn find(&mut self, attempt: Attempt) -> Option<&mut Incoming> {
        let incoming = self.incoming.get_mut(&attempt.chunk);
        incoming.filter(|incoming| incoming.number == attempt.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};

    const fn attempt(chunk: u32, number: u32) -> Attempt {
        Attempt {
            chunk: ChunkId(chunk),
            number,
        }
    }

    fn receiving() -> Receiving {
        Receiving::new(&plan_of(vec![table(1, 300)], 100))
    }

    #[test]
    fn an_attempt_goes_on_where_it_stood() {
        let mut receiving = receiving();
        let one = attempt(0, 1);
        assert_eq!(receiving.open(one), Ok(Opened::Begins));
        let old = receiving.link();
        receiving.received(one, old);
        let held = Held {
            attempt: one,
            blocks: 2,
        };
        assert_eq!(receiving.received(one, old), Taken::Counted(held));
        assert_eq!(receiving.begin_link().unwrap().held, [held]);
        assert_eq!(receiving.received(one, old), Taken::Stale);
        assert_eq!(receiving.keep_only(&[one]), []);
        assert_eq!(receiving.reopen(one, 2), Ok(Opened::GoesOn));
        assert!(receiving.reopen(one, 1).is_err());
        assert!(receiving.reopen(attempt(9, 1), 0).is_err());
        assert_eq!(receiving.reopen(attempt(1, 1), 0), Ok(Opened::Over));
    }

    #[test]
    fn a_dropped_attempt_gives_way_and_its_late_end_changes_nothing() {
        let mut receiving = receiving();
        let (one, two) = (attempt(0, 1), attempt(0, 2));
        receiving.open(one).unwrap();
        assert_eq!(receiving.open(one), Err(ClaimError::Claimed(ChunkId(0))));
        assert_eq!(receiving.keep_only(&[]), [one]);
        assert!(!receiving.is_whole(one) && receiving.is_dropped(one));
        assert_eq!(receiving.open(two), Ok(Opened::Begins));
        assert!(!receiving.release(one));
        assert_eq!(receiving.received(one, 0), Taken::Over);
        assert!(receiving.is_whole(two));
    }

    #[test]
    fn what_is_with_the_server_cannot_be_dropped() {
        let mut receiving = receiving();
        let one = attempt(0, 1);
        receiving.open(one).unwrap();
        assert!(receiving.is_whole(one));
        assert_eq!(receiving.begin_link(), None);
        assert_eq!(receiving.keep_only(&[]), []);
        assert!(receiving.has_orphans());
        receiving.commit(ChunkId(0));
        assert!(!receiving.has_orphans());
        assert_eq!(receiving.begin_link().unwrap().committed, [ChunkId(0)]);
        assert_eq!(receiving.open(attempt(0, 2)), Ok(Opened::Over));
    }
}

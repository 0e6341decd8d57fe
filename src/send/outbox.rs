//! What is on its way to recv, through all connections of this process: which attempts are under
//! way, their blocks that recv may not have, and the connection of the moment.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::worker::WorkError;
use crate::chunk::{Attempt, ChunkId, Held};
use crate::ledger::{Again, Sending, has_lost};
use crate::runtime::{Clock, Stopped, lock};
use crate::transport::Connection;

/// Shared by the session, which alone attaches connections and tells what recv said, and by the
/// workers, which claim chunks and keep blocks.
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Says that something has changed that somebody may wait for.
    changed: watch::Sender<()>,
    /// Bytes of blocks that are kept until recv has them.
    limit_bytes: usize,
    /// How long an attempt outlives a lost connection.
    stall: Duration,
    clock: Clock,
}

struct State {
    sending: Sending<Bytes>,
    kept_bytes: usize,
    link: Option<Connection>,
    stopped: bool,
}

/// A connection, and which one of this process.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) generation: u64,
}

impl Outbox {
    pub(super) fn new(sending: Sending<Bytes>, limit_bytes: usize, stall: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                sending,
                kept_bytes: 0,
                link: None,
                stopped: false,
            }),
            changed: watch::Sender::new(()),
            limit_bytes,
            stall,
            clock: Clock::default(),
        }
    }

    /// No attempt is given up for want of a connection as long as this lives.
    pub(super) fn stop_clock(&self) -> Stopped {
        self.clock.stop()
    }

    /// The next chunk to read, as soon as there is one and a connection; nothing when all are
    /// committed or the outbox was stopped.
    pub(super) async fn claim(&self) -> Option<Attempt> {
        self.when(|state| {
            if state.stopped || state.sending.all_committed() {
                return Some(None);
            }
            state.link.as_ref()?;
            Some(Some(state.sending.claim()?))
        })
        .await
    }

    /// The first connection that is newer than `generation`; an attempt that waits too long for it is
    /// over, so that no COPY stays open on the source.
    pub(super) async fn next_line(
        &self,
        attempt: Attempt,
        generation: u64,
    ) -> Result<Line, WorkError> {
        let waiting = self.when(|state| match state.check(attempt) {
            Err(over) => Some(Err(over)),
            Ok(()) if state.sending.generation() > generation => {
                let connection = state.link.clone()?;
                let generation = state.sending.generation();
                Some(Ok(Line {
                    connection,
                    generation,
                }))
            }
            Ok(()) => None,
        });
        let waited = self.clock.limit(self.stall, waiting).await;
        waited.unwrap_or(Err(WorkError::Over))
    }

    /// Keeps an attempt's next block until recv has it, as soon as there is room.
    pub(super) async fn keep(
        &self,
        attempt: Attempt,
        block: &Bytes,
        sealed: bool,
    ) -> Result<(), WorkError> {
        loop {
            let keeping = self.try_keep(attempt, block, sealed);
            match self.clock.limit(self.stall, keeping).await {
                Some(kept) => return kept,
                // No COPY stays open on the source without a connection.
                None if lock(&self.state).link.is_none() => return Err(WorkError::Over),
                None => {}
            }
        }
    }

    async fn try_keep(
        &self,
        attempt: Attempt,
        block: &Bytes,
        sealed: bool,
    ) -> Result<(), WorkError> {
        self.when(|state| {
            if let Err(over) = state.check(attempt) {
                return Some(Err(over));
            }
            let room = state.kept_bytes < self.limit_bytes || state.sending.is_bare(attempt);
            let kept = room.then(|| state.sending.keep(attempt, block.clone(), sealed))?;
            state.kept_bytes += block.len();
            Some(kept.map(drop).map_err(|_| WorkError::Over))
        })
        .await
    }

    /// What recv may lack of an attempt.
    pub(super) fn again(&self, attempt: Attempt) -> Result<Again<Bytes>, WorkError> {
        let state = lock(&self.state);
        state.check(attempt)?;
        state.sending.again(attempt).map_err(|_| WorkError::Over)
    }

    /// The encoder has written an attempt's last block to this connection. False where a newer one
    /// has come since: then it is to go on there.
    pub(super) fn leave(&self, attempt: Attempt, generation: u64) -> bool {
        lock(&self.state).sending.leave(attempt, generation)
    }

    /// The attempt has failed, here or there. False where it was over already.
    pub(super) fn give_back(&self, attempt: Attempt) -> bool {
        self.change(|state| {
            let kept = state.sending.give_back(attempt);
            state.forget(kept.as_deref().unwrap_or_default());
            kept.is_some()
        })
    }

    pub(super) fn is_live(&self, attempt: Attempt) -> bool {
        lock(&self.state).check(attempt).is_ok()
    }

    pub(super) fn received(&self, held: Held) {
        self.change(|state| {
            let freed = state.sending.received(held);
            state.forget(&freed);
        });
    }

    /// The journal has the chunk. False where that was known.
    pub(super) fn commit(&self, chunk: ChunkId) -> bool {
        self.change(|state| {
            let news = !state.sending.is_committed(chunk);
            let freed = state.sending.commit(chunk);
            state.forget(&freed);
            news
        })
    }

    /// Whether one is committed here that is not among these.
    pub(super) fn knows_more_than(&self, committed: &[ChunkId]) -> bool {
        has_lost(committed, &lock(&self.state).sending.committed())
    }

    pub(super) fn all_committed(&self) -> bool {
        lock(&self.state).sending.all_committed()
    }

    /// What goes on over a new connection, of all that recv still holds; nothing is sent before
    /// [`Self::attach`].
    pub(super) fn resume(&self, held: &[Held]) -> Vec<Attempt> {
        self.change(|state| {
            let attempts = state.sending.resume(held);
            state.recount();
            attempts
        })
    }

    /// Opens the way over a new connection. Gives the attempts that nobody is at work on: their last
    /// block was written to an earlier one.
    pub(super) fn attach(&self, connection: Connection) -> Vec<Attempt> {
        self.change(|state| {
            state.link = Some(connection);
            state.sending.attach()
        })
    }

    /// The connection is gone: nothing is claimed until the next one.
    pub(super) fn detach(&self) {
        self.change(|state| state.link = None);
    }

    /// Makes every wait end at once; nothing more is claimed.
    pub(super) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Returns when the outbox was stopped.
    pub(super) async fn stopped(&self) {
        self.when(|state| state.stopped.then_some(())).await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut lock(&self.state));
        self.changed.send_replace(());
        changed
    }

    /// Waits until `ask` has an answer.
    async fn when<T>(&self, mut ask: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(answer) = ask(&mut lock(&self.state)) {
                return answer;
            }
            changed.changed().await.expect("the sender is our own");
        }
    }
}

impl State {
    fn check(&self, attempt: Attempt) -> Result<(), WorkError> {
        if self.stopped {
            Err(WorkError::Halted)
        } else if self.sending.is_live(attempt) {
            Ok(())
        } else {
            Err(WorkError::Over)
        }
    }

    fn forget(&mut self, blocks: &[Bytes]) {
        let bytes: usize = blocks.iter().map(Bytes::len).sum();
        self.kept_bytes -= bytes;
    }

    /// After [`Sending::resume`], which forgets blocks of several attempts.
    fn recount(&mut self) {
        let live = self.sending.live();
        let again = live.iter().filter_map(|&a| self.sending.again(a).ok());
        let bytes = |again: Again<Bytes>| again.blocks.iter().map(Bytes::len).sum::<usize>();
        self.kept_bytes = again.map(bytes).sum();
    }
}

//! What is on its way in, through all connections of this process: which attempts are under way, and
//! the way from a new connection's streams to the decoders that wait for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use crate::chunk::{Attempt, ChunkId, Held, Plan, TableIndex};
use crate::ledger::{ClaimError, Opened, Receiving, Standing, Taken};
use crate::runtime::{Clock, lock};
use crate::transport::RecvStream;

/// Shared by the session, which hands streams in and marks what the journal has, and by the workers,
/// which count blocks and tell what was rolled back.
pub(super) struct Intake {
    state: Mutex<State>,
    /// There is something to be told of blocks that were received.
    news: Notify,
    stopped: watch::Sender<bool>,
    /// Of the time for which attempts wait for a connection.
    pub(super) clock: Clock,
}

struct State {
    receiving: Receiving,
    /// The ways to the attempts that may go on; one that is closed means that its attempt is over.
    feeds: BTreeMap<ChunkId, (Attempt, Arc<Feed>)>,
    /// How far each attempt is, where that was not told yet.
    news: BTreeMap<ChunkId, Held>,
}

/// The way to one attempt's decoder. Holds one stream at most, the newest: each brings all that the
/// ones before it had.
pub(super) struct Feed {
    slot: Mutex<Slot>,
    changed: Notify,
}

struct Slot {
    next: Option<Fed>,
    closed: bool,
}

/// A stream, and which connection it is of.
pub(super) struct Fed {
    pub(super) stream: RecvStream,
    pub(super) link: u64,
}

impl Feed {
    fn new(first: Fed) -> Self {
        Self {
            slot: Mutex::new(Slot {
                next: Some(first),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    fn put(&self, next: Option<Fed>) {
        lock(&self.slot).next = next;
        self.changed.notify_one();
    }

    fn close(&self) {
        lock(&self.slot).closed = true;
        self.changed.notify_one();
    }

    /// The next stream; nothing when the attempt is over. Cancel-safe; for one decoder.
    pub(super) async fn next(&self) -> Option<Fed> {
        loop {
            {
                let mut slot = lock(&self.slot);
                if slot.closed {
                    return None;
                }
                if let Some(next) = slot.next.take() {
                    return Some(next);
                }
            }
            self.changed.notified().await;
        }
    }
}

impl Intake {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            state: Mutex::new(State {
                receiving: Receiving::new(plan),
                feeds: BTreeMap::new(),
                news: BTreeMap::new(),
            }),
            news: Notify::new(),
            stopped: watch::Sender::new(false),
            clock: Clock::default(),
        }
    }

    /// What a new connection is to be told; from now on nothing of an earlier one counts. Nothing
    /// while an attempt is with the server and its end unknown.
    pub(super) fn begin_link(&self) -> Option<Standing> {
        let mut state = lock(&self.state);
        let standing = state.receiving.begin_link()?;
        // A closed connection's streams would keep its memory.
        state.feeds.values().for_each(|(_, feed)| feed.put(None));
        state.news.clear();
        Some(standing)
    }

    /// A stream that begins an attempt; its decoder takes this one and all later ones from here.
    /// Nothing where the attempt is over already.
    pub(super) fn open(
        &self,
        attempt: Attempt,
        stream: RecvStream,
    ) -> Result<Option<Arc<Feed>>, ClaimError> {
        let mut state = lock(&self.state);
        if state.receiving.open(attempt)? == Opened::Over {
            stream.stop();
            return Ok(None);
        }
        let link = state.receiving.link();
        let feed = Arc::new(Feed::new(Fed { stream, link }));
        let replaced = state
            .feeds
            .insert(attempt.chunk, (attempt, Arc::clone(&feed)));
        if let Some((_, earlier)) = replaced {
            earlier.close();
        }
        Ok(Some(feed))
    }

    /// A stream that goes on with an attempt at block `from`; refused (by stopping it) where the
    /// attempt has ended here.
    pub(super) fn reopen(
        &self,
        attempt: Attempt,
        from: u32,
        stream: RecvStream,
    ) -> Result<(), ClaimError> {
        let mut state = lock(&self.state);
        let goes_on = state.receiving.reopen(attempt, from)? == Opened::GoesOn;
        let link = state.receiving.link();
        match state.feeds.get(&attempt.chunk) {
            Some((_, feed)) if goes_on => feed.put(Some(Fed { stream, link })),
            _ => stream.stop(),
        }
        Ok(())
    }

    /// One more block of the attempt is here, from a stream of this connection.
    pub(super) fn received(&self, attempt: Attempt, link: u64) -> Taken {
        let mut state = lock(&self.state);
        let taken = state.receiving.received(attempt, link);
        if let Taken::Counted(held) = taken {
            state.news.insert(attempt.chunk, held);
            self.news.notify_one();
        }
        taken
    }

    /// The next attempt of which more was received than send was told. Cancel-safe.
    pub(super) async fn news(&self) -> Held {
        loop {
            let next = lock(&self.state).news.pop_first();
            if let Some((_, held)) = next {
                return held;
            }
            self.news.notified().await;
        }
    }

    /// All of the attempt is here and checked. False where it was dropped before.
    pub(super) fn is_whole(&self, attempt: Attempt) -> bool {
        lock(&self.state).receiving.is_whole(attempt)
    }

    /// The attempt was rolled back. False where send need not be told.
    pub(super) fn release(&self, attempt: Attempt) -> bool {
        let mut state = lock(&self.state);
        state.close(attempt);
        state.receiving.release(attempt)
    }

    /// The journal has the chunk; the tables that this completes.
    pub(super) fn commit(&self, chunk: ChunkId) -> Vec<TableIndex> {
        let mut state = lock(&self.state);
        if let Some((_, feed)) = state.feeds.remove(&chunk) {
            feed.close();
        }
        state.receiving.commit(chunk)
    }

    /// Send goes on with these; all others are over.
    pub(super) fn keep_only(&self, attempts: &[Attempt]) {
        let mut state = lock(&self.state);
        for attempt in state.receiving.keep_only(attempts) {
            state.close(attempt);
        }
    }

    /// Whether an attempt that send does not know is with the server: no stream is to be taken.
    pub(super) fn has_orphans(&self) -> bool {
        lock(&self.state).receiving.has_orphans()
    }

    pub(super) fn tries(&self, chunk: ChunkId) -> u32 {
        lock(&self.state).receiving.tries(chunk)
    }

    pub(super) fn is_committed(&self, chunk: ChunkId) -> bool {
        lock(&self.state).receiving.is_committed(chunk)
    }

    pub(super) fn all_committed(&self) -> bool {
        lock(&self.state).receiving.all_committed()
    }

    /// What the journal has, as far as this process knows.
    pub(super) fn committed(&self) -> Vec<ChunkId> {
        lock(&self.state).receiving.committed()
    }

    /// Makes every wait for streams and bytes end at once.
    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Returns when the intake was stopped.
    pub(super) async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        let seen = stopped.wait_for(|&stopped| stopped).await;
        seen.map(drop).expect("the sender is our own");
    }
}

impl State {
    fn close(&mut self, attempt: Attempt) {
        let of_it = |(of, _): &(Attempt, Arc<Feed>)| *of == attempt;
        if self.feeds.get(&attempt.chunk).is_some_and(of_it)
            && let Some((_, feed)) = self.feeds.remove(&attempt.chunk)
        {
            feed.close();
        }
    }
}

//! What is on its way in, through all connections of this process: which attempts are under way, and
//! the way from a new connection's streams to the decoders that wait for them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::chunk::{Attempt, ChunkId, Held, Plan, TableIndex};
use crate::ledger::{ClaimError, Opened, Receiving};
use crate::runtime::lock;
use crate::transport::RecvStream;

/// Shared by the session, which hands streams in and marks what the journal has, and by the workers,
/// which count blocks and tell what was rolled back.
pub(super) struct Intake {
    state: Mutex<State>,
    stopped: watch::Sender<bool>,
}

struct State {
    receiving: Receiving,
    /// The ways to the attempts that may go on; one that closes means that its attempt is over.
    feeds: BTreeMap<ChunkId, (Attempt, UnboundedSender<RecvStream>)>,
}

/// The streams of one attempt, one after the other as connections come and go.
pub(super) type Streams = UnboundedReceiver<RecvStream>;

impl Intake {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            state: Mutex::new(State {
                receiving: Receiving::new(plan),
                feeds: BTreeMap::new(),
            }),
            stopped: watch::Sender::new(false),
        }
    }

    /// A stream that begins an attempt; its decoder takes this one and all later ones from here.
    /// Nothing where a later attempt was seen before.
    pub(super) fn open(
        &self,
        attempt: Attempt,
        stream: RecvStream,
    ) -> Result<Option<Streams>, ClaimError> {
        let mut state = lock(&self.state);
        if state.receiving.open(attempt)? == Opened::Over {
            stream.stop();
            return Ok(None);
        }
        let (feed, streams) = unbounded_channel();
        let _ = feed.send(stream);
        state.feeds.insert(attempt.chunk, (attempt, feed));
        Ok(Some(streams))
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
        match state.receiving.reopen(attempt, from)? {
            Opened::GoesOn => {
                if let Some((_, feed)) = state.feeds.get(&attempt.chunk) {
                    // A decoder that ends at this moment is missed with its attempt.
                    let _ = feed.send(stream);
                }
            }
            Opened::Over | Opened::Begins => stream.stop(),
        }
        Ok(())
    }

    pub(super) fn received(&self, attempt: Attempt) -> Option<Held> {
        lock(&self.state).receiving.received(attempt)
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
        state.feeds.remove(&chunk);
        state.receiving.commit(chunk)
    }

    /// Send goes on with these; all others are over.
    pub(super) fn keep_only(&self, attempts: &[Attempt]) {
        let mut state = lock(&self.state);
        for attempt in state.receiving.keep_only(attempts) {
            state.close(attempt);
        }
    }

    /// What a new connection can go on with, and the highest number of any attempt.
    pub(super) fn held(&self) -> (Vec<Held>, u32) {
        let state = lock(&self.state);
        (state.receiving.held(), state.receiving.last_number())
    }

    /// Whether an attempt is with the server and its end unknown.
    pub(super) fn is_unsettled(&self) -> bool {
        lock(&self.state).receiving.is_unsettled()
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

    /// How many chunks the journal has, as far as this process knows.
    pub(super) fn committed(&self) -> usize {
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
        let feed = self.feeds.get(&attempt.chunk);
        if feed.is_some_and(|(of, _)| *of == attempt) {
            self.feeds.remove(&attempt.chunk);
        }
    }
}

//! The one session of a send that reads everything through one connection: its transaction is the
//! snapshot. It is lent to one thread at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::pg::{CancelToken, Client, Closer, PgError};
use crate::runtime::lock;

/// How long a server may take to cancel a statement before the connection is given up: it may have
/// gone without a word.
const CANCEL_LIMIT: Duration = Duration::from_secs(3);
/// How long an end waits for a server that does not answer; whoever asked for it waits 10 s.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(4);
/// A request that comes between two statements cancels neither: so it is repeated.
const CANCEL_AGAIN: Duration = Duration::from_millis(200);

/// A server that says nothing for so long has gone; nobody can use the session while it is asked.
const PULSE_LIMIT: Duration = Duration::from_secs(30);

/// See the module.
pub struct Single {
    state: Mutex<State>,
    /// Somebody has given the session back, or it has ended.
    changed: Condvar,
    /// Held while a cancel request is on its way: it must not meet the next borrower.
    cancelling: Mutex<()>,
    cancel: CancelToken,
    closer: Closer,
}

struct State {
    /// While nobody has it; never again once it has ended.
    client: Option<Client>,
    /// The loan under way, by its number.
    lent: Option<u64>,
    loans: u64,
    ended: bool,
}

/// The session is over, and the snapshot with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended")]
pub struct Over;

impl Single {
    /// Of a session whose transaction is open.
    pub fn new(client: Client) -> Result<Self, PgError> {
        Ok(Self {
            cancel: client.cancel_token(),
            closer: client.closer()?,
            state: Mutex::new(State {
                client: Some(client),
                lent: None,
                loans: 0,
                ended: false,
            }),
            changed: Condvar::new(),
            cancelling: Mutex::default(),
        })
    }

    /// Waits until nobody else has it.
    pub fn lend(self: &Arc<Self>) -> Result<Loan, Over> {
        let mut state = lock(&self.state);
        loop {
            if state.ended {
                return Err(Over);
            }
            if let Some(client) = state.client.take() {
                state.loans += 1;
                state.lent = Some(state.loans);
                return Ok(Loan {
                    client: Some(client),
                    number: state.loans,
                    single: Arc::clone(self),
                });
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// A sign of life from the server, unless somebody has the session and so hears from it; whether
    /// it has not ended.
    pub fn pulse(&self) -> bool {
        let mut state = lock(&self.state);
        if let Some(client) = &mut state.client
            && let Err(error) = sign_of_life(client)
        {
            tracing::warn!(%error, "the session of the snapshot has ended");
            self.note_end(&mut state);
        }
        !state.ended
    }

    /// Ends transaction and session; a statement under way is broken off.
    pub fn end(&self) {
        let mut state = lock(&self.state);
        let client = state.client.take();
        self.note_end(&mut state);
        drop(state);
        match client {
            Some(mut client) => {
                let limited = client.set_read_timeout(Some(ROLLBACK_LIMIT));
                let _ = limited.and_then(|()| client.execute("ROLLBACK"));
                client.end();
            }
            None => self.closer.close(),
        }
    }

    fn note_end(&self, state: &mut State) {
        state.ended = true;
        state.client = None;
        self.changed.notify_all();
    }

    fn is_lent_as(&self, number: u64) -> bool {
        lock(&self.state).lent == Some(number)
    }

    /// Asks the server to end what this loan runs, as long as it lasts.
    fn cancel(&self, number: u64) {
        let begun = Instant::now();
        loop {
            let sending = lock(&self.cancelling);
            if !self.is_lent_as(number) || begun.elapsed() > CANCEL_LIMIT {
                return;
            }
            if let Err(error) = self.cancel.cancel() {
                tracing::warn!(%error, "a statement was not cancelled");
            }
            drop(sending);
            self.await_end(number, CANCEL_AGAIN);
        }
    }

    /// Waits for the end of a loan; false where it did not come in time.
    fn await_end(&self, number: u64, limit: Duration) -> bool {
        let state = lock(&self.state);
        let is_open = |state: &mut State| state.lent == Some(number);
        let waited = self.changed.wait_timeout_while(state, limit, is_open);
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }
}

fn sign_of_life(client: &mut Client) -> Result<(), PgError> {
    client.set_read_timeout(Some(PULSE_LIMIT))?;
    client.execute("SELECT")?;
    client.set_read_timeout(None)
}

/// The session, until dropped. What was done in it and is not undone goes back with it.
pub struct Loan {
    client: Option<Client>,
    number: u64,
    single: Arc<Single>,
}

impl Loan {
    /// What ends the borrower's statement from another thread, and returns at once: the transaction
    /// outlives it.
    pub fn interrupter(&self) -> impl FnOnce() + Send + 'static {
        let (single, number) = (Arc::clone(&self.single), self.number);
        move || {
            // Neither is joined: both end with the loan, or by their limits.
            let other = Arc::clone(&single);
            std::thread::spawn(move || other.cancel(number));
            std::thread::spawn(move || {
                if !single.await_end(number, CANCEL_LIMIT) {
                    single.closer.close();
                }
            });
        }
    }
}

impl Deref for Loan {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("there until dropped")
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Client {
        self.client.as_mut().expect("there until dropped")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        {
            let _none = lock(&self.single.cancelling);
            lock(&self.single.state).lent = None;
        }
        let client = self.client.take().filter(Client::is_usable);
        let mut state = lock(&self.single.state);
        // A failed transaction is of no use to anybody.
        match client.filter(|client| client.in_transaction() && !client.is_failed()) {
            Some(client) if !state.ended => state.client = Some(client),
            _ => state.ended = true,
        }
        self.single.changed.notify_all();
    }
}

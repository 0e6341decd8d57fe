//! The data phase: every pending chunk, until recv says that all are durable.

use std::sync::{Arc, Mutex};

use crossbeam_channel::bounded;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::offering::{Ready, There};
use super::outbox::Outbox;
use super::outgoing::resend;
use super::session::{Break, Context, Talk};
use super::watching::{KeeperWatch, Puzzle};
use super::worker::{self, Desk, Reading, Shared, WorkError};
use super::{Compress, SendError, end_moving};
use crate::chunk::{Attempt, ChunkId};
use crate::codec::{ChunkParams, Tuner};
use crate::ledger::Sending;
use crate::pg::session::transfer_encoding;
use crate::report::one_line;
use crate::runtime::{Brake, Budget, Panicked, Stopped, Throttle, Workers, dispose, lock};
use crate::source::reader::{ReadError, Sessions};
use crate::transport::Connection;
use crate::wire::message::{ToRecv, ToSend};

type Troubles = mpsc::UnboundedSender<SendError>;

/// The threads that read and encode. They live as long as rows are missing, through lost links, but
/// not through an error or a stop; dropping them ends them, which blocks.
pub(super) struct Moving {
    shared: Arc<Shared>,
    /// What ends the data phase early.
    troubles: mpsc::UnboundedReceiver<SendError>,
    /// What one of them has told, until it is understood.
    puzzle: Option<Puzzle>,
    keeper: KeeperWatch,
    /// What both sides could afford when the threads were started.
    agreed: Budget,
    _workers: Workers,
}

impl Moving {
    fn start(context: &Context, talk: &Talk, ready: &Ready, there: &There) -> Self {
        let (told, troubles) = mpsc::unbounded_channel();
        let limit_bytes = usize::try_from(context.budget.send_window).unwrap_or(usize::MAX);
        let sending = Sending::new(&ready.plan, there.last_number);
        let shared = Arc::new(Shared {
            plan: Arc::clone(&ready.plan),
            outbox: Outbox::new(sending, limit_bytes, context.options.stall),
            runtime: Handle::current(),
            meter: Arc::clone(&context.display.meter),
            tuner: Mutex::new(tuner(context, talk)),
            brake: Brake::default(),
            throttle: context.options.rate.map(Throttle::new),
            readers: Arc::default(),
            sent: Mutex::default(),
        });
        // Where recv has only to make the end of it durable, nobody reads.
        let nothing_left = there.committed.len() == ready.plan.chunks.len();
        let (jobs, keeper) = match nothing_left {
            true => (0, KeeperWatch::of_none()),
            false => (
                context.agreed.jobs,
                KeeperWatch::start(context.state.path()),
            ),
        };
        let mut workers = Workers::new();
        for number in 0..jobs {
            let sessions = context.sessions(number, &ready.offer.snapshot);
            start_worker(context, &shared, sessions, &told, number, &mut workers);
        }
        Self {
            shared,
            troubles,
            puzzle: None,
            keeper,
            agreed: context.agreed.clone(),
            _workers: workers,
        }
    }

    /// Attempts grow no older as long as this lives.
    pub(super) fn stop_clock(&self) -> Stopped {
        self.shared.outbox.stop_clock()
    }

    /// Whether the threads cannot go on: the journal has lost what it had, as a crash of the target took
    /// commits back that recv had told us of, or recv has come back with another budget.
    fn is_outdated(&self, there: &There, agreed: &Budget) -> bool {
        self.agreed != *agreed || self.shared.outbox.knows_more_than(&there.committed)
    }

    /// Waits until the data phase cannot go on. Cancel-safe.
    pub(super) async fn trouble(&mut self) -> SendError {
        if self.puzzle.is_none() {
            let error = tokio::select! {
                Some(error) = self.troubles.recv() => error,
                error = self.keeper.ended(), if !self.shared.outbox.all_committed() => return error,
                else => std::future::pending().await,
            };
            self.puzzle = Some(Puzzle::new(error));
        }
        // Kept here meanwhile: recv says something each second, and then nobody waits here.
        if let Some(puzzle) = &mut self.puzzle {
            self.keeper.solve(puzzle).await;
        }
        let solved = self.puzzle.take();
        solved.expect("it was put there").answer
    }

    /// Ends the threads: each leaves what it is at.
    pub(super) async fn end(self) -> Result<(), Panicked> {
        dispose(self).await
    }
}

impl Drop for Moving {
    /// Before the workers are joined.
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Moves every pending chunk; returns when all are durably committed.
pub(super) async fn send(
    context: &mut Context,
    talk: &mut Talk,
    ready: &Ready,
    there: &There,
) -> Result<(), Break> {
    context.display.meter.phase("data");
    let outdated = |moving: &Moving| moving.is_outdated(there, &context.agreed);
    if context.moving.as_ref().is_some_and(outdated) {
        end_moving(context).await?;
    }
    let mut moving = match context.moving.take() {
        Some(moving) => moving,
        None => {
            resume_meter(context, ready, &there.committed);
            Moving::start(context, talk, ready, there)
        }
    };
    let shared = Arc::clone(&moving.shared);
    for &chunk in &there.committed {
        committed(context, &shared, chunk);
    }
    let result = move_all(context, talk, there, &mut moving).await;
    shared.outbox.detach();
    match result {
        // Nothing is left to do for the threads.
        Ok(()) => moving.end().await?,
        // Whether they go on is seen when the session's end is known.
        Err(_) => context.moving = Some(moving),
    }
    result
}

async fn move_all(
    context: &Context,
    talk: &mut Talk,
    there: &There,
    moving: &mut Moving,
) -> Result<(), Break> {
    let shared = &Arc::clone(&moving.shared);
    let attempts = shared.outbox.resume(&there.held);
    talk.say(&ToRecv::Resume { attempts }).await?;
    for orphan in shared.outbox.attach(talk.connection().clone()) {
        tokio::spawn(again(Arc::clone(shared), talk.connection().clone(), orphan));
    }
    loop {
        tokio::select! {
            message = talk.hear() => match message? {
                ToSend::Received(held) => shared.outbox.received(held),
                ToSend::Committed { chunk } => committed(context, shared, chunk),
                ToSend::Released { attempt } => released(shared, attempt),
                ToSend::DataDurable if shared.outbox.all_committed() => return Ok(()),
                ToSend::Progress { done, .. } => context.display.meter.index_at(done),
                ToSend::HeldUp { by } => context.show_held_up(by),
                _ => return Err(SendError::Protocol("expected Committed").into()),
            },
            error = moving.trouble() => return Err(error.into()),
        }
    }
}

/// Sends the rest of an attempt whose encoder has done its part. Ends with the connection.
async fn again(shared: Arc<Shared>, connection: Connection, attempt: Attempt) {
    let Ok(rest) = shared.outbox.again(attempt) else {
        return;
    };
    let resending = resend(&connection, rest, shared.throttle.as_ref());
    let resent = tokio::select! {
        resent = resending => resent,
        () = shared.outbox.stopped() => return,
    };
    if let Err(error) = resent {
        tracing::info!(%attempt, error = one_line(&error), "not sent again");
    }
}

fn committed(context: &Context, shared: &Shared, chunk: ChunkId) {
    if !shared.outbox.commit(chunk) {
        return;
    }
    let raw_bytes = lock(&shared.sent).remove(&chunk).unwrap_or_default();
    if let Some(chunk) = shared.plan.chunk(chunk) {
        context.display.meter.chunk_done(chunk.bytes, raw_bytes);
    }
}

fn released(shared: &Shared, attempt: Attempt) {
    tracing::info!(%attempt, "rolled back by recv; its chunk is sent again");
    if shared.outbox.give_back(attempt) {
        lock(&shared.sent).remove(&attempt.chunk);
    }
}

/// What earlier processes have moved.
fn resume_meter(context: &Context, ready: &Ready, committed: &[ChunkId]) {
    let chunks = committed.iter().filter_map(|&id| ready.plan.chunk(id));
    let bytes = chunks.map(|chunk| chunk.bytes).sum();
    let meter = &context.display.meter;
    meter.resume(bytes, committed.len() as u64);
}

fn tuner(context: &Context, talk: &Talk) -> Tuner {
    let window_log = u8::try_from(context.agreed.window_log).expect("windows are below 2^255");
    match context.options.compress {
        Compress::None => Tuner::fixed(ChunkParams::UNCOMPRESSED),
        Compress::Level(level) => {
            let level = level.min(context.agreed.max_level);
            Tuner::fixed(ChunkParams::with_level(level).within(window_log))
        }
        Compress::Auto => {
            let within_host = talk.connection().remote_addr().ip().is_loopback();
            Tuner::auto(window_log, context.agreed.max_level, within_host)
        }
    }
}

/// A reader and its encoder.
fn start_worker(
    context: &Context,
    shared: &Arc<Shared>,
    sessions: Sessions,
    told: &Troubles,
    number: usize,
    workers: &mut Workers,
) {
    let reading = Reading {
        sessions,
        encoding: transfer_encoding(&context.source.encoding),
        buffers: context.agreed.raw_buffers,
    };
    let desk = Arc::new(Desk::new(shared));
    let (sender, receiver) = bounded(1);
    let reading = {
        let (shared, desk) = (Arc::clone(shared), Arc::clone(&desk));
        move || worker::read(&shared, &desk, &reading, &sender)
    };
    let encoding = {
        let shared = Arc::clone(shared);
        move || worker::encode(&shared, &desk, &receiver)
    };
    workers.spawn(format!("read-{number}"), reading, tell(told));
    workers.spawn(format!("encode-{number}"), encoding, tell(told));
}

/// Tells the session why a thread ended early.
fn tell(told: &Troubles) -> impl FnOnce(Result<(), WorkError>) + Send + 'static {
    let told = told.clone();
    move |ended| match ended {
        // The session, or the worker's other thread, knows why.
        Ok(()) | Err(WorkError::Halted | WorkError::Read(ReadError::Unwanted)) => {}
        Err(error) => drop(told.send(error.into())),
    }
}

//! The data phase: chunks are written as they come, until all are durable.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::RecvError;
use super::ending::show_built;
use super::fetch;
use super::session::{Break, Context, Talk};
use super::worker::{self, Event, Incoming, Shared, WorkError};
use super::writing::Writing;
use crate::chunk::{Attempt, ChunkId};
use crate::codec::{ChunkParams, MAX_WINDOW_LOG};
use crate::ledger::{ClaimError, Standing};
use crate::pg::session::transfer_encoding;
use crate::runtime::{BLOCK_BYTES, Brake, Pool, Workers, dispose, panicked};
use crate::sink::writer::Written;
use crate::transport::{RecvStream, TransportError};
use crate::wire::message::{StreamHeader, ToRecv, ToSend};

/// The threads that decode and write. They live as long as rows are missing, through lost links, but
/// not through an error or a stop; dropping them ends them, which blocks.
pub(super) struct Moving {
    shared: Arc<Shared>,
    attempts: Option<Sender<Incoming>>,
    happened: mpsc::UnboundedReceiver<Event>,
    _workers: Workers,
}

impl Moving {
    fn start(context: &mut Context) -> Self {
        let (events, happened) = mpsc::unbounded_channel();
        let window_log = u8::try_from(context.budget.window_log).unwrap_or(MAX_WINDOW_LOG);
        let migration = context.installed();
        let writers = Arc::clone(&migration.writers);
        let shared = Arc::new(Shared {
            plan: Arc::clone(&migration.plan),
            intake: Arc::clone(&migration.intake),
            events,
            runtime: Handle::current(),
            meter: Arc::clone(&context.display.meter),
            brake: Brake::default(),
            max_window_log: window_log.min(MAX_WINDOW_LOG),
            stall: context.options.stall,
            writers,
        });
        let agreed = usize::from(context.installed().greet.jobs);
        let jobs = context.budget.jobs.min(agreed).max(1);
        // As many wait as the link lets in: small chunks come faster than their turn.
        let (attempts, waiting) = unbounded();
        let mut workers = Workers::new();
        for number in 0..jobs {
            start_worker(context, &shared, &waiting, number, &mut workers);
        }
        Self {
            shared,
            attempts: Some(attempts),
            happened,
            _workers: workers,
        }
    }

    fn begin(
        &self,
        attempt: Attempt,
        params: ChunkParams,
        stream: RecvStream,
    ) -> Result<(), ClaimError> {
        let feed = self.shared.intake.open(attempt, stream)?;
        if let (Some(feed), Some(attempts)) = (feed, &self.attempts) {
            let incoming = Incoming {
                attempt,
                params,
                feed,
            };
            // Where its decoders have all ended, one of them has told why.
            let _ = attempts.send(incoming);
        }
        Ok(())
    }

    /// Waits, without a link, until the threads cannot go on; takes down what they commit meanwhile.
    pub(super) async fn trouble(&mut self, commit: &mut dyn FnMut(ChunkId, &Written)) -> RecvError {
        loop {
            match self.happened.recv().await {
                Some(Event::Failed(error)) => return error,
                Some(Event::Committed(id, written)) => commit(id, &written),
                // A new connection is told what is held then.
                Some(Event::Released(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for Moving {
    /// Before the workers are joined.
    fn drop(&mut self) {
        self.attempts = None;
        self.shared.stop();
    }
}

/// What send is to be told of what is here. Waits until nothing is with the server whose end is not
/// known.
pub(super) async fn settle(context: &mut Context, talk: &mut Talk) -> Result<Standing, Break> {
    let mut moving = context.installed().moving.take();
    let settled = settle_with(context, talk, moving.as_mut()).await;
    context.installed().moving = moving;
    settled
}

async fn settle_with(
    context: &mut Context,
    talk: &mut Talk,
    mut moving: Option<&mut Moving>,
) -> Result<Standing, Break> {
    let meter = Arc::clone(&context.display.meter);
    let intake = Arc::clone(&context.installed().intake);
    let mut stopped = None;
    loop {
        while let Some(event) = moving.as_mut().and_then(|m| m.happened.try_recv().ok()) {
            note(context, event)?;
        }
        if let Some(standing) = intake.begin_link() {
            meter.waiting_for(None);
            return Ok(standing);
        }
        let Some(moving) = &mut moving else {
            return Err(RecvError::Protocol("an attempt that nobody writes").into());
        };
        meter.waiting_for_server("the target to commit what it has");
        if stopped.is_none() {
            // Send cannot go on before that.
            stopped = Some(intake.clock.stop());
            talk.say(&ToSend::Settling).await?;
        }
        tokio::select! {
            Some(event) = moving.happened.recv() => note(context, event)?,
            held_up = context.held_up.news() => talk.say(&held_up).await?,
            heard = talk.hear() => {
                heard?;
                return Err(RecvError::Protocol("a message out of turn").into());
            }
        }
    }
}

/// What is told in one piece to a new connection.
fn note(context: &mut Context, event: Event) -> Result<(), RecvError> {
    match event {
        Event::Committed(id, written) => commit(context, id, &written),
        Event::Failed(error) => return Err(error),
        Event::Released(_) => {}
    }
    Ok(())
}

/// Writes chunks as they come, until all are durable and send has been told.
pub(super) async fn receive(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    context.display.meter.phase("data");
    let ToRecv::Resume { attempts } = talk.hear().await? else {
        return Err(RecvError::Protocol("expected Resume").into());
    };
    context.installed().intake.keep_only(&attempts);
    let mut moving = match context.installed().moving.take() {
        Some(moving) => moving,
        None => Moving::start(context),
    };
    match write_all(context, talk, &mut moving).await {
        Ok(()) => dispose(moving).await?,
        Err(broke) => {
            // Whether they go on is seen when the session's end is known.
            context.installed().moving = Some(moving);
            return Err(broke);
        }
    }
    end(context, talk).await
}

/// Returns once every chunk is committed.
async fn write_all(
    context: &mut Context,
    talk: &mut Talk,
    moving: &mut Moving,
) -> Result<(), Break> {
    let connection = talk.connection().clone();
    let mut built = context.installed().builder.watch();
    let intake = Arc::clone(&moving.shared.intake);
    // As many at most as QUIC lets send open.
    let mut opening = JoinSet::new();
    while !context.installed().intake.all_committed() {
        tokio::select! {
            message = talk.hear() => {
                message?;
                return Err(RecvError::Protocol("a message out of turn").into());
            }
            stream = connection.accept_data(), if !intake.has_orphans() => {
                opening.spawn(opened(stream?));
            }
            Some(opened) = opening.join_next(), if !intake.has_orphans() => {
                take(moving, opened.unwrap_or_else(|error| Err(panicked(error).into())))?;
            }
            held = intake.news() => talk.say(&ToSend::Received(held)).await?,
            held_up = context.held_up.news() => talk.say(&held_up).await?,
            Some(event) = moving.happened.recv() => match event {
                Event::Committed(id, written) => {
                    commit(context, id, &written);
                    talk.say(&ToSend::Committed { chunk: id }).await?;
                }
                Event::Released(attempt) => talk.say(&ToSend::Released { attempt }).await?,
                Event::Failed(error) => return Err(error.into()),
            },
            Ok(()) = built.changed() => show_built(context)?,
        }
    }
    Ok(())
}

/// A stream with its header read.
type Opened = (StreamHeader, RecvStream);

/// Reads a stream's header; beside all else, as send may be slow with it.
async fn opened(mut stream: RecvStream) -> Result<Opened, RecvError> {
    let header = fetch::read_header(&mut stream).await?;
    Ok((header, stream))
}

/// Claims a stream's chunk: nothing outside the plan, nothing twice. A stream that send has broken
/// off already is nothing.
fn take(moving: &Moving, opened: Result<Opened, RecvError>) -> Result<(), Break> {
    let (header, stream) = match opened {
        Err(RecvError::Transport(TransportError::Reset { .. })) => return Ok(()),
        opened => opened?,
    };
    match header {
        StreamHeader::Chunk { attempt, params } => Ok(moving.begin(attempt, params, stream)?),
        StreamHeader::Resume { attempt, from } => {
            Ok(moving.shared.intake.reopen(attempt, from, stream)?)
        }
        _ => Err(RecvError::Protocol("a file that was not asked for").into()),
    }
}

fn commit(context: &mut Context, id: ChunkId, written: &Written) {
    let (migration, meter) = (&mut context.migration, &context.display.meter);
    if let Some(migration) = migration {
        let (_, marks) = migration.while_moving();
        marks.commit(meter, id, written);
    }
}

/// Waits until the builder has made everything durable, which lets the snapshot go.
async fn end(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    let mut built = context.installed().builder.watch();
    loop {
        // In this order: an error that is told here has not been asked for there.
        let durable = built.borrow_and_update().data_durable;
        show_built(context)?;
        if durable {
            return Ok(talk.say(&ToSend::DataDurable).await?);
        }
        tokio::select! {
            Ok(()) = built.changed() => {}
            held_up = context.held_up.news() => talk.say(&held_up).await?,
            message = talk.hear() => {
                message?;
                return Err(RecvError::Protocol("a message out of turn").into());
            }
        }
    }
}

/// A decoder and its writer.
fn start_worker(
    context: &mut Context,
    shared: &Arc<Shared>,
    attempts: &Receiver<Incoming>,
    number: usize,
    workers: &mut Workers,
) {
    let buffers = context.budget.raw_buffers;
    let (handover, chunks) = bounded(1);
    let (writes, is_writing) = watch::channel(true);
    let decoding = {
        let (shared, attempts) = (Arc::clone(shared), attempts.clone());
        let pool = Pool::new(buffers, BLOCK_BYTES);
        shared.brake.add(pool.closer());
        move || worker::decode(&shared, &attempts, &pool, buffers, is_writing, &handover)
    };
    let writing = Writing {
        info: context.info.clone(),
        name: format!("{} {number}", context.options.application_name()),
        encoding: transfer_encoding(&context.installed().greet.source.encoding),
        journal: context.installed().journal.clone(),
        omit: context.installed().offer.omit,
        as_replica: context.installed().as_replica,
        role_map: context.installed().offer.role_map.clone(),
        writes,
        // Nothing is installed before recv's user lets it too.
        replaces_objects: context.installed().offer.clean,
    };
    let left = chunks.clone();
    let writing = {
        let shared = Arc::clone(shared);
        move || writing.run(&shared, &chunks)
    };
    let told = tell(shared);
    let ended = move |ended| {
        told(ended);
        // What lies in a channel without a receiver stays there, and its decoder would wait for
        // somebody to take the pieces.
        left.iter().for_each(drop);
    };
    workers.spawn(format!("decode-{number}"), decoding, tell(shared));
    workers.spawn(format!("write-{number}"), writing, ended);
}

/// Tells the session why a thread ended early.
fn tell(shared: &Arc<Shared>) -> impl FnOnce(Result<(), WorkError>) + Send + 'static {
    let shared = Arc::clone(shared);
    move |ended| match ended {
        // The session, or the worker's other thread, knows why.
        Ok(()) | Err(WorkError::Halted) => {}
        Err(error) => shared.tell(Event::Failed(error.into())),
    }
}

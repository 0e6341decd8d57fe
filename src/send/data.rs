//! The data phase: every pending chunk, until recv says that all are durable.

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::offering::Ready;
use super::session::{Break, Context, Talk};
use super::worker::{self, Shared, WorkError};
use super::{Compress, SendError};
use crate::chunk::ChunkId;
use crate::codec::{ChunkParams, Tuner};
use crate::ledger::Ledger;
use crate::pg::session::transfer_encoding;
use crate::runtime::{Brake, Throttle, Workers, dispose, lock};
use crate::source::keeper::{Keeper, Watch};
use crate::source::reader::{ReadError, Reader};
use crate::wire::message::ToSend;

/// What ends the data phase early.
enum Event {
    Failed(SendError),
    KeeperGone,
}

type Events = mpsc::UnboundedSender<Event>;

/// Moves every pending chunk; returns when all are durably committed.
pub(super) async fn send(
    context: &Context,
    talk: &mut Talk,
    ready: &Ready,
    ledger: Ledger,
) -> Result<(), Break> {
    context.display.meter.phase("data");
    let (events, mut happened) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        plan: Arc::clone(&ready.plan),
        ledger: Mutex::new(ledger),
        connection: talk.connection().clone(),
        runtime: Handle::current(),
        meter: Arc::clone(&context.display.meter),
        tuner: Mutex::new(tuner(context, talk)),
        brake: Brake::default(),
        halt: watch::Sender::new(false),
        throttle: context.options.rate.map(Throttle::new),
        sent: Mutex::default(),
    });
    let _watch = watch_keeper(context, &events);
    let mut workers = Workers::new();
    for number in 0..context.agreed.jobs {
        let snapshot = &ready.offer.snapshot.name;
        start_worker(context, &shared, snapshot, &events, number, &mut workers);
    }
    drop(events);
    let result = move_all(context, talk, &shared, &mut happened).await;
    // Where all is durable the threads have nothing left to do; else they are to leave it.
    shared.stop();
    dispose(workers).await?;
    result
}

async fn move_all(
    context: &Context,
    talk: &mut Talk,
    shared: &Shared,
    happened: &mut mpsc::UnboundedReceiver<Event>,
) -> Result<(), Break> {
    loop {
        tokio::select! {
            message = talk.hear() => match message? {
                ToSend::Committed { chunk } => committed(context, shared, chunk),
                ToSend::DataDurable if lock(&shared.ledger).all_committed() => return Ok(()),
                ToSend::Progress { done, .. } => context.display.meter.index_at(done),
                _ => return Err(SendError::Protocol("expected Committed").into()),
            },
            Some(event) = happened.recv() => return Err(match event {
                Event::Failed(error) => error.into(),
                Event::KeeperGone => SendError::SnapshotGone.into(),
            }),
        }
    }
}

fn committed(context: &Context, shared: &Shared, chunk: ChunkId) {
    lock(&shared.ledger).commit(chunk);
    let raw_bytes = lock(&shared.sent).remove(&chunk).unwrap_or_default();
    if let Some(chunk) = shared.plan.chunk(chunk) {
        context.display.meter.chunk_done(chunk.bytes, raw_bytes);
    }
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
    snapshot: &str,
    events: &Events,
    number: usize,
    workers: &mut Workers,
) {
    let (sender, receiver, pool) = worker::channel(context.agreed.raw_buffers);
    let (info, snapshot) = (context.info.clone(), snapshot.to_owned());
    let name = format!("pgpipe send {} {number}", context.options.migration);
    let encoding = transfer_encoding(&context.source.encoding);
    let reading = {
        let shared = Arc::clone(shared);
        move || {
            let meter = Arc::clone(&shared.meter);
            let reader = Reader::connect(&info, &name, encoding, &snapshot)?
                .on_wait(Box::new(move |what| meter.waiting_for(what)));
            let closer = reader.closer()?;
            shared.brake.add(move || closer.close());
            worker::read(&shared, reader, &pool, &sender)
        }
    };
    let encoding = {
        let shared = Arc::clone(shared);
        move || worker::encode(&shared, &receiver)
    };
    workers.spawn(format!("read-{number}"), reading, tell(events));
    workers.spawn(format!("encode-{number}"), encoding, tell(events));
}

/// Tells the session why a thread ended early.
fn tell(events: &Events) -> impl FnOnce(Result<(), WorkError>) + Send + 'static {
    let events = events.clone();
    move |ended| match ended {
        // The session, or the worker's other thread, knows why.
        Ok(()) | Err(WorkError::Halted | WorkError::Read(ReadError::Unwanted)) => {}
        Err(error) => drop(events.send(Event::Failed(error.into()))),
    }
}

/// Says at once when the keeper ends, as long as the guard lives.
fn watch_keeper(context: &Context, events: &Events) -> Option<Watch> {
    let Some(watch) = Keeper::watch(context.state.path()) else {
        let _ = events.send(Event::KeeperGone);
        return None;
    };
    let (ended, events) = (watch.ended(), events.downgrade());
    // Not joined: it ends with the guard, and has nobody to tell then.
    std::thread::spawn(move || {
        ended();
        if let Some(events) = events.upgrade() {
            let _ = events.send(Event::KeeperGone);
        }
    });
    Some(watch)
}

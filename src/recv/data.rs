//! The data phase: chunks are written as they come, until all are durable.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::RecvError;
use super::ending::show_built;
use super::fetch;
use super::session::{Break, Context, Talk};
use super::worker::{self, Incoming, Shared, WorkError};
use crate::chunk::ChunkId;
use crate::codec::MAX_WINDOW_LOG;
use crate::pg::session::transfer_encoding;
use crate::runtime::{BLOCK_BYTES, Brake, Pool, Workers, blocking, dispose};
use crate::sink::writer::{Writer, Written};
use crate::sink::{database, finish};
use crate::transport::RecvStream;
use crate::wire::message::{StreamHeader, ToSend};

/// What this session's threads tell it; what they tell too late goes with the channel.
enum Event {
    Committed(ChunkId, Written),
    Failed(RecvError),
}

type Events = mpsc::UnboundedSender<Event>;

/// Writes chunks as they come, until all are durable and send has been told.
pub(super) async fn receive(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    context.display.meter.phase("data");
    let (events, happened) = mpsc::unbounded_channel();
    let window_log = u8::try_from(context.budget.window_log).unwrap_or(MAX_WINDOW_LOG);
    let shared = Arc::new(Shared {
        plan: Arc::clone(&context.installed().plan),
        runtime: Handle::current(),
        meter: Arc::clone(&context.display.meter),
        brake: Brake::default(),
        max_window_log: window_log.min(MAX_WINDOW_LOG),
        halt: watch::Sender::new(false),
    });
    let (streams, workers) = start_workers(context, &shared, &events);
    let result = write_all(context, talk, &streams, happened).await;
    drop(streams);
    if result.is_err() {
        shared.stop();
    }
    dispose(workers).await?;
    result?;
    end(context, talk).await
}

/// Returns once every chunk is committed.
async fn write_all(
    context: &mut Context,
    talk: &mut Talk,
    streams: &Sender<Incoming>,
    mut happened: mpsc::UnboundedReceiver<Event>,
) -> Result<(), Break> {
    let connection = talk.connection().clone();
    let mut built = context.installed().builder.watch();
    while !context.installed().ledger.all_committed() {
        tokio::select! {
            message = talk.hear() => {
                message?;
                return Err(RecvError::Protocol("a message out of turn").into());
            }
            stream = connection.accept_data() => {
                let incoming = claim(context, talk, stream?).await?;
                if streams.try_send(incoming).is_err() {
                    return Err(RecvError::Protocol("more chunks at once than agreed").into());
                }
            }
            Some(event) = happened.recv() => match event {
                Event::Committed(id, written) => commit(context, talk, id, &written).await?,
                Event::Failed(error) => return Err(error.into()),
            },
            Ok(()) = built.changed() => show_built(context)?,
        }
    }
    Ok(())
}

/// Reads a stream's header and claims its chunk: nothing outside the plan, nothing twice.
async fn claim(
    context: &mut Context,
    talk: &Talk,
    mut stream: RecvStream,
) -> Result<Incoming, Break> {
    let reading = fetch::read_header(&mut stream);
    let StreamHeader::Chunk { id, params } = talk.unless_stopped(reading).await?? else {
        return Err(RecvError::Protocol("a file that was not asked for").into());
    };
    context.installed().ledger.claim(id)?;
    Ok(Incoming { id, params, stream })
}

async fn commit(
    context: &mut Context,
    talk: &mut Talk,
    id: ChunkId,
    written: &Written,
) -> Result<(), Break> {
    let migration = context.installed();
    migration.commit(id);
    let raw_bytes = match written {
        Written::Committed(parts) => parts.iter().map(|p| p.digest.bytes).sum(),
        Written::AlreadyCommitted => 0,
    };
    let estimate = migration.plan.chunk(id).map_or(0, |chunk| chunk.bytes);
    context.display.meter.chunk_done(estimate, raw_bytes);
    Ok(talk.say(&ToSend::Committed { chunk: id }).await?)
}

/// Makes everything durable, and then lets the snapshot go.
async fn end(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    let (info, name) = (context.info.clone(), context.options.application_name());
    let journal = context.installed().journal.clone();
    let plan = Arc::clone(&context.installed().plan);
    let ending = blocking(move || {
        let mut client = database::connect(&info, &name)?;
        // A crash of the server since the last commit may have taken some of them back.
        if journal.read(&mut client)?.committed(&plan).len() != plan.chunks.len() {
            return Err(RecvError::TakenBack);
        }
        Ok(finish::end_data(&mut client, &journal)?)
    });
    talk.unless_stopped(ending).await??;
    context.installed().data_durable = true;
    Ok(talk.say(&ToSend::DataDurable).await?)
}

fn start_workers(
    context: &mut Context,
    shared: &Arc<Shared>,
    events: &Events,
) -> (Sender<Incoming>, Workers) {
    let agreed = usize::from(context.installed().greet.jobs);
    let jobs = context.budget.jobs.min(agreed).max(1);
    // As many as the link lets in: small chunks come faster than their turn.
    let (sender, streams) = bounded(context.budget.jobs);
    let mut workers = Workers::new();
    for number in 0..jobs {
        start_worker(context, shared, &streams, events, number, &mut workers);
    }
    (sender, workers)
}

/// A decoder and its writer.
fn start_worker(
    context: &mut Context,
    shared: &Arc<Shared>,
    streams: &Receiver<Incoming>,
    events: &Events,
    number: usize,
    workers: &mut Workers,
) {
    let buffers = context.budget.raw_buffers;
    let (handover, chunks) = bounded(1);
    let decoding = {
        let (shared, streams) = (Arc::clone(shared), streams.clone());
        let pool = Pool::new(buffers, BLOCK_BYTES);
        move || worker::decode(&shared, &streams, &pool, buffers, &handover)
    };
    let writing = {
        let (shared, events, info) = (Arc::clone(shared), events.clone(), context.info.clone());
        let name = format!("{} {number}", context.options.application_name());
        let migration = context.installed();
        let journal = migration.journal.clone();
        let encoding = transfer_encoding(&migration.greet.source.encoding);
        move || {
            let writer = Writer::connect(&info, &name, encoding, journal)?;
            let closer = writer.closer()?;
            shared.brake.add(move || closer.close());
            worker::write(&shared, writer, &chunks, &mut |id, written| {
                let _ = events.send(Event::Committed(id, written));
            })
        }
    };
    workers.spawn(format!("decode-{number}"), decoding, tell(events));
    workers.spawn(format!("write-{number}"), writing, tell(events));
}

/// Tells the session why a thread ended early.
fn tell(events: &Events) -> impl FnOnce(Result<(), WorkError>) + Send + 'static {
    let events = events.clone();
    move |ended| match ended {
        // The session, or the worker's other thread, knows why.
        Ok(()) | Err(WorkError::Halted) => {}
        Err(error) => drop(events.send(Event::Failed(error.into()))),
    }
}

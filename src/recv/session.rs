//! One connection to send, from its greeting to its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use xxhash_rust::xxh3::Xxh3;

use super::builder::BuildError;
use super::finishing::Finishing;
use super::migration::{ARCHIVE, Finished, Installation, Migration, PLAN, Record};
use super::worker::{self, Incoming, Shared, WorkError};
use super::{Options, RecvError};
use crate::chunk::{ChunkId, Plan};
use crate::codec::MAX_WINDOW_LOG;
use crate::pg::ConnInfo;
use crate::pg::session::transfer_encoding;
use crate::report::{Display, Ending, Outcome, Report};
use crate::runtime::Pool;
use crate::runtime::{BLOCK_BYTES, Budget};
use crate::sink::journal::Journal;
use crate::sink::writer::{Writer, Written};
use crate::sink::{database, finish};
use crate::state::StateDir;
use crate::transport::auth::Session;
use crate::transport::{
    CloseCode, Connection, ControlReceiver, ControlSender, RecvStream, TransportError,
};
use crate::wire::frame;
use crate::wire::message::{
    BlobInfo, Greet, Offer, Standing, StreamHeader, Tail, TargetState, ToRecv, ToSend,
};

/// Streams beside those of the chunks: plan and archive.
pub(super) const BLOB_STREAMS: u32 = 2;
/// A plan of 10,000 tables and 100,000 chunks takes 5 MiB.
const PLAN_LIMIT: u64 = 256 << 20;
/// pg_dump's archive of 10,000 tables takes 20 MiB.
const ARCHIVE_LIMIT: u64 = 1 << 30;
/// How long a side that breaks off a stream may take to say why.
const EXPLANATION_LIMIT: Duration = Duration::from_secs(3);
const BLOB_PIECE: usize = 256 << 10;

/// What lasts from connection to connection.
pub(super) struct Context {
    pub(super) options: Options,
    pub(super) info: ConnInfo,
    pub(super) state: Arc<StateDir>,
    pub(super) record: Record,
    pub(super) budget: Budget,
    pub(super) display: Display,
    pub(super) migration: Option<Migration>,
    /// The builder has restored everything.
    pub(super) built: bool,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) happened: mpsc::UnboundedReceiver<Event>,
}

/// What threads tell the session.
pub(super) enum Event {
    /// Entries of the schema that are there before the data.
    Schema {
        done: u64,
        total: u64,
    },
    Committed(ChunkId, Written),
    WorkFailed(RecvError),
    BuildProgress,
    Built,
    BuildFailed(BuildError),
}

/// How a connection ended without an error of ours.
pub(super) enum Ended {
    Finished(Box<Outcome>),
    StoppedHere,
    StoppedThere,
    Lost(TransportError),
}

enum Break {
    Ended(Ended),
    Failed(RecvError),
}

impl<E: Into<RecvError>> From<E> for Break {
    fn from(error: E) -> Self {
        match error.into() {
            RecvError::Transport(lost) if is_lost(&lost) => Self::Ended(Ended::Lost(lost)),
            RecvError::Work(WorkError::Transport(lost)) if is_lost(&lost) => {
                Self::Ended(Ended::Lost(lost))
            }
            other => Self::Failed(other),
        }
    }
}

/// A connection that our own listener closed gave way to a newer one of the same peer.
fn is_lost(error: &TransportError) -> bool {
    error.is_lost() || matches!(error, TransportError::ClosedByUs)
}

/// Runs one connection to its end; tells send how it ended where that is still possible.
pub(super) async fn run(context: &mut Context, peer: Session) -> Result<Ended, RecvError> {
    let Session {
        conn: connection,
        sender,
        receiver,
        ..
    } = peer;
    let mut talk = Talk {
        connection,
        sender,
        receiver,
    };
    let broke = match Box::pin(converse(context, &mut talk)).await {
        Ok(ended) => Break::Ended(ended),
        Err(broke) => broke,
    };
    match broke {
        Break::Ended(Ended::StoppedHere) => {
            let _ = talk.sender.send(&ToSend::Stop).await;
            talk.close(CloseCode::Stopped, "recv was stopped").await;
            Ok(Ended::StoppedHere)
        }
        Break::Ended(ended) => {
            talk.close(CloseCode::Done, "").await;
            Ok(ended)
        }
        Break::Failed(error) => {
            if !matches!(error, RecvError::Peer(..)) {
                let _ = talk.sender.send(&ToSend::Failed(error.failure())).await;
            }
            talk.close(CloseCode::Failed, "recv failed").await;
            Err(error)
        }
    }
}

struct Talk {
    connection: Connection,
    sender: ControlSender,
    receiver: ControlReceiver,
}

impl Talk {
    async fn say(&mut self, message: &ToSend) -> Result<(), Break> {
        Ok(self.sender.send(message).await?)
    }

    /// The next message; send's own end becomes ours.
    async fn hear(&mut self) -> Result<ToRecv, Break> {
        match self.receiver.recv().await? {
            ToRecv::Failed(failure) => Err(RecvError::Peer(failure.line, failure.resumable).into()),
            ToRecv::Stop => Err(Break::Ended(Ended::StoppedThere)),
            message => Ok(message),
        }
    }

    async fn close(self, code: CloseCode, reason: &str) {
        let _ = self.sender.finish().await;
        self.connection.close(code, reason);
    }
}

async fn converse(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    let ToRecv::Greet(greet) = talk.hear().await? else {
        return Err(RecvError::Protocol("expected Greet").into());
    };
    let standing = stand(context, &greet).await?;
    let finished = matches!(standing.state, TargetState::Finished { .. });
    talk.say(&ToSend::Standing(standing)).await?;
    if finished {
        return farewell(context, talk).await;
    }
    context
        .display
        .meter
        .waiting_for(Some("send to take its snapshot".into()));
    let mut stop = context.display.stop.clone();
    let message = tokio::select! {
        message = talk.hear() => message?,
        _ = stop.wait_for(|&stop| stop) => return Ok(Ended::StoppedHere),
    };
    context.display.meter.waiting_for(None);
    let ToRecv::Offer(offer) = message else {
        return Err(RecvError::Protocol("expected Offer").into());
    };
    fetch(context, talk, &offer).await?;
    install(context, talk, &greet, &offer).await?;
    let Some(migration) = &context.migration else {
        return Ok(Ended::StoppedHere);
    };
    let ready = ToSend::Ready {
        committed: migration.committed(),
        data_durable: migration.data_durable,
    };
    talk.say(&ready).await?;
    let moved = Box::pin(data(context, talk)).await;
    match moved? {
        Some(tail) => finish_up(context, talk, tail).await,
        None => Ok(Ended::StoppedHere),
    }
}

/// What the target's journal and our own record say of the migration that send names.
async fn stand(context: &mut Context, greet: &Greet) -> Result<Standing, Break> {
    if greet.migration != context.options.migration {
        let (ours, theirs) = (context.options.migration.clone(), greet.migration.clone());
        return Err(RecvError::Name { ours, theirs }.into());
    }
    let path = context.state.path().to_owned();
    match context.record.id {
        Some(id) if id != greet.id => {
            let migration = greet.migration.clone();
            return Err(RecvError::OtherMigration { migration, path }.into());
        }
        Some(_) => {}
        None => {
            context.record.id = Some(greet.id);
            context.record.save(&context.state)?;
        }
    }
    let finished = context.record.finished.clone();
    let (options, info, greet) = (context.options.clone(), context.info.clone(), greet.clone());
    let chunks = context.migration.as_ref().map(|m| m.plan.chunks.len());
    let (jobs, window_log) = (context.budget.jobs, context.budget.window_log);
    let store = Arc::clone(&context.state);
    let (server_version, state) = spawn_blocking(move || {
        journal_state(
            &options,
            &info,
            &greet,
            finished,
            chunks.unwrap_or_else(|| recorded_chunks(&store)),
        )
    })
    .await
    .map_err(|e| RecvError::Worker(e.to_string()))??;
    let standing = Standing {
        pgpipe: env!("CARGO_PKG_VERSION").into(),
        target: context.info.to_string(),
        server_version,
        jobs: u16::try_from(jobs).unwrap_or(u16::MAX),
        window_log,
        state,
    };
    (context.display.say)(&first_line(&context.options.migration, &standing.state));
    Ok(standing)
}

/// Chunks of the plan as an earlier process received it; only to be shown.
fn recorded_chunks(state: &StateDir) -> usize {
    let plan = state.read_bytes(PLAN).ok().flatten();
    let plan = plan.and_then(|bytes| postcard::from_bytes::<Plan>(&bytes).ok());
    plan.map_or(0, |plan| plan.chunks.len())
}

fn journal_state(
    options: &Options,
    info: &ConnInfo,
    greet: &Greet,
    finished: Option<Finished>,
    chunks: usize,
) -> Result<(u32, TargetState), RecvError> {
    let name = options.application_name();
    let journal = Journal::new(&options.journal_schema, greet.id);
    let mut client = match database::connect(info, &name) {
        Err(database::DatabaseError::Missing { .. }) if options.create_db => {
            let server = database::connect_to_server(info, &name)?;
            return Ok((server.server_version(), TargetState::New));
        }
        other => other?,
    };
    let version = client.server_version();
    if let Some(finished) = finished {
        // Recorded as finished, and then the process died before it dropped the journal.
        if !options.keep_journal && journal.exists(&mut client)? {
            journal.drop(&mut client)?;
        }
        return Ok((
            version,
            TargetState::Finished {
                report: finished.report,
                exit: finished.exit,
            },
        ));
    }
    if !journal.exists(&mut client)? {
        return Ok((version, TargetState::New));
    }
    let contents = journal.read(&mut client)?;
    let committed: std::collections::BTreeSet<_> =
        contents.parts.keys().map(|(chunk, _)| chunk).collect();
    let state = TargetState::Begun {
        committed: committed.len() as u32,
        chunks: chunks as u32,
        data_durable: contents.steps.contains(finish::DATA),
    };
    Ok((version, state))
}

fn first_line(name: &str, state: &TargetState) -> String {
    match state {
        TargetState::New => format!("migration {name}: new"),
        TargetState::Begun {
            committed,
            data_durable: false,
            ..
        } => {
            format!("migration {name}: continuing, {committed} chunks committed")
        }
        TargetState::Begun { .. } => format!("migration {name}: continuing, all rows are there"),
        TargetState::Finished { .. } => format!("migration {name}: finished; nothing to do"),
    }
}

/// Send has come back for a report that is already written.
async fn farewell(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    // Whether or not the farewell arrives: send has been told.
    let _ = talk.hear().await;
    let finished = context
        .record
        .finished
        .as_mut()
        .expect("finished, as just told");
    finished.acknowledged = true;
    let ended = super::outcome(finished).ok_or(RecvError::Protocol("an unknown ending"))?;
    context
        .record
        .save(&context.state)
        .map_err(RecvError::from)?;
    Ok(Ended::Finished(Box::new(ended)))
}

/// Asks for plan and archive where our copies are not what is offered.
async fn fetch(context: &Context, talk: &mut Talk, offer: &Offer) -> Result<(), Break> {
    for (what, blob, limit) in [
        ("a plan", offer.plan, PLAN_LIMIT),
        ("an archive", offer.archive, ARCHIVE_LIMIT),
    ] {
        if blob.bytes > limit {
            return Err(RecvError::TooLarge {
                what,
                bytes: blob.bytes,
            }
            .into());
        }
    }
    let plan = !holds(&context.state, PLAN, offer.plan).await?;
    let archive = !holds(&context.state, ARCHIVE, offer.archive).await?;
    talk.say(&ToSend::Need { plan, archive }).await?;
    for _ in 0..usize::from(plan) + usize::from(archive) {
        let mut stream = talk.connection.accept_data().await?;
        let (file, blob) = match read_header(&mut stream).await? {
            StreamHeader::Plan if plan => (PLAN, offer.plan),
            StreamHeader::Archive if archive => (ARCHIVE, offer.archive),
            _ => return Err(RecvError::Protocol("a stream that was not asked for").into()),
        };
        receive_file(context, &mut stream, file, blob).await?;
    }
    Ok(())
}

async fn holds(state: &Arc<StateDir>, file: &'static str, blob: BlobInfo) -> Result<bool, Break> {
    let state = Arc::clone(state);
    let holds = spawn_blocking(move || {
        let bytes = state.read_bytes(file)?;
        Ok::<_, RecvError>(
            bytes.is_some_and(|bytes| xxhash_rust::xxh3::xxh3_128(&bytes) == blob.digest),
        )
    });
    Ok(holds
        .await
        .map_err(|e| RecvError::Worker(e.to_string()))??)
}

async fn read_header(stream: &mut RecvStream) -> Result<StreamHeader, Break> {
    let mut length = [0; frame::HEADER_BYTES];
    stream.read_exact(&mut length).await?;
    let length = frame::body_length(length, frame::UNPROVEN_LIMIT)
        .map_err(WorkError::from)
        .map_err(RecvError::from)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(frame::decode(&body)
        .map_err(WorkError::from)
        .map_err(RecvError::from)?)
}

/// Receives a file of a known length and digest, and keeps it in the state directory.
async fn receive_file(
    context: &Context,
    stream: &mut RecvStream,
    file: &'static str,
    blob: BlobInfo,
) -> Result<(), Break> {
    let mut bytes = Vec::new();
    let mut digest = Xxh3::new();
    while (bytes.len() as u64) < blob.bytes {
        let start = bytes.len();
        let piece = (blob.bytes - start as u64).min(BLOB_PIECE as u64) as usize;
        bytes.resize(start + piece, 0);
        stream.read_exact(&mut bytes[start..]).await?;
        digest.update(&bytes[start..]);
    }
    stream.expect_end().await?;
    if digest.digest128() != blob.digest {
        return Err(RecvError::Protocol("a file whose digest is not the offered one").into());
    }
    let state = Arc::clone(&context.state);
    let written = spawn_blocking(move || state.write_bytes(file, &bytes));
    Ok(written
        .await
        .map_err(|e| RecvError::Worker(e.to_string()))?
        .map_err(RecvError::from)?)
}

/// Makes the migration's schema and starts its builder, or rereads the journal where that is done.
async fn install(
    context: &mut Context,
    talk: &mut Talk,
    greet: &Greet,
    offer: &Offer,
) -> Result<(), Break> {
    context.display.meter.phase("schema");
    let (options, info) = (context.options.clone(), context.info.clone());
    let (state, events) = (Arc::clone(&context.state), context.events.clone());
    let (greet, offer, known) = (greet.clone(), offer.clone(), context.migration.take());
    let mut installing = spawn_blocking(move || {
        if let Some(mut migration) = known {
            let mut client = database::connect(&info, &options.application_name())?;
            migration.greet = greet;
            migration.reread(&mut client)?;
            return Ok(migration);
        }
        let install = Installation {
            options: &options,
            info: &info,
            state: &state,
            greet: &greet,
            offer: &offer,
            events: &events,
        };
        install.run()
    });
    let migration = loop {
        tokio::select! {
            installed = &mut installing => break installed.map_err(|e| RecvError::Worker(e.to_string()))?,
            Some(event) = context.happened.recv() => if let Event::Schema { done, total } = event {
                let progress = ToSend::Progress { phase: "schema".into(), done, total };
                // A lost link is noticed after installing; nothing is lost by going on.
                let _ = talk.sender.send(&progress).await;
            },
        }
    };
    let migration: Migration = migration.map_err(|e: RecvError| e)?;
    let meter = &context.display.meter;
    let plan = &migration.plan;
    meter.plan(
        plan.bytes(),
        plan.chunks.len() as u64,
        plan.tables.len() as u64,
    );
    let done = migration.committed();
    let bytes = done
        .iter()
        .filter_map(|&id| plan.chunk(id))
        .map(|c| c.bytes)
        .sum();
    meter.resume(bytes, done.len() as u64, 0);
    meter.index_total(migration.builder.counts().1);
    context.migration = Some(migration);
    Ok(())
}

/// Writes chunks as they come, until all are durable and send has told what is read last.
async fn data(context: &mut Context, talk: &mut Talk) -> Result<Option<Tail>, Break> {
    context.display.meter.phase("data");
    let migration = context.migration.as_ref().expect("installed");
    let durable = migration.data_durable;
    let shared = Arc::new(Shared {
        plan: Arc::clone(&migration.plan),
        runtime: Handle::current(),
        meter: Arc::clone(&context.display.meter),
        closers: Mutex::default(),
        max_window_log: MAX_WINDOW_LOG
            .min(u8::try_from(context.budget.window_log).unwrap_or(MAX_WINDOW_LOG)),
        halt: watch::Sender::new(false),
    });
    let (streams, threads) = start_workers(context, &shared);
    let mut streams = Some(streams);
    if durable {
        streams = None;
    } else if context
        .migration
        .as_ref()
        .is_some_and(|m| m.ledger.all_committed())
    {
        end_data(context, talk).await?;
        streams = None;
    }
    let result = Box::pin(receive(context, talk, &mut streams)).await;
    drop(streams);
    if !matches!(result, Ok(Some(_))) {
        shared.stop();
    }
    let _ = spawn_blocking(move || threads.into_iter().for_each(|t| drop(t.join()))).await;
    result
}

/// The data phase's loop over messages, streams and events.
async fn receive(
    context: &mut Context,
    talk: &mut Talk,
    streams: &mut Option<Sender<Incoming>>,
) -> Result<Option<Tail>, Break> {
    let mut stop = context.display.stop.clone();
    let connection = talk.connection.clone();
    loop {
        tokio::select! {
            message = talk.hear() => match message? {
                ToRecv::Tail(tail) if streams.is_none() => return Ok(Some(tail)),
                _ => return Err(RecvError::Protocol("a message out of turn").into()),
            },
            stream = connection.accept_data() => {
                let incoming = claim(context, stream?).await?;
                let taken = streams.as_ref().is_some_and(|streams| streams.try_send(incoming).is_ok());
                if !taken {
                    return Err(RecvError::Protocol("more chunks at once than agreed").into());
                }
            }
            Some(event) = context.happened.recv() => match event {
                Event::Committed(id, written) => {
                    commit(context, talk, id, &written).await?;
                    let migration = context.migration.as_ref().expect("installed");
                    if migration.ledger.all_committed() && !migration.data_durable {
                        end_data(context, talk).await?;
                        *streams = None;
                    }
                }
                Event::WorkFailed(RecvError::Work(WorkError::Transport(error))) => {
                    return Err(reason(talk, error).await);
                }
                Event::WorkFailed(error) => return Err(error.into()),
                Event::BuildFailed(error) => return Err(RecvError::Build(error).into()),
                Event::BuildProgress => show_build(context),
                Event::Built => context.built = true,
                Event::Schema { .. } => {}
            },
            _ = stop.wait_for(|&stop| stop) => return Ok(None),
        }
    }
}

/// A stream that send broke off: send itself says why, on the control stream.
async fn reason(talk: &mut Talk, error: TransportError) -> Break {
    let explained = async {
        loop {
            if let Err(broke) = talk.hear().await {
                return broke;
            }
        }
    };
    timeout(EXPLANATION_LIMIT, explained)
        .await
        .unwrap_or_else(|_| error.into())
}

/// Reads a stream's header and claims its chunk: nothing outside the plan, nothing twice.
async fn claim(context: &mut Context, mut stream: RecvStream) -> Result<Incoming, Break> {
    let StreamHeader::Chunk { id, params } = read_header(&mut stream).await? else {
        return Err(RecvError::Protocol("a file that was not asked for").into());
    };
    let migration = context.migration.as_mut().expect("installed");
    migration.ledger.claim(id).map_err(RecvError::from)?;
    Ok(Incoming { id, params, stream })
}

async fn commit(
    context: &mut Context,
    talk: &mut Talk,
    id: ChunkId,
    written: &Written,
) -> Result<(), Break> {
    let migration = context.migration.as_mut().expect("installed");
    migration.commit(id);
    let raw_bytes = match written {
        Written::Committed(parts) => parts.iter().map(|p| p.digest.bytes).sum(),
        Written::AlreadyCommitted => 0,
    };
    if let Some(chunk) = migration.plan.chunk(id) {
        context.display.meter.chunk_done(chunk.bytes, raw_bytes);
    }
    talk.say(&ToSend::Committed { chunk: id }).await
}

/// Makes everything durable, and then lets the snapshot go.
async fn end_data(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    let migration = context.migration.as_mut().expect("installed");
    let (info, name, journal) = (
        context.info.clone(),
        context.options.application_name(),
        migration.journal.clone(),
    );
    spawn_blocking(move || {
        let mut client = database::connect(&info, &name)?;
        Ok::<_, RecvError>(finish::end_data(&mut client, &journal)?)
    })
    .await
    .map_err(|e| RecvError::Worker(e.to_string()))??;
    migration.data_durable = true;
    context.display.meter.phase("indexes and keys");
    talk.say(&ToSend::DataDurable).await
}

fn show_build(context: &Context) {
    if let Some(migration) = &context.migration {
        context.display.meter.index_at(migration.builder.counts().0);
    }
}

type Thread = std::thread::JoinHandle<()>;

fn start_workers(context: &Context, shared: &Arc<Shared>) -> (Sender<Incoming>, Vec<Thread>) {
    let migration = context.migration.as_ref().expect("installed");
    let jobs = context
        .budget
        .jobs
        .min(usize::from(migration.greet.jobs))
        .max(1);
    // Claimed streams wait here only while their worker ends the chunk before.
    let (sender, receiver) = bounded(jobs + BLOB_STREAMS as usize);
    let threads = (0..jobs)
        .flat_map(|number| start_worker(context, shared, migration, &receiver, number))
        .collect();
    (sender, threads)
}

fn start_worker(
    context: &Context,
    shared: &Arc<Shared>,
    migration: &Migration,
    streams: &crossbeam_channel::Receiver<Incoming>,
    number: usize,
) -> [Thread; 2] {
    let buffers = context.budget.raw_buffers;
    let (handover, chunks) = bounded(1);
    let decoding = {
        let (shared, streams) = (Arc::clone(shared), streams.clone());
        move || {
            worker::decode(
                &shared,
                &streams,
                &Pool::new(buffers, BLOCK_BYTES),
                buffers,
                &handover,
            )
        }
    };
    let writing = {
        let (shared, events) = (Arc::clone(shared), context.events.clone());
        let (info, journal) = (context.info.clone(), migration.journal.clone());
        let name = format!("{} {number}", context.options.application_name());
        let encoding = transfer_encoding(&migration.greet.source.encoding);
        move || {
            let writer = Writer::connect(&info, &name, encoding, journal)?;
            shared
                .closers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(writer.closer()?);
            worker::write(&shared, writer, &chunks, &mut |id, written| {
                let _ = events.send(Event::Committed(id, written));
            })
        }
    };
    [
        spawn(format!("decode-{number}"), &context.events, decoding),
        spawn(format!("write-{number}"), &context.events, writing),
    ]
}

fn spawn(
    name: String,
    events: &mpsc::UnboundedSender<Event>,
    work: impl FnOnce() -> Result<(), WorkError> + Send + 'static,
) -> Thread {
    let events = events.clone();
    let run = move || {
        let error = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            // The session, or the worker's other thread, tells why.
            Ok(Ok(()) | Err(WorkError::Halted)) => return,
            Ok(Err(error)) => error.into(),
            Err(_) => {
                RecvError::Worker(std::thread::current().name().unwrap_or_default().to_owned())
            }
        };
        let _ = events.send(Event::WorkFailed(error));
    };
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .expect("the system starts a few threads")
}

/// Waits for the builder, then sequences, statistics, report. From here on the link is not needed:
/// a lost one is only noticed when the report cannot be told.
async fn finish_up(context: &mut Context, talk: &mut Talk, tail: Tail) -> Result<Ended, Break> {
    let mut stop = context.display.stop.clone();
    while !context.built {
        let event = tokio::select! {
            event = context.happened.recv() => event.expect("the context holds a sender"),
            _ = stop.wait_for(|&stop| stop) => return Ok(Ended::StoppedHere),
        };
        match event {
            Event::Built => context.built = true,
            Event::BuildFailed(error) => return Err(RecvError::Build(error).into()),
            Event::WorkFailed(_) | Event::Committed(..) | Event::Schema { .. } => {}
            Event::BuildProgress => {
                show_build(context);
                let (done, total) = context
                    .migration
                    .as_ref()
                    .expect("installed")
                    .builder
                    .counts();
                let phase = "indexes and keys".to_owned();
                let _ = talk
                    .sender
                    .send(&ToSend::Progress { phase, done, total })
                    .await;
            }
        }
    }
    let finished = Finishing::new(context, tail).run().await?;
    context.record.finished = Some(finished.clone());
    let _ = talk
        .sender
        .send(&ToSend::Finished {
            report: finished.report,
            exit: finished.exit,
        })
        .await;
    let bye = talk.hear().await;
    if matches!(bye, Ok(ToRecv::Bye)) {
        return acknowledge(context);
    }
    match bye {
        Err(Break::Ended(Ended::Lost(error))) => Ok(Ended::Lost(error)),
        _ => acknowledge(context),
    }
}

fn acknowledge(context: &mut Context) -> Result<Ended, Break> {
    let finished = context.record.finished.as_mut().expect("just finished");
    finished.acknowledged = true;
    let report: Option<Report> = serde_json::from_str(&finished.report).ok();
    let ending = Ending::from_code(finished.exit).expect("our own ending");
    context
        .record
        .save(&context.state)
        .map_err(RecvError::from)?;
    context.display.meter.end_phase();
    Ok(Ended::Finished(Box::new(Outcome { ending, report })))
}

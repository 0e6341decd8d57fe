//! One connection to recv, from the greeting to its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::prepare::{Preparation, recorded_plan};
use super::record::{ARCHIVE, Finished, PLAN, Record};
use super::worker::{self, Shared, WorkError};
use super::{Compress, Options, SendError};
use crate::chunk::Plan;
use crate::codec::ChunkParams;
use crate::ledger::Ledger;
use crate::pg::{ConnInfo, session as pg_session};
use crate::report::{Display, Ending, Outcome, Report, SideReport, SideStats};
use crate::runtime::tools::Tool;
use crate::runtime::{Budget, Throttle};
use crate::source::keeper::{Keeper, KeeperError, Watch};
use crate::source::reader::{ReadError, Reader};
use crate::source::tail;
use crate::state::StateDir;
use crate::transport::auth::Session;
use crate::transport::{CloseCode, Connection, ControlReceiver, ControlSender, TransportError};
use crate::wire::message::{
    Greet, Offer, SourceInfo, Standing, StreamHeader, Tail, TargetState, ToRecv, ToSend,
};
use crate::wire::{Role, frame};

/// Streams beside those of the chunks: plan and archive.
pub(super) const BLOB_STREAMS: u32 = 2;
/// How long a side that breaks off a stream may take to say why.
const EXPLANATION_LIMIT: Duration = Duration::from_secs(3);
/// Bytes of a file per write.
const BLOB_PIECE: usize = 256 << 10;

/// What lasts from connection to connection.
pub(super) struct Context {
    pub(super) options: Options,
    pub(super) info: ConnInfo,
    pub(super) source: SourceInfo,
    pub(super) pg_dump: Tool,
    pub(super) state: Arc<StateDir>,
    pub(super) record: Record,
    /// The target may hold something of this snapshot.
    pub(super) began: bool,
    pub(super) budget: Budget,
    /// What both sides can afford, as of the last greeting.
    pub(super) agreed: Budget,
    pub(super) display: Display,
}

impl Context {
    /// Ends the keeper after an error where nobody can go on with its snapshot: nothing was made
    /// of it on the target, or it shows a table no more.
    pub(super) async fn release_useless_snapshot(&mut self, error: &SendError) {
        let kept = self.record.prepared.is_some() && error.is_resumable();
        if !error.spoils_snapshot() && (self.began || kept) {
            return;
        }
        if !self.began && self.record.prepared.take().is_some() {
            let saved = self.record.save(&self.state);
            saved.unwrap_or_else(|error| tracing::warn!(%error, "snapshot not forgotten"));
        }
        let state = Arc::clone(&self.state);
        let release = move || super::release_keeper(state.path());
        match spawn_blocking(release).await {
            Ok(Ok(released)) => tracing::info!(released, "snapshot given up"),
            Ok(Err(error)) => tracing::warn!(%error, "keeper not released"),
            Err(error) => tracing::warn!(%error, "keeper not released"),
        }
    }
}

/// How a connection ended without an error of ours.
pub(super) enum Ended {
    Finished(Box<Outcome>),
    Stopped,
    /// The link is gone; a new connection goes on.
    Lost(TransportError),
}

/// Either an end or an error, on the way out of a session.
enum Break {
    Ended(Ended),
    Failed(SendError),
}

impl<E: Into<SendError>> From<E> for Break {
    fn from(error: E) -> Self {
        match error.into() {
            SendError::Transport(lost) if is_lost(&lost) => Self::Ended(Ended::Lost(lost)),
            SendError::Work(WorkError::Transport(lost)) if is_lost(&lost) => {
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

/// Runs one connection to its end; tells recv how it ended where that is still possible.
pub(super) async fn run(context: &mut Context, peer: Session) -> Result<Ended, SendError> {
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
        Break::Ended(Ended::Stopped) => {
            let _ = talk.sender.send(&ToRecv::Stop).await;
            talk.close(CloseCode::Stopped, "send was stopped").await;
            Ok(Ended::Stopped)
        }
        Break::Ended(ended) => {
            talk.close(CloseCode::Done, "").await;
            Ok(ended)
        }
        Break::Failed(error) => {
            if !matches!(error, SendError::Peer(..)) {
                let _ = talk.sender.send(&ToRecv::Failed(error.failure())).await;
            }
            talk.close(CloseCode::Failed, "send failed").await;
            Err(error)
        }
    }
}

/// The connection with its control stream.
struct Talk {
    connection: Connection,
    sender: ControlSender,
    receiver: ControlReceiver,
}

impl Talk {
    async fn say(&mut self, message: &ToRecv) -> Result<(), Break> {
        Ok(self.sender.send(message).await?)
    }

    /// The next message; recv's own end becomes ours.
    async fn hear(&mut self) -> Result<ToSend, Break> {
        match self.receiver.recv().await? {
            ToSend::Failed(failure) => Err(SendError::Peer(failure.line, failure.resumable).into()),
            ToSend::Stop => Err(SendError::Peer(
                "stopped by its user; start both again to go on".into(),
                true,
            )
            .into()),
            message => Ok(message),
        }
    }

    /// Lets the last message arrive before the connection is closed.
    async fn close(self, code: CloseCode, reason: &str) {
        let _ = self.sender.finish().await;
        self.connection.close(code, reason);
    }
}

async fn converse(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    let standing = greet(context, talk).await?;
    let data_durable = match standing.state {
        TargetState::Finished { report, exit } => return finish(context, talk, report, exit).await,
        TargetState::Begun { data_durable, .. } => data_durable,
        TargetState::New => false,
    };
    let Some((plan, offer, mut keeper)) = prepare(context, data_durable).await? else {
        return Ok(Ended::Stopped);
    };
    let ledger = offer_all(context, talk, &plan, &offer).await?;
    let Some((ledger, mut durable)) = ledger else {
        return Ok(Ended::Stopped);
    };
    context.began = true;
    if !durable {
        context.display.meter.phase("data");
        let snapshot = &offer.snapshot.name;
        durable = Box::pin(data(context, talk, &plan, ledger, snapshot)).await?;
    }
    if !durable {
        return Ok(Ended::Stopped);
    }
    let tail = read_tail(context, talk, keeper.take()).await?;
    talk.say(&ToRecv::Tail(tail)).await?;
    context.display.meter.phase("indexes and keys");
    follow(context, talk).await
}

async fn greet(context: &mut Context, talk: &mut Talk) -> Result<Standing, Break> {
    let greet = Greet {
        pgpipe: env!("CARGO_PKG_VERSION").into(),
        migration: context.options.migration.clone(),
        id: context.record.id,
        source: context.source.clone(),
        jobs: u16::try_from(context.budget.jobs).unwrap_or(u16::MAX),
    };
    talk.say(&ToRecv::Greet(greet)).await?;
    let ToSend::Standing(standing) = talk.hear().await? else {
        return Err(SendError::Protocol("expected Standing").into());
    };
    context.agreed = context
        .budget
        .agree(usize::from(standing.jobs), standing.window_log);
    let say = &context.display.say;
    let name = &context.options.migration;
    say(&match &standing.state {
        TargetState::New => format!(
            "migration {name}: new, {} → {}",
            context.source.display, standing.target
        ),
        TargetState::Begun {
            committed,
            chunks,
            data_durable,
            ..
        } => format!(
            "migration {name}: continuing, {committed} of {chunks} chunks committed{}",
            if *data_durable {
                ", all rows are there"
            } else if Keeper::find(context.state.path()).is_some() {
                ", snapshot alive"
            } else {
                ", snapshot gone"
            }
        ),
        TargetState::Finished { .. } => format!("migration {name}: finished; nothing to do"),
    });
    Ok(standing)
}

type Ready = (Arc<Plan>, Offer, Option<Keeper>);

/// Snapshot, plan and archive: taken now, or as recorded. Nothing where the user stopped it.
async fn prepare(context: &mut Context, data_durable: bool) -> Result<Option<Ready>, Break> {
    if let Some(prepared) = &context.record.prepared {
        let offer = prepared.offer.clone();
        let plan = Arc::new(recorded_plan(&context.state, &offer)?);
        let keeper = Keeper::find(context.state.path());
        if keeper.is_none() && !data_durable {
            return Err(SendError::SnapshotGone.into());
        }
        return Ok(Some((plan, offer, keeper)));
    }
    // To its end, whatever becomes of the link: a second one beside it would start a second keeper.
    match take_snapshot(context).await {
        Err(SendError::Keeper(KeeperError::Stopped)) => Ok(None),
        prepared => Ok(Some(prepared?)),
    }
}

async fn take_snapshot(context: &mut Context) -> Result<Ready, SendError> {
    let (options, info, source) = (
        context.options.clone(),
        context.info.clone(),
        context.source.clone(),
    );
    let (pg_dump, meter) = (context.pg_dump.clone(), Arc::clone(&context.display.meter));
    let stop = context.display.stop.clone();
    let mut record = context.record.clone();
    let store = Arc::clone(&context.state);
    let (keeper, plan, record) = spawn_blocking(move || {
        let preparation = Preparation {
            options: &options,
            info: &info,
            source: &source,
            pg_dump: &pg_dump,
            meter: &meter,
            stop: &stop,
        };
        let (keeper, plan) = preparation.run(&store, &mut record)?;
        Ok::<_, SendError>((keeper, plan, record))
    })
    .await
    .map_err(|e| SendError::Worker(e.to_string()))??;
    context.record = record;
    let prepared = context.record.prepared.as_ref().expect("just recorded");
    Ok((Arc::new(plan), prepared.offer.clone(), Some(keeper)))
}

/// Offers plan and archive, sends what recv does not hold, and waits until the schema is there.
async fn offer_all(
    context: &Context,
    talk: &mut Talk,
    plan: &Plan,
    offer: &Offer,
) -> Result<Option<(Ledger, bool)>, Break> {
    let meter = &context.display.meter;
    meter.plan(
        plan.bytes(),
        plan.chunks.len() as u64,
        plan.tables.len() as u64,
    );
    meter.phase("schema");
    talk.say(&ToRecv::Offer(offer.clone())).await?;
    let ToSend::Need {
        plan: need_plan,
        archive,
    } = talk.hear().await?
    else {
        return Err(SendError::Protocol("expected Need").into());
    };
    if need_plan {
        send_file(context, talk, StreamHeader::Plan, PLAN).await?;
    }
    if archive {
        send_file(context, talk, StreamHeader::Archive, ARCHIVE).await?;
    }
    let mut stop = context.display.stop.clone();
    loop {
        let message = tokio::select! {
            message = talk.hear() => message?,
            _ = stop.wait_for(|&stop| stop) => return Ok(None),
        };
        match message {
            ToSend::Progress { done, total, .. } => {
                meter.waiting_for(Some(format!(
                    "the schema on the target ({done} of {total} objects)"
                )));
            }
            ToSend::Ready {
                committed,
                data_durable,
            } => {
                meter.waiting_for(None);
                return Ok(Some((resume(context, plan, &committed), data_durable)));
            }
            _ => return Err(SendError::Protocol("expected Ready").into()),
        }
    }
}

fn resume(context: &Context, plan: &Plan, committed: &[crate::chunk::ChunkId]) -> Ledger {
    let mut ledger = Ledger::new(plan);
    let mut bytes = 0;
    for &id in committed {
        ledger.commit(id);
        bytes += plan.chunk(id).map_or(0, |chunk| chunk.bytes);
    }
    context
        .display
        .meter
        .resume(bytes, committed.len() as u64, 0);
    ledger
}

async fn send_file(
    context: &Context,
    talk: &Talk,
    header: StreamHeader,
    file: &str,
) -> Result<(), Break> {
    let path = context.state.path().join(file);
    let failed = |source| SendError::File {
        path: path.clone(),
        source,
    };
    let mut content = tokio::fs::File::open(&path).await.map_err(failed)?;
    let mut stream = talk.connection.open_data().await?;
    let header = frame::encode(&header, frame::UNPROVEN_LIMIT)
        .map_err(WorkError::from)
        .map_err(SendError::from)?;
    stream.write_all(&header).await?;
    let mut piece = vec![0; BLOB_PIECE];
    loop {
        let n = content.read(&mut piece).await.map_err(failed)?;
        if n == 0 {
            break;
        }
        stream.write_all(&piece[..n]).await?;
    }
    Ok(stream.finish()?)
}

/// What ends the data phase early.
enum Event {
    Failed(SendError),
    KeeperGone,
}

/// Moves every pending chunk; true when all are durably committed, false when the user stopped.
async fn data(
    context: &Context,
    talk: &mut Talk,
    plan: &Arc<Plan>,
    ledger: Ledger,
    snapshot: &str,
) -> Result<bool, Break> {
    let (events, mut happened) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        plan: Arc::clone(plan),
        ledger: Mutex::new(ledger),
        connection: talk.connection.clone(),
        runtime: Handle::current(),
        meter: Arc::clone(&context.display.meter),
        params: params(context),
        closers: Mutex::default(),
        halt: watch::Sender::new(false),
        throttle: context.options.rate.map(Throttle::new),
    });
    let _watch = watch_keeper(context, &events);
    let threads = start_workers(context, &shared, snapshot, &events);
    drop(events);
    let mut stop = context.display.stop.clone();
    let result = loop {
        tokio::select! {
            message = talk.hear() => match message {
                Ok(ToSend::Committed { chunk }) => committed(context, &shared, chunk),
                Ok(ToSend::DataDurable) => break Ok(true),
                Ok(ToSend::Progress { done, .. }) => context.display.meter.index_at(done),
                Ok(_) => break Err(SendError::Protocol("expected Committed").into()),
                Err(error) => break Err(error),
            },
            Some(event) = happened.recv() => break Err(match event {
                Event::Failed(SendError::Work(WorkError::Transport(error))) => reason(talk, error).await,
                Event::Failed(error) => error.into(),
                Event::KeeperGone => SendError::SnapshotGone.into(),
            }),
            _ = stop.wait_for(|&stop| stop) => break Ok(false),
        }
    };
    if !matches!(result, Ok(true)) {
        shared.stop();
    }
    let _ = spawn_blocking(move || threads.into_iter().for_each(|t| drop(t.join()))).await;
    result
}

/// A stream that recv broke off: recv itself says why, on the control stream.
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

fn committed(context: &Context, shared: &Shared, chunk: crate::chunk::ChunkId) {
    worker::lock(&shared.ledger).commit(chunk);
    if let Some(chunk) = shared.plan.chunk(chunk) {
        context.display.meter.chunk_done(chunk.bytes, 0);
    }
}

fn params(context: &Context) -> ChunkParams {
    let window_log = u8::try_from(context.agreed.window_log).expect("windows are below 2^255");
    let default = ChunkParams::default();
    match context.options.compress {
        Compress::None => ChunkParams::UNCOMPRESSED,
        Compress::Auto => ChunkParams {
            window_log: default.window_log.min(window_log),
            ..default
        },
        Compress::Level(level) => ChunkParams {
            level: Some(level.min(context.agreed.max_level)),
            window_log,
        },
    }
}

type Thread = std::thread::JoinHandle<()>;

fn start_workers(
    context: &Context,
    shared: &Arc<Shared>,
    snapshot: &str,
    events: &mpsc::UnboundedSender<Event>,
) -> Vec<Thread> {
    (0..context.agreed.jobs)
        .flat_map(|number| start_worker(context, shared, snapshot, events, number))
        .collect()
}

fn start_worker(
    context: &Context,
    shared: &Arc<Shared>,
    snapshot: &str,
    events: &mpsc::UnboundedSender<Event>,
    number: usize,
) -> [Thread; 2] {
    let (sender, receiver, pool) = worker::channel(context.agreed.raw_buffers);
    let (info, name) = (
        context.info.clone(),
        format!("pgpipe send {} {number}", context.options.migration),
    );
    let encoding = pg_session::transfer_encoding(&context.source.encoding);
    let snapshot = snapshot.to_owned();
    let reading = {
        let shared = Arc::clone(shared);
        move || {
            let reader = Reader::connect(&info, &name, encoding, &snapshot)?;
            worker::lock(&shared.closers).push(reader.closer()?);
            worker::read(&shared, reader, &pool, &sender)
        }
    };
    let encoding = {
        let shared = Arc::clone(shared);
        move || worker::encode(&shared, &receiver)
    };
    [
        spawn(format!("read-{number}"), events, reading),
        spawn(format!("encode-{number}"), events, encoding),
    ]
}

/// Starts a named thread that reports its error, or its panic, as an event.
fn spawn(
    name: String,
    events: &mpsc::UnboundedSender<Event>,
    work: impl FnOnce() -> Result<(), WorkError> + Send + 'static,
) -> Thread {
    let events = events.clone();
    let run = move || {
        let error = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            // The other thread of the worker tells why.
            Ok(Ok(()) | Err(WorkError::Halted | WorkError::Read(ReadError::Unwanted))) => return,
            Ok(Err(error)) => error.into(),
            Err(_) => {
                SendError::Worker(std::thread::current().name().unwrap_or_default().to_owned())
            }
        };
        let _ = events.send(Event::Failed(error));
    };
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .expect("the system starts a few threads")
}

/// Says at once when the keeper ends, as long as the guard lives.
fn watch_keeper(context: &Context, events: &mpsc::UnboundedSender<Event>) -> Option<Watch> {
    let Some(watch) = Keeper::watch(context.state.path()) else {
        let _ = events.send(Event::KeeperGone);
        return None;
    };
    let (ended, events) = (watch.ended(), events.downgrade());
    std::thread::spawn(move || {
        ended();
        if let Some(events) = events.upgrade() {
            let _ = events.send(Event::KeeperGone);
        }
    });
    Some(watch)
}

/// Sequences and signs of writes; then nothing is needed of the snapshot any more.
async fn read_tail(context: &Context, talk: &Talk, keeper: Option<Keeper>) -> Result<Tail, Break> {
    let (info, name) = (context.info.clone(), context.options.application_name());
    let before = context.record.prepared.as_ref().map(|p| p.baseline.clone());
    let allow_changes = context.options.allow_changes;
    let shares_process = context.options.shares_process;
    let udp_bytes = talk.connection.stats().udp_tx_bytes;
    let meter = Arc::clone(&context.display.meter);
    let read = spawn_blocking(move || {
        let mut client = pg_session::open(&info, &name, "UTF8")?;
        let sequences = tail::sequences(&mut client)?;
        let now = tail::baseline(&mut client)?;
        let left_behind = tail::left_behind(&mut client)?;
        let changed = before
            .map(|before| tail::changed(&before, &now))
            .unwrap_or_default();
        if let Some(keeper) = keeper {
            keeper.release()?;
        }
        let mut measured = SideStats::measure(udp_bytes, meter.latencies());
        if shares_process {
            measured.cpu_seconds = 0.0;
        }
        let mut side = SideReport::new(Role::Send, measured);
        side.phases = meter.phases();
        side.errors = left_behind;
        let stats = serde_json::to_string(&side).expect("plain data serialises");
        Ok::<_, SendError>(Tail {
            sequences,
            changed,
            allow_changes,
            stats,
        })
    });
    Ok(read.await.map_err(|e| SendError::Worker(e.to_string()))??)
}

/// Shows how recv restores the rest, until it has finished.
async fn follow(context: &mut Context, talk: &mut Talk) -> Result<Ended, Break> {
    let mut stop = context.display.stop.clone();
    loop {
        let message = tokio::select! {
            message = talk.hear() => message?,
            _ = stop.wait_for(|&stop| stop) => return Ok(Ended::Stopped),
        };
        match message {
            ToSend::Progress { phase, done, total } => {
                let meter = &context.display.meter;
                meter.phase(&phase);
                meter.index_total(total);
                meter.index_at(done);
            }
            ToSend::Finished { report, exit } => return finish(context, talk, report, exit).await,
            ToSend::Committed { .. } | ToSend::DataDurable => {}
            _ => return Err(SendError::Protocol("expected Finished").into()),
        }
    }
}

/// The report is here: remembered, acknowledged, done.
async fn finish(
    context: &mut Context,
    talk: &mut Talk,
    report: String,
    exit: u8,
) -> Result<Ended, Break> {
    context.display.meter.end_phase();
    let parsed: Option<Report> = serde_json::from_str(&report).ok();
    context.record.finished = Some(Finished { report, exit });
    context
        .record
        .save(&context.state)
        .map_err(SendError::from)?;
    talk.say(&ToRecv::Bye).await?;
    let ending = Ending::from_code(exit).ok_or(SendError::Protocol("an unknown ending"))?;
    Ok(Ended::Finished(Box::new(Outcome {
        ending,
        report: parsed,
    })))
}

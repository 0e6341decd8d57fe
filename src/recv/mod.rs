//! `pgpipe recv`: receives chunks and writes them into the target, each with its journal row;
//! restores the schema around them.

mod builder;
mod cleaning;
mod comparing;
mod data;
mod ending;
mod entries;
mod error;
mod fetch;
mod finishing;
mod held_up;
pub mod idle;
mod inbound;
mod installation;
mod installing;
mod intake;
mod invitation;
mod migration;
mod record;
mod renewing;
mod room;
mod session;
mod standing;
mod worker;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::RecvError;
use invitation::invitation;
use record::{Finished, Record};
pub use room::KeepFree;
use room::Room;
use session::{Context, Ended};

use crate::codec::ChunkParams;
use crate::control;
use crate::pg::ConnInfo;
use crate::report::{Display, Ending, Outcome, one_line};
use crate::runtime::tools::{self, Tools};
use crate::runtime::{Budget, Panicked, blocking, dispose};
use crate::sink::database::{self, DatabaseError};
use crate::sink::space::Space;
use crate::state::{Aborted, StateDir};
use crate::transport::Limits;
use crate::transport::peering::{Code, Limit, LinkSpec, Peering};
use crate::wire::Role;

/// Some pg_restore must be there; which one suits is known once send has dumped.
const OLDEST_DUMP: u32 = 10;
/// How long recv answers a send that comes back for its report.
const LINGER: Duration = Duration::from_secs(30);
/// How long recv waits for send by default: a keeper without a send lives no longer by default.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);
/// Between two connections at least: a peer that ends each at once must not make us spin.
const PAUSE: Duration = Duration::from_secs(1);

/// Everything that the command line says to recv.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connection string; empty for the `PG*` environment.
    pub target: String,
    pub link: LinkSpec,
    pub code: Code,
    /// The root of all state directories.
    pub state: PathBuf,
    pub migration: String,
    /// Bytes.
    pub memory: u64,
    /// Chunks written side by side at most; send may want fewer.
    pub jobs: usize,
    pub index_jobs: usize,
    pub create_db: bool,
    /// Whether rows may be added to tables that have some.
    pub append: bool,
    /// Whether the target may be of an older major version than the source.
    pub allow_downgrade: bool,
    pub journal_schema: String,
    pub keep_journal: bool,
    /// Whether send may have dropped what is in the way.
    pub clean: bool,
    pub keep_free: KeepFree,
    pub stay: bool,
    pub give_up: Option<Duration>,
    /// How long a chunk on its way outlives a lost link, and its transaction a silent sender.
    pub stall: Duration,
    pub pg_bin: Option<PathBuf>,
}

impl Options {
    fn application_name(&self) -> String {
        format!("pgpipe recv {}", self.migration)
    }
}

/// Runs recv until the migration is finished, stopped or failed.
pub async fn run(options: Options, display: Display) -> Result<Outcome, RecvError> {
    let state = open_state(&options, &display)?;
    let _control = control::serve(state.path(), Role::Recv, &display);
    let record = Record::load(&state)?;
    if let Some(outcome) = acknowledged(&record, &options) {
        let name = &options.migration;
        (display.say)(&format!("migration {name}: finished; nothing to do"));
        return Ok(outcome);
    }
    if Aborted::load(&state)?.is_some() {
        let migration = options.migration;
        return Err(RecvError::AbortedBefore { migration });
    }
    let Some(inspected) = look(&options, &record, &display).await? else {
        return Ok(stopped());
    };
    let level = ChunkParams::default().level.unwrap_or(1);
    let budget = Budget::derive(options.memory, options.jobs, level);
    let peering = open(&state, &options, &budget, &display).await;
    let mut peering = peering.map_err(|error| error.at_the_start(record.id.is_none()))?;
    if let Some(code) = peering.code()? {
        (display.say)(&invitation(&options, code, peering.local_addr()));
    }
    let mut context = Context::new(options, inspected, state, record, budget, display);
    let result = Box::pin(sessions(&mut context, &mut peering)).await;
    peering.shutdown().await;
    discard(&mut context).await?;
    if let Err(RecvError::Aborted { by, told }) = &result {
        let now = context.display.meter.snapshot();
        let chunks = (now.chunks_done, now.chunks_total);
        Aborted::note(&context.state, by, *told, chunks)?;
    }
    result
}

fn open_state(options: &Options, display: &Display) -> Result<Arc<StateDir>, RecvError> {
    let (root, migration) = (&options.state, &options.migration);
    let opened = StateDir::open(root, migration, Role::Recv);
    let is_new = || !StateDir::has(root, migration, Role::Recv, record::FILE);
    let state = opened.map_err(|error| RecvError::from(error).at_the_start(is_new()))?;
    if let Some(doubt) = state.doubt() {
        (display.say)(doubt);
    }
    Ok(Arc::new(state))
}

fn acknowledged(record: &Record, options: &Options) -> Option<Outcome> {
    let finished = record.finished.as_ref();
    let outcome = finished
        .filter(|f| f.acknowledged && !options.stay)?
        .outcome()?;
    // Its ending was told when it ended; now nothing is done, and that went well.
    let ending = Ending::Complete;
    Some(Outcome { ending, ..outcome })
}

async fn open(
    state: &Arc<StateDir>,
    options: &Options,
    budget: &Budget,
    display: &Display,
) -> Result<Peering, RecvError> {
    let limits = Limits {
        stream_window: budget.stream_window,
        connection_window: budget.connection_window,
        send_window: budget.send_window,
        // After a lost connection send goes on with attempts that its workers have left.
        max_streams: u32::try_from(2 * budget.jobs).unwrap_or(u32::MAX),
        ..Limits::default()
    };
    let (code, say) = (options.code.clone(), Arc::clone(&display.say));
    let peering = Peering::open(state, Role::Recv, &options.link, code, limits, say);
    Ok(peering.await?)
}

/// One connection after the other until the migration ends.
async fn sessions(context: &mut Context, peering: &mut Peering) -> Result<Outcome, RecvError> {
    loop {
        let finished = context.record.finished.clone();
        let ended = match one_session(context, peering).await {
            // Everything is there; send only never came for the report.
            Err(RecvError::Peering(_)) if finished.is_some() => {
                let outcome = finished.as_ref().and_then(Finished::outcome);
                return outcome.ok_or(RecvError::Protocol("an unknown ending"));
            }
            Err(RecvError::Peering(error)) => return Err(error.into()),
            Ok(Ended::StoppedHere) => match context.room_watch.error() {
                Some(error) => Err(error),
                None => Ok(Ended::StoppedHere),
            },
            ended => ended,
        };
        if !matches!(ended, Ok(Ended::Lost(_))) {
            // Whatever was agreed or built is agreed anew, and read from the journal.
            discard(context).await?;
        }
        if let Some(outcome) = judge(context, ended)? {
            return Ok(outcome);
        }
        let mut stop = context.display.stop.clone();
        let stopping = stop.wait_for(|&stop| stop);
        // Both ways lead on: the next session sees the user's wish itself.
        let _ = tokio::time::timeout(PAUSE, stopping).await;
    }
}

async fn one_session(context: &mut Context, peering: &mut Peering) -> Result<Ended, RecvError> {
    let limit = match &context.record.finished {
        Some(_) if !context.options.stay => Limit::Usual(LINGER),
        _ => Limit::new(context.options.give_up, GIVE_UP),
    };
    let display = context.display.clone();
    let mut stop = display.stop.clone();
    let waiting = |what| display.meter.waiting_for(what);
    let migration = context.migration.as_ref();
    let building = migration.map(|migration| migration.builder.watch());
    let reaching = async {
        loop {
            let is_building = || {
                let built = building.as_ref().map(|built| *built.borrow());
                built.is_some_and(|built| built.data_durable && !built.over)
            };
            match peering.reach(limit, &waiting).await {
                // Nobody is given up while there is something to do without them.
                Err(error) if error.is_timeout() && is_building() => {}
                reached => return reached,
            }
        }
    };
    let peer = tokio::select! {
        biased;
        _ = stop.wait_for(|&stop| stop) => return Ok(Ended::StoppedHere),
        error = failed(context) => return Err(error),
        peer = reaching => peer?,
    };
    session::run(context, peer).await
}

/// Waits until what works while the link is down has failed, builder or writers; takes down what is
/// committed meanwhile. Cancel-safe.
async fn failed(context: &mut Context) -> RecvError {
    let (migration, meter) = (&mut context.migration, &context.display.meter);
    let Some(migration) = migration else {
        return std::future::pending().await;
    };
    let (moving, marks) = migration.while_moving();
    let mut built = marks.builder.watch();
    let builder = marks.builder;
    let building = async {
        let _ = built.wait_for(|built| built.over).await;
        match builder.outcome() {
            Err(error) => error.into(),
            Ok(()) => std::future::pending().await,
        }
    };
    let writing = async {
        match moving {
            Some(moving) => {
                let mut commit = |id, written: &_| marks.commit(meter, id, written);
                moving.trouble(&mut commit).await
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        error = building => error,
        error = writing => error,
    }
}

/// Gives the migration up, whose threads may be in the middle of an index.
async fn discard(context: &mut Context) -> Result<(), Panicked> {
    dispose(context.migration.take()).await
}

/// Whether a session's end is recv's end.
fn judge(context: &Context, ended: Result<Ended, RecvError>) -> Result<Option<Outcome>, RecvError> {
    let (say, stay) = (&context.display.say, context.options.stay);
    match ended {
        Ok(Ended::Finished(outcome)) if !stay => return Ok(Some(*outcome)),
        Ok(Ended::StoppedHere) if context.display.wish.aborted_by().is_some() => {
            return Err(context.aborted(false));
        }
        Ok(Ended::StoppedHere) => return Ok(Some(stopped())),
        Err(error @ RecvError::Aborted { .. }) => return Err(error),
        Ok(Ended::StoppedThere) if !stay => {
            say("send was stopped; start both again to go on");
            return Ok(Some(stopped()));
        }
        Err(error) if !stay || matches!(error, RecvError::TooLittleRoom { .. }) => {
            return Err(error);
        }
        Ok(Ended::Lost(error)) => {
            tracing::warn!(%error, "connection lost");
            say(&format!(
                "connection to send lost ({error}); waiting for it to come back"
            ));
        }
        Ok(_) => say("waiting for the next send"),
        Err(error) => say(&format!("{}; waiting for the next send", one_line(&error))),
    }
    Ok(None)
}

fn stopped() -> Outcome {
    Outcome {
        ending: Ending::Stopped,
        report: None,
    }
}

/// Inspects the target; nothing if the user stops meanwhile, as others may hold a journal that is
/// still to be dropped.
async fn look(
    options: &Options,
    record: &Record,
    display: &Display,
) -> Result<Option<Inspected>, RecvError> {
    let mut stop = display.stop.clone();
    tokio::select! {
        inspected = inspect(options, record) => match inspected {
            Err(error) => Err(error.at_the_start(record.id.is_none())),
            Ok(inspected) => Ok(Some(inspected)),
        },
        _ = stop.wait_for(|&stop| stop) => Ok(None),
    }
}

/// The target, before the network is touched.
struct Inspected {
    info: ConnInfo,
    room: Option<Room>,
}

/// Everything about the target that can be wrong before the network is touched.
async fn inspect(options: &Options, record: &Record) -> Result<Inspected, RecvError> {
    let options = options.clone();
    let finished = record.id.filter(|_| record.finished.is_some());
    blocking(move || {
        let info = ConnInfo::resolve(&options.target, &|name| std::env::var(name).ok())?;
        let name = options.application_name();
        let mut client = match database::connect(&info, &name) {
            Err(DatabaseError::Missing { .. }) if options.create_db => {
                database::connect_to_server(&info, &name)?
            }
            other => other?,
        };
        Tools::find(options.pg_bin.as_deref())
            .pick_restore(OLDEST_DUMP, tools::major(client.server_version()))?;
        if let Some(id) = finished {
            finishing::sweep(&mut client, &options, id)?;
        }
        let room = Room::new(Space::find(&mut client, &info)?, options.keep_free)?;
        Ok(Inspected { info, room })
    })
    .await
}

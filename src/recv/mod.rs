//! `pgpipe recv`: receives chunks and writes them into the target, each with its journal row;
//! restores the schema around them.

mod builder;
mod finishing;
mod migration;
mod session;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use migration::{Finished, Record};
use session::{Context, Ended};

use crate::codec::ChunkParams;
use crate::ledger::ClaimError;
use crate::pg::{ConnInfo, ConnInfoError, PgError};
use crate::report::units;
use crate::report::{Display, Ending, Outcome, Report, one_line};
use crate::runtime::Budget;
use crate::runtime::tools::{self, ToolError, Tools};
use crate::sink::archive::ArchiveError;
use crate::sink::database::{self, DatabaseError};
use crate::sink::ddl::DdlError;
use crate::sink::journal::JournalError;
use crate::sink::writer::is_passing;
use crate::state::{PairingState, StateDir, StateError};
use crate::transport::peering::{Code, LinkSpec, Peering, PeeringError};
use crate::transport::{Limits, TransportError};
use crate::wire::Role;
use crate::wire::message::Failure;

/// Some pg_restore must be there; which one suits is known once send has dumped.
const OLDEST_DUMP: u32 = 12;
/// How long recv answers a send that comes back for its report.
const LINGER: Duration = Duration::from_secs(30);

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
    pub journal_schema: String,
    pub keep_journal: bool,
    pub stay: bool,
    pub give_up: Duration,
    pub pg_bin: Option<PathBuf>,
}

impl Options {
    fn application_name(&self) -> String {
        format!("pgpipe recv {}", self.migration)
    }
}

/// Why recv could not go on; each is one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum RecvError {
    #[error(transparent)]
    ConnInfo(#[from] ConnInfoError),
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Ddl(#[from] DdlError),
    #[error("cannot create table {table} on the target: {message}")]
    Table { table: String, message: String },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Build(#[from] builder::BuildError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "this state directory belongs to another run of migration {migration:?}; use another --migration, or remove {path}"
    )]
    OtherMigration { migration: String, path: PathBuf },
    #[error("send calls its migration {theirs:?}, recv {ours:?}; give both the same --migration")]
    Name { ours: String, theirs: String },
    #[error("send sent a chunk out of turn")]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Peering(#[from] PeeringError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Work(#[from] worker::WorkError),
    #[error("a worker ended without a reason ({0}); please report this as a bug")]
    Worker(String),
    #[error("send: {0}")]
    Peer(String, bool),
    #[error("send sent what does not fit here: {0}")]
    Protocol(&'static str),
    #[error("send offered more than fits: {what} of {bytes} bytes")]
    TooLarge { what: &'static str, bytes: u64 },
    /// There is nothing yet that could go on.
    #[error(transparent)]
    AtTheStart(Box<Self>),
}

impl RecvError {
    /// Whether the same command can go on later (exit code 3).
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Work(worker::WorkError::Write(error)) => error.is_resumable(),
            Self::Work(worker::WorkError::Transport(_)) | Self::Transport(_) => true,
            Self::Ddl(error) | Self::Build(builder::BuildError::Ddl(error)) => error.is_resumable(),
            Self::Postgres(source)
            | Self::Database(DatabaseError::Postgres(source))
            | Self::Build(builder::BuildError::Journal(JournalError::Postgres {
                source, ..
            }))
            | Self::Journal(JournalError::Postgres { source, .. }) => is_passing(source),
            Self::Peer(_, resumable) => *resumable,
            Self::Peering(error) => error.is_timeout(),
            _ => false,
        }
    }

    fn failure(&self) -> Failure {
        Failure {
            line: one_line(self),
            resumable: self.is_resumable(),
        }
    }
}

/// Runs recv until the migration is finished, stopped or failed.
pub async fn run(options: Options, display: Display) -> Result<Outcome, RecvError> {
    let state = Arc::new(StateDir::open(
        &options.state,
        &options.migration,
        Role::Recv,
    )?);
    let record = Record::load(&state)?;
    if let Some(outcome) = acknowledged(&record, &options) {
        (display.say)(&format!(
            "migration {}: finished; nothing to do",
            options.migration
        ));
        return Ok(outcome);
    }
    let info = match inspect(&options).await {
        Err(error) if record.id.is_none() => return Err(RecvError::AtTheStart(Box::new(error))),
        inspected => inspected?,
    };
    let budget = Budget::derive(
        options.memory,
        options.jobs,
        ChunkParams::default().level.unwrap_or(1),
    );
    let limits = Limits {
        stream_window: budget.stream_window,
        connection_window: budget.connection_window,
        send_window: budget.send_window,
        max_streams: u32::try_from(budget.jobs).unwrap_or(u32::MAX) + session::BLOB_STREAMS,
        ..Limits::default()
    };
    let mut peering = Peering::open(
        &state,
        Role::Recv,
        &options.link,
        options.code.clone(),
        limits,
        Arc::clone(&display.say),
    )
    .await?;
    if let Some(code) = peering.code()? {
        (display.say)(&invitation(&options, code, peering.local_addr()));
    }
    let (events, happened) = mpsc::unbounded_channel();
    let mut context = Context {
        options,
        info,
        state,
        record,
        budget,
        display,
        migration: None,
        built: false,
        events,
        happened,
    };
    let result = Box::pin(sessions(&mut context, &mut peering)).await;
    peering.shutdown().await;
    // Joins the builder's threads, which may be in the middle of an index.
    let ended = spawn_blocking(move || drop(context));
    let _ = ended.await;
    result
}

/// The code, and the line to paste on the source's host.
fn invitation(options: &Options, code: &PairingState, local: Option<SocketAddr>) -> String {
    let shown = match &options.code {
        Code::File { path, .. } => format!("pairing code is in {}", path.display()),
        _ => format!("pairing code {}", code.code),
    };
    let until = code
        .expires
        .duration_since(SystemTime::now())
        .unwrap_or_default();
    let hours = units::seconds(until.as_secs_f64());
    let link = match &options.link {
        LinkSpec::Listen(_) => format!("--connect {}", reachable(local)),
        LinkSpec::Dial(address) => format!("--listen {address}"),
    };
    let name = match options.migration.as_str() {
        "main" => String::new(),
        name => format!(" --migration {name}"),
    };
    let send = format!("pgpipe send {link}{name} --source 'dbname=…'");
    format!("{shown} (good for {hours}); on the source's host run:\n    {send}")
}

/// What the peer can dial: our own name where we listen on every address.
fn reachable(local: Option<SocketAddr>) -> String {
    match local {
        Some(address) if !address.ip().is_unspecified() => address.to_string(),
        Some(address) => {
            let name = rustix::system::uname();
            format!("{}:{}", name.nodename().to_string_lossy(), address.port())
        }
        None => "HOST:PORT".to_owned(),
    }
}

fn acknowledged(record: &Record, options: &Options) -> Option<Outcome> {
    let finished = record
        .finished
        .as_ref()
        .filter(|f| f.acknowledged && !options.stay)?;
    // Its ending was told when it ended; now nothing is done, and that went well.
    let ending = Ending::Complete;
    Some(Outcome {
        ending,
        ..outcome(finished)?
    })
}

fn outcome(finished: &Finished) -> Option<Outcome> {
    let report: Option<Report> = serde_json::from_str(&finished.report).ok();
    Some(Outcome {
        ending: Ending::from_code(finished.exit)?,
        report,
    })
}

/// One connection after the other until the migration ends.
async fn sessions(context: &mut Context, peering: &mut Peering) -> Result<Outcome, RecvError> {
    loop {
        let finished = context.record.finished.clone();
        let limit = match &finished {
            Some(_) if !context.options.stay => LINGER,
            _ => context.options.give_up,
        };
        let display = context.display.clone();
        let mut stop = display.stop.clone();
        let waiting = |what| display.meter.waiting_for(what);
        let reached = tokio::select! {
            reached = peering.reach(limit, &waiting) => reached,
            _ = stop.wait_for(|&stop| stop) => return Ok(stopped()),
        };
        let peer = match (reached, finished) {
            (Ok(peer), _) => peer,
            // Everything is there; send only never came for the report.
            (Err(_), Some(finished)) => {
                return outcome(&finished).ok_or(RecvError::Protocol("an unknown ending"));
            }
            (Err(error), None) => return Err(error.into()),
        };
        let ended = session::run(context, peer).await;
        if let Some(outcome) = judge(context, ended)? {
            return Ok(outcome);
        }
    }
}

/// Whether a session's end is recv's end.
fn judge(
    context: &mut Context,
    ended: Result<Ended, RecvError>,
) -> Result<Option<Outcome>, RecvError> {
    let (say, stay) = (&context.display.say, context.options.stay);
    match ended {
        Ok(Ended::Finished(outcome)) if !stay => return Ok(Some(*outcome)),
        Ok(Ended::StoppedHere) => return Ok(Some(stopped())),
        Ok(Ended::StoppedThere) if !stay => {
            say("send was stopped; start both again to go on");
            return Ok(Some(stopped()));
        }
        Err(error) if !stay => return Err(error),
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

/// Everything about the target that can be wrong before the network is touched.
async fn inspect(options: &Options) -> Result<ConnInfo, RecvError> {
    let options = options.clone();
    let inspected = spawn_blocking(move || {
        let info = ConnInfo::resolve(&options.target, &|name| std::env::var(name).ok())?;
        let name = options.application_name();
        let client = match database::connect(&info, &name) {
            Err(DatabaseError::Missing { .. }) if options.create_db => {
                database::connect_to_server(&info, &name)?
            }
            other => other?,
        };
        Tools::find(options.pg_bin.as_deref())
            .pick_restore(OLDEST_DUMP, tools::major(client.server_version()))?;
        Ok(info)
    });
    inspected
        .await
        .map_err(|e| RecvError::Worker(e.to_string()))?
}

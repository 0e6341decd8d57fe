//! `pgpipe send`: reads the source in one snapshot and sends it, until the journal on the other
//! side says that all of it is there.

mod prepare;
mod record;
mod session;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use record::Record;
use session::{Context, Ended};

use crate::codec::ChunkParams;
use crate::pg::{ConnInfo, ConnInfoError, PgError, session as pg_session};
use crate::report::{Display, Ending, Outcome, one_line};
use crate::runtime::Budget;
use crate::runtime::tools::{Tool, ToolError, Tools};
use crate::source::dump::DumpError;
use crate::source::keeper::{Keeper, KeeperError};
use crate::source::server;
use crate::state::{StateDir, StateError};
use crate::transport::peering::{Code, LinkSpec, Peering, PeeringError};
use crate::transport::{Limits, TransportError};
use crate::wire::Role;
use crate::wire::message::{Failure, Omit, SourceInfo};

/// How hard blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// The default level, which keeps up with one COPY.
    Auto,
    None,
    Level(i32),
}

/// Everything that the command line says to send.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connection string; empty for the `PG*` environment.
    pub source: String,
    pub link: LinkSpec,
    pub code: Code,
    /// The root of all state directories.
    pub state: PathBuf,
    pub migration: String,
    /// Bytes.
    pub memory: u64,
    pub jobs: usize,
    pub chunk_bytes: u64,
    pub compress: Compress,
    pub omit: Omit,
    /// Bytes per second on the wire at most.
    pub rate: Option<u64>,
    pub keep_snapshot: Duration,
    pub allow_changes: bool,
    pub give_up: Duration,
    pub pg_bin: Option<PathBuf>,
    /// Recv runs in this process too and measures for both.
    pub shares_process: bool,
}

impl Options {
    fn application_name(&self) -> String {
        format!("pgpipe send {}", self.migration)
    }
}

/// Why send could not go on; each is one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    ConnInfo(#[from] ConnInfoError),
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error("the source server is version {found}; pgpipe reads {needed} or later")]
    TooOld { found: u32, needed: u32 },
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    #[error(
        "the keeper of the snapshot has ended (server restarted, or its session terminated): the snapshot is gone; start a new migration into an empty target"
    )]
    SnapshotGone,
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Peering(#[from] PeeringError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(
        "migration {migration:?} was begun for database {database} of another server or name; use another --migration"
    )]
    OtherSource { migration: String, database: String },
    #[error("{path} is damaged or not the plan that was offered; start a new migration")]
    Record { path: PathBuf },
    #[error("cannot use {path}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Work(#[from] worker::WorkError),
    #[error("a worker ended without a reason ({0}); please report this as a bug")]
    Worker(String),
    #[error("recv: {0}")]
    Peer(String, bool),
    #[error("recv sent a message that does not fit here: {0}")]
    Protocol(&'static str),
    /// There is nothing yet that could go on.
    #[error(transparent)]
    AtTheStart(Box<Self>),
}

impl SendError {
    /// Whether the same command can go on later (exit code 3).
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Work(worker::WorkError::Read(error)) => error.is_resumable(),
            Self::Work(worker::WorkError::Transport(_)) | Self::Transport(_) => true,
            Self::Postgres(error) => error.is_connection_lost(),
            Self::Peer(_, resumable) => *resumable,
            Self::Peering(error) => error.is_timeout(),
            Self::Keeper(KeeperError::Rewritten(_)) => true,
            _ => false,
        }
    }

    /// Whether no later run can read the snapshot either.
    fn spoils_snapshot(&self) -> bool {
        matches!(self, Self::Work(worker::WorkError::Read(error)) if !error.is_resumable())
    }

    fn failure(&self) -> Failure {
        Failure {
            line: one_line(self),
            resumable: self.is_resumable(),
        }
    }
}

/// Runs send until the migration is finished, stopped or failed.
pub async fn run(options: Options, display: Display) -> Result<Outcome, SendError> {
    let state = Arc::new(StateDir::open(
        &options.state,
        &options.migration,
        Role::Send,
    )?);
    let mut record = Record::load(&state)?;
    if let Some(finished) = record.as_mut().and_then(|r| r.finished.take()) {
        (display.say)(&format!(
            "migration {}: finished; nothing to do",
            options.migration
        ));
        return Ok(Outcome {
            ending: Ending::Complete,
            report: serde_json::from_str(&finished.report).ok(),
        });
    }
    let (info, source, pg_dump) = match inspect(&options).await {
        Err(error) if record.is_none() => return Err(SendError::AtTheStart(Box::new(error))),
        inspected => inspected?,
    };
    let record = match record {
        Some(record) if record.is_of(&source) => record,
        Some(record) => {
            return Err(SendError::OtherSource {
                migration: options.migration.clone(),
                database: record.database,
            });
        }
        None => Record::new(&source),
    };
    record.save(&state)?;
    let budget = budget(&options);
    if let Some(reason) = &budget.reduced {
        (display.say)(reason);
    }
    (display.meter).waiting_for(Some("the pairing code".to_owned()));
    let peering = Peering::open(
        &state,
        Role::Send,
        &options.link,
        options.code.clone(),
        limits(&budget),
        Arc::clone(&display.say),
    )
    .await?;
    display.meter.waiting_for(None);
    let agreed = budget.clone();
    let context = Context {
        options,
        info,
        source,
        pg_dump,
        state,
        began: record.prepared.is_some(),
        record,
        budget,
        agreed,
        display,
    };
    Box::pin(sessions(context, peering)).await
}

/// One connection after the other until the migration ends.
async fn sessions(mut context: Context, mut peering: Peering) -> Result<Outcome, SendError> {
    let outcome = loop {
        let display = context.display.clone();
        let mut stop = display.stop.clone();
        let waiting = |what| display.meter.waiting_for(what);
        let peer = tokio::select! {
            peer = peering.reach(context.options.give_up, &waiting) => peer?,
            _ = stop.wait_for(|&stop| stop) => break stopped(),
        };
        match session::run(&mut context, peer).await {
            Ok(Ended::Finished(outcome)) => break *outcome,
            Ok(Ended::Stopped) => break stopped(),
            Ok(Ended::Lost(error)) => {
                tracing::warn!(%error, "connection lost");
                (display.say)(&format!("connection to recv lost ({error}); trying again"));
            }
            Err(error) => {
                peering.shutdown().await;
                context.release_useless_snapshot(&error).await;
                return Err(error);
            }
        }
    };
    peering.shutdown().await;
    Ok(outcome)
}

fn stopped() -> Outcome {
    Outcome {
        ending: Ending::Stopped,
        report: None,
    }
}

/// Everything about the source that can be wrong before the network is touched.
async fn inspect(options: &Options) -> Result<(ConnInfo, SourceInfo, Tool), SendError> {
    let options = options.clone();
    let inspected = spawn_blocking(move || {
        let info = ConnInfo::resolve(&options.source, &|name| std::env::var(name).ok())?;
        let mut client = pg_session::open(&info, &options.application_name(), "UTF8")?;
        let found = client.server_version();
        if found < server::OLDEST {
            return Err(SendError::TooOld {
                found,
                needed: server::OLDEST,
            });
        }
        let source = server::describe(&mut client, &info)?;
        let pg_dump = Tools::find(options.pg_bin.as_deref())
            .pick_dump(found)?
            .clone();
        Ok((info, source, pg_dump))
    });
    inspected
        .await
        .map_err(|e| SendError::Worker(e.to_string()))?
}

fn budget(options: &Options) -> Budget {
    let level = match options.compress {
        Compress::Level(level) => level,
        Compress::Auto | Compress::None => ChunkParams::default().level.unwrap_or(1),
    };
    Budget::derive(options.memory, options.jobs, level)
}

fn limits(budget: &Budget) -> Limits {
    Limits {
        stream_window: budget.stream_window,
        connection_window: budget.connection_window,
        send_window: budget.send_window,
        max_streams: u32::try_from(budget.jobs).unwrap_or(u32::MAX) + session::BLOB_STREAMS,
        ..Limits::default()
    }
}

/// Ends the keeper of a migration, so that nothing is held on the source any more.
///
/// Returns whether there was one.
pub fn release_keeper(state: &std::path::Path) -> Result<bool, KeeperError> {
    match Keeper::find(state) {
        Some(keeper) => keeper.release().map(|()| true),
        None => Ok(false),
    }
}

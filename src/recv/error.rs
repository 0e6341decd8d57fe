//! Why recv could not go on.

use std::path::PathBuf;

use super::builder::BuildError;
use super::worker::WorkError;
use crate::chunk::PlanError;
use crate::ledger::ClaimError;
use crate::pg::{ConnInfoError, PgError};
use crate::report::one_line;
use crate::runtime::Panicked;
use crate::runtime::tools::ToolError;
use crate::sink::archive::ArchiveError;
use crate::sink::clean::CleanError;
use crate::sink::database::DatabaseError;
use crate::sink::ddl::DdlError;
use crate::sink::existing::CompareError;
use crate::sink::foresight::ForesightError;
use crate::sink::journal::JournalError;
use crate::sink::undo::UndoError;
use crate::state::StateError;
use crate::transport::TransportError;
use crate::transport::peering::PeeringError;
use crate::wire::frame::FrameError;
use crate::wire::message::Failure;

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
    #[error(transparent)]
    Foresight(#[from] ForesightError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error("the target's tables have changed while they were looked at; start both again")]
    Unsettled,
    #[error(
        "--append adds the rows of send --data-only to tables that are there; give send that, or leave --append out"
    )]
    NothingToAppendTo,
    #[error("cannot create table {table} on the target: {message}")]
    Table { table: String, message: String },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Build(#[from] BuildError),
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
    Frame(#[from] FrameError),
    #[error(transparent)]
    Work(WorkError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// Our own user wants to stop; never shown.
    #[error("stopped")]
    Stopped,
    #[error("send: {line}")]
    Peer { line: String, resumable: bool },
    #[error("send sent what does not fit here: {0}")]
    Protocol(&'static str),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(
        "the snapshot is gone, and so is the plan that the target's journal is of, here and in send's state directory: nobody can tell what is on the target; `pgpipe reset` on both hosts lets the migration begin anew{}",
        rows_stay(*data_only)
    )]
    NoAgreedPlan { data_only: bool },
    #[error("send offered more than fits: {what} of {bytes} bytes")]
    TooLarge { what: &'static str, bytes: u64 },
    #[error(
        "only {free} are free in {directory} on the target, and {keep} are to be kept (--keep-free); give it room"
    )]
    TooLittleRoom {
        directory: PathBuf,
        free: String,
        keep: String,
    },
    #[error(
        "--keep-free: the disks of the target server cannot be seen from here (another host, or a role that may not read data_directory); use --keep-free none"
    )]
    DisksUnseen,
    #[error("the target server has lost commits in a crash; start both again")]
    TakenBack,
    #[error(
        "send asks to drop what is in the way on the target, or to empty tables there (--clean), and recv was not told to let it: give recv --clean too"
    )]
    CleanNotAllowed,
    #[error(transparent)]
    Clean(#[from] CleanError),
    #[error(transparent)]
    Undo(#[from] UndoError),
    #[error(
        "the migration went into another database: {display}, with its journal in schema {schema}; give that one with --target and --journal-schema"
    )]
    OtherTarget { display: String, schema: String },
    #[error(
        "there is no database {database} on this server, which is not the one that the migration went into ({display}): give that one with --target; if it is no more, `pgpipe cleanup --force {migration}` forgets the migration"
    )]
    OtherServer {
        database: String,
        display: String,
        migration: String,
    },
    #[error(
        "{path} is not the archive that the target's journal speaks of; remove by hand what the migration made, and the journal"
    )]
    OtherArchive { path: PathBuf },
    #[error("aborted by {by}{}", untold(*told))]
    Aborted { by: String, told: bool },
    #[error(
        "migration {migration:?} was aborted; `pgpipe reset {migration}` here and on send's host makes way for a new run"
    )]
    AbortedBefore { migration: String },
    /// There is nothing yet that could go on.
    #[error(transparent)]
    AtTheStart(Box<Self>),
}

/// What a reset without a plan cannot do.
fn rows_stay(data_only: bool) -> &'static str {
    match data_only {
        true => ", once the tables that it names are emptied by hand",
        false => "",
    }
}

/// What an abort adds where send did not hear of it.
fn untold(told: bool) -> &'static str {
    match told {
        true => "",
        false => {
            "; send could not be told and holds its snapshot: run `pgpipe abort` on its host too"
        }
    }
}

/// A worker's trouble with the link, or its panic, is the session's own.
impl From<WorkError> for RecvError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Transport(error) => Self::Transport(error),
            WorkError::Panicked(panic) => Self::Panicked(panic),
            WorkError::Journal(error) => Self::Journal(error),
            WorkError::TakenBack => Self::TakenBack,
            other => Self::Work(other),
        }
    }
}

impl RecvError {
    /// The same where nothing is there yet that could go on.
    pub(super) fn at_the_start(self, is_new: bool) -> Self {
        match is_new {
            true => Self::AtTheStart(Box::new(self)),
            false => self,
        }
    }

    /// Whether the same command can go on later (exit code 3).
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Work(WorkError::Write(error)) => error.is_resumable(),
            Self::Transport(error) => !error.is_foreign(),
            Self::Stopped
            | Self::TakenBack
            | Self::Unsettled
            | Self::TooLittleRoom { .. }
            | Self::Journal(JournalError::Moved)
            | Self::Build(BuildError::TakenBack) => true,
            Self::Ddl(error) | Self::Build(BuildError::Ddl(error)) => error.is_resumable(),
            Self::Postgres(source)
            | Self::Foresight(ForesightError::Postgres(source))
            | Self::Compare(CompareError::Postgres(source))
            | Self::Database(DatabaseError::Postgres(source))
            | Self::Build(BuildError::Journal(JournalError::Postgres { source, .. }))
            | Self::Journal(JournalError::Postgres { source, .. }) => source.is_passing(),
            Self::Clean(error) => error.is_resumable(),
            Self::Archive(error) | Self::Foresight(ForesightError::Archive(error)) => {
                error.is_passing()
            }
            Self::State(error) => error.is_passing(),
            Self::Peer { resumable, .. } => *resumable,
            Self::Peering(error) => error.is_resumable(),
            _ => false,
        }
    }

    /// Whether the peer said it, and so need not be told.
    pub(super) fn is_peers(&self) -> bool {
        matches!(self, Self::Peer { .. } | Self::Aborted { .. })
    }

    pub(super) fn failure(&self) -> Failure {
        Failure {
            line: one_line(self),
            resumable: self.is_resumable(),
        }
    }
}

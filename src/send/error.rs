//! Why send could not go on.

use std::path::PathBuf;

use super::worker::WorkError;
use crate::chunk::PlanError;
use crate::pg::{ConnInfoError, PgError};
use crate::report::one_line;
use crate::runtime::tools::ToolError;
use crate::runtime::{Panicked, passing};
use crate::schema::first_few;
use crate::sink::archive::ArchiveError;
use crate::source::choice::ChoiceError;
use crate::source::choice::filters::FilterError;
use crate::source::dump::DumpError;
use crate::source::keeper::KeeperError;
use crate::source::pooling::PoolingError;
use crate::source::privileges::Unreadable;
use crate::source::reader::ReadError;
use crate::state::StateError;
use crate::transport::TransportError;
use crate::transport::peering::PeeringError;
use crate::wire::message::Failure;

/// Names in one message.
const NAMES: usize = 5;

/// Why send could not go on; each is one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    ConnInfo(#[from] ConnInfoError),
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Pooling(#[from] PoolingError),
    #[error(
        "the source's encoding is SQL_ASCII, and these hold bytes that are not UTF-8 (shown as ?), in which pgpipe names them: {}; give them other ones on the source",
        first_few(.names, NAMES, ", ")
    )]
    StrayNames { names: Vec<String> },
    #[error("the source server is version {found}; pgpipe reads {needed} or later")]
    TooOld { found: u32, needed: u32 },
    #[error(
        "table {table} is unlogged, and a standby has no rows of it: send from the primary, or drop the table"
    )]
    UnloggedOnStandby { table: String },
    #[error(
        "rows of {ancestor} go through it and find their partitions anew on the target, of which {logged} is logged and {unlogged} unlogged: after a crash there rows and journal would not agree; make its partitions alike by ALTER TABLE … SET LOGGED or SET UNLOGGED{}",
        or_leave_out(*.as_wished)
    )]
    Mixed {
        ancestor: String,
        logged: String,
        unlogged: String,
        /// Only because the user lets rows go through roots.
        as_wished: bool,
    },
    #[error(
        "the selection leaves {partition} out, and rows of {ancestor} may belong there on the target, where its partitions' hash is another one: select {ancestor} with all its partitions, or leave it out too"
    )]
    BrokenFamily { partition: String, ancestor: String },
    #[error(
        "{partition} is a foreign table, and rows of other partitions of {ancestor} may belong there on the target, where its partitions' hash is another one: detach it, or leave {ancestor} out with --exclude-table"
    )]
    ForeignPartition { partition: String, ancestor: String },
    #[error(
        "role {role} may not read {} of the source (send names each); grant it that, or use another role: docs/privileges.md",
        objects(.unreadable)
    )]
    Unreadable {
        role: String,
        unreadable: Vec<Unreadable>,
    },
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    #[error(
        "the session that held the snapshot has ended (server restarted, or session terminated): the snapshot is gone; go on in a new one with --on-lost-snapshot prove, or start a new migration into an empty target"
    )]
    SnapshotGone,
    #[error(
        "the keeper holds the snapshot, but another session does not find it: each connection to the source may come to another server (a pooler, or a name of several); name one server, or read all through one connection with --snapshot single"
    )]
    Elsewhere(#[source] PgError),
    #[error("the snapshot was released by pgpipe abort: nothing is held on the source any more")]
    Released,
    #[error("there is no new snapshot yet")]
    NoNewSnapshot(#[source] KeeperError),
    #[error(
        "the schema of the source has changed since the snapshot that is gone: {what}; start a new migration into an empty target"
    )]
    SchemaChanged { what: String },
    #[error("cannot compare the schema with that of the snapshot that is gone")]
    Compare(#[from] ArchiveError),
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
    #[error(
        "migration {migration:?} was begun with {}; give the same, or nothing to go on with that",
        selected(.selection)
    )]
    OtherSelection {
        migration: String,
        selection: String,
    },
    #[error(
        "migration {migration:?} was begun with {terms}; give the same, or nothing to go on with that; `pgpipe reset` on both hosts lets it begin anew"
    )]
    OtherTerms { migration: String, terms: String },
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{path} is damaged or not what was offered; restore it, or start a new migration")]
    Record { path: PathBuf },
    #[error("cannot use {path}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Work(WorkError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("recv: {line}")]
    Peer { line: String, resumable: bool },
    #[error("recv sent a message that does not fit here: {0}")]
    Protocol(&'static str),
    #[error("aborted by {by}{}", untold(*told))]
    Aborted { by: String, told: bool },
    #[error(
        "migration {migration:?} was aborted; `pgpipe reset {migration}` here and on recv's host makes way for a new run"
    )]
    AbortedBefore { migration: String },
    /// There is nothing yet that could go on.
    #[error(transparent)]
    AtTheStart(Box<Self>),
}

fn or_leave_out(as_wished: bool) -> &'static str {
    match as_wished {
        true => ", or begin anew without --load-via-partition-root (pgpipe reset on both hosts)",
        false => "",
    }
}

fn objects(unreadable: &[Unreadable]) -> String {
    match unreadable.len() {
        1 => "an object".to_owned(),
        count => format!("{count} objects"),
    }
}

fn selected(selection: &str) -> &str {
    match selection {
        "" => "the whole database",
        some => some,
    }
}

/// What an abort adds where recv did not hear of it.
fn untold(told: bool) -> &'static str {
    match told {
        true => "",
        false => "; recv could not be told: run `pgpipe abort` on its host too",
    }
}

/// A worker's trouble with the link, or its panic, is the session's own.
impl From<WorkError> for SendError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Transport(error) => Self::Transport(error),
            WorkError::Panicked(panic) => Self::Panicked(panic),
            other => Self::Work(other),
        }
    }
}

impl SendError {
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
            Self::Work(WorkError::Read(error)) => error.is_resumable(),
            Self::Transport(error) => !error.is_foreign(),
            Self::NoNewSnapshot(_) => true,
            Self::Postgres(error)
            | Self::Pooling(PoolingError::Postgres(error) | PoolingError::NoSecond(error))
            | Self::Choice(ChoiceError::Postgres(error))
            | Self::Filter(FilterError::Postgres(error)) => error.is_passing(),
            Self::Dump(error) => error.is_passing(),
            Self::Compare(error) => error.is_passing(),
            Self::State(error) => error.is_passing(),
            Self::File { source, .. } => passing::is_passing(source),
            Self::Peer { resumable, .. } => *resumable,
            Self::Peering(error) => error.is_resumable(),
            Self::Keeper(KeeperError::Rewritten(_)) => true,
            _ => false,
        }
    }

    /// Why the recorded snapshot shows what is missing no more, where that is so: a new one may.
    pub(super) fn lost_snapshot(&self) -> Option<String> {
        match self {
            Self::SnapshotGone => Some("the snapshot is gone".to_owned()),
            Self::Work(WorkError::Read(ReadError::Rewritten { table })) => Some(format!(
                "table {table} was rewritten since the snapshot, which no longer shows its rows"
            )),
            _ => None,
        }
    }

    /// Whether no later run can read the snapshot either.
    pub(super) fn spoils_snapshot(&self) -> bool {
        match self {
            Self::Work(WorkError::Read(error)) => !error.is_resumable(),
            Self::Aborted { .. } | Self::Elsewhere(_) => true,
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

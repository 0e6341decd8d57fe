//! Options that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::selecting::SelectionOptions;
use super::values::{self, Compress, KeepFree};
use crate::report::Mode;
use crate::runtime::MAX_JOBS;
use crate::schema::roles::Rename;
use crate::send::{Formats, OnLostSnapshot, Sharing};

/// More workers than this rarely help one server, so the default stops here.
const DEFAULT_JOBS_LIMIT: usize = 16;
/// A night and the next day.
const DEFAULT_KEEP_SNAPSHOT: Duration = Duration::from_secs(24 * 3600);
/// Index builds take memory and I/O on the target, each as much as it can.
const DEFAULT_INDEX_JOBS_LIMIT: usize = 8;

/// How the two sides find one another.
#[derive(Debug, Clone, Args)]
pub struct LinkOptions {
    #[command(flatten)]
    end: EndArgs,
    /// File that the pairing code is handed over in: recv writes it, send reads it
    #[arg(long, value_name = "FILE", value_parser = values::file_in_directory)]
    pub pair_file: Option<PathBuf>,
    /// How long to try to reach the other side again [default: 24h; send, while the snapshot is
    /// held: without end]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub give_up: Option<Duration>,
    /// How long open transactions outlive a silent link, as in 60s
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::duration)]
    pub stall: Duration,
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct EndArgs {
    /// Wait for the other side on this UDP port
    #[arg(long, value_name = "ADDR:PORT", value_parser = values::listen)]
    listen: Option<String>,
    /// Reach the other side at this host and UDP port
    #[arg(long, value_name = "HOST:PORT", value_parser = values::connect)]
    connect: Option<String>,
}

/// Which way the connection is opened; has nothing to do with which way data flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEnd {
    Listen(String),
    Connect(String),
}

impl LinkOptions {
    /// The one of `--listen` and `--connect` that was given.
    pub fn end(&self) -> LinkEnd {
        match (&self.end.listen, &self.end.connect) {
            (Some(address), _) => LinkEnd::Listen(address.clone()),
            (None, Some(address)) => LinkEnd::Connect(address.clone()),
            (None, None) => unreachable!("the group requires one of them"),
        }
    }
}

/// Which migration, and where what is known of it rests.
#[derive(Debug, Clone, Args)]
pub struct MigrationOptions {
    /// Directory for what must survive a restart [default: /var/lib/pgpipe or the user's own]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Name of the migration, the same on both sides
    #[arg(long, value_name = "NAME", default_value = "main", value_parser = values::migration)]
    pub migration: String,
}

/// What every moving command takes.
#[derive(Debug, Clone, Args)]
pub struct CommonOptions {
    #[command(flatten)]
    pub migration: MigrationOptions,
    /// Memory that buffers and windows are derived from
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = values::memory)]
    pub memory: u64,
    /// How progress is shown: auto, bar, plain, json or none
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub progress: Mode,
    /// Append a log in JSON lines to this file; PGPIPE_LOG sets its level
    #[arg(long, value_name = "FILE", value_parser = values::file_in_directory)]
    pub log: Option<PathBuf>,
    /// Write a report to this file, .json or .html
    #[arg(long, value_name = "FILE", value_parser = values::report_file)]
    pub report: Option<PathBuf>,
    /// Directory of pg_dump and pg_restore [default: found by the server's version]
    #[arg(long, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
}

/// How the source is read.
#[derive(Debug, Clone, Args)]
pub struct SourceOptions {
    /// Source database, as psql takes it [default: the PG* environment]
    #[arg(
        long,
        value_name = "CONNINFO",
        default_value = "",
        hide_default_value = true
    )]
    pub source: String,
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// Tables or chunks read at the same time [default: the number of cores, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_JOBS as i64))]
    jobs: Option<u16>,
    /// Size of a chunk, the unit of commit and resume
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = values::chunk_size)]
    pub chunk_size: u64,
    /// How rows are copied: auto (binary where every type is safe in it) or text
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub format: Formats,
    /// Compression: auto, none or a zstd level from 1 to 19
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = values::compress)]
    pub compress: Compress,
    /// Do not restore who owns the objects
    #[arg(long)]
    pub no_owner: bool,
    /// Do not restore privileges (GRANT and REVOKE)
    #[arg(long)]
    pub no_privileges: bool,
    /// Do not restore tablespace assignments
    #[arg(long)]
    pub no_tablespaces: bool,
    /// Make the roles that own or are granted something, where the target lacks them; without passwords
    #[arg(long)]
    pub roles: bool,
    /// Give what is the role OLD's on the source to NEW on the target: owners, privileges, policies, settings; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    pub map_role: Vec<Rename>,
    /// How all that is read is of one snapshot: export, single (one connection) or auto (as begun; export)
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub snapshot: Sharing,
    /// How long the snapshot outlives a send that is gone [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    keep_snapshot: Option<Duration>,
    /// What to do when the snapshot is gone before all rows are there: prove, restart or stop
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub on_lost_snapshot: OnLostSnapshot,
    /// Accept that the source is written to after the snapshot (a rehearsal)
    #[arg(long)]
    pub allow_changes: bool,
}

impl SourceOptions {
    /// Workers wanted, before the memory budget has its say.
    pub fn jobs(&self) -> usize {
        jobs_or_cores(self.jobs, DEFAULT_JOBS_LIMIT)
    }

    pub fn keep_snapshot(&self) -> Duration {
        self.keep_snapshot.unwrap_or(DEFAULT_KEEP_SNAPSHOT)
    }

    /// The option that does not go with `--snapshot single`.
    pub fn needs_export(&self) -> Option<&'static str> {
        match self {
            _ if self.snapshot != Sharing::Single => None,
            Self {
                jobs: Some(2..), ..
            } => Some("--jobs"),
            Self {
                keep_snapshot: Some(_),
                ..
            } => Some("--keep-snapshot"),
            _ => None,
        }
    }
}

/// How the target is filled.
#[derive(Debug, Clone, Args)]
pub struct TargetOptions {
    /// Target database, as psql takes it [default: the PG* environment]
    #[arg(
        long,
        value_name = "CONNINFO",
        default_value = "",
        hide_default_value = true
    )]
    pub target: String,
    /// Create the target database if it does not exist
    #[arg(long)]
    pub create_db: bool,
    /// Add the rows of send --data-only to tables that are not empty
    #[arg(long)]
    pub append: bool,
    /// Restore into a server of an older major version than the source's, whatever it then refuses
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Indexes built at the same time [default: the number of cores, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_JOBS as i64))]
    index_jobs: Option<u16>,
    /// Schema of the journal on the target
    #[arg(long, value_name = "NAME", default_value = "pgpipe", value_parser = values::schema_name)]
    pub journal_schema: String,
    /// Stop before less than this is free on the target's disks, or none [default: 1GiB where they can be seen]
    #[arg(long, value_name = "SIZE", value_parser = values::keep_free)]
    pub keep_free: Option<KeepFree>,
    /// Leave the journal in the target database at the end
    #[arg(long)]
    pub keep_journal: bool,
}

impl TargetOptions {
    pub fn index_jobs(&self) -> usize {
        jobs_or_cores(self.index_jobs, DEFAULT_INDEX_JOBS_LIMIT)
    }
}

pub(super) fn jobs_or_default(given: Option<u16>) -> usize {
    jobs_or_cores(given, DEFAULT_JOBS_LIMIT)
}

fn jobs_or_cores(given: Option<u16>, limit: usize) -> usize {
    given.map_or_else(
        || std::thread::available_parallelism().map_or(1, |n| n.get().min(limit)),
        usize::from,
    )
}

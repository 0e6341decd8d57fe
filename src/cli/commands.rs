//! The commands and their options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::groups::{
    self, CommonOptions, LinkOptions, MigrationOptions, SourceOptions, TargetOptions,
};
use super::values;
use crate::report::Mode;
use crate::report::units::Rate;
use crate::runtime::MAX_JOBS;

/// What the user asks for.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Receive a database: runs beside the target server
    Recv(RecvOptions),
    /// Send a database: runs beside the source server
    Send(SendOptions),
    /// Do both in one process, on a host that reaches both servers
    Clone(CloneOptions),
    /// Move history data between two throw-away servers, and verify it
    Demo(DemoOptions),
    /// Show what is at work on this host, and how far it is
    Status(StatusOptions),
    /// Stop what is at work on this host; it can go on later
    Stop(StopOptions),
    /// Give a migration up: both sides roll back, the snapshot is released
    Abort(AbortOptions),
    /// Take back what a migration has made, to begin it anew
    Reset(ResetOptions),
    /// Remove what a finished or aborted migration has left
    Cleanup(CleanupOptions),
    /// Hold snapshot and locks on behalf of send
    #[command(hide = true)]
    Keeper(KeeperOptions),
}

impl Command {
    /// The connection strings that were given, each with its option's name.
    pub(super) fn conninfos(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Recv(o) => vec![("--target", &o.target.target)],
            Self::Send(o) => vec![("--source", &o.source.source)],
            Self::Clone(o) => vec![
                ("--source", o.source.source.as_str()),
                ("--target", &o.target.target),
            ],
            Self::Reset(o) => vec![("--target", &o.target)],
            Self::Cleanup(o) => {
                let target = o.target.as_deref();
                target
                    .map(|target| ("--target", target))
                    .into_iter()
                    .collect()
            }
            Self::Demo(_) | Self::Status(_) | Self::Stop(_) | Self::Abort(_) | Self::Keeper(_) => {
                Vec::new()
            }
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct RecvOptions {
    #[command(flatten)]
    pub target: TargetOptions,
    #[command(flatten)]
    pub link: LinkOptions,
    /// How long the pairing code is good for
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = values::duration)]
    pub pair_expires: Duration,
    /// Wait for send to come back when it stops, instead of stopping too
    #[arg(long)]
    pub stay: bool,
    /// Let send drop what is in the way on the target, or empty tables, if it asks for that with its own --clean
    #[arg(long, conflicts_with = "append")]
    pub clean: bool,
    #[command(flatten)]
    pub common: CommonOptions,
}

#[derive(Debug, Clone, Args)]
pub struct SendOptions {
    #[command(flatten)]
    pub source: SourceOptions,
    #[command(flatten)]
    pub link: LinkOptions,
    /// Send no faster than this, as in 500Mbit
    #[arg(long, value_name = "RATE", value_parser = values::rate)]
    pub rate: Option<Rate>,
    /// Drop objects of the target that are in the way of those that are moved, or with --data-only empty the tables, if recv --clean lets it
    #[arg(long)]
    pub clean: bool,
    #[command(flatten)]
    pub common: CommonOptions,
}

#[derive(Debug, Clone, Args)]
pub struct CloneOptions {
    #[command(flatten)]
    pub source: SourceOptions,
    #[command(flatten)]
    pub target: TargetOptions,
    /// Drop objects of the target that are in the way of those that are moved, or with --data-only empty the tables
    #[arg(long, conflicts_with = "append")]
    pub clean: bool,
    #[command(flatten)]
    pub common: CommonOptions,
}

#[derive(Debug, Clone, Args)]
pub struct DemoOptions {
    /// Rows to make, as in 500k or 6M
    #[arg(long, value_name = "N", default_value = "1M", value_parser = values::count)]
    pub rows: u64,
    /// Directory of initdb, postgres and pg_dump [default: the newest found]
    #[arg(long, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
    /// Write a report to this file, .json or .html
    #[arg(long, value_name = "FILE", value_parser = values::report_file)]
    pub report: Option<PathBuf>,
    /// How progress is shown: auto, bar, plain, json or none
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub progress: Mode,
    /// Tables or chunks read at the same time [default: the number of cores, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_JOBS as i64))]
    jobs: Option<u16>,
    /// Do not run pg_dump | pg_restore for comparison
    #[arg(long)]
    pub no_baseline: bool,
}

impl DemoOptions {
    pub fn jobs(&self) -> usize {
        groups::jobs_or_default(self.jobs)
    }
}

#[derive(Debug, Clone, Args)]
pub struct AbortOptions {
    #[command(flatten)]
    pub migration: MigrationOptions,
}

#[derive(Debug, Clone, Args)]
pub struct StopOptions {
    #[command(flatten)]
    pub migration: MigrationOptions,
}

#[derive(Debug, Clone, Args)]
pub struct StatusOptions {
    /// Directory for what must survive a restart [default: /var/lib/pgpipe or the user's own]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Only this migration [default: all]
    #[arg(long, value_name = "NAME", value_parser = values::migration)]
    pub migration: Option<String>,
    /// Show it again each second, until nothing is at work
    #[arg(long)]
    pub watch: bool,
    /// One JSON object instead of words
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ResetOptions {
    /// Name of the migration
    #[arg(value_name = "NAME", value_parser = values::migration)]
    pub name: String,
    /// Directory for what must survive a restart [default: /var/lib/pgpipe or the user's own]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// On recv's host: target database, as psql takes it [default: the PG* environment]
    #[arg(
        long,
        value_name = "CONNINFO",
        default_value = "",
        hide_default_value = true
    )]
    pub target: String,
    /// On recv's host: schema of the journal on the target
    #[arg(long, value_name = "NAME", default_value = "pgpipe", value_parser = values::schema_name)]
    pub journal_schema: String,
    /// On recv's host: directory of pg_restore [default: found by the server's version]
    #[arg(long, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Args)]
pub struct CleanupOptions {
    /// Name of the migration
    #[arg(value_name = "NAME", value_parser = values::migration)]
    pub name: String,
    /// Directory for what must survive a restart [default: /var/lib/pgpipe or the user's own]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// On recv's host: drop the journal in this database too, if it was kept
    #[arg(long, value_name = "CONNINFO")]
    pub target: Option<String>,
    /// Schema of that journal
    #[arg(
        long,
        value_name = "NAME",
        default_value = "pgpipe",
        value_parser = values::schema_name,
        requires = "target"
    )]
    pub journal_schema: String,
    /// Even if the migration is not finished: nobody can go on with it then
    #[arg(long)]
    pub force: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Args)]
pub struct KeeperOptions {
    /// The locked state directory of the send that started it
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
}

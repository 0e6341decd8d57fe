//! The demo from its first line to its last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::baseline;
use super::cluster::{Cluster, ClusterError, ClusterOptions};
use super::compare::{self, CompareError, Difference};
use super::history::History;
use super::programs::ProgramError;
use super::sides::{self, Route, SidesError};
use super::stop::{Signals, Stop};
use super::summary::{self, Summary, SummaryError};

/// The database that moves, on both servers.
const DATABASE: &str = "history";

/// Differences that are listed; more of them say no more.
const SHOWN_DIFFERENCES: usize = 10;

/// What the demo may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rows of history, over all tables.
    pub rows: u64,
    /// Where `initdb` and its companions are; else the newest that is installed.
    pub pg_bin: Option<PathBuf>,
    /// Whether `pg_dump | pg_restore` moves the same data afterwards, for comparison.
    pub baseline: bool,
    /// Parallel chunks of pgpipe and jobs of the baseline; else each side's default, and 2.
    pub jobs: Option<usize>,
    /// Where to keep send's JSON report.
    pub report: Option<PathBuf>,
    /// send's `--progress`.
    pub progress: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: 1_000_000,
            pg_bin: None,
            baseline: true,
            jobs: None,
            report: None,
            progress: "auto".to_owned(),
        }
    }
}

/// How the demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// The target equals the source.
    Verified,
    /// It does not.
    Different,
    /// The user ended it; everything it made is gone.
    Interrupted,
}

impl ExitKind {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Different => 1,
            Self::Interrupted => 3,
        }
    }
}

/// Why the demo could not show anything.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Without handlers an interrupt would leave two servers running.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// A throw-away server.
    #[error("the demo's servers failed")]
    Cluster(#[from] ClusterError),
    /// The directory for reports, state and the pairing file.
    #[error("cannot use {path}")]
    Directory {
        /// The path in question.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The history could not be made.
    #[error("cannot fill the source with history")]
    Fill(#[source] ProgramError),
    /// `send` or `recv` failed.
    #[error("the migration failed")]
    Sides(#[from] SidesError),
    /// The report of `send`.
    #[error("the migration ended without a usable report")]
    Summary(#[from] SummaryError),
    /// The comparison itself failed.
    #[error("cannot compare the two databases")]
    Compare(#[from] CompareError),
    /// `pg_dump` or `pg_restore` failed.
    #[error("pg_dump and pg_restore, run for comparison, failed")]
    Baseline(#[source] ProgramError),
}

/// Runs the demo, printing a line for each step. Everything it makes is gone when it returns,
/// also after an interrupt.
pub fn run(options: &Options) -> Result<ExitKind, DemoError> {
    let signals = Signals::listen().map_err(DemoError::Signals)?;
    let stop = signals.stop();
    let outcome = Demo::prepare(options, stop.clone()).and_then(|mut demo| demo.play());
    // Whatever failed while everything was being ended failed because of that.
    if stop.requested() {
        println!("interrupted: servers, processes and files of the demo are gone");
        return Ok(ExitKind::Interrupted);
    }
    outcome
}

struct Demo<'a> {
    options: &'a Options,
    clock: Clock,
    source: Cluster,
    target: Cluster,
    work: TempDir,
    stop: Stop,
}

impl<'a> Demo<'a> {
    fn prepare(options: &'a Options, stop: Stop) -> Result<Self, DemoError> {
        let clock = Clock(Instant::now());
        let work = tempfile::Builder::new()
            .prefix("pgpipe-demo-")
            .tempdir()
            .map_err(|source| DemoError::Directory {
                path: std::env::temp_dir(),
                source,
            })?;
        let settings = ClusterOptions {
            bin_dir: options.pg_bin.clone(),
            stop: stop.clone(),
            ..ClusterOptions::with(&SETTINGS)
        };
        let source = Cluster::start(&settings)?;
        let target = Cluster::start(&settings)?;
        let version = source.psql("postgres", "SHOW server_version")?;
        clock.say(&format!(
            "two throw-away servers, PostgreSQL {}",
            version.trim()
        ));
        Ok(Self {
            options,
            clock,
            source,
            target,
            work,
            stop,
        })
    }

    fn play(&mut self) -> Result<ExitKind, DemoError> {
        self.fill()?;
        let summary = self.migrate()?;
        let differences = self.compare()?;
        let baseline = if self.options.baseline {
            Some(self.baseline()?)
        } else {
            None
        };
        println!();
        summary.print();
        if let Some(took) = baseline {
            summary::print_ratio(summary.wall(), took);
        }
        println!();
        Ok(verdict(&differences))
    }

    fn fill(&self) -> Result<(), DemoError> {
        let begin = Instant::now();
        self.source.create_database(DATABASE)?;
        self.target.create_database(DATABASE)?;
        let history = History::of_rows(self.options.rows);
        history
            .fill(&self.source.database(DATABASE))
            .map_err(DemoError::Fill)?;
        let size = format!("SELECT pg_database_size('{DATABASE}')");
        let bytes = self
            .source
            .psql(DATABASE, &size)?
            .trim()
            .parse()
            .unwrap_or(0);
        self.clock.say(&format!(
            "source filled with history, {} in {}",
            summary::bytes(bytes),
            summary::seconds(begin.elapsed())
        ));
        Ok(())
    }

    fn migrate(&self) -> Result<Summary, DemoError> {
        self.clock
            .say("pgpipe recv and pgpipe send, two processes, QUIC on 127.0.0.1");
        let route = Route {
            source: self.source.conninfo(DATABASE),
            target: self.target.conninfo(DATABASE),
            work: self.work.path(),
            jobs: self.options.jobs,
            pg_bin: self.source.programs().client_dir(),
            progress: &self.options.progress,
        };
        let begin = Instant::now();
        let report = sides::migrate(&route, &self.stop)?;
        let wall = begin.elapsed();
        self.clock
            .say(&format!("moved in {}", summary::seconds(wall)));
        if let Some(kept) = &self.options.report {
            keep(&report, kept)?;
        }
        Ok(Summary::read(&report, wall)?)
    }

    fn compare(&self) -> Result<Vec<Difference>, DemoError> {
        let begin = Instant::now();
        let found = compare::differences(
            &self.source.database(DATABASE),
            &self.target.database(DATABASE),
        )?;
        self.clock.say(&format!(
            "both databases read again and compared by SQL and pg_dump in {}",
            summary::seconds(begin.elapsed())
        ));
        Ok(found)
    }

    fn baseline(&self) -> Result<Duration, DemoError> {
        let jobs = self.options.jobs.unwrap_or(baseline::JOBS);
        self.clock.say(&format!(
            "the same data with pg_dump -Fd -Z0 -j{jobs}, then pg_restore -j{jobs}"
        ));
        self.target.create_database(baseline::DATABASE)?;
        let took = baseline::dump_and_restore(
            self.source.programs(),
            &self.source.conninfo(DATABASE),
            &self.target.conninfo(baseline::DATABASE),
            &self.work.path().join("dump"),
            jobs,
            &self.stop,
        );
        let took = took.map_err(DemoError::Baseline)?;
        self.clock.say(&format!(
            "dumped and restored in {}",
            summary::seconds(took)
        ));
        Ok(took)
    }
}

/// Seconds since the demo began, in front of each line.
struct Clock(Instant);

impl Clock {
    fn say(&self, what: &str) {
        println!("{:7.1} s  {what}", self.0.elapsed().as_secs_f64());
    }
}

/// Small enough for a laptop; the WAL of the load needs no checkpoint in between.
const SETTINGS: [(&str, &str); 3] = [
    ("shared_buffers", "256MB"),
    ("max_wal_size", "4GB"),
    ("maintenance_work_mem", "128MB"),
];

fn keep(report: &Path, kept: &Path) -> Result<(), DemoError> {
    fs::copy(report, kept)
        .map(drop)
        .map_err(|source| DemoError::Directory {
            path: kept.to_path_buf(),
            source,
        })
}

fn verdict(differences: &[Difference]) -> ExitKind {
    if differences.is_empty() {
        println!("verified: the target equals the source");
        return ExitKind::Verified;
    }
    println!(
        "the target differs from the source in {} places:",
        differences.len()
    );
    for difference in differences.iter().take(SHOWN_DIFFERENCES) {
        println!("  {difference}");
    }
    ExitKind::Different
}

//! send and recv as processes that are started again by the same command.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::faults::Side;
use crate::phase::Phase;
use crate::support::Run;

/// Longer than any outage of a campaign.
const GIVE_UP: &str = "10m";
const REST: Duration = Duration::from_millis(300);
/// A migration of a few dozen faults needs fewer.
const MOST_STARTS: usize = 120;

/// One side: its command, and its process while it runs.
pub(crate) struct Process {
    side: Side,
    args: Vec<String>,
    dir: PathBuf,
    run: Option<Run>,
    starts: usize,
    rest: Instant,
    /// Its exit code, and the objects that its report says are not there.
    done: Option<(i32, Vec<String>)>,
    interrupted: bool,
    /// Nobody starts it again yet.
    pub(crate) held: bool,
}

/// Where the two sides find their servers and one another.
pub(crate) struct Places<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) source: &'a str,
    pub(crate) target: &'a str,
    pub(crate) listen: &'a str,
    pub(crate) connect: &'a str,
    pub(crate) recv_listens: bool,
}

impl Process {
    pub(crate) fn new(side: Side, places: &Places<'_>) -> Self {
        let name = name(side);
        let file = |name: &str| places.dir.join(name).display().to_string();
        let (state, pair) = (file(&format!("{name}.state")), file("pair"));
        let mut args = vec!["--state", &state, "--pair-file", &pair];
        args.extend(["--give-up", GIVE_UP, "--progress", "json"]);
        match (side == Side::Recv) == places.recv_listens {
            true => args.extend(["--listen", places.listen]),
            false => args.extend(["--connect", places.connect]),
        }
        match side {
            Side::Send => args.extend([
                "--source",
                places.source,
                "--rate",
                "6Mbit",
                "--chunk-size",
                "1MiB",
                "--jobs",
                "2",
            ]),
            Side::Recv => args.extend([
                "--target",
                places.target,
                "--index-jobs",
                "2",
                "--keep-journal",
            ]),
        }
        Self {
            side,
            args: args.into_iter().map(str::to_owned).collect(),
            dir: places.dir.to_path_buf(),
            run: None,
            starts: 0,
            rest: Instant::now(),
            done: None,
            interrupted: false,
            held: false,
        }
    }

    /// Each start writes into a directory of its own, so that a failure can show them all.
    pub(crate) fn start(&mut self) {
        assert!(self.run.is_none());
        self.starts += 1;
        let (name, starts) = (name(self.side), self.starts);
        assert!(
            starts <= MOST_STARTS,
            "{name} was started {starts} times and does not get done"
        );
        let dir = self.dir.join(format!("{name}-{starts:02}"));
        std::fs::create_dir(&dir).unwrap();
        let report = dir.join(format!("{name}.json")).display().to_string();
        let args = [&self.args[..], &["--report".to_owned(), report]].concat();
        self.run = Some(Run::start(&dir, name, &args, &[]));
        self.done = None;
        self.interrupted = false;
    }

    /// The exit code, once, when it has ended by itself; `None` within for a signal.
    pub(crate) fn ended(&mut self) -> Option<(Option<i32>, String)> {
        if self.is_running() {
            return None;
        }
        let end = self.run.take()?.wait();
        let code = end.status.code();
        self.rest = Instant::now() + REST;
        self.done = code
            .filter(|code| [0, 4, 5].contains(code))
            .map(|code| (code, missing(&end.report())));
        let line = end.stderr.lines().find(|line| line.starts_with("pgpipe: "));
        Some((code, line.unwrap_or_default().to_owned()))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.run.as_mut().is_some_and(Run::is_running)
    }

    /// It has ended, and that is known.
    pub(crate) fn is_idle(&self) -> bool {
        self.run.is_none()
    }

    /// It has ended just now, or is to stay so: whoever starts it again takes a moment.
    pub(crate) fn rests(&self) -> bool {
        self.held || Instant::now() < self.rest
    }

    /// Ended with all that can be there: exit code 0, 4 or 5.
    pub(crate) fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// With which of them, and what is missing.
    pub(crate) fn outcome(&self) -> &(i32, Vec<String>) {
        self.done.as_ref().expect("it is done")
    }

    /// kill -9; false when it has ended before.
    pub(crate) fn kill(&mut self) -> bool {
        if !self.is_running() {
            return false;
        }
        // Dropping it kills it and waits.
        self.run = None;
        true
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> bool {
        let running = self.is_running();
        if let Some(run) = self.run.as_ref().filter(|_| running) {
            run.signal(signal);
        }
        running
    }

    /// Ctrl-C. It may take some seconds to end: an ANALYZE that has begun is waited for.
    pub(crate) fn interrupt(&mut self) -> bool {
        self.interrupted = self.signal(Signal::INT);
        self.interrupted
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    pub(crate) fn phase(&self) -> Phase {
        let shown = |run: &Run| Phase::shown(&run.stderr());
        self.run.as_ref().map_or(Phase::Before, shown)
    }
}

fn missing(report: &Value) -> Vec<String> {
    let errors = report["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["object"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn name(side: Side) -> &'static str {
    match side {
        Side::Send => "send",
        Side::Recv => "recv",
    }
}

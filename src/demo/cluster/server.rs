//! The server process: started as our child, in its own process group, and always ended.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::account::Account;
use super::{ClusterError, StopMode};
use crate::demo::programs::{ProgramError, Programs, last_lines};
use crate::demo::stop::Stop;

/// Crash recovery of a demo's WAL takes seconds; a minute means that it hangs.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A fast stop writes one checkpoint.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long a dropped server may take before it is killed: nobody needs its data any more.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(20);

/// What is told of the log when the server fails.
const LOG_LINES: usize = 15;

#[derive(Debug)]
pub(super) struct Server {
    programs: Programs,
    account: Account,
    dir: PathBuf,
    port: u16,
    stop: Stop,
    process: Option<Child>,
}

impl Server {
    pub(super) fn new(
        programs: Programs,
        account: Account,
        dir: &Path,
        port: u16,
        stop: Stop,
    ) -> Self {
        Self {
            programs,
            account,
            dir: dir.to_path_buf(),
            port,
            stop,
            process: None,
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub(super) fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Starts the postmaster and waits until it accepts connections.
    pub(super) fn start(&mut self) -> Result<(), ClusterError> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut command = self.programs.command("postgres");
        let log = self.open_log()?;
        command
            .arg("-D")
            .arg(self.dir.join("data"))
            .current_dir(&self.dir)
            .process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.account.apply(&mut command);
        let child = command.spawn().map_err(|source| ProgramError::Run {
            program: "postgres".to_owned(),
            source,
        })?;
        self.process = Some(child);
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), ClusterError> {
        let begin = Instant::now();
        while begin.elapsed() < START_LIMIT {
            if self.stop.requested() {
                return Err(ProgramError::Interrupted.into());
            }
            if self.has_ended() {
                self.process = None;
                return Err(self.failure("ended instead of starting"));
            }
            if self.answers()? {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        Err(self.failure("accepts no connections after a minute"))
    }

    fn answers(&self) -> Result<bool, ProgramError> {
        let mut probe = self.programs.command("pg_isready");
        probe
            .arg("-q")
            .arg("-h")
            .arg(&self.dir)
            .arg("-p")
            .arg(self.port.to_string());
        let status = quiet(&mut probe)
            .status()
            .map_err(|source| ProgramError::Run {
                program: "pg_isready".to_owned(),
                source,
            })?;
        Ok(status.success())
    }

    pub(super) fn stop(&mut self, mode: StopMode) -> Result<(), ClusterError> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        // See pg_ctl(1): SIGINT is "fast", SIGQUIT is "immediate".
        let wish = match mode {
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        };
        signal(process.id(), wish);
        if !self.ends_within(STOP_LIMIT) {
            return Err(self.failure("does not stop"));
        }
        self.process = None;
        Ok(())
    }

    /// Backends first asked for, then the postmaster killed, then they: none outlives it to finish work.
    pub(super) fn kill9(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let backends = children_of(process.id());
        signal(process.id(), Signal::KILL);
        for backend in &backends {
            signal(*backend, Signal::KILL);
        }
        // Reaped, so that its pid cannot look alive in postmaster.pid.
        let _ = process.wait();
        let begin = Instant::now();
        while begin.elapsed() < DROP_LIMIT && backends.iter().any(|pid| is_alive(*pid)) {
            thread::sleep(POLL);
        }
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            if self.has_ended() {
                return true;
            }
            thread::sleep(POLL);
        }
        false
    }

    fn has_ended(&mut self) -> bool {
        match &mut self.process {
            Some(process) => !matches!(process.try_wait(), Ok(None)),
            None => true,
        }
    }

    fn failure(&self, what: &'static str) -> ClusterError {
        let log = last_lines(&self.log(), LOG_LINES);
        ClusterError::Server {
            path: self.dir.join("data"),
            what,
            log,
        }
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    fn open_log(&self) -> Result<File, ClusterError> {
        let path = self.log_path();
        let opened = File::options().create(true).append(true).open(&path);
        opened.map_err(|source| ClusterError::Directory { path, source })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            signal(process.id(), Signal::QUIT);
            if !self.ends_within(DROP_LIMIT) {
                self.kill9();
            }
        }
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Gone already is what was wanted.
        let _ = kill_process(pid, signal);
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Backends make sessions of their own, so that only /proc knows whose children they are.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

/// `pid (name) state ppid …`; the name may hold anything, so the fields count from the last ')'.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

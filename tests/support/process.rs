//! One run of the program, its output in files, ended at the latest with its test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No migration of these tests takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

/// Asks again and again until there is an answer; `None` when the limit has passed.
pub(crate) fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(POLL);
    }
}

/// A process of pgpipe.
pub(crate) struct Run {
    side: &'static str,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    report: PathBuf,
}

/// How a run ended and what it wrote.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) side: &'static str,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    report: PathBuf,
}

impl Run {
    /// Starts `pgpipe SIDE ARGS…` with no `PG*` environment but `env`; output and report go to `dir`.
    pub(crate) fn start(
        dir: &Path,
        side: &'static str,
        args: &[String],
        env: &[(&str, &str)],
    ) -> Self {
        Self::start_under(&[], dir, side, args, env)
    }

    /// The same by another program, whose last arguments these are, and which becomes it.
    pub(crate) fn start_under(
        under: &[&str],
        dir: &Path,
        side: &'static str,
        args: &[String],
        env: &[(&str, &str)],
    ) -> Self {
        let file = |end: &str| dir.join(format!("{side}.{end}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let mut words = [under, &[env!("CARGO_BIN_EXE_pgpipe"), side]]
            .concat()
            .into_iter();
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .process_group(0);
        Self {
            side,
            child: command.spawn().unwrap(),
            stdout,
            stderr,
            report: file("json"),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
        if signal == Signal::STOP {
            poll(LIMIT, || self.has_stopped().then_some(())).expect("every thread stops");
        }
    }

    /// Whether none of its threads runs on: they stop one by one, each a little later.
    fn has_stopped(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let stat = |task: std::io::Result<fs::DirEntry>| {
            fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default()
        };
        // The state follows the name, which is in parentheses (proc_pid_stat(5)).
        let is_stopped = |stat: String| {
            let state = stat.rsplit(')').next().unwrap_or_default();
            state.trim_start().starts_with(['T', 'Z', 'X'])
        };
        tasks.map(stat).all(is_stopped)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it wrote so far.
    pub(crate) fn stdout(&self) -> String {
        read(&self.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Waits until one of its outputs has a line with `text`, and returns that line.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let line = poll(LIMIT, || {
            let output = self.stdout() + &self.stderr();
            let line = output.lines().find(|line| line.contains(text));
            line.map(str::to_owned)
        });
        line.unwrap_or_else(|| panic!("{} never says {text:?}: {}", self.side, self.words()))
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> End {
        let ended = poll(LIMIT, || self.child.try_wait().unwrap());
        let Some(status) = ended else {
            panic!("{} does not end: {}", self.side, self.words());
        };
        End {
            side: self.side,
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
            report: self.report.clone(),
        }
    }

    /// `kill -9`, and waits for its end.
    pub(crate) fn kill(self) -> End {
        self.signal(Signal::KILL);
        self.wait()
    }

    fn words(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    /// Panics with everything it wrote unless it ended with this exit code.
    #[track_caller]
    pub(crate) fn must_end(&self, code: i32) -> &Self {
        let (side, status) = (self.side, self.status);
        assert_eq!(
            status.code(),
            Some(code),
            "{side} ended with {status}\nstdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Everything it wrote.
    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The JSON report that the run wrote.
    #[track_caller]
    pub(crate) fn report(&self) -> serde_json::Value {
        let text = fs::read(&self.report)
            .unwrap_or_else(|error| panic!("{} wrote no report: {error}", self.side));
        serde_json::from_slice(&text).unwrap()
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

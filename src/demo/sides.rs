//! The two sides of the migration as processes of this very program.

use std::fs::{self, File};
use std::io;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::programs::{clear_pg_environment, last_lines, signal_group};
use super::stop::Stop;

/// How often the demo looks whether a side has ended.
const POLL: Duration = Duration::from_millis(10);

/// How long one side may take to end after the other has, or after it was asked to.
const END_LIMIT: Duration = Duration::from_secs(30);

/// What is told of a failed side's standard error.
const STDERR_LINES: usize = 15;

/// Why the migration did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SidesError {
    /// A side could not be started.
    #[error("cannot start pgpipe {side}")]
    Start {
        /// "recv" or "send".
        side: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// No port on the loopback interface.
    #[error("no free UDP port on 127.0.0.1")]
    Port(#[source] io::Error),
    /// A side ended with an error.
    #[error("pgpipe {side} ended with {status}\n{stderr}")]
    Ended {
        /// "recv" or "send".
        side: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote, where it did not go to the terminal.
        stderr: String,
    },
    /// A side did not end although the other one had.
    #[error("pgpipe {side} did not end within {} s of the other side\n{stderr}", END_LIMIT.as_secs())]
    Hangs {
        /// "recv" or "send".
        side: &'static str,
        /// The end of what it wrote.
        stderr: String,
    },
    /// The user asked for the end.
    #[error("interrupted")]
    Interrupted,
}

/// From where to where, and what the two processes are told.
pub(super) struct Route<'a> {
    pub(super) source: String,
    pub(super) target: String,
    /// A directory for state, reports and the pairing file.
    pub(super) work: &'a Path,
    pub(super) jobs: Option<usize>,
    pub(super) pg_bin: &'a Path,
    pub(super) progress: &'a str,
}

/// Runs recv and send until both have ended well; returns the path of send's report.
pub(super) fn migrate(route: &Route<'_>, stop: &Stop) -> Result<PathBuf, SidesError> {
    let port = free_port().map_err(SidesError::Port)?;
    let address = format!("127.0.0.1:{port}");
    let mut recv = Side::start("recv", recv_command(route, &address), route.work)?;
    let mut send = Side::start("send", send_command(route, &address), route.work)?;
    wait_for_both(&mut send, &mut recv, stop)?;
    Ok(route.work.join("send.json"))
}

/// Bound and given up again: nobody else on a throw-away port takes it within the next moment.
fn free_port() -> io::Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn recv_command(route: &Route<'_>, address: &str) -> Vec<String> {
    let mut arguments = common(route, "recv");
    arguments.extend(
        [
            "--target",
            &route.target,
            "--listen",
            address,
            "--progress",
            "none",
        ]
        .map(str::to_owned),
    );
    arguments
}

fn send_command(route: &Route<'_>, address: &str) -> Vec<String> {
    let mut arguments = common(route, "send");
    let own = [
        "--source",
        &route.source,
        "--connect",
        address,
        "--progress",
        route.progress,
    ];
    arguments.extend(own.map(str::to_owned));
    if let Some(jobs) = route.jobs {
        arguments.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    arguments
}

fn common(route: &Route<'_>, side: &str) -> Vec<String> {
    let in_work = |name: String| route.work.join(name).display().to_string();
    let pairs = [
        ("--pair-file", in_work("pair".to_owned())),
        ("--state", in_work(format!("{side}.state"))),
        ("--report", in_work(format!("{side}.json"))),
        ("--pg-bin", route.pg_bin.display().to_string()),
    ];
    let options = pairs
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value]);
    std::iter::once(side.to_owned()).chain(options).collect()
}

/// One process, ended at the latest when this is dropped.
struct Side {
    name: &'static str,
    process: Child,
    stderr: Option<PathBuf>,
}

impl Side {
    /// recv's words go to a file, told if it fails; send's go to the terminal, progress and all.
    fn start(name: &'static str, arguments: Vec<String>, work: &Path) -> Result<Self, SidesError> {
        let failed = |source| SidesError::Start { side: name, source };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        clear_pg_environment(&mut command);
        // A group of its own: Ctrl-C reaches the demo, which ends the sides in its own order.
        command
            .args(arguments)
            .stdin(Stdio::null())
            .process_group(0);
        let stderr = (name == "recv").then(|| work.join("recv.stderr"));
        if let Some(path) = &stderr {
            command
                .stdout(Stdio::null())
                .stderr(File::create(path).map_err(failed)?);
        }
        let process = command.spawn().map_err(failed)?;
        Ok(Self {
            name,
            process,
            stderr,
        })
    }

    /// `None` while it runs; an error unless it ended with exit code 0.
    fn ended(&mut self) -> Result<bool, SidesError> {
        let status = self
            .process
            .try_wait()
            .map_err(|source| SidesError::Start {
                side: self.name,
                source,
            })?;
        match status {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => Err(SidesError::Ended {
                side: self.name,
                status,
                stderr: self.last_words(),
            }),
        }
    }

    fn last_words(&self) -> String {
        let text = self
            .stderr
            .as_ref()
            .and_then(|path| fs::read_to_string(path).ok());
        last_lines(&text.unwrap_or_default(), STDERR_LINES)
    }

    /// SIGINT, as from a user: the side rolls back and tells the other. Then no more patience.
    fn end(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        signal_group(self.process.id(), Signal::INT);
        let begin = Instant::now();
        while begin.elapsed() < END_LIMIT && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(POLL);
        }
        signal_group(self.process.id(), Signal::KILL);
        // Ended either way; reaped so that no zombie outlives the demo's step.
        let _ = self.process.wait();
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.end();
    }
}

fn wait_for_both(send: &mut Side, recv: &mut Side, stop: &Stop) -> Result<(), SidesError> {
    let mut one_ended: Option<Instant> = None;
    loop {
        if stop.requested() {
            return Err(SidesError::Interrupted);
        }
        let (sent, received) = (send.ended()?, recv.ended()?);
        if sent && received {
            return Ok(());
        }
        if sent || received {
            let since = one_ended.get_or_insert_with(Instant::now);
            if since.elapsed() > END_LIMIT {
                let late = if sent { recv } else { send };
                return Err(SidesError::Hangs {
                    side: late.name,
                    stderr: late.last_words(),
                });
            }
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_get_what_they_need_to_meet() {
        let route = Route {
            source: "dbname=a".to_owned(),
            target: "dbname=b".to_owned(),
            work: Path::new("/w"),
            jobs: Some(3),
            pg_bin: Path::new("/bin"),
            progress: "plain",
        };
        let recv = recv_command(&route, "127.0.0.1:9").join(" ");
        let send = send_command(&route, "127.0.0.1:9").join(" ");
        assert_eq!(
            recv,
            "recv --pair-file /w/pair --state /w/recv.state --report /w/recv.json --pg-bin /bin \
             --target dbname=b --listen 127.0.0.1:9 --progress none"
        );
        assert_eq!(
            send,
            "send --pair-file /w/pair --state /w/send.state --report /w/send.json --pg-bin /bin \
             --source dbname=a --connect 127.0.0.1:9 --progress plain --jobs 3"
        );
    }
}

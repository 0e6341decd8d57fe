//! PostgreSQL's own programs: where they are, and running one of them to its end.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::stop::Stop;

/// How often a wait looks at the [`Stop`] flag: short beside a human's patience.
const STOP_POLL: Duration = Duration::from_millis(50);

/// What is told of a failed program's standard error: its end says why.
const STDERR_LINES: usize = 12;

/// Each group in one directory, so that its programs are of one version: a `PATH` may link to some only.
const SERVER: [&str; 2] = ["initdb", "postgres"];
const CLIENT: [&str; 4] = ["pg_isready", "psql", "pg_dump", "pg_restore"];

/// Why one of PostgreSQL's programs gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No directory with a server's programs.
    #[error(
        "no PostgreSQL server programs in {tried}: install the server package or name its directory with --pg-bin"
    )]
    NotFound {
        /// The places that were looked at.
        tried: String,
    },
    /// The program could not be started or talked to.
    #[error("cannot run {program}")]
    Run {
        /// The program's name.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("{program} failed ({status}): {stderr}")]
    Failed {
        /// The program's name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// The user asked for the end while it ran.
    #[error("interrupted")]
    Interrupted,
}

/// Where `postgres` and `initdb` are, and where `psql`, `pg_dump` and `pg_restore`: mostly in one directory.
#[derive(Debug, Clone)]
pub struct Programs {
    bin_dir: PathBuf,
    client_dir: PathBuf,
}

impl Programs {
    /// Finds a server's programs: `given` alone if it is there; else the `PATH`, then the newest
    /// version under the directories that Debian's and PGDG's packages use. Where `given` has a
    /// bare server, the client programs are those that are found without it.
    pub fn find(given: Option<&Path>) -> Result<Self, ProgramError> {
        let found = match given {
            Some(dir) => {
                let dir = has(dir, &SERVER).then(|| dir.to_path_buf());
                dir.and_then(Self::of_server)
            }
            None => usual(&[&SERVER[..], &CLIENT].concat()).map(Self::of_one_directory),
        };
        found.ok_or_else(|| ProgramError::NotFound {
            tried: describe(given),
        })
    }

    fn of_server(bin_dir: PathBuf) -> Option<Self> {
        if has(&bin_dir, &CLIENT) {
            return Some(Self::of_one_directory(bin_dir));
        }
        let client_dir = usual(&CLIENT)?;
        Some(Self {
            bin_dir,
            client_dir,
        })
    }

    fn of_one_directory(dir: PathBuf) -> Self {
        Self {
            bin_dir: dir.clone(),
            client_dir: dir,
        }
    }

    /// The same server with the client programs of another directory.
    #[must_use]
    pub fn with_clients(self, client_dir: PathBuf) -> Self {
        Self { client_dir, ..self }
    }

    /// The server's directory.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The directory of `psql`, `pg_dump` and `pg_restore`.
    pub fn client_dir(&self) -> &Path {
        &self.client_dir
    }

    /// A command for one program, without the caller's `PG*` environment, which could lead it elsewhere.
    pub(super) fn command(&self, program: &str) -> Command {
        let dir = match SERVER.contains(&program) {
            true => &self.bin_dir,
            false => &self.client_dir,
        };
        let mut command = Command::new(dir.join(program));
        clear_pg_environment(&mut command);
        command
    }
}

fn has(dir: &Path, programs: &[&str]) -> bool {
    programs.iter().all(|program| dir.join(program).is_file())
}

fn usual(programs: &[&str]) -> Option<PathBuf> {
    let mut places = usual_places().into_iter();
    places.find(|dir| has(dir, programs))
}

fn describe(given: Option<&Path>) -> String {
    match given {
        Some(dir) => dir.display().to_string(),
        None => "PATH, /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin".to_owned(),
    }
}

fn usual_places() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(newest_first(Path::new("/usr/lib/postgresql"), ""));
    places.extend(newest_first(Path::new("/usr"), "pgsql-"));
    places
}

/// The `bin` directories of the versions installed as `<root>/<prefix><version>`.
fn newest_first(root: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            Some((
                version_of(&entry.file_name(), prefix)?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

/// "15" is 1500 and "9.6" is 906, so that they compare as numbers.
fn version_of(name: &OsStr, prefix: &str) -> Option<u32> {
    let text = name.to_str()?.strip_prefix(prefix)?;
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    Some(major.parse::<u32>().ok()? * 100 + minor.parse::<u32>().ok()?)
}

pub(super) fn clear_pg_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
}

/// Runs a program to its end and returns its standard output.
///
/// It runs in a process group of its own: Ctrl-C reaches the caller alone, which then ends the
/// group, parallel workers included.
pub(super) fn run(mut command: Command, input: &str, stop: &Stop) -> Result<String, ProgramError> {
    let program = name_of(&command);
    let failed = |source| ProgramError::Run {
        program: program.clone(),
        source,
    };
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let (output, errors) = talk(&mut child, input, stop);
    let status = child.wait().map_err(failed)?;
    if stop.requested() {
        return Err(ProgramError::Interrupted);
    }
    if !status.success() {
        return Err(ProgramError::Failed {
            program,
            status,
            stderr: last_lines(&errors, STDERR_LINES),
        });
    }
    Ok(output)
}

fn name_of(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_name()
        .unwrap_or_else(|| command.get_program())
        .to_string_lossy()
        .into_owned()
}

/// Feeds standard input and collects both outputs until the child closes them.
fn talk(child: &mut Child, input: &str, stop: &Stop) -> (String, String) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let group = child.id();
    let (closed, all_closed) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut pipe) = stdin {
                // A program that ends before it has read everything says why itself.
                let _ = pipe.write_all(input.as_bytes());
            }
        });
        let stdout_closed = closed.clone();
        let output = scope.spawn(move || drain(stdout, stdout_closed));
        let errors = scope.spawn(move || drain(stderr, closed));
        let mut told = false;
        while let Err(RecvTimeoutError::Timeout) = all_closed.recv_timeout(STOP_POLL) {
            if stop.requested() && !told {
                signal_group(group, Signal::TERM);
                told = true;
            }
        }
        (
            output.join().unwrap_or_default(),
            errors.join().unwrap_or_default(),
        )
    })
}

/// Reads a pipe to its end; dropping `_closed` tells the waiting thread.
fn drain(pipe: Option<impl Read>, _closed: Sender<()>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // A read error shows as missing output, which the exit status then explains.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        // Gone already is what was wanted.
        let _ = kill_process_group(pid, signal);
    }
}

pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |name: &str, prefix| version_of(OsStr::new(name), prefix);
        assert!(version("15", "") > version("9.6", ""));
        assert!(version("pgsql-10", "pgsql-") > version("pgsql-9.6", "pgsql-"));
        assert_eq!(version("share", ""), None);
        assert_eq!(version("15", "pgsql-"), None);
    }

    #[test]
    fn output_and_reason_are_kept() {
        let shell = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(script);
            command
        };
        let echoed = run(shell("cat"), "through", &Stop::default()).unwrap();
        assert_eq!(echoed, "through");
        let error = run(shell("echo why >&2; exit 3"), "", &Stop::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("sh failed (exit status: 3): why"),
            "{error}"
        );
    }

    #[test]
    fn a_stop_ends_the_whole_group() {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg("sleep 30 | sleep 30");
        let stop = Stop::default();
        stop.request();
        let begin = Instant::now();
        assert!(matches!(
            run(command, "", &stop),
            Err(ProgramError::Interrupted)
        ));
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

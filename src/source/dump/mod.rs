//! The schema, dumped once per migration by pg_dump in the migration's snapshot.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::pg::PgError;
use crate::runtime::passing;
use crate::runtime::tools::Tool;
use crate::selection::Selection;

mod stderr;
mod through;

pub use through::dump_through;

/// In the server's hint, whatever its language, where no lock slot is left.
const LOCK_HINT: &str = "max_locks_per_transaction";

/// For a lock. Behind somebody who waits for ACCESS EXCLUSIVE it would wait for ever.
const LOCK_WAIT: Duration = Duration::from_secs(600);

/// What comes into the archive. Owners, privileges and tablespaces always do: they are left out,
/// where wished, when it is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpOptions {
    pub selection: Selection,
    /// The SQL's bytes as they are in a database without an encoding, where nobody knows what they mean.
    pub as_bytes: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpInfo {
    /// The pg_dump that wrote the archive: its major version decides which pg_restore reads it.
    pub pg_dump_major: u32,
    pub pg_dump_version: String,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error("cannot create {} for the schema archive", .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot run {}", .program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("{} was stopped before it had dumped the schema", .program.display())]
    Aborted { program: PathBuf },
    #[error("{} could not dump the schema{}", .program.display(), passing::told(*.status, .stderr, *.passes))]
    Failed {
        program: PathBuf,
        status: ExitStatus,
        /// The last lines it wrote.
        stderr: String,
        /// It may go well later.
        passes: bool,
    },
    #[error(
        "the lock table of the source's server is too small for pg_dump, which locks each table: raise max_locks_per_transaction there, restart that server, and start both again; or move a part (--schema, --table)"
    )]
    Locks,
    #[error("cannot read the schema archive {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot let pg_dump into the session of the snapshot")]
    Door(#[source] io::Error),
    #[error("the session that pg_dump read through has failed")]
    Session(#[from] PgError),
}

impl DumpError {
    /// Whether the same may go well later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Create { source, .. }
            | Self::Run { source, .. }
            | Self::Read { source, .. }
            | Self::Door(source) => passing::is_passing(source),
            Self::Session(source) => source.is_passing(),
            Self::Failed { passes, .. } => *passes,
            Self::Locks => true,
            Self::Aborted { .. } => false,
        }
    }
}

/// Dumps the schema into the file `out`: starts pg_dump and waits for it.
pub fn dump_schema(
    tool: &Tool,
    env: &[(String, String)],
    snapshot: &str,
    options: &DumpOptions,
    out: &Path,
) -> Result<DumpInfo, DumpError> {
    Dump::start(tool, env, Some(snapshot), options, out)?.wait()
}

/// A running pg_dump; killed when dropped.
#[derive(Debug)]
pub struct Dump {
    tool: Tool,
    out: PathBuf,
    began: Instant,
    process: Arc<Mutex<Process>>,
    stderr: Option<std::process::ChildStderr>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    aborted: bool,
}

/// Kills a [`Dump`] from another thread.
#[derive(Debug, Clone)]
pub struct DumpAborter(Arc<Mutex<Process>>);

impl DumpAborter {
    /// Kills pg_dump if it still runs; [`Dump::wait`] then says that it was stopped.
    pub fn abort(&self) {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        process.aborted = true;
        // An error means that it has ended already.
        let _ = process.child.kill();
    }
}

impl Dump {
    /// Starts pg_dump with `env` (of `ConnInfo::tool_env`) as its only `PG*` environment. The file
    /// `out` is created with mode 0600, or emptied. It imports `snapshot`, or sees what its connection shows.
    pub fn start(
        tool: &Tool,
        env: &[(String, String)],
        snapshot: Option<&str>,
        options: &DumpOptions,
        out: &Path,
    ) -> Result<Self, DumpError> {
        create_private(out).map_err(|source| DumpError::Create {
            path: out.to_owned(),
            source,
        })?;
        let mut child = command(tool, env)
            .args(arguments(snapshot, options, out))
            .spawn()
            .map_err(|source| DumpError::Run {
                program: tool.path.clone(),
                source,
            })?;
        Ok(Self {
            tool: tool.clone(),
            out: out.to_owned(),
            began: Instant::now(),
            stderr: child.stderr.take(),
            process: Arc::new(Mutex::new(Process {
                child,
                aborted: false,
            })),
        })
    }

    pub fn aborter(&self) -> DumpAborter {
        DumpAborter(Arc::clone(&self.process))
    }

    /// Waits until pg_dump has ended.
    pub fn wait(mut self) -> Result<DumpInfo, DumpError> {
        let failed = |source| DumpError::Run {
            program: self.tool.path.clone(),
            source,
        };
        // Read to its end without the lock, so that an aborter gets at the process meanwhile.
        let stderr = match self.stderr.take() {
            Some(pipe) => stderr::tail(pipe).map_err(failed)?,
            None => String::new(),
        };
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let status = process.child.wait().map_err(failed)?;
        if process.aborted && !status.success() {
            return Err(DumpError::Aborted {
                program: self.tool.path.clone(),
            });
        }
        drop(process);
        self.finished(status, stderr)
    }

    fn finished(&self, status: ExitStatus, stderr: String) -> Result<DumpInfo, DumpError> {
        if !status.success() {
            return Err(match stderr.contains(LOCK_HINT) {
                true => DumpError::Locks,
                false => failure(&self.tool, status, stderr, self.began.elapsed()),
            });
        }
        let file = self.out.metadata().map_err(|source| DumpError::Read {
            path: self.out.clone(),
            source,
        })?;
        Ok(DumpInfo {
            pg_dump_major: self.tool.major,
            pg_dump_version: self.tool.version.clone(),
            bytes: file.len(),
        })
    }
}

/// A server may tell in any language that pg_dump has waited too long for a lock: after so long every
/// failure may be that one.
fn failure(tool: &Tool, status: ExitStatus, stderr: String, ran: Duration) -> DumpError {
    DumpError::Failed {
        program: tool.path.clone(),
        passes: passing::has_passing_cause(status, &stderr) || ran >= LOCK_WAIT,
        status,
        stderr,
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // Both fail only where wait() has been here before.
        let _ = process.child.kill();
        let _ = process.child.wait();
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map(drop)
}

fn command(tool: &Tool, env: &[(String, String)]) -> Command {
    let mut command = Command::new(&tool.path);
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command.envs(env.iter().map(|(name, value)| (name, value)));
    // Its words tell what passes.
    command.env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    command
}

/// UTF-8, whatever the database's encoding, if it has one: the target's session reads it so.
fn arguments(snapshot: Option<&str>, options: &DumpOptions, out: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--format=custom".into(),
        "--schema-only".into(),
        "--no-password".into(),
        format!("--lock-wait-timeout={}s", LOCK_WAIT.as_secs()).into(),
        match options.as_bytes {
            true => "--encoding=SQL_ASCII".into(),
            false => "--encoding=UTF8".into(),
        },
    ];
    arguments.extend(snapshot.map(|name| format!("--snapshot={name}").into()));
    if !options.selection.is_all() {
        arguments.push("--strict-names".into());
    }
    for (option, pattern) in options.selection.options() {
        arguments.push(format!("{option}={pattern}").into());
    }
    arguments.push("--file".into());
    arguments.push(out.into());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Pattern;

    #[test]
    fn patterns_are_handed_on_as_they_are() {
        let options = DumpOptions {
            selection: Selection {
                exclude_schemas: vec![Pattern::schema("\"a*\"\"b\"").unwrap()],
                ..Selection::default()
            },
            ..DumpOptions::default()
        };
        let arguments = arguments(Some("0-1"), &options, Path::new("-x"));
        assert!(arguments.contains(&"--strict-names".into()));
        assert!(arguments.contains(&"--exclude-schema=\"a*\"\"b\"".into()));
        assert!(arguments.ends_with(&["--file".into(), "-x".into()]));
    }

    fn script(text: &str) -> (tempfile::TempDir, Tool) {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pg_dump");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tool = Tool {
            path,
            major: 15,
            version: "15.0".into(),
        };
        (dir, tool)
    }

    #[test]
    fn the_last_lines_are_in_the_error() {
        let (dir, tool) = script("#!/bin/sh\necho first >&2\necho no such snapshot >&2\nexit 3\n");
        let out = dir.path().join("out");
        let error = dump_schema(&tool, &[], "x", &DumpOptions::default(), &out).unwrap_err();
        assert!(error.to_string().ends_with("no such snapshot"), "{error}");
        assert!(!error.is_passing());
    }

    #[test]
    fn what_passes_says_what_to_do() {
        let (dir, tool) =
            script("#!/bin/sh\necho the database system is starting up >&2\nexit 1\n");
        let out = dir.path().join("out");
        let error = dump_schema(&tool, &[], "x", &DumpOptions::default(), &out).unwrap_err();
        assert!(error.is_passing());
        assert!(error.to_string().contains("start both again"), "{error}");
    }

    /// lc_messages of the server's, which no plain role may set.
    #[test]
    fn a_lock_is_waited_for_too_long_in_any_language() {
        use std::os::unix::process::ExitStatusExt;
        let (_dir, tool) = script("");
        let words = "FEHLER:  storniere Anfrage wegen Zeitüberschreitung der Anfrage";
        let after = |ran| failure(&tool, ExitStatus::from_raw(1 << 8), words.to_owned(), ran);
        assert!(after(LOCK_WAIT).is_passing());
        assert!(!after(Duration::from_secs(1)).is_passing());
        let limit = arguments(None, &DumpOptions::default(), Path::new("x"));
        assert!(limit.contains(&"--lock-wait-timeout=600s".into()));
    }

    #[test]
    fn an_aborted_dump_ends_at_once() {
        let (dir, tool) = script("#!/bin/sh\nexec sleep 600\n");
        let out = dir.path().join("out");
        let dump = Dump::start(&tool, &[], Some("x"), &DumpOptions::default(), &out).unwrap();
        let aborter = dump.aborter();
        let waiting = std::thread::spawn(move || dump.wait());
        aborter.abort();
        let error = waiting.join().unwrap().unwrap_err();
        assert!(matches!(error, DumpError::Aborted { .. }), "{error}");
    }
}

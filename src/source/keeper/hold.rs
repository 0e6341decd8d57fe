//! Send's hold on the keeper: find the one that lives, or start one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::{Birth, Kept, LOG, Spec, Standing, socket_path};
use crate::source::single::Single;

/// The keeper answers from memory; longer means that it hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// It asks its server, which may be slow to let it in.
const STANDING_LIMIT: Duration = Duration::from_secs(15);

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("cannot start the keeper process: {0}")]
    Start(#[source] std::io::Error),
    #[error(
        "table {0} was rewritten since the snapshot (TRUNCATE, DROP or ALTER); run send again when it is at rest"
    )]
    Rewritten(String),
    #[error("the keeper could not take a snapshot: {0}")]
    Failed(String),
    #[error("the keeper ended before it had a snapshot; see {0}")]
    Vanished(String),
    #[error("the keeper does not answer: {0}")]
    Silent(#[source] std::io::Error),
    #[error("the keeper ended while the schema was read again ({0}); start send again")]
    Ended(String),
    #[error("stopped before there was a snapshot")]
    Stopped,
}

/// A live keeper, in touch until dropped.
pub struct Keeper {
    kept: Kept,
    stream: UnixStream,
    /// The one session, where that is the way and this process has it.
    single: Option<Arc<Single>>,
}

impl Keeper {
    /// Connects to the keeper that lives in this state directory, if one does.
    pub fn find(dir: &Path) -> Option<Self> {
        let handle = File::open(dir).ok()?;
        let stream = UnixStream::connect(socket_path(&handle)).ok()?;
        Self::greet(stream).ok()
    }

    /// Starts a new keeper as a process of its own and waits until it holds snapshot and locks;
    /// `waiting` is told what it waits for, and says whether to wait on.
    pub fn start(
        dir: &Path,
        spec: &Spec,
        waiting: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Self, KeeperError> {
        let mut child = spawn(dir, spec).map_err(KeeperError::Start)?;
        let stdout = child.stdout.take().expect("standard output is piped");
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Birth::Waiting(what)) if waiting(&what) => {}
                Ok(Birth::Waiting(_)) => {
                    let _ = child.kill().and_then(|()| child.wait());
                    return Err(KeeperError::Stopped);
                }
                Ok(Birth::Ready(_)) => return Self::find(dir).ok_or_else(|| vanished(dir)),
                Ok(Birth::Rewritten(name)) => return Err(KeeperError::Rewritten(name)),
                Ok(Birth::Failed(why)) => return Err(KeeperError::Failed(why)),
                Err(_) => break,
            }
        }
        let _ = child.wait();
        Err(vanished(dir))
    }

    fn greet(mut stream: UnixStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(b"hello\n")?;
        let kept = serde_json::from_str(&read_line(&stream)?)?;
        Ok(Self {
            kept,
            stream,
            single: None,
        })
    }

    /// The keeper of a session that this process has.
    pub(super) fn through(self, single: Arc<Single>) -> Self {
        Self {
            single: Some(single),
            ..self
        }
    }

    /// The session that everything is to be read through, where there is to be one alone.
    pub fn single(&self) -> Option<&Arc<Single>> {
        self.single.as_ref()
    }

    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Ends the keeper: its transaction is over when this returns.
    pub fn release(mut self) -> Result<(), KeeperError> {
        self.stream
            .write_all(b"release\n")
            .map_err(KeeperError::Silent)?;
        read_line(&self.stream)
            .map(drop)
            .map_err(KeeperError::Silent)
    }

    /// Opens a second connection that tells when the keeper ends.
    pub fn watch(dir: &Path) -> Option<Watch> {
        let mut stream = Self::find(dir)?.stream;
        stream.set_read_timeout(None).ok()?;
        stream.write_all(b"watch\n").ok()?;
        Some(Watch(Arc::new(stream)))
    }
}

/// How the keeper that lives in this state directory is, if one does. Asking keeps it alive no longer.
pub fn standing(dir: &Path) -> Option<Standing> {
    let handle = File::open(dir).ok()?;
    let mut stream = UnixStream::connect(socket_path(&handle)).ok()?;
    stream.set_read_timeout(Some(STANDING_LIMIT)).ok()?;
    stream.set_write_timeout(Some(ANSWER_LIMIT)).ok()?;
    stream.write_all(b"status\n").ok()?;
    serde_json::from_str(&read_line(&stream).ok()?).ok()
}

/// A connection to the keeper that exists to see it end; dropping it ends the watch.
#[derive(Debug)]
pub struct Watch(Arc<UnixStream>);

impl Watch {
    /// What blocks until the keeper has ended or the watch is dropped, and then says whether
    /// somebody released it; for a thread of its own.
    pub fn ended(&self) -> impl FnOnce() -> bool + Send + 'static {
        let stream = Arc::clone(&self.0);
        move || (&*stream).read(&mut [0; 1]).is_ok_and(|told| told > 0)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

fn read_line(stream: &UnixStream) -> std::io::Result<String> {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}

fn vanished(dir: &Path) -> KeeperError {
    KeeperError::Vanished(dir.join(LOG).display().to_string())
}

fn spawn(dir: &Path, spec: &Spec) -> std::io::Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(dir.join(LOG))?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("keeper")
        .arg("--state-dir")
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    stdin.write_all(serde_json::to_string(spec)?.as_bytes())?;
    Ok(child)
}

//! The side of the process that works.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

use super::{Answer, LINE_LIMIT, Live, Request, SOCKET, socket_path};
use crate::report::{Display, Pace};
use crate::runtime::lock;
use crate::wire::Role;

/// Askers at the same time; whoever is one too many finds the socket closed.
const ASKERS: usize = 16;
/// How long an asker may take for its line, or to take the answer.
const LINE_TIME: Duration = Duration::from_secs(5);
/// Between two looks at the meter, for the rate; and after a failed accept, not to spin.
const LOOK: Duration = Duration::from_secs(1);
/// What an abort is said to come from.
const ABORT: &str = "pgpipe abort on this host";

/// The socket of a live side, gone when dropped. Whoever waits for the process's end goes on
/// waiting: that wait ends with the runtime.
#[derive(Debug)]
pub struct Control {
    socket: PathBuf,
    accepting: JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = fs::remove_file(&self.socket);
    }
}

/// Answers on the socket in `dir`, which is locked by the caller: a socket that is there is stale.
/// Must be called inside a tokio runtime. A side works without the socket too, and says so.
pub fn serve(dir: &Path, role: Role, display: &Display) -> Option<Control> {
    let opened = open(dir, role, display);
    let told = |error: &io::Error| {
        (display.say)(&format!(
            "no control socket in {} ({error}): status, stop and abort will not find this process",
            dir.display()
        ));
    };
    opened.inspect_err(told).ok()
}

fn open(dir: &Path, role: Role, display: &Display) -> io::Result<Control> {
    let socket = dir.join(SOCKET);
    let handle = File::open(dir)?;
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket_path(&handle))?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    let site = Arc::new(Site {
        role,
        display: display.clone(),
        pace: Mutex::default(),
    });
    let accepting = tokio::spawn(accept(listener, site));
    Ok(Control { socket, accepting })
}

struct Site {
    role: Role,
    display: Display,
    pace: Mutex<Pace>,
}

async fn accept(listener: UnixListener, site: Arc<Site>) {
    let free = Arc::new(Semaphore::new(ASKERS));
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                        tokio::spawn(converse(stream, Arc::clone(&site), permit));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    sleep(LOOK).await;
                }
            },
            _ = looks.tick() => site.look(),
        }
    }
}

/// One question, one answer. An asker that is told of a stop keeps the connection, to see the end.
async fn converse(mut stream: UnixStream, site: Arc<Site>, _permit: OwnedSemaphorePermit) {
    let Ok(Some(request)) = timeout(LINE_TIME, read(&mut stream)).await else {
        return;
    };
    let answer = site.answer(request);
    let Ok(mut line) = serde_json::to_vec(&answer) else {
        return;
    };
    line.push(b'\n');
    let written = timeout(LINE_TIME, stream.write_all(&line)).await;
    if matches!((written, answer), (Ok(Ok(())), Answer::Accepted { .. })) {
        let _ = stream.read(&mut [0]).await;
    }
}

async fn read(stream: &mut UnixStream) -> Option<Request> {
    let mut line = String::new();
    let mut limited = BufReader::new(stream.take(LINE_LIMIT as u64));
    limited.read_line(&mut line).await.ok()?;
    serde_json::from_str(&line).ok()
}

impl Site {
    fn look(&self) {
        lock(&self.pace).look(&self.display.meter.snapshot());
    }

    fn answer(&self, request: Request) -> Answer {
        let pid = std::process::id();
        match request {
            Request::Status => {
                let stopping = *self.display.stop.borrow();
                let now = self.display.meter.snapshot();
                Answer::Status(Live::new(self.role, stopping, &now, &lock(&self.pace)))
            }
            Request::Stop => {
                (self.display.say)("stopping, as pgpipe stop asks");
                self.display.wish.stop();
                Answer::Accepted { pid }
            }
            Request::Abort => {
                (self.display.say)("giving the migration up, as pgpipe abort asks");
                self.display.wish.abort(ABORT);
                Answer::Accepted { pid }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Write};

    use super::*;
    use crate::control::{find, request};
    use crate::report::{Meter, Wish};

    fn display() -> Display {
        let wish = Wish::new();
        Display {
            meter: Arc::new(Meter::new()),
            say: Arc::new(|_: &str| ()),
            say_of_server: Arc::new(|_: &str| ()),
            stop: wish.stopping(),
            wish,
        }
    }

    /// A directory whose socket's path is too long for sun_path.
    fn deep() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("d".repeat(150));
        fs::create_dir(&dir).unwrap();
        (root, dir)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_live_side_tells_how_it_is_and_takes_a_wish() {
        let (_root, dir) = deep();
        fs::write(dir.join(SOCKET), "stale").unwrap();
        let display = display();
        display.meter.phase("data");
        let control = serve(&dir, Role::Recv, &display).unwrap();
        let live = find(&dir).unwrap().unwrap();
        assert_eq!(
            (live.role, live.phase.as_deref()),
            (Role::Recv, Some("data"))
        );
        assert!(!live.stopping);
        let ending = request(&dir, Request::Abort).unwrap().unwrap();
        assert_eq!(ending.pid, std::process::id());
        assert!(display.wish.aborted_by().is_some());
        assert!(find(&dir).unwrap().unwrap().stopping);
        drop(control);
        assert!(find(&dir).unwrap().is_none());
        assert!(!dir.join(SOCKET).exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nonsense_is_not_answered() {
        let (_root, dir) = deep();
        let _control = serve(&dir, Role::Send, &display()).unwrap();
        let long = vec![b' '; LINE_LIMIT * 2];
        for bytes in [&b"{\"ask\":\"everything\"}\n"[..], b"\xff\n", &long] {
            let handle = File::open(&dir).unwrap();
            let mut stream = std::os::unix::net::UnixStream::connect(socket_path(&handle)).unwrap();
            // It may be closed before all is written.
            let _ = stream.write_all(bytes);
            let mut answer = String::new();
            let _ = io::BufReader::new(stream).read_line(&mut answer);
            assert_eq!(answer, "");
        }
        assert!(find(&dir).unwrap().is_some());
    }
}

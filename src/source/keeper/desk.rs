//! Where the keeper is spoken to: the socket's threads, and what they pass on to the one that holds
//! the transaction.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::{Kept, SOCKET, Standing, socket_path};
use crate::pg::{ConnInfo, PgError, session};

/// What a send does at the socket.
pub(super) enum Event {
    InTouch,
    Left,
    Release(UnixStream),
    /// To be told of a release.
    Watch(UnixStream),
}

/// What the keeper holds, and how to ask the server about it.
pub(super) struct Held {
    pub(super) kept: Kept,
    pub(super) since: Instant,
    /// Where to ask for its age, and of which backend; nothing where there is to be one session alone.
    pub(super) asks: Option<(ConnInfo, i32)>,
}

/// The keeper's end of the socket's threads: readable when there are events. Dropped, nobody new is let
/// in, and who waits for an answer sees the end of it.
pub(super) struct Desk {
    events: Receiver<Event>,
    bell: UnixStream,
    listener: UnixListener,
    closed: Arc<AtomicBool>,
}

impl Desk {
    /// The next event that is there already.
    pub(super) fn next(&self) -> Option<Event> {
        // Silenced before the look: whatever comes later rings again.
        let _ = (&self.bell).read(&mut [0; 64]);
        self.events.try_recv().ok()
    }
}

impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.closed.store(true, Relaxed);
        // Ends the accept that blocks; an error means that there is none.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        for event in self.events.try_iter() {
            if let Event::Release(stream) | Event::Watch(stream) = event {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

/// The other end, shared by the threads.
struct Post {
    held: Held,
    events: Sender<Event>,
    bell: UnixStream,
}

impl Post {
    /// Fails where the keeper has ended.
    fn tell(&self, event: Event) -> io::Result<()> {
        let told = self.events.send(event);
        // A bell that is full rings already.
        let _ = (&self.bell).write(&[0]);
        told.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Answers on the socket in threads.
pub(super) fn listen(dir: &Path, held: Held) -> io::Result<Desk> {
    let handle = File::open(dir)?;
    let _ = std::fs::remove_file(dir.join(SOCKET));
    let listener = UnixListener::bind(socket_path(&handle))?;
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    let (sender, events) = channel();
    let post = Arc::new(Post {
        held,
        events: sender,
        bell: theirs,
    });
    let desk = Desk {
        events,
        bell: ours,
        listener: listener.try_clone()?,
        closed: Arc::default(),
    };
    let closed = Arc::clone(&desk.closed);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if closed.load(Relaxed) {
                return;
            }
            let post = Arc::clone(&post);
            if let Ok(stream) = stream {
                std::thread::spawn(move || serve(stream, &post));
            }
        }
    });
    Ok(desk)
}

fn serve(stream: UnixStream, post: &Post) {
    let mut in_touch = false;
    let _ = converse(stream, post, &mut in_touch);
    if in_touch {
        let _ = post.tell(Event::Left);
    }
}

/// `hello` comes from a send, which is in touch from then on, and is answered with what is held;
/// `status` with how it is; `release` ends the keeper, which is told first to whoever said `watch`;
/// end of file leaves.
fn converse(stream: UnixStream, post: &Post, in_touch: &mut bool) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if lines.by_ref().take(64).read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "hello" => {
                if !std::mem::replace(in_touch, true) {
                    post.tell(Event::InTouch)?;
                }
                writeln!(&stream, "{}", serde_json::to_string(&post.held.kept)?)?;
            }
            "status" => writeln!(&stream, "{}", serde_json::to_string(&standing(&post.held))?)?,
            "release" => post.tell(Event::Release(stream.try_clone()?))?,
            "watch" => post.tell(Event::Watch(stream.try_clone()?))?,
            _ => return Ok(()),
        }
    }
}

fn standing(held: &Held) -> Standing {
    let held_xids = held_xids(held)
        .inspect_err(|error| eprintln!("cannot ask for the age of the snapshot: {error}"));
    Standing {
        kept: held.kept.clone(),
        age_seconds: held.since.elapsed().as_secs(),
        held_xids: held_xids.ok().flatten(),
    }
}

/// In a session of its own: within the keeper's transaction the age of its snapshot never changes.
fn held_xids(held: &Held) -> Result<Option<u64>, PgError> {
    let Some((info, pid)) = &held.asks else {
        return Ok(None);
    };
    let mut client = session::open(info, "pgpipe keeper status", "UTF8")?;
    let rows = client.query(&format!(
        "SELECT age(backend_xmin) FROM pg_stat_activity WHERE pid = {pid}"
    ))?;
    match rows.first().and_then(|row| row.get(0)) {
        Some(age) => Ok(age.parse().ok()),
        None => Ok(None),
    }
}

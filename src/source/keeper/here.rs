//! A keeper within send: one session, whose transaction is the snapshot and through which all is read.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::desk::{self, Desk, Event, Held};
use super::process::PULSE;
use super::taking::{TakeError, take_snapshot};
use super::{Keeper, KeeperError, Kept, SOCKET};
use crate::pg::{Client, session};
use crate::report::one_line;
use crate::selection::Selection;
use crate::source::single::Single;

/// A snapshot that was taken here, and when.
pub struct Here {
    kept: Kept,
    since: Instant,
}

impl Here {
    pub fn kept(&self) -> &Kept {
        &self.kept
    }
}

/// Makes a session's next transaction the snapshot; one that is open ends.
pub fn take_here(
    client: &mut Client,
    selection: &Selection,
    waiting: &mut dyn FnMut(String),
) -> Result<Here, KeeperError> {
    let begun = client
        .execute("ROLLBACK")
        .and_then(|_| client.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    let set = begun.and_then(|_| session::set_local(client));
    let since = Instant::now();
    let taken = set
        .map_err(TakeError::from)
        .and_then(|()| take_snapshot(client, false, selection, waiting));
    match taken {
        Ok(kept) => Ok(Here { kept, since }),
        Err(TakeError::Rewritten(name)) => Err(KeeperError::Rewritten(name)),
        Err(error) => Err(KeeperError::Failed(one_line(&error))),
    }
}

/// Keeps it until it is released, or its session has ended; `client` is the one that it was taken in.
pub fn keep_here(dir: &Path, here: Here, client: Client) -> Result<Keeper, KeeperError> {
    let single = Single::new(client).map_err(|error| KeeperError::Failed(one_line(&error)))?;
    let single = Arc::new(single);
    let held = Held {
        kept: here.kept,
        since: here.since,
        asks: None,
    };
    let desk = desk::listen(dir, held).map_err(KeeperError::Start)?;
    let keeping = Keeping {
        single: Arc::clone(&single),
        socket: dir.join(SOCKET),
        watchers: Vec::new(),
    };
    // Not joined: it ends with the session, or with the process.
    thread::spawn(move || keeping.run(&desk));
    let keeper = Keeper::find(dir).ok_or_else(|| KeeperError::Failed("it is gone".to_owned()))?;
    Ok(keeper.through(single))
}

struct Keeping {
    single: Arc<Single>,
    socket: PathBuf,
    watchers: Vec<UnixStream>,
}

impl Keeping {
    fn run(mut self, desk: &Desk) {
        let mut asker = None;
        while asker.is_none() && self.single.pulse() {
            wait(desk);
            while let Some(event) = desk.next() {
                match event {
                    Event::Watch(stream) => self.watchers.push(stream),
                    Event::Release(stream) => asker = Some(stream),
                    // It lives as long as send does, whoever is in touch.
                    Event::InTouch | Event::Left => {}
                }
            }
        }
        self.single.end();
        // Before it is told: then the socket may be another's.
        let _ = std::fs::remove_file(&self.socket);
        for mut watcher in self.watchers {
            if asker.is_some() {
                let _ = writeln!(watcher, "released");
            }
            // The thread at its other end has a handle on it too.
            let _ = watcher.shutdown(Shutdown::Both);
        }
        if let Some(mut asker) = asker {
            let _ = writeln!(asker, "released");
        }
    }
}

/// Until somebody asks, or the pulse is due.
fn wait(desk: &Desk) {
    let pulse = Timespec::try_from(PULSE).expect("seconds");
    // Interrupted or not: what there is, is looked at.
    let _ = poll(&mut [PollFd::new(desk, PollFlags::IN)], Some(&pulse));
}

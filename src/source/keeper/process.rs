//! The keeper's own process: `pgpipe keeper`, started by send, in a session of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::desk::{self, Desk, Event, Held};
use super::taking::{TakeError, take_snapshot};
use super::{Birth, Kept, Spec};
use crate::pg::{Client, ConnInfo, PgError, session};
use crate::source::pooling::PoolingError;

/// How often the keeper asks its server for a sign of life, so that a firewall's idle timer never
/// sees an idle connection. A terminated session is noticed at once, a host that is gone by this.
pub(super) const PULSE: Duration = Duration::from_secs(2);
/// How long a release waits for a server that does not answer; whoever asked for it waits 10 s.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(4);

/// Why a keeper could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("the keeper was given no usable specification: {0}")]
    Spec(String),
    #[error(transparent)]
    ConnInfo(#[from] crate::pg::ConnInfoError),
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error("cannot use the keeper's directory {dir}")]
    Directory { dir: String, source: std::io::Error },
    /// Send has a connection already.
    #[error(transparent)]
    Pooling(#[from] PoolingError),
    #[error(transparent)]
    Take(#[from] TakeError),
}

/// Runs a keeper until it is released or nobody needs it; returns once nothing is held any more.
///
/// Reads a [`Spec`] from standard input, says on standard output how its birth goes.
pub fn run(dir: &Path) -> Result<(), ProcessError> {
    // A new session: the terminal's Ctrl-C and hang-up are send's business alone.
    let _ = rustix::process::setsid();
    let mut say = |birth: Birth| {
        let line = serde_json::to_string(&birth).expect("plain data serialises");
        if writeln!(std::io::stdout(), "{line}").is_err() {
            // Send is gone and has recorded nothing: nobody could ever use this snapshot.
            std::process::exit(1);
        }
    };
    match born(dir, &mut say) {
        Ok((client, kept, desk, keep)) => {
            say(Birth::Ready(kept));
            let asker = hold(client, &desk, keep);
            // Before it is told: then the socket may be another keeper's.
            let _ = std::fs::remove_file(dir.join(super::SOCKET));
            if let Some(mut asker) = asker {
                let _ = writeln!(asker, "released");
            }
            Ok(())
        }
        Err(error) => {
            say(match &error {
                ProcessError::Take(TakeError::Rewritten(name)) => Birth::Rewritten(name.clone()),
                other => Birth::Failed(other.to_string()),
            });
            Err(error)
        }
    }
}

type Born = (Client, Kept, Desk, Duration);

fn born(dir: &Path, say: &mut dyn FnMut(Birth)) -> Result<Born, ProcessError> {
    let spec = read_spec()?;
    let info = ConnInfo::resolve(&spec.source, &|name| std::env::var(name).ok())?;
    let application_name = format!("pgpipe keeper {}", spec.migration);
    let opened = session::open(&info, &application_name, "UTF8");
    let mut client = opened.map_err(PoolingError::of_second)?;
    client.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let mut waiting = |what| say(Birth::Waiting(what));
    let kept = take_snapshot(&mut client, true, &spec.selection, &mut waiting)?;
    // Also asks whether send still lives: from here on the socket may be another keeper's.
    say(Birth::Waiting("the keeper's socket".into()));
    let held = Held {
        kept: kept.clone(),
        since: Instant::now(),
        asks: Some((info, client.backend_pid())),
    };
    let desk = desk::listen(dir, held).map_err(|source| ProcessError::Directory {
        dir: dir.display().to_string(),
        source,
    })?;
    Ok((client, kept, desk, Duration::from_secs(spec.keep_seconds)))
}

fn read_spec() -> Result<Spec, ProcessError> {
    let mut text = String::new();
    std::io::stdin()
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|e| ProcessError::Spec(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| ProcessError::Spec(e.to_string()))
}

/// Holds the transaction until released, forgotten for `keep`, or ended by the server; returns who
/// released it. A server that does not answer keeps nobody else from being heard.
fn hold(mut client: Client, desk: &Desk, keep: Duration) -> Option<UnixStream> {
    let mut watchers = Vec::new();
    let mut connected = 0u32;
    let mut alone_since = Instant::now();
    let mut asked = false;
    loop {
        let speaks = wait(&client, desk);
        while let Some(event) = desk.next() {
            match event {
                Event::InTouch => connected += 1,
                Event::Left => {
                    connected = connected.saturating_sub(1);
                    alone_since = Instant::now();
                }
                Event::Watch(stream) => watchers.push(stream),
                Event::Release(asker) => {
                    for mut watcher in watchers {
                        let _ = writeln!(watcher, "released");
                    }
                    roll_back(client, asked);
                    return Some(asker);
                }
            }
        }
        let forgotten = connected == 0 && alone_since.elapsed() > keep;
        let lives = match (asked, speaks) {
            (true, false) => Ok(()),
            (true, true) => client.answer().map(|_| asked = false),
            (false, _) => client.ask("SELECT").map(|()| asked = true),
        };
        if forgotten || lives.is_err() {
            return None;
        }
    }
}

/// Where the server does not answer, the end of the connection does it as soon as it looks.
fn roll_back(mut client: Client, asked: bool) {
    let set = client.set_read_timeout(Some(ROLLBACK_LIMIT));
    let answered = set.and_then(|()| match asked {
        true => client.answer().map(drop),
        false => Ok(()),
    });
    let _ = answered.and_then(|()| client.execute("ROLLBACK"));
}

/// Until somebody asks, the server says something (as it does when it terminates the session), or
/// the pulse is due; whether the server does.
fn wait(client: &Client, desk: &Desk) -> bool {
    let mut sockets = [
        PollFd::new(client, PollFlags::IN),
        PollFd::new(desk, PollFlags::IN),
    ];
    let pulse = Timespec::try_from(PULSE).expect("seconds");
    // Interrupted or not: what there is, is looked at.
    let _ = poll(&mut sockets, Some(&pulse));
    !sockets[0].revents().is_empty()
}

//! The keeper's end, seen at once by whoever reads in its snapshot.

use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::SendError;
use super::worker::WorkError;
use crate::source::keeper::{Keeper, Watch};
use crate::source::reader::ReadError;

/// A keeper notices within two seconds that its session is gone; a reader may be first.
const KEEPER_LIMIT: Duration = Duration::from_secs(6);

/// Watches the keeper until dropped.
pub(super) struct KeeperWatch {
    _guard: Option<Watch>,
    /// None where there is nothing to watch, or its end was told.
    ended: Option<oneshot::Receiver<SendError>>,
}

impl KeeperWatch {
    /// For who needs no snapshot.
    pub(super) fn of_none() -> Self {
        Self {
            _guard: None,
            ended: None,
        }
    }

    pub(super) fn start(dir: &Path) -> Self {
        let (tell, ended) = oneshot::channel();
        let guard = Keeper::watch(dir);
        match &guard {
            None => drop(tell.send(SendError::SnapshotGone)),
            Some(watch) => {
                let ended = watch.ended();
                // Not joined: it ends with the guard, and has nobody to tell then.
                std::thread::spawn(move || {
                    let released = ended();
                    let _ = tell.send(match released {
                        true => SendError::Released,
                        false => SendError::SnapshotGone,
                    });
                });
            }
        }
        Self {
            _guard: guard,
            ended: Some(ended),
        }
    }

    /// Waits for the keeper's end, and says what it means. Cancel-safe.
    pub(super) async fn ended(&mut self) -> SendError {
        let Some(ended) = &mut self.ended else {
            return std::future::pending().await;
        };
        let error = ended.await.unwrap_or(SendError::SnapshotGone);
        self.ended = None;
        error
    }

    /// The keeper's end, if that is what lies behind a reader's error. Where it lives on, the
    /// readers reach another server than the keeper does.
    pub(super) async fn explain(&mut self, error: SendError) -> SendError {
        let mut puzzle = Puzzle::new(error);
        self.solve(&mut puzzle).await;
        puzzle.answer
    }

    /// Waits for what explains an error. Cancel-safe: the puzzle knows how long was waited.
    pub(super) async fn solve(&mut self, puzzle: &mut Puzzle) {
        let Some(deadline) = puzzle.deadline else {
            return;
        };
        if let Ok(end) = timeout_at(deadline, self.ended()).await {
            puzzle.answer = end;
        }
        puzzle.deadline = None;
    }
}

/// An error that may come of the keeper's end, which is perhaps not seen yet.
pub(super) struct Puzzle {
    /// What it means, unless the keeper ends.
    pub(super) answer: SendError,
    /// Until when to wait for that.
    deadline: Option<Instant>,
}

impl Puzzle {
    pub(super) fn new(error: SendError) -> Self {
        let answer = match error {
            SendError::Work(WorkError::Read(ReadError::SnapshotGone { source, .. })) => {
                SendError::Elsewhere(source)
            }
            SendError::Work(WorkError::Read(ReadError::SessionGone)) => SendError::SnapshotGone,
            other => {
                return Self {
                    answer: other,
                    deadline: None,
                };
            }
        };
        Self {
            answer,
            deadline: Some(Instant::now() + KEEPER_LIMIT),
        }
    }
}

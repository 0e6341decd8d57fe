//! The keeper's end, seen at once by whoever reads in its snapshot.

use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

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
        let is_its_end = matches!(
            error,
            SendError::Work(WorkError::Read(ReadError::SnapshotGone { .. }))
        );
        if !is_its_end {
            return error;
        }
        timeout(KEEPER_LIMIT, self.ended()).await.unwrap_or(error)
    }
}

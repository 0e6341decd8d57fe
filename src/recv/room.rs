//! Stops recv before the target's disk is full: a full one stops the server for everybody.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::RecvError;
use crate::report::units;
use crate::sink::space::{Shortage, Space};

/// Between two looks. The fastest disks take a few GiB in it.
const PAUSE: Duration = Duration::from_secs(1);
/// What is kept where the user says nothing.
const DEFAULT_BYTES: u64 = 1 << 30;
/// The same on a small disk: this share of it.
const DEFAULT_SHARE: u64 = 20;

/// How much is to stay free on the target's disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepFree {
    /// 1 GiB, or a twentieth of a smaller disk, where the disks can be seen from here.
    #[default]
    IfSeen,
    Bytes(u64),
    Nothing,
}

impl KeepFree {
    fn bytes(self) -> Option<u64> {
        match self {
            Self::IfSeen => Some(DEFAULT_BYTES),
            Self::Bytes(bytes) => Some(bytes),
            Self::Nothing => None,
        }
    }
}

/// The disks with what is to stay free on them.
#[derive(Debug, Clone)]
pub(super) struct Room {
    space: Space,
    keep: u64,
    /// The user has said so.
    wanted: bool,
}

impl Room {
    /// What is to be watched, if anything; an error where the user wants what cannot be done.
    pub(super) fn new(space: Option<Space>, keep: KeepFree) -> Result<Option<Self>, RecvError> {
        let Some(bytes) = keep.bytes() else {
            return Ok(None);
        };
        match space {
            Some(space) => Ok(Some(Self {
                space,
                keep: bytes,
                wanted: keep != KeepFree::IfSeen,
            })),
            None if keep == KeepFree::IfSeen => {
                tracing::debug!("the target's disks cannot be seen from here");
                Ok(None)
            }
            None => Err(RecvError::DisksUnseen),
        }
    }

    fn shortage(&self) -> Option<Shortage> {
        self.space.shortage(&|size| match self.wanted {
            true => self.keep,
            false => self.keep.min(size / DEFAULT_SHARE),
        })
    }

    /// A line of warning where rows of so many bytes are more than there is room for.
    pub(super) fn warning(&self, bytes: u64) -> Option<String> {
        let (directory, free) = self.space.data()?;
        (bytes > free.saturating_sub(self.keep)).then(|| {
            format!(
                "the tables take about {} and their indexes come on top, but {} has {} free, of which {} are to be kept: it may not fit",
                units::size(bytes),
                directory.display(),
                units::size(free),
                units::size(self.keep)
            )
        })
    }
}

/// The watch over the disks; ends with its owner.
pub(super) struct RoomWatch {
    shortage: Arc<OnceLock<Shortage>>,
    task: JoinHandle<()>,
}

impl RoomWatch {
    /// Starts to look. The wish to stop that is returned is the user's, and turns true too when
    /// there is too little room; then [`RoomWatch::error`] says so.
    pub(super) fn start(
        room: Option<Room>,
        user: watch::Receiver<bool>,
    ) -> (Self, watch::Receiver<bool>) {
        let (stop, stopped) = watch::channel(false);
        let shortage = Arc::new(OnceLock::new());
        let task = tokio::spawn(look(room, user, stop, Arc::clone(&shortage)));
        (Self { shortage, task }, stopped)
    }

    /// Why recv has to stop, if there is too little room.
    pub(super) fn error(&self) -> Option<RecvError> {
        self.shortage
            .get()
            .map(|shortage| RecvError::TooLittleRoom {
                directory: shortage.directory.clone(),
                free: units::size(shortage.free),
                keep: units::size(shortage.keep),
            })
    }
}

impl Drop for RoomWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(
    room: Option<Room>,
    mut user: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    found: Arc<OnceLock<Shortage>>,
) {
    let wished = async {
        // Where the wish's owner has gone, nobody wishes any more.
        if user.wait_for(|&stop| stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let full = async {
        let Some(room) = room else {
            return std::future::pending().await;
        };
        loop {
            if let Some(shortage) = room.shortage() {
                let _ = found.set(shortage);
                return;
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = wished => {}
        () = full => {}
    }
    stop.send_replace(true);
    // The channel stays open: a closed one reads as no wish.
    stop.closed().await;
}

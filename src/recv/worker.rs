//! A worker of recv: one attempt at a time, one codec context, one connection to the target.
//!
//! Two threads, so that we inflate while the server writes: the decoder (`inbound`) reads blocks from
//! the attempt's streams, checks them and rebuilds COPY bytes; the writer (`writing`) puts them into
//! the target. Both outlive a lost connection to send.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::RecvError;
use super::inbound::Inbound;
use super::intake::{Feed, Intake};
use crate::chunk::{Attempt, ChunkId, Plan};
use crate::codec::{ChunkDecoder, ChunkParams, DecodeError};
use crate::copy::ScanError;
use crate::report::Meter;
use crate::runtime::{Brake, Company, Panicked, Pool};
use crate::sink::journal::JournalError;
use crate::sink::writer::{Piece, WriteError, Written};
use crate::transport::TransportError;
use crate::wire::frame::FrameError;

/// What the threads tell the session, in a channel that outlives it.
pub(super) enum Event {
    Committed(ChunkId, Written),
    /// An attempt was rolled back; send does not know.
    Released(Attempt),
    Failed(RecvError),
}

/// Why a worker ended early.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("chunk {chunk}")]
    Decode { chunk: ChunkId, source: DecodeError },
    #[error("chunk {chunk}: the rows are not COPY rows")]
    Scan { chunk: ChunkId, source: ScanError },
    #[error("chunk {chunk}: {what}")]
    Disagree { chunk: ChunkId, what: String },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// The attempt has ended here or there; its chunk comes again.
    #[error("the attempt is over")]
    Over,
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the target server has lost commits in a crash; start both again")]
    TakenBack,
    /// The session has ended; it knows why.
    #[error("the session has ended")]
    Halted,
}

/// What all workers of a process share.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) intake: Arc<Intake>,
    pub(super) events: UnboundedSender<Event>,
    pub(super) runtime: Handle,
    pub(super) meter: Arc<Meter>,
    /// Ends blocked writes when the data phase ends.
    pub(super) brake: Brake,
    pub(super) max_window_log: u8,
    /// How long an attempt outlives a lost connection, and a transaction a silent one.
    pub(super) stall: Duration,
    pub(super) writers: Arc<Company>,
}

impl Shared {
    /// Makes every thread end at once.
    pub(super) fn stop(&self) {
        self.intake.stop();
        self.brake.pull();
    }

    pub(super) fn tell(&self, event: Event) {
        // A session that is gone for good needs nothing.
        let _ = self.events.send(event);
    }
}

/// An attempt, claimed and ready to be read.
pub(super) struct Incoming {
    pub(super) attempt: Attempt,
    pub(super) params: ChunkParams,
    pub(super) feed: Arc<Feed>,
}

/// An attempt on its way from decoder to writer; its pieces end early where the decoder's do.
pub(super) struct Handover {
    pub(super) attempt: Attempt,
    pub(super) pieces: Receiver<Piece>,
}

/// The decoder's thread: takes attempts until there are no more, but none while its writer has no
/// connection and leaves the work to others.
pub(super) fn decode(
    shared: &Shared,
    attempts: &Receiver<Incoming>,
    pool: &Pool,
    buffers: usize,
    mut writes: watch::Receiver<bool>,
    out: &Sender<Handover>,
) -> Result<(), WorkError> {
    let mut decoder = ChunkDecoder::new(shared.max_window_log);
    loop {
        await_writer(shared, &mut writes);
        let Ok(incoming) = attempts.recv() else {
            return Ok(());
        };
        let (sender, pieces) = bounded(buffers);
        let attempt = incoming.attempt;
        if out.send(Handover { attempt, pieces }).is_err() {
            return Ok(());
        }
        let started = decoder.start(incoming.params);
        started.map_err(|source| WorkError::Decode {
            chunk: attempt.chunk,
            source,
        })?;
        let inbound = Inbound::new(shared, attempt, &mut decoder, incoming.feed);
        match inbound.run(pool, &sender) {
            Ok(()) | Err(WorkError::Over) => {}
            Err(error) => return Err(error),
        }
    }
}

fn await_writer(shared: &Shared, writes: &mut watch::Receiver<bool>) {
    shared.runtime.block_on(async {
        // Whatever ends the wait leads on: who has ended is seen at the next attempt.
        tokio::select! {
            _ = writes.wait_for(|&writes| writes) => {}
            () = shared.intake.stopped() => {}
        }
    });
}

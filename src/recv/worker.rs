//! A worker of recv: one stream at a time, one codec context, one connection to the target.
//!
//! Two threads, so that we inflate while the server writes: the decoder reads blocks from the
//! stream, checks them and rebuilds COPY bytes; the writer puts them into the target.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::inbound::Inbound;
use crate::chunk::{ChunkId, Plan};
use crate::codec::{ChunkDecoder, ChunkParams, DecodeError};
use crate::copy::ScanError;
use crate::report::{Meter, Stage};
use crate::runtime::{Brake, Panicked, Pool};
use crate::sink::writer::{Piece, WriteError, Writer, Written};
use crate::transport::{RecvStream, TransportError};
use crate::wire::frame::FrameError;

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
    /// The session has ended; it knows why.
    #[error("the session has ended")]
    Halted,
}

/// A chunk's stream, claimed and ready to be read.
pub(super) struct Incoming {
    pub(super) id: ChunkId,
    pub(super) params: ChunkParams,
    pub(super) stream: RecvStream,
}

/// What all workers of a session share.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) runtime: Handle,
    pub(super) meter: Arc<Meter>,
    /// Ends blocked writes when the session ends.
    pub(super) brake: Brake,
    pub(super) max_window_log: u8,
    pub(super) halt: watch::Sender<bool>,
}

impl Shared {
    /// Makes every thread end at once.
    pub(super) fn stop(&self) {
        self.halt.send_replace(true);
        self.brake.pull();
    }
}

/// A chunk on its way from decoder to writer; its pieces end early when the decoder fails.
pub(super) struct Handover {
    id: ChunkId,
    pieces: Receiver<Piece>,
}

/// The decoder's thread: takes streams until there are no more.
pub(super) fn decode(
    shared: &Shared,
    streams: &Receiver<Incoming>,
    pool: &Pool,
    buffers: usize,
    out: &Sender<Handover>,
) -> Result<(), WorkError> {
    let mut decoder = ChunkDecoder::new(shared.max_window_log);
    while let Ok(incoming) = streams.recv() {
        let (sender, pieces) = bounded(buffers);
        if out
            .send(Handover {
                id: incoming.id,
                pieces,
            })
            .is_err()
        {
            return Ok(());
        }
        let chunk = shared
            .plan
            .chunk(incoming.id)
            .expect("claimed chunks are in the plan");
        decoder
            .start(incoming.params)
            .map_err(|source| WorkError::Decode {
                chunk: chunk.id,
                source,
            })?;
        Inbound::new(shared, chunk, &mut decoder, incoming.stream).run(pool, &sender)?;
    }
    Ok(())
}

/// The writer's thread: `committed` is told of each chunk that the journal has.
pub(super) fn write(
    shared: &Shared,
    mut writer: Writer,
    chunks: &Receiver<Handover>,
    committed: &mut dyn FnMut(ChunkId, Written),
) -> Result<(), WorkError> {
    while let Ok(Handover { id, pieces }) = chunks.recv() {
        let chunk = shared
            .plan
            .chunk(id)
            .expect("claimed chunks are in the plan");
        let mut last = Instant::now();
        let mut next = || {
            shared.meter.record(Stage::Write, last.elapsed());
            let piece = pieces.recv().ok();
            last = Instant::now();
            piece
        };
        let written = match writer.write(&shared.plan, chunk, &mut next) {
            Err(WriteError::Incomplete { .. }) => return Err(WorkError::Halted),
            other => other?,
        };
        // A chunk that is committed already comes again after an outage: its decoder goes on to
        // the stream's end all the same.
        while next().is_some() {}
        committed(id, written);
    }
    Ok(())
}

//! A worker of send: one connection to the source, one codec context, one stream at a time.
//!
//! Two threads, so that the server works while we compress: the reader fills buffers, the encoder
//! (`outgoing`) scans, digests and compresses them and writes blocks into the attempt's stream.
//! Both outlive a lost connection to recv.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::outbox::Outbox;
use super::outgoing::Outgoing;
use crate::chunk::{Attempt, ChunkId, Plan};
use crate::codec::{ChunkEncoder, ChunkParams, EncodeError, Tuner};
use crate::copy::ScanError;
use crate::report::{Meter, one_line};
use crate::runtime::{BLOCK_BYTES, Brake, Company, Panicked, Patience, Pool, Slot, Throttle, lock};
use crate::source::reader::{Filled, ReadError, Reader, Sessions};
use crate::transport::TransportError;
use crate::wire::frame::FrameError;

/// Why a worker ended early.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("table {table}: the server's COPY stream is not as documented")]
    Scan { table: String, source: ScanError },
    #[error("cannot compress: {0}")]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// The attempt has ended here or there; its chunk begins again.
    #[error("the attempt is over")]
    Over,
    /// The session has ended; it knows why.
    #[error("the session has ended")]
    Halted,
}

/// What all workers of a process share.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) outbox: Outbox,
    pub(super) runtime: Handle,
    pub(super) meter: Arc<Meter>,
    pub(super) tuner: Mutex<Tuner>,
    /// Ends blocked reads when the data phase ends.
    pub(super) brake: Brake,
    pub(super) throttle: Option<Throttle>,
    pub(super) readers: Arc<Company>,
    /// Raw bytes of chunks that are sent and not yet acknowledged.
    pub(super) sent: Mutex<BTreeMap<ChunkId, u64>>,
}

impl Shared {
    /// Makes every thread end at once; nothing more is claimed.
    pub(super) fn stop(&self) {
        self.outbox.stop();
        self.brake.pull();
    }
}

/// What a worker's two threads have between them.
pub(super) struct Desk {
    /// The reader's connection; closed where nobody wants what it reads.
    connection: Slot,
    /// What the reader reads.
    reading: Mutex<Option<Attempt>>,
}

impl Desk {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            connection: shared.brake.slot(),
            reading: Mutex::default(),
        }
    }

    /// Ends the COPY of an attempt that is over, if it still runs.
    fn interrupt(&self, attempt: Attempt) {
        // Held until it is done: the reader must not be at the next one by then.
        let reading = lock(&self.reading);
        if *reading == Some(attempt) {
            self.connection.release();
        }
    }
}

/// A chunk on its way from reader to encoder; it ends without [`Piece::End`] where the reader fails.
pub(super) struct Handover {
    attempt: Attempt,
    pieces: Receiver<Piece>,
}

/// What flows from a reader to its encoder.
pub(super) enum Piece {
    Bytes(Filled),
    End,
}

/// The reader's side of a worker.
pub(super) struct Reading {
    pub(super) sessions: Sessions,
    pub(super) encoding: &'static str,
    /// Buffers between the two threads: one being filled, one being encoded, the rest on the way.
    pub(super) buffers: usize,
}

/// A reader's connection, once it has had something to read, and its patience with the server.
struct Seat {
    reader: Option<Reader>,
    patience: Patience,
}

/// The reader's thread: claims and reads until all is committed. What its server refuses in passing
/// is tried again over a new connection, as part of another attempt.
pub(super) fn read(
    shared: &Shared,
    desk: &Desk,
    reading: &Reading,
    out: &Sender<Handover>,
) -> Result<(), WorkError> {
    let pool = Pool::new(reading.buffers, BLOCK_BYTES);
    shared.brake.add(pool.closer());
    let mut seat = Seat {
        reader: None,
        patience: Patience::among(&shared.readers),
    };
    while let Some(attempt) = shared.runtime.block_on(shared.outbox.claim()) {
        *lock(&desk.reading) = Some(attempt);
        let ended = reading.chunk(shared, desk, &mut seat, attempt, &pool, out);
        *lock(&desk.reading) = None;
        match ended {
            Ok(()) => seat.patience.renew(),
            Err(WorkError::Over) => seat.reader = None,
            Err(WorkError::Read(error)) if error.is_momentary() => {
                shared.outbox.give_back(attempt);
                reading.recover(shared, desk, &mut seat, error)?;
            }
            Err(error) => return Err(error),
        }
        // Between two chunks its keeper looks whether it still lives.
        seat.reader.take_if(|reader| reader.is_on_loan());
    }
    Ok(())
}

impl Reading {
    fn chunk(
        &self,
        shared: &Shared,
        desk: &Desk,
        seat: &mut Seat,
        attempt: Attempt,
        pool: &Pool,
        out: &Sender<Handover>,
    ) -> Result<(), WorkError> {
        let (sender, pieces) = bounded(self.buffers);
        if out.send(Handover { attempt, pieces }).is_err() {
            return Err(WorkError::Halted);
        }
        let connected = match &mut seat.reader {
            Some(connected) => connected,
            none => {
                let reader = self.connect(shared, desk)?;
                seat.patience.connected();
                none.insert(reader)
            }
        };
        let outbox = &shared.outbox;
        // An interruption before there was a connection has ended nothing.
        if !outbox.is_live(attempt) {
            return Err(WorkError::Over);
        }
        let mut take =
            |filled| sender.send(Piece::Bytes(filled)).is_ok() && outbox.is_live(attempt);
        let read = connected.read(
            &shared.plan,
            shared.plan.claimed(attempt.chunk),
            pool,
            &mut take,
        );
        match read {
            // An encoder that wants no more has said so to the outbox, or its own error tells why.
            Err(_) if !outbox.is_live(attempt) => Err(WorkError::Over),
            Err(ReadError::Unwanted) => Err(WorkError::Halted),
            Err(error) => Err(error.into()),
            Ok(()) => {
                // An encoder that has ended tells why itself.
                let _ = sender.send(Piece::End);
                Ok(())
            }
        }
    }

    /// After an error that passes: a new connection, as long as there is patience. Nothing is claimed
    /// before there is one.
    fn recover(
        &self,
        shared: &Shared,
        desk: &Desk,
        seat: &mut Seat,
        mut error: ReadError,
    ) -> Result<(), WorkError> {
        seat.reader = None;
        loop {
            let Some(pause) = seat.patience.again(error.is_crowded()) else {
                return Err(error.into());
            };
            tracing::warn!(error = one_line(&error), "reading again");
            let pausing = async { timeout(pause, shared.outbox.stopped()).await };
            if shared.runtime.block_on(pausing).is_ok() {
                return Ok(());
            }
            error = match self.connect(shared, desk) {
                Err(error) if error.is_momentary() => error,
                connected => {
                    seat.reader = Some(connected?);
                    seat.patience.connected();
                    return Ok(());
                }
            };
        }
    }

    fn connect(&self, shared: &Shared, desk: &Desk) -> Result<Reader, ReadError> {
        let meter = Arc::clone(&shared.meter);
        let reader = Reader::open(&self.sessions, self.encoding)?
            .on_wait(Box::new(move |what| meter.waiting_for(what)));
        desk.connection.hold(&shared.brake, reader.interrupter()?);
        Ok(reader)
    }
}

/// The encoder's thread: ends when its reader does.
pub(super) fn encode(
    shared: &Shared,
    desk: &Desk,
    chunks: &Receiver<Handover>,
) -> Result<(), WorkError> {
    let mut encoder = ChunkEncoder::new(ChunkParams::UNCOMPRESSED)?;
    while let Ok(Handover { attempt, pieces }) = chunks.recv() {
        match Outgoing::open(shared, attempt, &mut encoder).and_then(|out| out.run(&pieces)) {
            Ok(()) => {}
            Err(WorkError::Over) => {
                shared.outbox.give_back(attempt);
                desk.interrupt(attempt);
                // Dropped at once, the channel would keep the buffers that its reader waits for.
                pieces.iter().for_each(drop);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! A worker of send: one connection to the source, one codec context, one stream at a time.
//!
//! Two threads, so that the server works while we compress: the reader fills buffers, the encoder
//! scans, digests and compresses them and writes blocks into the chunk's stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::chunk::{Chunk, ChunkId, Digest, Plan};
use crate::codec::{ChunkEncoder, ChunkParams, EncodeError, Kind, Spent, Tuner};
use crate::copy::{ScanError, Scanned, Scanner};
use crate::ledger::Ledger;
use crate::report::{Counted, Meter, Stage};
use crate::runtime::{BLOCK_BYTES, Brake, Panicked, Pool, Throttle, lock};
use crate::source::reader::{Filled, ReadError, Reader};
use crate::transport::{Connection, SendStream, TransportError};
use crate::wire::frame::{self, FrameError};
use crate::wire::message::{ChunkEnd, StreamHeader};

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
    /// The session has ended; it knows why.
    #[error("the session has ended")]
    Halted,
}

/// What all workers of a session share.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) connection: Connection,
    pub(super) runtime: Handle,
    pub(super) meter: Arc<Meter>,
    pub(super) tuner: Mutex<Tuner>,
    /// Ends blocked reads when the session ends.
    pub(super) brake: Brake,
    /// Turns true when the session ends: ends blocked writes.
    pub(super) halt: watch::Sender<bool>,
    pub(super) throttle: Option<Throttle>,
    /// Raw bytes of chunks that are sent and not yet acknowledged.
    pub(super) sent: Mutex<BTreeMap<ChunkId, u64>>,
}

impl Shared {
    fn claim(&self) -> Option<&Chunk> {
        let id = lock(&self.ledger).claim_next()?;
        self.plan.chunk(id)
    }

    /// Makes every thread end at once; nothing more is claimed.
    pub(super) fn stop(&self) {
        self.halt.send_replace(true);
        while lock(&self.ledger).claim_next().is_some() {}
        self.brake.pull();
    }
}

enum Piece {
    Begin(ChunkId),
    Bytes(Filled),
    End,
}

/// Buffers between the two threads: one being filled, one being encoded, the rest on the way.
pub(super) fn channel(buffers: usize) -> (Sender<Filling>, Receiver<Filling>, Pool) {
    let (sender, receiver) = bounded(buffers);
    (sender, receiver, Pool::new(buffers, BLOCK_BYTES))
}

/// What flows from a reader to its encoder.
pub(super) struct Filling(Piece);

/// The reader's thread: claims and reads until nothing is pending.
pub(super) fn read(
    shared: &Shared,
    mut reader: Reader,
    pool: &Pool,
    out: &Sender<Filling>,
) -> Result<(), WorkError> {
    let send = |piece| out.send(Filling(piece)).is_ok();
    while let Some(chunk) = shared.claim() {
        if !send(Piece::Begin(chunk.id)) {
            break;
        }
        reader.read(&shared.plan, chunk, pool, &mut |filled| {
            send(Piece::Bytes(filled))
        })?;
        if !send(Piece::End) {
            break;
        }
    }
    Ok(())
}

/// The encoder's thread: ends when its reader does.
pub(super) fn encode(shared: &Shared, pieces: &Receiver<Filling>) -> Result<(), WorkError> {
    let mut encoder = ChunkEncoder::new(ChunkParams::UNCOMPRESSED)?;
    while let Ok(Filling(Piece::Begin(id))) = pieces.recv() {
        let chunk = shared
            .plan
            .chunk(id)
            .expect("claimed chunks are in the plan");
        Outgoing::open(shared, chunk, &mut encoder)?.run(pieces)?;
    }
    Ok(())
}

/// One chunk on its way out.
struct Outgoing<'a> {
    shared: &'a Shared,
    chunk: &'a Chunk,
    params: ChunkParams,
    encoder: &'a mut ChunkEncoder,
    begun: Instant,
    /// Time in the encoder so far, and for the link.
    encoding: Duration,
    sending: Duration,
    stream: SendStream,
    encoded: Vec<u8>,
    digests: Vec<Digest>,
}

impl<'a> Outgoing<'a> {
    fn open(
        shared: &'a Shared,
        chunk: &'a Chunk,
        encoder: &'a mut ChunkEncoder,
    ) -> Result<Self, WorkError> {
        let params = lock(&shared.tuner).choose();
        let header = StreamHeader::Chunk {
            id: chunk.id,
            params,
        };
        let header = frame::encode(&header, frame::UNPROVEN_LIMIT)?;
        encoder.start(params)?;
        let mut halted = shared.halt.subscribe();
        let stream = shared.runtime.block_on(async {
            let opening = async {
                let mut stream = shared.connection.open_data().await?;
                stream.write_all(&header).await?;
                Ok::<_, TransportError>(stream)
            };
            tokio::select! {
                opened = opening => Ok(opened?),
                _ = halted.wait_for(|&halted| halted) => Err(WorkError::Halted),
            }
        })?;
        Ok(Self {
            shared,
            chunk,
            params,
            encoder,
            begun: Instant::now(),
            encoding: Duration::ZERO,
            sending: Duration::ZERO,
            stream,
            encoded: Vec::new(),
            digests: Vec::new(),
        })
    }

    /// Encodes everything up to the chunk's end. A reader that vanishes tells why itself; the
    /// stream is reset then, and the receiver rolls the chunk back.
    fn run(mut self, pieces: &Receiver<Filling>) -> Result<(), WorkError> {
        let mut next = pieces.recv();
        for index in 0..self.chunk.parts.len() as u32 {
            let mut scanner = self.scanner(index);
            while let Ok(Filling(Piece::Bytes(filled))) = &next
                && filled.part == index
            {
                self.block(index, &mut scanner, filled)?;
                next = pieces.recv();
            }
            if next.is_err() {
                self.stream.reset();
                return Ok(());
            }
            let digest = scanner.finish().map_err(|e| self.scan_error(index, e))?;
            self.digests.push(digest);
        }
        self.finish()
    }

    fn scanner(&self, index: u32) -> Scanner {
        Scanner::for_copy_out(self.shared.plan.format(&self.chunk.parts[index as usize]))
    }

    fn scan_error(&self, index: u32, source: ScanError) -> WorkError {
        let part = &self.chunk.parts[index as usize];
        WorkError::Scan {
            table: self.shared.plan.table(part.table).name.to_string(),
            source,
        }
    }

    fn block(
        &mut self,
        index: u32,
        scanner: &mut Scanner,
        filled: &Filled,
    ) -> Result<(), WorkError> {
        let started = Instant::now();
        let scanned = scanner
            .scan(&filled.bytes)
            .map_err(|e| self.scan_error(index, e))?;
        let payload = &filled.bytes[scanned.payload.clone()];
        if payload.is_empty() {
            return Ok(());
        }
        self.encode(index, scanner, &scanned, payload)?;
        let meter = &self.shared.meter;
        meter.record(Stage::Read, filled.took);
        let took = started.elapsed();
        meter.record(Stage::Encode, took);
        self.encoding += took;
        meter.add(Counted {
            rows: u64::from(scanned.rows),
            raw_bytes: payload.len() as u64,
            wire_bytes: self.encoded.len() as u64,
        });
        self.write()
    }

    fn encode(
        &mut self,
        index: u32,
        scanner: &Scanner,
        scanned: &Scanned,
        payload: &[u8],
    ) -> Result<(), EncodeError> {
        let (encoder, out) = (&mut *self.encoder, &mut self.encoded);
        if scanned.whole && scanner.is_binary() {
            encoder.encode_tuples(index, payload, scanner.tuples(), out)?;
        } else {
            encoder.encode(index, payload, scanned.rows, Kind::Segment, out)?;
        }
        Ok(())
    }

    /// Blocks where the peer's flow control says so: that is what bounds our memory.
    fn write(&mut self) -> Result<(), WorkError> {
        let started = Instant::now();
        let mut halted = self.shared.halt.subscribe();
        let throttle = self.shared.throttle.as_ref();
        let pause = throttle.map(|t| t.take(self.encoded.len(), started));
        self.shared.runtime.block_on(async {
            let written = async {
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
                self.stream.write_all(&self.encoded).await
            };
            tokio::select! {
                written = written => Ok(written?),
                _ = halted.wait_for(|&halted| halted) => Err(WorkError::Halted),
            }
        })?;
        self.sending += started.elapsed();
        self.shared.meter.record(Stage::Send, started.elapsed());
        Ok(())
    }

    fn finish(mut self) -> Result<(), WorkError> {
        self.encoder.finish(&mut self.encoded)?;
        self.shared.meter.add(Counted {
            wire_bytes: self.encoded.len() as u64,
            ..Counted::default()
        });
        let raw_bytes = self.digests.iter().map(|digest| digest.bytes).sum();
        lock(&self.shared.sent).insert(self.chunk.id, raw_bytes);
        let spent = Spent {
            encoding: self.encoding,
            sending: self.sending,
            whole: self.begun.elapsed(),
        };
        lock(&self.shared.tuner).learn(self.params, raw_bytes, spent);
        let end = ChunkEnd {
            parts: std::mem::take(&mut self.digests),
        };
        self.encoded.extend(frame::encode(&end, frame::LIMIT)?);
        self.write()?;
        self.stream.finish()?;
        Ok(())
    }
}

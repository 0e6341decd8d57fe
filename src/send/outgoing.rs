//! A chunk on its way out: rows become blocks, and blocks go over as many connections as it takes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::outbox::Line;
use super::worker::{Piece, Shared, WorkError};
use crate::chunk::{Attempt, Chunk, Digest};
use crate::codec::{ChunkEncoder, ChunkParams, EncodeError, Kind, Spent};
use crate::copy::{Scanned, Scanner};
use crate::ledger::Again;
use crate::report::{Counted, Stage};
use crate::runtime::{Throttle, lock};
use crate::source::reader::Filled;
use crate::transport::{Connection, SendStream, TransportError};
use crate::wire::frame;
use crate::wire::message::{ChunkEnd, StreamHeader};

/// What is written at a time under `--rate`: a slow rate must not keep recv without a byte for long.
const THROTTLED_PIECE: usize = 16 << 10;
/// How often an attempt whose reader's server gives no rows is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// One attempt at a chunk.
pub(super) struct Outgoing<'a> {
    shared: &'a Shared,
    attempt: Attempt,
    chunk: &'a Chunk,
    params: ChunkParams,
    encoder: &'a mut ChunkEncoder,
    begun: Instant,
    /// Time in the encoder so far, and for the link.
    encoding: Duration,
    sending: Duration,
    /// Which connection the stream belongs to.
    generation: u64,
    stream: Option<SendStream>,
    encoded: Vec<u8>,
    digests: Vec<Digest>,
}

impl<'a> Outgoing<'a> {
    /// Begins the attempt's stream, as soon as there is a connection.
    pub(super) fn open(
        shared: &'a Shared,
        attempt: Attempt,
        encoder: &'a mut ChunkEncoder,
    ) -> Result<Self, WorkError> {
        let params = lock(&shared.tuner).choose();
        encoder.start(params)?;
        let Line {
            connection,
            generation,
        } = shared
            .runtime
            .block_on(shared.outbox.next_line(attempt, 0))?;
        let header = StreamHeader::Chunk { attempt, params };
        let header = frame::encode(&header, frame::UNPROVEN_LIMIT)?;
        let opening = async {
            let mut stream = connection.open_data().await?;
            stream.write_all(&header).await?;
            Ok(stream)
        };
        Ok(Self {
            shared,
            attempt,
            chunk: shared.plan.claimed(attempt.chunk),
            params,
            begun: Instant::now(),
            encoding: Duration::ZERO,
            sending: Duration::ZERO,
            generation,
            stream: unless_lost(shared.runtime.block_on(unless_stopped(shared, opening)))?,
            encoder,
            encoded: Vec::new(),
            digests: Vec::new(),
        })
    }

    /// Encodes everything up to the chunk's end. Where the reader ends before, the attempt is over:
    /// the stream is reset, and the receiver rolls the chunk back.
    pub(super) fn run(mut self, pieces: &Receiver<Piece>) -> Result<(), WorkError> {
        let mut next = self.next(pieces)?;
        for index in 0..self.chunk.parts.len() as u32 {
            let mut scanner = self.scanner(index);
            while let Piece::Bytes(filled) = &next
                && filled.part == index
            {
                self.block(index, &mut scanner, filled)?;
                next = self.next(pieces)?;
            }
            let digest = scanner.finish().map_err(|e| self.scan_error(index, e))?;
            self.digests.push(digest);
        }
        self.finish()
    }

    /// What the reader has next. Its server may take long: that the attempt is over is noticed meanwhile,
    /// and that the link has been lost for too long.
    fn next(&self, pieces: &Receiver<Piece>) -> Result<Piece, WorkError> {
        loop {
            match pieces.recv_timeout(LOOK) {
                Ok(piece) => return Ok(piece),
                Err(RecvTimeoutError::Timeout) => {
                    let linked = self.shared.outbox.next_line(self.attempt, 0);
                    self.shared.runtime.block_on(linked)?;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(WorkError::Over),
            }
        }
    }

    fn scanner(&self, index: u32) -> Scanner {
        Scanner::for_copy_out(self.shared.plan.format(&self.chunk.parts[index as usize]))
    }

    fn scan_error(&self, index: u32, source: crate::copy::ScanError) -> WorkError {
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
        self.write(false)
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

    fn finish(mut self) -> Result<(), WorkError> {
        self.encoder.finish(&mut self.encoded)?;
        self.shared.meter.add(Counted {
            wire_bytes: self.encoded.len() as u64,
            ..Counted::default()
        });
        self.write(false)?;
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
        self.encoded = frame::encode(&end, frame::LIMIT)?;
        self.write(true)?;
        while !self.shared.outbox.leave(self.attempt, self.generation) {
            self.go_on()?;
        }
        Ok(())
    }

    /// Keeps the encoded block until recv has it, and writes it. Waits where the peer's flow control
    /// says so: that is what bounds our memory.
    fn write(&mut self, last: bool) -> Result<(), WorkError> {
        let started = Instant::now();
        let block = Bytes::from(std::mem::take(&mut self.encoded));
        let Shared {
            outbox, runtime, ..
        } = self.shared;
        runtime.block_on(outbox.keep(self.attempt, &block, last))?;
        match self.stream.take() {
            Some(mut stream) => {
                let writing = write(&mut stream, block, self.shared.throttle.as_ref());
                let written = runtime.block_on(unless_stopped(self.shared, writing));
                match unless_lost(written)? {
                    Some(()) if last => stream.finish()?,
                    Some(()) => self.stream = Some(stream),
                    None => self.go_on()?,
                }
            }
            None => self.go_on()?,
        }
        self.sending += started.elapsed();
        self.shared.meter.record(Stage::Send, started.elapsed());
        Ok(())
    }

    /// Sends everything that recv lacks over the next connection that holds.
    fn go_on(&mut self) -> Result<(), WorkError> {
        let Shared {
            outbox, runtime, ..
        } = self.shared;
        loop {
            let line = runtime.block_on(outbox.next_line(self.attempt, self.generation))?;
            self.generation = line.generation;
            let again = outbox.again(self.attempt)?;
            let resending = resend(&line.connection, again, self.shared.throttle.as_ref());
            let resent = runtime.block_on(unless_stopped(self.shared, resending));
            if let Some(stream) = unless_lost(resent)? {
                self.stream = stream;
                return Ok(());
            }
        }
    }
}

/// Goes on with an attempt on a new connection. Gives the stream where more is to come.
pub(super) async fn resend(
    connection: &Connection,
    again: Again<Bytes>,
    throttle: Option<&Throttle>,
) -> Result<Option<SendStream>, WorkError> {
    if again.sealed && again.blocks.is_empty() {
        return Ok(None);
    }
    let (attempt, from) = (again.attempt, again.from);
    let header = StreamHeader::Resume { attempt, from };
    let header = frame::encode(&header, frame::UNPROVEN_LIMIT)?;
    let mut stream = connection.open_data().await?;
    stream.write_all(&header).await?;
    for block in again.blocks {
        write(&mut stream, block, throttle).await?;
    }
    if again.sealed {
        stream.finish()?;
        return Ok(None);
    }
    Ok(Some(stream))
}

async fn write(
    stream: &mut SendStream,
    mut block: Bytes,
    throttle: Option<&Throttle>,
) -> Result<(), WorkError> {
    let Some(throttle) = throttle else {
        return Ok(stream.write_chunk(block).await?);
    };
    while !block.is_empty() {
        let piece = block.split_to(block.len().min(THROTTLED_PIECE));
        tokio::time::sleep(throttle.take(piece.len(), Instant::now())).await;
        stream.write_chunk(piece).await?;
    }
    Ok(())
}

async fn unless_stopped<T>(
    shared: &Shared,
    work: impl Future<Output = Result<T, WorkError>>,
) -> Result<T, WorkError> {
    tokio::select! {
        done = work => done,
        () = shared.outbox.stopped() => Err(WorkError::Halted),
    }
}

/// Nothing where the connection is gone: the session knows, and brings the next one. Recv breaks the
/// stream of an attempt off that it has rolled back.
fn unless_lost<T>(done: Result<T, WorkError>) -> Result<Option<T>, WorkError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(WorkError::Transport(error)) if error.is_disconnected() => Ok(None),
        Err(WorkError::Transport(TransportError::Stopped { .. })) => Err(WorkError::Over),
        Err(error) => Err(error),
    }
}

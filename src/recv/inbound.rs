//! A chunk on its way in: blocks are read, over as many connections as it takes, checked, and rebuilt
//! to COPY bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tokio::time::timeout;

use super::intake::{Fed, Feed};
use super::worker::{Shared, WorkError};
use crate::chunk::{Attempt, Chunk, Digest};
use crate::codec::{ChunkDecoder, DecodeError, HEADER_LEN, Header, Kind};
use crate::copy::Scanner;
use crate::ledger::Taken;
use crate::report::{Counted, Stage};
use crate::runtime::Pool;
use crate::sink::writer::Piece;
use crate::transport::TransportError;
use crate::wire::frame;
use crate::wire::message::ChunkEnd;

/// How much longer a chunk's transaction may wait for a silent sender at most, after it has been
/// rolled back for that time and again: a server that needs long for a block must get through.
const LONGEST_STALL: u32 = 64;

/// One attempt at a chunk on its way in.
pub(super) struct Inbound<'a> {
    shared: &'a Shared,
    attempt: Attempt,
    chunk: &'a Chunk,
    decoder: &'a mut ChunkDecoder,
    feed: Arc<Feed>,
    /// Of the connection of the moment; nothing while there is none.
    stream: Option<Fed>,
    /// How long a living connection may be silent. Nothing before the first block, when no
    /// transaction is open.
    silence: Option<Duration>,
    payload: Vec<u8>,
}

/// The part that blocks are being read of.
struct Current {
    index: u32,
    scanner: Scanner,
    wire_bytes: u64,
}

impl<'a> Inbound<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        attempt: Attempt,
        decoder: &'a mut ChunkDecoder,
        feed: Arc<Feed>,
    ) -> Self {
        Self {
            shared,
            attempt,
            chunk: shared.plan.claimed(attempt.chunk),
            decoder,
            feed,
            stream: None,
            silence: None,
            payload: Vec::new(),
        }
    }

    /// Passes the chunk's pieces on. The last part's end is held back until the encoder's digests
    /// have been compared with ours: without it the writer cannot commit.
    pub(super) fn run(mut self, pool: &Pool, out: &Sender<Piece>) -> Result<(), WorkError> {
        let mut digests = Vec::with_capacity(self.chunk.parts.len());
        let mut current = self.part(0);
        loop {
            let header = self.header()?;
            while current.index < header.part() {
                let next = self.part(current.index + 1);
                let (digest, end) = self.end(std::mem::replace(&mut current, next))?;
                digests.push(digest);
                pass(out, end)?;
            }
            current.wire_bytes += HEADER_LEN as u64 + u64::from(header.encoded_len());
            if header.is_end() {
                self.check_end(&header)?;
                return self.finish(current, digests, out);
            }
            let piece = self.block(&header, &mut current, pool)?;
            pass(out, piece)?;
        }
    }

    fn part(&self, index: u32) -> Current {
        let format = self.shared.plan.format(&self.chunk.parts[index as usize]);
        Current {
            index,
            scanner: Scanner::for_payload(format),
            wire_bytes: 0,
        }
    }

    /// The next block's header, with its payload in `payload`.
    fn header(&mut self) -> Result<Header, WorkError> {
        let started = Instant::now();
        let mut payload = std::mem::take(&mut self.payload);
        let header = self.whole(|inbound| inbound.try_header(&mut payload))?;
        self.payload = payload;
        self.shared.meter.record(Stage::Receive, started.elapsed());
        Ok(header)
    }

    fn try_header(&mut self, payload: &mut Vec<u8>) -> Result<Header, WorkError> {
        let mut bytes = [0; HEADER_LEN];
        self.read(&mut bytes)?;
        let header = Header::parse(&bytes).map_err(|e| self.decode_error(e))?;
        if header.part() as usize >= self.chunk.parts.len() {
            return Err(self.disagree(format!(
                "a block of part {}, which it does not have",
                header.part()
            )));
        }
        payload.resize(header.encoded_len() as usize, 0);
        self.read(payload)?;
        Ok(header)
    }

    /// Reads what is counted as one, from its beginning again after each lost connection, so that
    /// send need not keep it.
    fn whole<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, WorkError>,
    ) -> Result<T, WorkError> {
        loop {
            let got = match read(self) {
                Err(WorkError::Transport(error)) if error.is_disconnected() => continue,
                Err(WorkError::Transport(TransportError::Reset { .. })) => {
                    return Err(WorkError::Over);
                }
                other => other?,
            };
            let link = self.stream.as_ref().map_or(0, |fed| fed.link);
            match self.shared.intake.received(self.attempt, link) {
                Taken::Counted(_) => {
                    self.silence = Some(self.patience());
                    return Ok(got);
                }
                // It came over a connection that is no more, whose successor brings it again.
                Taken::Stale => self.stream = None,
                Taken::Over => return Err(WorkError::Over),
            }
        }
    }

    /// How long to wait for send: longer at each further try.
    fn patience(&self) -> Duration {
        let tries = self.shared.intake.tries(self.chunk.id).max(1);
        let longer = 2_u32.saturating_pow(tries - 1).min(LONGEST_STALL);
        self.shared.stall * longer
    }

    fn block(
        &mut self,
        header: &Header,
        current: &mut Current,
        pool: &Pool,
    ) -> Result<Piece, WorkError> {
        if header.part() != current.index {
            return Err(self.disagree("blocks of its parts are out of order".into()));
        }
        let mut raw = pool.take().ok_or(WorkError::Halted)?;
        let started = Instant::now();
        self.decoder
            .decode(header, &self.payload, &mut raw)
            .map_err(|e| self.decode_error(e))?;
        let rows = self.count(header, &mut current.scanner, &raw)?;
        let meter = &self.shared.meter;
        meter.record(Stage::Decode, started.elapsed());
        meter.add(Counted {
            rows: u64::from(rows),
            raw_bytes: raw.len() as u64,
            wire_bytes: HEADER_LEN as u64 + u64::from(header.encoded_len()),
        });
        Ok(Piece::Rows(raw))
    }

    /// Adds the block's rows to the part's digest and holds their number against the header's.
    fn count(&self, header: &Header, scanner: &mut Scanner, raw: &[u8]) -> Result<u32, WorkError> {
        let malformed = |source| WorkError::Scan {
            chunk: self.chunk.id,
            source,
        };
        if header.kind() == Kind::Columns && scanner.is_binary() {
            let (ends, columns) = self.decoder.built_rows();
            let added = scanner.add_built(raw, ends, columns);
            return added.map(|()| header.rows()).map_err(malformed);
        }
        let scanned = scanner.scan(raw).map_err(malformed)?;
        let claimed_whole = header.kind() != Kind::Segment;
        if scanned.rows != header.rows() || (claimed_whole && !scanned.whole) {
            return Err(self.disagree(format!(
                "a block of {} rows says that it has {}",
                scanned.rows,
                header.rows()
            )));
        }
        Ok(scanned.rows)
    }

    fn check_end(&mut self, header: &Header) -> Result<(), WorkError> {
        let mut nothing = Vec::new();
        self.decoder
            .decode(header, &self.payload, &mut nothing)
            .map_err(|e| self.decode_error(e))?;
        self.shared.meter.add(Counted {
            wire_bytes: HEADER_LEN as u64 + u64::from(header.encoded_len()),
            ..Counted::default()
        });
        Ok(())
    }

    fn end(&self, part: Current) -> Result<(Digest, Piece), WorkError> {
        let digest = part.scanner.finish().map_err(|source| WorkError::Scan {
            chunk: self.chunk.id,
            source,
        })?;
        Ok((
            digest,
            Piece::PartEnd {
                digest,
                wire_bytes: part.wire_bytes,
            },
        ))
    }

    fn finish(
        mut self,
        last: Current,
        mut digests: Vec<Digest>,
        out: &Sender<Piece>,
    ) -> Result<(), WorkError> {
        let mut ends = Vec::new();
        let mut current = last;
        loop {
            let next = current.index + 1;
            let (digest, end) = self.end(current)?;
            digests.push(digest);
            ends.push(end);
            if next as usize == self.chunk.parts.len() {
                break;
            }
            current = self.part(next);
        }
        self.compare(&digests)?;
        ends.into_iter().try_for_each(|end| pass(out, end))
    }

    /// From here on the attempt cannot be dropped any more.
    fn compare(&mut self, digests: &[Digest]) -> Result<(), WorkError> {
        let end = self.whole(Self::try_chunk_end)?;
        if end.parts != digests {
            return Err(
                self.disagree("what was read and what arrived have different digests".into())
            );
        }
        match self.shared.intake.is_whole(self.attempt) {
            true => Ok(()),
            false => Err(WorkError::Over),
        }
    }

    fn try_chunk_end(&mut self) -> Result<ChunkEnd, WorkError> {
        let mut length = [0; frame::HEADER_BYTES];
        self.read(&mut length)?;
        let mut body = vec![0; frame::body_length(length, frame::UNPROVEN_LIMIT)?];
        self.read(&mut body)?;
        self.nothing_behind()?;
        Ok(frame::decode(&body)?)
    }

    fn nothing_behind(&mut self) -> Result<(), WorkError> {
        let Some(Fed { stream, .. }) = &mut self.stream else {
            return Ok(());
        };
        let (intake, runtime) = (&self.shared.intake, &self.shared.runtime);
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = timeout(self.shared.stall, stream.expect_end()) => ended,
                () = intake.stopped() => Ok(Ok(())),
            }
        });
        match ended {
            // All that counts is here.
            Ok(Err(error)) if error.is_disconnected() => Ok(()),
            Ok(ended) => Ok(ended?),
            Err(_) => Err(WorkError::Over),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), WorkError> {
        let shared = self.shared;
        shared.runtime.block_on(async {
            tokio::select! {
                read = self.read_on(bytes) => read,
                () = shared.intake.stopped() => Err(WorkError::Halted),
            }
        })
    }

    /// Reads from the connection of the moment; a new one has the current block from its beginning.
    async fn read_on(&mut self, bytes: &mut [u8]) -> Result<(), WorkError> {
        if self.stream.is_none() {
            let clock = &self.shared.intake.clock;
            let next = clock.limit(self.patience(), self.feed.next()).await;
            self.stream = next.flatten();
        }
        // Nobody goes on with it.
        let Fed { stream, .. } = self.stream.as_mut().ok_or(WorkError::Over)?;
        let read = tokio::select! {
            read = stream.read_exact_within(bytes, self.silence) => read,
            next = self.feed.next() => {
                self.stream = Some(next.ok_or(WorkError::Over)?);
                return Err(TransportError::ClosedByUs.into());
            }
        };
        match read {
            Err(TransportError::Silent) => return Err(WorkError::Over),
            Err(ref error) if error.is_disconnected() => self.stream = None,
            _ => {}
        }
        Ok(read?)
    }

    fn decode_error(&self, source: DecodeError) -> WorkError {
        WorkError::Decode {
            chunk: self.chunk.id,
            source,
        }
    }

    fn disagree(&self, what: String) -> WorkError {
        WorkError::Disagree {
            chunk: self.chunk.id,
            what,
        }
    }
}

/// A writer that wants no more has rolled back, and tells why itself.
fn pass(out: &Sender<Piece>, piece: Piece) -> Result<(), WorkError> {
    out.send(piece).map_err(|_| WorkError::Over)
}

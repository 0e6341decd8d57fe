//! The sending side: raw bytes in, a header and a payload out.

use std::fmt;

use twox_hash::XxHash3_64;

use super::columns::{Columns, Encodings};
use super::error::EncodeError;
use super::frame::{Frame, Then};
use super::header::{HEADER_LEN, Header, Kind, encoded_limit, rows_fit};
use super::params::{ChunkParams, MAX_WINDOW_LOG};
use super::{MAX_ENCODED_LEN, MAX_RAW_LEN};
use crate::copy::Tuples;

/// Encodes the blocks of one chunk after another, in order; keeps its zstd context.
pub struct ChunkEncoder {
    frame: Frame,
    columns: Columns,
    params: ChunkParams,
    next: u32,
    part: u32,
    ended: bool,
    /// Of the present block's pieces: column, bytes, bytes compressed.
    pieces: Vec<(usize, u32, u32)>,
}

impl ChunkEncoder {
    /// An encoder that has begun a chunk.
    pub fn new(params: ChunkParams) -> Result<Self, EncodeError> {
        let mut encoder = Self {
            frame: Frame::new(),
            columns: Columns::default(),
            params,
            next: 0,
            part: 0,
            ended: true,
            pieces: Vec::new(),
        };
        encoder.start(params)?;
        Ok(encoder)
    }

    /// Stores columns in these encodings only, from the next part on; for benches, which weigh what each is worth.
    pub fn restrict(&mut self, encodings: Encodings) {
        self.columns.restrict(encodings);
    }

    /// Begins a new chunk, whatever became of the one before.
    pub fn start(&mut self, params: ChunkParams) -> Result<(), EncodeError> {
        params.check(MAX_WINDOW_LOG)?;
        self.params = params;
        self.next = 0;
        self.part = 0;
        self.columns.forget();
        self.ended = false;
        let begun = params
            .level
            .map(|level| self.frame.begin(level, params.window_log));
        begun
            .unwrap_or(Ok(()))
            .map_err(|reason| self.failed("prepare for", reason))
    }

    /// Encodes `raw`, in which `rows` rows of `part` end, as the chunk's next block, byte for byte.
    ///
    /// `out` is cleared and then holds header and payload, at most
    /// [`HEADER_LEN`] + [`MAX_ENCODED_LEN`] bytes. Parts come in ascending order. After an error the
    /// chunk must be started again.
    pub fn encode(
        &mut self,
        part: u32,
        raw: &[u8],
        rows: u32,
        kind: Kind,
        out: &mut Vec<u8>,
    ) -> Result<Header, EncodeError> {
        self.check(part, raw.len(), rows, kind)?;
        self.enter(part);
        self.write(self.header(kind, rows, raw), raw, Then::Flush, out)
    }

    /// Encodes whole tuples, of which `tuples` is the index, as columns where that pays: it does not
    /// without compression. All else as for [`encode`](Self::encode).
    pub fn encode_tuples(
        &mut self,
        part: u32,
        raw: &[u8],
        tuples: &Tuples,
        out: &mut Vec<u8>,
    ) -> Result<Header, EncodeError> {
        let rows = u32::try_from(tuples.rows()).unwrap_or(u32::MAX);
        self.check(part, raw.len(), rows, Kind::Rows)?;
        if tuples.bytes() != raw.len() {
            let (block, len) = (self.next, raw.len());
            return Err(EncodeError::Rows { block, rows, len });
        }
        self.enter(part);
        let header = self.header(Kind::Rows, rows, raw);
        if self.params.level.is_some() && self.columns.arrange(raw, tuples) {
            self.write_columns(header, out)
        } else {
            self.write(header, raw, Then::Flush, out)
        }
    }

    /// Ends the chunk with a block that carries no rows; `out` as for [`encode`](Self::encode).
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Header, EncodeError> {
        self.check_open()?;
        self.part = 0;
        let header = self.header(Kind::End, 0, &[]);
        let header = self.write(header, &[], Then::End, out)?;
        self.ended = true;
        Ok(header)
    }

    /// Bytes that the zstd context takes.
    pub fn context_bytes(&self) -> usize {
        self.frame.context_bytes()
    }

    fn enter(&mut self, part: u32) {
        if part != self.part {
            self.columns.forget();
        }
        self.part = part;
    }

    fn check_open(&self) -> Result<(), EncodeError> {
        // The last number is left for the end.
        if self.ended || self.next == u32::MAX {
            let block = self.next.saturating_sub(1);
            return Err(EncodeError::Ended { block });
        }
        Ok(())
    }

    fn check(&self, part: u32, len: usize, rows: u32, kind: Kind) -> Result<(), EncodeError> {
        self.check_open()?;
        let block = self.next;
        if matches!(kind, Kind::End | Kind::Columns) {
            return Err(EncodeError::KindByHand { block, kind });
        }
        if len == 0 || len > MAX_RAW_LEN as usize {
            return Err(EncodeError::Length { block, len });
        }
        if !rows_fit(kind, rows, len) {
            return Err(EncodeError::Rows { block, rows, len });
        }
        if part < self.part {
            let after = self.part;
            return Err(EncodeError::PartBackwards { block, part, after });
        }
        Ok(())
    }

    /// The header of a block of checked length, still without its encoded length.
    fn header(&self, kind: Kind, rows: u32, raw: &[u8]) -> Header {
        let raw_len = raw.len() as u32;
        Header {
            kind,
            number: self.next,
            part: self.part,
            rows,
            raw_len,
            inflated_len: raw_len,
            encoded_len: 0,
            checksum: XxHash3_64::oneshot(raw),
        }
    }

    fn write(
        &mut self,
        header: Header,
        raw: &[u8],
        then: Then,
        out: &mut Vec<u8>,
    ) -> Result<Header, EncodeError> {
        begin(header, out);
        if self.params.level.is_some() {
            let compressed = self.frame.append(raw, then, out);
            compressed.map_err(|reason| self.failed("compress", reason))?;
        } else {
            out.extend_from_slice(raw);
        }
        Ok(self.end(header, out))
    }

    /// Writes what the columns have arranged.
    fn write_columns(&mut self, header: Header, out: &mut Vec<u8>) -> Result<Header, EncodeError> {
        let sections = self.columns.sections();
        let header = Header {
            kind: Kind::Columns,
            inflated_len: sections.framed_len() as u32,
            ..header
        };
        begin(header, out);
        out.extend((sections.beside().len() as u32).to_le_bytes());
        self.pieces.clear();
        let mut compressed = Ok(());
        for piece in sections.pieces() {
            let before = out.len();
            let then = if piece.flush { Then::Flush } else { Then::GoOn };
            compressed = compressed.and_then(|()| self.frame.append(piece.bytes, then, out));
            let taken = (out.len() - before) as u32;
            self.pieces
                .push((piece.column, piece.bytes.len() as u32, taken));
        }
        out.extend_from_slice(sections.beside());
        compressed.map_err(|reason| self.failed("compress", reason))?;
        let window = 1 << self.params.window_log;
        self.columns.learn(header.rows, &self.pieces, window);
        Ok(self.end(header, out))
    }

    /// Completes the header in front of a payload, and counts the block.
    fn end(&mut self, mut header: Header, out: &mut [u8]) -> Header {
        header.encoded_len = (out.len() - HEADER_LEN) as u32;
        debug_assert!(header.encoded_len <= encoded_limit(header.raw_len));
        debug_assert!(header.encoded_len <= MAX_ENCODED_LEN);
        out[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        self.next += 1;
        header
    }

    fn failed(&self, action: &'static str, reason: &'static str) -> EncodeError {
        EncodeError::Compress {
            block: self.next,
            action,
            reason,
        }
    }
}

/// Makes room for the longest payload that may follow, and leaves the header's place.
fn begin(header: Header, out: &mut Vec<u8>) {
    out.clear();
    out.reserve(HEADER_LEN + encoded_limit(header.raw_len) as usize);
    out.resize(HEADER_LEN, 0);
}

impl fmt::Debug for ChunkEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkEncoder")
            .field("params", &self.params)
            .field("next", &self.next)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

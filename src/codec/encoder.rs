//! The sending side: raw bytes in, a header and a payload out.

use std::fmt;

use twox_hash::XxHash3_64;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, SafeResult, get_error_name,
};

use super::error::EncodeError;
use super::header::{HEADER_LEN, Header, Kind, encoded_limit, rows_fit};
use super::params::{ChunkParams, MAX_WINDOW_LOG};
use super::{MAX_ENCODED_LEN, MAX_RAW_LEN};

/// Entries of the fast levels' hash table, as a logarithm; zstd's own choice for them is 13 or 14.
///
/// With 14, whatever repeats a minute of history later has been overwritten, however large the
/// window. Level 1, window 2^22, 1 MiB blocks, 14 against 16: disk usage 3.9 at 303 MB/s against 33.9
/// at 1321 MB/s; disk hourly 3.9 at 300 against 4.3 at 240; VM samples 14.1 at 723 against 13.2 at 602.
/// 17 wins nothing more on the first (36.3) and is slower on the others.
const FAST_HASH_LOG: u32 = 16;

/// The last level to which [`FAST_HASH_LOG`] applies; from 2 on zstd takes as much or more by itself.
const LAST_FAST_LEVEL: i32 = 1;

/// Encodes the blocks of one chunk after another, in order; keeps its zstd context.
pub struct ChunkEncoder {
    context: CCtx<'static>,
    compressed: bool,
    next: u32,
    part: u32,
    ended: bool,
}

impl ChunkEncoder {
    /// An encoder that has begun a chunk.
    pub fn new(params: ChunkParams) -> Result<Self, EncodeError> {
        let mut encoder = Self {
            context: CCtx::create(),
            compressed: false,
            next: 0,
            part: 0,
            ended: true,
        };
        encoder.start(params)?;
        Ok(encoder)
    }

    /// Begins a new chunk, whatever became of the one before.
    pub fn start(&mut self, params: ChunkParams) -> Result<(), EncodeError> {
        params.check(MAX_WINDOW_LOG)?;
        self.next = 0;
        self.part = 0;
        self.ended = false;
        self.compressed = params.level.is_some();
        match params.level {
            Some(level) => {
                let prepared = self.prepare(level, params.window_log);
                self.zstd("prepare for", prepared).map(drop)
            }
            None => Ok(()),
        }
    }

    /// Encodes `raw`, in which `rows` rows of `part` end, as the chunk's next block.
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
        self.part = part;
        let header = self.header(kind, part, rows, raw);
        self.write(header, raw, ZSTD_EndDirective::ZSTD_e_flush, out)
    }

    /// Ends the chunk with a block that carries no rows; `out` as for [`encode`](Self::encode).
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Header, EncodeError> {
        self.check_open()?;
        let header = self.header(Kind::End, 0, 0, &[]);
        let header = self.write(header, &[], ZSTD_EndDirective::ZSTD_e_end, out)?;
        self.ended = true;
        Ok(header)
    }

    /// Bytes that the context takes.
    pub fn context_bytes(&self) -> usize {
        self.context.sizeof()
    }

    fn prepare(&mut self, level: i32, window_log: u8) -> SafeResult {
        self.context.reset(ResetDirective::SessionAndParameters)?;
        self.context
            .set_parameter(CParameter::CompressionLevel(level))?;
        if level <= LAST_FAST_LEVEL {
            self.context
                .set_parameter(CParameter::HashLog(FAST_HASH_LOG))?;
        }
        self.context
            .set_parameter(CParameter::WindowLog(u32::from(window_log)))
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
        if kind == Kind::End {
            return Err(EncodeError::EndByHand { block });
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
    fn header(&self, kind: Kind, part: u32, rows: u32, raw: &[u8]) -> Header {
        let raw_len = raw.len() as u32;
        Header {
            kind,
            number: self.next,
            part,
            rows,
            raw_len,
            inflated_len: raw_len,
            encoded_len: 0,
            checksum: XxHash3_64::oneshot(raw),
        }
    }

    fn write(
        &mut self,
        mut header: Header,
        raw: &[u8],
        directive: ZSTD_EndDirective,
        out: &mut Vec<u8>,
    ) -> Result<Header, EncodeError> {
        out.clear();
        out.reserve(HEADER_LEN + encoded_limit(header.inflated_len) as usize);
        out.resize(HEADER_LEN, 0);
        if self.compressed {
            self.compress(raw, directive, out)?;
        } else {
            out.extend_from_slice(raw);
        }
        header.encoded_len = (out.len() - HEADER_LEN) as u32;
        debug_assert!(header.encoded_len <= encoded_limit(header.inflated_len));
        debug_assert!(header.encoded_len <= MAX_ENCODED_LEN);
        out[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        self.next += 1;
        Ok(header)
    }

    /// Appends to `out` all that zstd has for `raw`; its capacity is enough for that.
    fn compress(
        &mut self,
        raw: &[u8],
        directive: ZSTD_EndDirective,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let mut input = InBuffer::around(raw);
        loop {
            let before = out.len();
            let mut output = OutBuffer::around_pos(out, before);
            let left = self
                .context
                .compress_stream2(&mut output, &mut input, directive);
            if self.zstd("compress", left)? == 0 {
                return Ok(());
            }
            if out.len() == before {
                return Err(self.failed("compress", "its output is longer than zstd's bound"));
            }
        }
    }

    fn zstd(&self, action: &'static str, result: SafeResult) -> Result<usize, EncodeError> {
        result.map_err(|code| self.failed(action, get_error_name(code)))
    }

    fn failed(&self, action: &'static str, reason: &'static str) -> EncodeError {
        EncodeError::Compress {
            block: self.next,
            action,
            reason,
        }
    }
}

impl fmt::Debug for ChunkEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkEncoder")
            .field("compressed", &self.compressed)
            .field("next", &self.next)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

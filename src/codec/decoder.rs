//! The receiving side: a header and a payload in, the same raw bytes out, or nothing.

use std::cmp::Ordering;
use std::fmt;

use twox_hash::XxHash3_64;
use zstd::zstd_safe::{
    DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, SafeResult, get_error_name,
};

use super::columns::Rebuilder;
use super::error::{ColumnFlaw, DecodeError, LengthField};
use super::header::{BESIDE_LEN, Header, Kind};
use super::params::ChunkParams;

/// Decodes the blocks of one chunk after another, in order; keeps its zstd context.
pub struct ChunkDecoder {
    context: DCtx<'static>,
    max_window_log: u8,
    /// What the frame gave for a block of columns.
    inflated: Vec<u8>,
    rebuilder: Rebuilder,
    compressed: bool,
    next: u32,
    part: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    Ended,
    Refused,
}

impl ChunkDecoder {
    /// A decoder that refuses chunks whose window is larger than `max_window_log` states.
    pub fn new(max_window_log: u8) -> Self {
        Self {
            context: DCtx::create(),
            max_window_log,
            inflated: Vec::new(),
            rebuilder: Rebuilder::default(),
            compressed: false,
            next: 0,
            part: 0,
            state: State::Idle,
        }
    }

    /// Begins a new chunk, whatever became of the one before.
    pub fn start(&mut self, params: ChunkParams) -> Result<(), DecodeError> {
        self.state = State::Refused;
        params.check(self.max_window_log)?;
        let prepared = self.prepare(params.window_log);
        prepared.map_err(|code| DecodeError::Inflate {
            block: 0,
            reason: get_error_name(code),
        })?;
        self.rebuilder.forget();
        self.compressed = params.level.is_some();
        self.next = 0;
        self.part = 0;
        self.state = State::Open;
        Ok(())
    }

    /// Decodes the chunk's next block: `out` then holds exactly its raw bytes, checked.
    ///
    /// `out` is empty after an error, and the chunk must be started again.
    pub fn decode(
        &mut self,
        header: &Header,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let decoded = self.decode_checked(header, payload, out);
        if decoded.is_err() {
            out.clear();
            self.state = State::Refused;
        }
        decoded
    }

    /// The number of the block that is due; a smaller one has been decoded already.
    pub fn next_number(&self) -> u32 {
        self.next
    }

    /// Whether the chunk is complete: its end has been decoded.
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Where each row of the last block ends, and how many fields it has; of a block of columns, whose
    /// tuples are built here and need not be looked for again.
    pub fn built_rows(&self) -> (&[u32], u16) {
        (self.rebuilder.ends(), self.rebuilder.columns())
    }

    /// Bytes that the context takes.
    pub fn context_bytes(&self) -> usize {
        self.context.sizeof()
    }

    fn prepare(&mut self, window_log: u8) -> SafeResult {
        self.context.reset(ResetDirective::SessionAndParameters)?;
        self.context
            .set_parameter(DParameter::WindowLogMax(u32::from(window_log)))
    }

    fn decode_checked(
        &mut self,
        header: &Header,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        self.check_place(header)?;
        check_payload(header, payload)?;
        if header.part != self.part {
            self.rebuilder.forget();
        }
        match (header.kind, self.compressed) {
            (Kind::Columns, true) => self.rebuild(header, payload, out)?,
            (Kind::Columns, false) => {
                let block = header.number;
                return Err(DecodeError::ColumnsUncompressed { block });
            }
            (_, true) => inflate(&mut self.context, header, payload, out)?,
            (_, false) => take_plain(header, payload, out)?,
        }
        if XxHash3_64::oneshot(out) != header.checksum {
            let block = header.number;
            return Err(DecodeError::Checksum { block });
        }
        self.advance(header);
        Ok(())
    }

    fn check_place(&self, header: &Header) -> Result<(), DecodeError> {
        let (block, part, after) = (header.number, header.part, self.part);
        match self.state {
            State::Open => {}
            State::Idle => return Err(DecodeError::NotStarted),
            State::Ended => return Err(DecodeError::AfterEnd { block }),
            State::Refused => return Err(DecodeError::Refused),
        }
        if block != self.next {
            let expected = self.next;
            return Err(DecodeError::OutOfOrder {
                expected,
                got: block,
            });
        }
        if part < after && !header.is_end() {
            return Err(DecodeError::PartBackwards { block, part, after });
        }
        Ok(())
    }

    fn rebuild(
        &mut self,
        header: &Header,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let block = header.number;
        let flawed = |flaw| DecodeError::Columns { block, flaw };
        let parted = payload.split_first_chunk::<BESIDE_LEN>();
        let (beside, payload) = parted.ok_or_else(|| flawed(ColumnFlaw::Beside))?;
        let framed = payload
            .len()
            .checked_sub(u32::from_le_bytes(*beside) as usize);
        let framed = framed.ok_or_else(|| flawed(ColumnFlaw::Beside))?;
        let (payload, beside) = payload.split_at(framed);
        inflate(&mut self.context, header, payload, &mut self.inflated)?;
        let size = (header.rows as usize, header.raw_len as usize);
        let rebuilt = self.rebuilder.rebuild(size, &self.inflated, beside, out);
        rebuilt.map_err(flawed)
    }

    fn advance(&mut self, header: &Header) {
        // An end may have the last number there is; nothing can follow it.
        self.next = self.next.saturating_add(1);
        self.part = header.part;
        if header.is_end() {
            self.state = State::Ended;
        }
    }
}

/// Inflates into `out`, which is made one byte longer than the header states, no more: a frame that
/// yields that byte is refused.
fn inflate(
    context: &mut DCtx<'static>,
    header: &Header,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let refused = |reason| DecodeError::Inflate {
        block: header.number,
        reason,
    };
    let expected = header.inflated_len as usize;
    out.resize(expected + 1, 0);
    let mut input = InBuffer::around(payload);
    let mut output = OutBuffer::around(&mut out[..]);
    let mut frame_ended = false;
    while !frame_ended && input.pos() < payload.len() && output.pos() <= expected {
        let hint = context.decompress_stream(&mut output, &mut input);
        frame_ended = hint.map_err(|code| refused(get_error_name(code)))? == 0;
    }
    if output.pos() != expected {
        return Err(refused(
            "it yields more or fewer bytes than its header states",
        ));
    }
    if input.pos() != payload.len() {
        return Err(refused("bytes follow its zstd frame"));
    }
    if frame_ended != header.is_end() {
        return Err(refused("its zstd frame does not end where the chunk ends"));
    }
    out.truncate(expected);
    Ok(())
}

fn check_payload(header: &Header, payload: &[u8]) -> Result<(), DecodeError> {
    let (block, expected, got) = (
        header.number,
        u64::from(header.encoded_len),
        payload.len() as u64,
    );
    match got.cmp(&expected) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(DecodeError::Truncated {
            block,
            missing: expected - got,
        }),
        Ordering::Greater => Err(DecodeError::TrailingBytes {
            block,
            extra: got - expected,
        }),
    }
}

fn take_plain(header: &Header, payload: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    if header.encoded_len != header.inflated_len {
        return Err(DecodeError::Length {
            block: header.number,
            field: LengthField::EncodedLen,
            value: header.encoded_len,
            rule: "which without compression must be its inflated length",
        });
    }
    out.clear();
    out.extend_from_slice(payload);
    Ok(())
}

impl fmt::Debug for ChunkDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkDecoder")
            .field("compressed", &self.compressed)
            .field("next", &self.next)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

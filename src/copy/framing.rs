//! The file header and trailer that `COPY … TO STDOUT (FORMAT binary)` puts around the tuples.
//!
//! ```text
//! header:  11 bytes signature, u32 flags, i32 extension length, extension     (big-endian)
//! trailer: i16 -1 in place of a tuple's field count, and nothing after it
//! ```

use super::error::{Flaw, FlawAt};
use super::{BINARY_HEADER, BINARY_TRAILER};

const SIGNATURE_LEN: usize = 11;

/// How far the header and the trailer of one stream have been seen.
#[derive(Debug, Clone)]
pub(super) enum Framing {
    /// Tuples only, as they travel between the two ends.
    None,
    Header {
        bytes: [u8; BINARY_HEADER.len()],
        have: usize,
    },
    Extension {
        left: u32,
    },
    Tuples,
    /// The trailer's first byte has been seen.
    HalfTrailer,
    Ended,
}

impl Framing {
    pub(super) fn expected() -> Self {
        Self::Header {
            bytes: [0; BINARY_HEADER.len()],
            have: 0,
        }
    }

    /// How many of `bytes` belong to the header.
    pub(super) fn header(&mut self, bytes: &[u8]) -> Result<usize, FlawAt> {
        let mut pos = 0;
        if let Self::Header { bytes: kept, have } = self {
            pos = bytes.len().min(kept.len() - *have);
            kept[*have..*have + pos].copy_from_slice(&bytes[..pos]);
            *have += pos;
            if *have == kept.len() {
                let left = check_header(kept).map_err(|flaw| FlawAt::new(0, flaw))?;
                *self = Self::Extension { left };
            }
        }
        if let Self::Extension { left } = self {
            let taken = (bytes.len() - pos).min(*left as usize);
            *left -= taken as u32;
            pos += taken;
            if *left == 0 {
                *self = Self::Tuples;
            }
        }
        Ok(pos)
    }

    /// Whether `bytes`, which begin at a tuple boundary, are the trailer; then nothing may follow it.
    pub(super) fn trailer(&mut self, bytes: &[u8]) -> Result<bool, FlawAt> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(false);
        };
        let rest = match self {
            Self::Ended => return Err(FlawAt::new(0, Flaw::AfterTrailer)),
            Self::HalfTrailer => bytes,
            Self::Tuples if first == BINARY_TRAILER[0] => {
                *self = Self::HalfTrailer;
                rest
            }
            _ => return Ok(false),
        };
        match rest {
            [] => {}
            [0xff] => *self = Self::Ended,
            [0xff, ..] => return Err(FlawAt::new(0, Flaw::AfterTrailer)),
            [low, ..] => {
                let count = i16::from_be_bytes([BINARY_TRAILER[0], *low]);
                return Err(FlawAt::new(0, Flaw::FieldCount(count)));
            }
        }
        Ok(true)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Whether the stream may end here.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self, Self::None | Self::Ended)
    }
}

/// Checks the fixed part of the header and returns the length of its extension.
fn check_header(header: &[u8; BINARY_HEADER.len()]) -> Result<u32, Flaw> {
    let (signature, rest) = header.split_at(SIGNATURE_LEN);
    if signature != &BINARY_HEADER[..SIGNATURE_LEN] {
        return Err(Flaw::Signature);
    }
    let word = |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
    match (word(0), word(4)) {
        (0, length) if length <= i32::MAX as u32 => Ok(length),
        (0, length) => Err(Flaw::ExtensionLength(length as i32)),
        (flags, _) => Err(Flaw::HeaderFlags(flags)),
    }
}

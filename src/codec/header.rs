//! The header in front of each block's payload.
//!
//! ```text
//!  0  magic "PGPB"                  4     little-endian throughout
//!  4  version, 1 to 3               1
//!  5  kind                          1
//!  6  flags = 0                     2
//!  8  block number in the chunk     4
//! 12  part of the chunk             4
//! 16  rows that end in the block    4
//! 20  raw length                    4
//! 24  inflated length               4
//! 28  encoded length                4
//! 32  xxh3-64 of the raw bytes      8
//! 40  xxh3-64 of bytes 0 to 39      8
//! ```

use twox_hash::XxHash3_64;

use super::error::{DecodeError, LengthField};
use super::{MAX_INFLATED_LEN, MAX_RAW_LEN};

/// Bytes of a header.
pub const HEADER_LEN: usize = 48;

/// Bytes of a number in front of a payload of columns: how much of it is beside the frame.
pub(super) const BESIDE_LEN: usize = 4;

const MAGIC: [u8; 4] = *b"PGPB";
/// What is written. Version 1, which had no columns, and 2, which had other dictionaries, are read too.
const VERSION: u8 = 3;
const CHECKED_LEN: usize = 40;

/// What a block's raw bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing: the payload ends the chunk's zstd frame, and no block follows.
    End = 0,
    /// Whole COPY BINARY tuples, at least one.
    Rows = 1,
    /// Any bytes: a piece of a row larger than a block, or lines of text.
    Segment = 2,
    /// Whole COPY BINARY tuples, at least one, stored column by column.
    Columns = 3,
}

impl Kind {
    fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        match byte {
            0 => Ok(Self::End),
            1 => Ok(Self::Rows),
            2 => Ok(Self::Segment),
            3 => Ok(Self::Columns),
            _ => Err(DecodeError::Kind(byte)),
        }
    }
}

/// The most bytes that a payload may take that inflates to `inflated_len`.
///
/// zstd's own bound is 1/256 and 64 bytes more; the rest is for the frame's header and the flush.
pub const fn encoded_limit(inflated_len: u32) -> u32 {
    inflated_len + inflated_len / 256 + 512
}

/// A block's header whose fields keep the format's rules.
///
/// Only its place in the chunk is left for [`ChunkDecoder::decode`](super::ChunkDecoder::decode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub(super) kind: Kind,
    pub(super) number: u32,
    pub(super) part: u32,
    pub(super) rows: u32,
    pub(super) raw_len: u32,
    pub(super) inflated_len: u32,
    pub(super) encoded_len: u32,
    pub(super) checksum: u64,
}

impl Header {
    /// The header's bytes as they travel.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.kind as u8;
        let words = [
            self.number,
            self.part,
            self.rows,
            self.raw_len,
            self.inflated_len,
            self.encoded_len,
        ];
        for (place, word) in bytes[8..32].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes[32..40].copy_from_slice(&self.checksum.to_le_bytes());
        let own = XxHash3_64::oneshot(&bytes[..CHECKED_LEN]);
        bytes[40..].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// Reads a header and checks all that can be checked without its payload and its neighbours.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, DecodeError> {
        let [m0, m1, m2, m3, version, kind, f0, f1, ..] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(DecodeError::Magic([m0, m1, m2, m3]));
        }
        if !(1..=VERSION).contains(&version) {
            return Err(DecodeError::Version(version));
        }
        if u64_at(bytes, CHECKED_LEN) != XxHash3_64::oneshot(&bytes[..CHECKED_LEN]) {
            return Err(DecodeError::HeaderChecksum);
        }
        let header = Self {
            kind: Kind::from_byte(kind)?,
            number: u32_at(bytes, 8),
            part: u32_at(bytes, 12),
            rows: u32_at(bytes, 16),
            raw_len: u32_at(bytes, 20),
            inflated_len: u32_at(bytes, 24),
            encoded_len: u32_at(bytes, 28),
            checksum: u64_at(bytes, 32),
        };
        if version == 1 && header.kind == Kind::Columns {
            return Err(DecodeError::Kind(kind));
        }
        match u16::from_le_bytes([f0, f1]) {
            0 => header.check(),
            flags => Err(DecodeError::Flags(flags)),
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The block's place in its chunk, from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Which of the chunk's parts the rows belong to, from 0.
    pub fn part(&self) -> u32 {
        self.part
    }

    /// Rows that end in the block.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    pub fn raw_len(&self) -> u32 {
        self.raw_len
    }

    /// Bytes of the payload that follows; at most [`MAX_ENCODED_LEN`](super::MAX_ENCODED_LEN).
    pub fn encoded_len(&self) -> u32 {
        self.encoded_len
    }

    /// Whether this is the chunk's last block.
    pub fn is_end(&self) -> bool {
        self.kind == Kind::End
    }

    fn check(self) -> Result<Self, DecodeError> {
        self.check_raw()?;
        self.check_rows()?;
        let fits = match self.kind {
            Kind::Columns => self.inflated_len <= self.raw_len,
            _ => self.inflated_len == self.raw_len,
        };
        if !fits || self.inflated_len > MAX_INFLATED_LEN {
            let rule = "which its raw length does not allow";
            return Err(self.refuse(LengthField::InflatedLen, self.inflated_len, rule));
        }
        if self.encoded_len > encoded_limit(self.raw_len) {
            let rule = "more than its raw length needs";
            return Err(self.refuse(LengthField::EncodedLen, self.encoded_len, rule));
        }
        if self.is_end() && self.part != 0 {
            return Err(self.refuse(
                LengthField::Part,
                self.part,
                "but an end belongs to no part",
            ));
        }
        Ok(self)
    }

    fn check_raw(&self) -> Result<(), DecodeError> {
        let rule = match (self.kind, self.raw_len) {
            (Kind::End, 0) => return Ok(()),
            (Kind::End, _) => "but an end has no bytes",
            (_, 0) => "but only an end has no bytes",
            (_, 1..=MAX_RAW_LEN) => return Ok(()),
            _ => "more than 4 MiB",
        };
        Err(self.refuse(LengthField::RawLen, self.raw_len, rule))
    }

    fn check_rows(&self) -> Result<(), DecodeError> {
        if rows_fit(self.kind, self.rows, self.raw_len as usize) {
            return Ok(());
        }
        let rule = "which its kind and raw length do not allow";
        Err(self.refuse(LengthField::Rows, self.rows, rule))
    }

    fn refuse(&self, field: LengthField, value: u32, rule: &'static str) -> DecodeError {
        DecodeError::Length {
            block: self.number,
            field,
            value,
            rule,
        }
    }
}

/// Whether so many rows can end in so many bytes: a tuple takes two bytes, a line one.
pub(super) fn rows_fit(kind: Kind, rows: u32, raw_len: usize) -> bool {
    let rows = rows as usize;
    match kind {
        Kind::End => rows == 0,
        Kind::Rows | Kind::Columns => rows > 0 && rows <= raw_len / 2,
        Kind::Segment => rows <= raw_len,
    }
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; HEADER_LEN], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

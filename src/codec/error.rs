//! What can be wrong with a block, by who is to blame: our own call, or the bytes that came.

use std::fmt;

use super::header::Kind;

/// Parameters that no chunk may have here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    #[error("compression level {0} is not between -7 and 22")]
    Level(i32),
    #[error("a window of 2^{log} bytes is not between 2^10 and 2^{max}")]
    Window { log: u8, max: u8 },
}

/// Why a block could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    #[error("cannot start a chunk")]
    Params(#[from] ParamsError),
    #[error("cannot encode block {block}: a block takes 1 byte to 4 MiB, not {len} bytes")]
    Length { block: u32, len: usize },
    #[error("cannot encode block {block}: {rows} rows cannot end in {len} bytes of this kind")]
    Rows { block: u32, rows: u32, len: usize },
    #[error("cannot encode block {block}: part {part} comes after part {after}")]
    PartBackwards { block: u32, part: u32, after: u32 },
    #[error("cannot encode block {block}: kind {kind:?} is not the caller's to choose")]
    KindByHand { block: u32, kind: Kind },
    #[error("cannot encode another block after block {block}: the chunk has ended")]
    Ended { block: u32 },
    #[error("zstd cannot {action} block {block}: {reason}")]
    Compress {
        block: u32,
        action: &'static str,
        reason: &'static str,
    },
}

/// Why a block is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("cannot start a chunk")]
    Params(#[from] ParamsError),
    #[error("not a block: it begins with {0:02x?}")]
    Magic([u8; 4]),
    #[error("block format version {0} is not known here; use the same pgpipe on both sides")]
    Version(u8),
    #[error("the block header's checksum does not match")]
    HeaderChecksum,
    #[error("block kind {0} is not known here; use the same pgpipe on both sides")]
    Kind(u8),
    #[error("block flags {0:#06x} are not known here; use the same pgpipe on both sides")]
    Flags(u16),
    #[error("block {block} has {field} {value}, {rule}")]
    Length {
        block: u32,
        field: LengthField,
        value: u32,
        rule: &'static str,
    },
    #[error("block {got} came where block {expected} was due")]
    OutOfOrder { expected: u32, got: u32 },
    #[error("block {block} is of part {part} after a block of part {after}")]
    PartBackwards { block: u32, part: u32, after: u32 },
    #[error("block {block} came after the end of its chunk")]
    AfterEnd { block: u32 },
    #[error("block {block} is truncated: {missing} bytes of its payload are missing")]
    Truncated { block: u32, missing: u64 },
    #[error("block {block} has {extra} bytes after its payload")]
    TrailingBytes { block: u32, extra: u64 },
    #[error("block {block} does not inflate: {reason}")]
    Inflate { block: u32, reason: &'static str },
    #[error("block {block} has columns in a chunk without compression")]
    ColumnsUncompressed { block: u32 },
    #[error("block {block} has malformed columns: {flaw}")]
    Columns { block: u32, flaw: ColumnFlaw },
    #[error("block {block} does not have the checksum that its header states")]
    Checksum { block: u32 },
    #[error("a block came before its chunk was started")]
    NotStarted,
    #[error("an earlier block of the chunk was refused")]
    Refused,
}

/// What is wrong with a block's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnFlaw {
    #[error("{0} columns, more than a tuple can have")]
    Columns(u16),
    #[error("what they have beside the frame is longer than their payload")]
    Beside,
    #[error("their head is cut short")]
    HeadShort,
    #[error("a stream is cut short")]
    StreamShort,
    #[error("bytes follow the last stream")]
    Trailing,
    #[error("null kind {0} is not known here; use the same pgpipe on both sides")]
    NullKind(u8),
    #[error("a null map has bits behind the last row")]
    Padding,
    #[error("a null map leaves no row a value")]
    Nulls,
    #[error("encoding {0} is not known here; use the same pgpipe on both sides")]
    Encoding(u8),
    #[error("integer transform {0} is not known here; use the same pgpipe on both sides")]
    Transform(u8),
    #[error("{0} byte planes, more than an integer has")]
    Planes(u8),
    #[error("values at place {0}, which is not known here; use the same pgpipe on both sides")]
    Place(u8),
    #[error("integers of {0} bytes")]
    Width(u8),
    #[error("a numeric display scale of {0}")]
    Scale(u8),
    #[error("dictionary flags {0:#04x} are not known here; use the same pgpipe on both sides")]
    DictionaryFlags(u8),
    #[error("a dictionary that cannot be one")]
    Entries,
    #[error("dictionaries larger than they may be")]
    DictionaryCost,
    #[error("ids that are said to follow from column {0}, from which none can")]
    Context(u16),
    #[error("an id beyond its dictionary")]
    Index,
    #[error("an id that is said to be predicted and is not")]
    Prediction,
    #[error("more ids than values")]
    Gaps,
    #[error("they are not as long as the block's raw length")]
    RawLen,
}

/// The header field that a [`DecodeError::Length`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthField {
    Rows,
    Part,
    RawLen,
    InflatedLen,
    EncodedLen,
}

impl fmt::Display for LengthField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "row count",
            Self::Part => "part",
            Self::RawLen => "raw length",
            Self::InflatedLen => "inflated length",
            Self::EncodedLen => "encoded length",
        })
    }
}

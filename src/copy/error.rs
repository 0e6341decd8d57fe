//! What a COPY stream can be wrong about.

/// A COPY stream that breaks its format, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("COPY stream is malformed at byte {offset}: {flaw}")]
pub struct ScanError {
    /// From the beginning of the stream that the scanner has seen, file header included.
    pub offset: u64,
    pub flaw: Flaw,
}

/// What is wrong at a [`ScanError`]'s offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    #[error("it does not begin with the signature of COPY BINARY")]
    Signature,
    #[error("the header's flags are {0:#x}, only 0 is known (bit 16 would mean OIDs in each row)")]
    HeaderFlags(u32),
    #[error("the header's extension has a length of {0}")]
    ExtensionLength(i32),
    #[error("field count {0} is not between 0 and 1664")]
    FieldCount(i16),
    #[error("the row has {found} fields where the rows before it have {expected}")]
    FieldCountChanged { expected: u16, found: u16 },
    #[error("field length {0} is neither -1 nor a length that a server can produce")]
    FieldLength(i32),
    #[error("bytes follow the end of the stream")]
    AfterTrailer,
    #[error("it ends inside a row")]
    EndsInsideRow,
    #[error("it ends before its trailer")]
    EndsBeforeTrailer,
}

/// A flaw and its place within the bytes of the present call.
pub(super) struct FlawAt {
    pub(super) at: usize,
    pub(super) flaw: Flaw,
}

impl FlawAt {
    pub(super) fn new(at: usize, flaw: Flaw) -> Self {
        Self { at, flaw }
    }

    #[cold]
    pub(super) fn moved(self, by: usize) -> Self {
        Self::new(self.at + by, self.flaw)
    }

    pub(super) fn in_stream(self, before: u64) -> ScanError {
        ScanError {
            offset: before + self.at as u64,
            flaw: self.flaw,
        }
    }
}

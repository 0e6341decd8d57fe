//! The scanner: one COPY stream, in whatever pieces it comes.

use std::fmt;
use std::ops::Range;

use twox_hash::XxHash3_128;

use super::error::{Flaw, FlawAt, ScanError};
use super::framing::Framing;
use super::straddle::Straddle;
use super::tuple::check_count;
use super::tuples::Tuples;
use crate::chunk::Digest;
use crate::schema::Format;

/// Finds the rows of one COPY stream and adds them to a digest, without keeping them.
///
/// The stream may be cut anywhere. Rows that lie whole in the bytes of a call take the fast path; a
/// row that does not is hashed as it passes, whatever its size. After an error the scanner is of no
/// further use.
#[derive(Clone)]
pub struct Scanner {
    format: Format,
    framing: Framing,
    /// Fields of each tuple, from the first one or given; binary only.
    columns: Option<u16>,
    tuples: Tuples,
    straddle: Straddle,
    digest: Digest,
    /// Bytes of the stream before the present call.
    offset: u64,
}

/// What one call of [`Scanner::scan`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Where in the bytes the rows are: all of them, but for the file header and trailer.
    pub payload: Range<usize>,
    /// Rows that ended in these bytes.
    pub rows: u32,
    /// Whether the payload begins and ends at row boundaries.
    pub whole: bool,
    /// Whether the binary trailer has been seen; nothing may follow it.
    pub ended: bool,
}

impl Scanner {
    /// For what a server sends after `COPY … TO STDOUT`: binary has a file header and a trailer.
    pub fn for_copy_out(format: Format) -> Self {
        match format {
            Format::Binary => Self::with_framing(format, Framing::expected()),
            Format::Text => Self::for_payload(format),
        }
    }

    /// For rows alone, as they travel between the two ends.
    pub fn for_payload(format: Format) -> Self {
        Self::with_framing(format, Framing::None)
    }

    fn with_framing(format: Format, framing: Framing) -> Self {
        Self {
            format,
            framing,
            columns: None,
            tuples: Tuples::default(),
            straddle: Straddle::new(),
            digest: Digest::default(),
            offset: 0,
        }
    }

    /// Requires `columns` fields of every tuple, instead of as many as the first one has.
    pub fn with_columns(mut self, columns: u16) -> Self {
        self.columns = Some(columns);
        self
    }

    pub fn is_binary(&self) -> bool {
        self.format == Format::Binary
    }

    /// Fields of each tuple, once known; never known of text.
    pub fn columns(&self) -> Option<u16> {
        self.columns
    }

    /// The rows that have ended so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Scans the next bytes of the stream, fewer than 4 GiB, and adds each row that ends to the digest.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scanned, ScanError> {
        let rows_before = self.digest.rows;
        let began_whole = !self.straddle.is_open();
        let payload = self
            .payload(bytes)
            .map_err(|flaw| flaw.in_stream(self.offset))?;
        self.offset += bytes.len() as u64;
        Ok(Scanned {
            payload,
            rows: u32::try_from(self.digest.rows - rows_before).unwrap_or(u32::MAX),
            whole: began_whole && !self.straddle.is_open(),
            ended: self.framing.has_ended(),
        })
    }

    /// The index of the tuples that the last call found whole: of all of its payload, where it said so.
    pub fn tuples(&self) -> &Tuples {
        &self.tuples
    }

    /// Adds whole tuples of `columns` fields whose `ends` are known; they make up `bytes`.
    ///
    /// The caller has built them: nothing but their place in the stream is checked here.
    pub fn add_built(&mut self, bytes: &[u8], ends: &[u32], columns: u16) -> Result<(), ScanError> {
        let flaw = if self.straddle.is_open() {
            Some(Flaw::EndsInsideRow)
        } else {
            check_count(columns.to_be_bytes(), &mut self.columns).err()
        };
        if let Some(flaw) = flaw {
            return Err(FlawAt::new(0, flaw).in_stream(self.offset));
        }
        add_rows(
            &mut self.digest,
            bytes,
            ends.iter().map(|end| *end as usize),
        );
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// The digest of the whole stream; an error if it has not ended where it may.
    pub fn finish(&self) -> Result<Digest, ScanError> {
        let flaw = match (self.straddle.is_open(), self.framing.is_complete()) {
            (false, true) => return Ok(self.digest),
            (true, _) => Flaw::EndsInsideRow,
            (false, false) => Flaw::EndsBeforeTrailer,
        };
        Err(FlawAt::new(0, flaw).in_stream(self.offset))
    }

    fn payload(&mut self, bytes: &[u8]) -> Result<Range<usize>, FlawAt> {
        let start = self.framing.header(bytes)?;
        let rows = &bytes[start..];
        let taken = match self.format {
            Format::Binary => self.whole_and_cut(rows),
            Format::Text => Ok(self.lines(rows)),
        };
        let taken = taken.map_err(|f| f.moved(start))?;
        Ok(start..start + taken)
    }

    /// How many of `bytes` belong to tuples: all but the trailer.
    fn whole_and_cut(&mut self, bytes: &[u8]) -> Result<usize, FlawAt> {
        let mut pos = 0;
        if self.straddle.is_open() {
            pos = self.straddling_tuple(bytes)?;
        }
        if self.straddle.is_open() {
            return Ok(pos);
        }
        let taken = self.tuples_from_boundary(&bytes[pos..]);
        Ok(pos + taken.map_err(|f| f.moved(pos))?)
    }

    fn tuples_from_boundary(&mut self, bytes: &[u8]) -> Result<usize, FlawAt> {
        if self.framing.trailer(bytes)? {
            return Ok(0);
        }
        let whole = self.tuples.index(bytes, &mut self.columns)?;
        let ends = self.tuples.starts().skip(1).chain([whole]);
        add_rows(&mut self.digest, bytes, ends.take(self.tuples.rows()));
        let rest = &bytes[whole..];
        let moved = |f: FlawAt| f.moved(whole);
        if rest.is_empty() || self.framing.trailer(rest).map_err(moved)? {
            return Ok(whole);
        }
        Ok(whole + self.straddling_tuple(rest).map_err(moved)?)
    }

    fn straddling_tuple(&mut self, bytes: &[u8]) -> Result<usize, FlawAt> {
        self.straddle
            .tuple(bytes, &mut self.columns, &mut self.digest)
    }

    /// All bytes of text belong to lines.
    fn lines(&mut self, bytes: &[u8]) -> usize {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[start..=end];
            if self.straddle.is_open() {
                self.straddle.line(line, true, &mut self.digest);
            } else {
                self.digest
                    .add_row(XxHash3_128::oneshot(line), line.len() as u64);
            }
            start = end + 1;
        }
        self.straddle.line(&bytes[start..], false, &mut self.digest);
        bytes.len()
    }
}

/// Adds the rows that end at `ends`, the first of which begins with `bytes`.
fn add_rows(digest: &mut Digest, bytes: &[u8], ends: impl Iterator<Item = usize>) {
    let mut start = 0;
    for end in ends {
        let row = &bytes[start..end];
        digest.add_row(XxHash3_128::oneshot(row), row.len() as u64);
        start = end;
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("format", &self.format)
            .field("columns", &self.columns)
            .field("digest", &self.digest)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

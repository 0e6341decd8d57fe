//! A block's sections: the head, which says how each column is stored, the streams in the chunk's zstd
//! frame, and those beside it.
//!
//! ```text
//! in the frame:     columns u16 | head bytes u32 | head | streams
//! beside the frame: streams
//! ```

use crate::codec::error::ColumnFlaw;

/// Bytes in front of the head.
const PREFIX: usize = 6;

/// A shorter piece is compressed together with the next: a flush takes some bytes, statistics of its own some more.
const LEAST_PIECE: usize = 1 << 10;

/// A block's columns being written.
#[derive(Debug, Default)]
pub(in crate::codec) struct Writer {
    /// The prefix and the head.
    pub(super) head: Vec<u8>,
    framed: Vec<u8>,
    beside: Vec<u8>,
    /// Where a stream ends, and its column.
    cuts: Vec<(usize, usize)>,
    columns: usize,
    is_beside: bool,
    /// Lengths where the present column began.
    begun: [usize; 4],
}

/// Bytes for the frame.
#[derive(Debug, Clone, Copy)]
pub(in crate::codec) struct Piece<'a> {
    pub(in crate::codec) bytes: &'a [u8],
    /// The column that the last of them are of.
    pub(in crate::codec) column: usize,
    /// Whether zstd is to see them apart from what follows, to which other statistics apply.
    pub(in crate::codec) flush: bool,
}

impl Writer {
    pub(super) fn begin(&mut self, columns: usize) {
        self.head.clear();
        self.head.extend((columns as u16).to_le_bytes());
        self.head.extend([0; 4]);
        self.framed.clear();
        self.beside.clear();
        self.cuts.clear();
        self.columns = 0;
    }

    /// `beside`: where the column's values go if they are stored as they are.
    pub(super) fn begin_column(&mut self, beside: bool) {
        self.is_beside = beside;
        self.columns += 1;
        self.begun = [
            self.head.len(),
            self.framed.len(),
            self.beside.len(),
            self.cuts.len(),
        ];
    }

    pub(super) fn undo_column(&mut self) {
        self.head.truncate(self.begun[0]);
        self.framed.truncate(self.begun[1]);
        self.beside.truncate(self.begun[2]);
        self.cuts.truncate(self.begun[3]);
    }

    /// Completes the prefix.
    pub(super) fn end(&mut self) {
        let len = (self.head.len() - PREFIX) as u32;
        self.head[2..PREFIX].copy_from_slice(&len.to_le_bytes());
    }

    /// A stream in the frame, which `write` appends.
    pub(super) fn stream(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.framed);
        self.cuts.push((self.framed.len(), self.columns - 1));
    }

    /// A stream of values as they are; in the head it is said where.
    pub(super) fn values(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.head.push(self.is_beside.into());
        if self.is_beside {
            write(&mut self.beside);
        } else {
            self.stream(write);
        }
    }

    /// Bytes of all sections.
    pub(super) fn len(&self) -> usize {
        self.framed_len() + self.beside.len()
    }

    pub(in crate::codec) fn framed_len(&self) -> usize {
        self.head.len() + self.framed.len()
    }

    pub(in crate::codec) fn beside(&self) -> &[u8] {
        &self.beside
    }

    /// The bytes for the frame: the head first.
    pub(in crate::codec) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let head = Piece {
            bytes: &self.head,
            column: 0,
            flush: self.cuts.is_empty() || self.head.len() >= LEAST_PIECE,
        };
        let (mut from, last) = (0, self.cuts.len().saturating_sub(1));
        let streams = self
            .cuts
            .iter()
            .enumerate()
            .filter_map(move |(number, &(end, column))| {
                if end - from < LEAST_PIECE && number != last {
                    return None;
                }
                let bytes = &self.framed[from..end];
                from = end;
                Some(Piece {
                    bytes,
                    column,
                    flush: true,
                })
            });
        [head].into_iter().chain(streams)
    }
}

/// The head being read.
#[derive(Debug)]
pub(super) struct Head<'a>(&'a [u8]);

/// The streams being read.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    framed: &'a [u8],
    beside: &'a [u8],
}

/// Parts what the frame gave, and what was beside it: the number of columns, their head, their streams.
pub(super) fn open<'a>(
    framed: &'a [u8],
    beside: &'a [u8],
) -> Result<(u16, Head<'a>, Streams<'a>), ColumnFlaw> {
    let mut head = Head(framed);
    let columns = u16::from_le_bytes(head.array()?);
    let len = head.u32()? as usize;
    let parted = head.0.split_at_checked(len);
    let (head, framed) = parted.ok_or(ColumnFlaw::HeadShort)?;
    Ok((columns, Head(head), Streams { framed, beside }))
}

impl<'a> Head<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ColumnFlaw> {
        let taken = self.0.split_first_chunk::<N>();
        let (taken, rest) = taken.ok_or(ColumnFlaw::HeadShort)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, ColumnFlaw> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ColumnFlaw> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Streams<'a> {
    /// The next stream in the frame.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], ColumnFlaw> {
        take(&mut self.framed, len)
    }

    /// The next stream of values, where the head says.
    pub(super) fn values(
        &mut self,
        head: &mut Head<'_>,
        len: usize,
    ) -> Result<&'a [u8], ColumnFlaw> {
        match head.byte()? {
            0 => take(&mut self.framed, len),
            1 => take(&mut self.beside, len),
            other => Err(ColumnFlaw::Place(other)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.framed.is_empty() && self.beside.is_empty()
    }
}

fn take<'a>(section: &mut &'a [u8], len: usize) -> Result<&'a [u8], ColumnFlaw> {
    let taken = section.split_at_checked(len);
    let (taken, rest) = taken.ok_or(ColumnFlaw::StreamShort)?;
    *section = rest;
    Ok(taken)
}

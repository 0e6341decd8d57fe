//! From columns back to tuples: some rows at a time, so that they stay in the first-level cache, and
//! column by column within these.

use super::batch::Batch;
use super::ints::BATCH;
use super::recall::Recall;
use super::section;
use super::values::Incoming;
use crate::codec::error::ColumnFlaw;
use crate::copy::{COUNT_LEN, LENGTH_LEN, MAX_FIELDS};

/// Bytes of tuples that are written together.
const BATCH_BYTES: usize = 24 << 10;

/// Rebuilds blocks; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(in crate::codec) struct Rebuilder {
    batch: Batch,
    recall: Recall,
    ends: Vec<u32>,
    columns: u16,
}

impl Rebuilder {
    /// Rebuilds the tuples of `rows` rows into `out`, which then holds `raw_len` bytes.
    ///
    /// Neither memory nor time exceed what a block of `raw_len` bytes needs, whatever the sections hold.
    pub(in crate::codec) fn rebuild(
        &mut self,
        (rows, raw_len): (usize, usize),
        framed: &[u8],
        beside: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ColumnFlaw> {
        out.truncate(raw_len);
        out.reserve_exact(raw_len - out.len());
        out.resize(raw_len, 0);
        self.ends.clear();
        self.batch.shrink();
        let (columns, mut head, mut streams) = section::open(framed, beside)?;
        if columns > MAX_FIELDS {
            return Err(ColumnFlaw::Columns(columns));
        }
        // What is allocated per row and column is bounded by the tuples' least length.
        let least = COUNT_LEN + LENGTH_LEN * usize::from(columns);
        if rows.saturating_mul(least) > raw_len {
            return Err(ColumnFlaw::RawLen);
        }
        self.columns = columns;
        self.recall.begin(columns.into());
        let mut read = Vec::with_capacity(columns.into());
        for _ in 0..columns {
            let column = Incoming::read(&mut head, &mut streams, rows, &read, &mut self.recall)?;
            read.push(column);
        }
        if !head.is_empty() || !streams.is_empty() {
            return Err(ColumnFlaw::Trailing);
        }
        let size = batch_rows(rows, raw_len);
        for first in (0..rows).step_by(size) {
            let batch = first..rows.min(first + size);
            let columns = (&mut read[..], &self.recall);
            self.batch.run(columns, batch, out, &mut self.ends)?;
        }
        if self.ends.last().is_none_or(|end| *end as usize != raw_len) {
            return Err(ColumnFlaw::RawLen);
        }
        Ok(())
    }

    /// Another part follows.
    pub(in crate::codec) fn forget(&mut self) {
        self.recall.forget();
    }

    /// Where each row of the last block ends.
    pub(in crate::codec) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Fields of each row of the last block.
    pub(in crate::codec) fn columns(&self) -> u16 {
        self.columns
    }
}

/// Rebuilds one block of a part after another, up to the first that is refused: the fuzz target's body.
///
/// Each is: rows u16, raw length, length in the frame and length beside it, u32 each, and these sections.
pub fn fuzz_columns(mut bytes: &[u8]) {
    let (mut rebuilder, mut out) = (Rebuilder::default(), Vec::new());
    while let Some((sizes, rest)) = bytes.split_first_chunk::<14>() {
        let word = |at: usize| {
            u32::from_le_bytes([sizes[at], sizes[at + 1], sizes[at + 2], sizes[at + 3]])
        };
        let rows = usize::from(u16::from_le_bytes([sizes[0], sizes[1]])).max(1);
        let raw_len = (word(2) % MAX_FUZZED_LEN) as usize;
        let (framed, rest) = rest.split_at(rest.len().min(word(6) as usize));
        let (beside, rest) = rest.split_at(rest.len().min(word(10) as usize));
        let rebuilt = rebuilder.rebuild((rows, raw_len), framed, beside, &mut out);
        if rebuilt.is_err() {
            return;
        }
        assert_eq!(out.len(), raw_len);
        assert_eq!(rebuilder.ends().len(), rows);
        assert_eq!(rebuilder.ends().last().copied(), Some(raw_len as u32));
        bytes = rest;
    }
}

/// Longer blocks are not needed to reach anything, and take time.
const MAX_FUZZED_LEN: u32 = 1 << 18;

fn batch_rows(rows: usize, raw_len: usize) -> usize {
    (BATCH_BYTES * rows / raw_len.max(1)).clamp(1, BATCH)
}

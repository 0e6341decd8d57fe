//! From columns back to tuples: some rows at a time, so that they stay in the first-level cache, and
//! column by column within these.

use super::batch::Batch;
use super::ints::BATCH;
use super::section;
use super::values::Incoming;
use crate::codec::error::ColumnFlaw;
use crate::copy::{COUNT_LEN, LENGTH_LEN, MAX_FIELDS};

/// Bytes of tuples that are written together.
const BATCH_BYTES: usize = 32 << 10;

/// Rebuilds blocks; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(in crate::codec) struct Rebuilder {
    batch: Batch,
    ends: Vec<u32>,
    columns: u16,
}

impl Rebuilder {
    /// Rebuilds the tuples of `rows` rows into `out`, which is cleared and then holds `raw_len` bytes.
    ///
    /// Neither memory nor time exceed what a block of `raw_len` bytes needs, whatever the sections hold.
    pub(in crate::codec) fn rebuild(
        &mut self,
        (rows, raw_len): (usize, usize),
        framed: &[u8],
        beside: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ColumnFlaw> {
        out.clear();
        out.reserve_exact(raw_len);
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
        let columns = (0..columns).map(|_| Incoming::read(&mut head, &mut streams, rows));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        if !head.is_empty() || !streams.is_empty() {
            return Err(ColumnFlaw::Trailing);
        }
        let size = batch_rows(rows, raw_len);
        for first in (0..rows).step_by(size) {
            let batch = first..rows.min(first + size);
            self.batch
                .run(&mut columns, batch, raw_len, out, &mut self.ends)?;
        }
        if out.len() != raw_len {
            return Err(ColumnFlaw::RawLen);
        }
        Ok(())
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

fn batch_rows(rows: usize, raw_len: usize) -> usize {
    (BATCH_BYTES * rows / raw_len.max(1)).clamp(1, BATCH)
}

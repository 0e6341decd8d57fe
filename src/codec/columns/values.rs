//! One column of a block on its way in: what its head says, checked, and the streams that it names.

use super::column::{
    ALL_NULL, BLOCK_DICTIONARY, DICTIONARY, FIXED, INTS, NO_NULLS, NUMERIC, SOME_NULLS, VARYING,
};
use super::ints::{BATCH, Ints};
use super::numeric::Scale;
use super::recall::Recall;
use super::section::{Head, Streams};
use crate::codec::MAX_RAW_LEN;
use crate::codec::error::ColumnFlaw;
use crate::copy::LENGTH_LEN;

/// A column being rebuilt.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    /// A bit per row, set for a null; none where no row is null, or all are.
    pub(super) nulls: Option<&'a [u8]>,
    pub(super) values: Values<'a>,
    /// The length of all values; none where they differ.
    width: Option<usize>,
}

/// The values of those rows that have one.
#[derive(Debug)]
pub(super) enum Values<'a> {
    /// Every row is null.
    None,
    Fixed {
        width: usize,
        bytes: &'a [u8],
    },
    Varying {
        lens: Ints<'a>,
        bytes: &'a [u8],
    },
    Ints {
        width: usize,
        ints: Ints<'a>,
    },
    Numeric {
        scale: Scale,
        ints: Ints<'a>,
    },
    /// Entries of the column's dictionary: their ids are there, and the first so many are done with.
    Dictionary {
        done: usize,
    },
}

impl<'a> Incoming<'a> {
    /// Reads the head of the column behind those `before`, of `rows` rows, at least one, and takes its
    /// streams.
    pub(super) fn read(
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        rows: usize,
        before: &[Self],
        recall: &mut Recall,
    ) -> Result<Self, ColumnFlaw> {
        let nulls = match head.byte()? {
            NO_NULLS => None,
            SOME_NULLS => Some(streams.take(rows.div_ceil(8))?),
            ALL_NULL => {
                recall.leave(before.len());
                return Ok(Self {
                    nulls: None,
                    values: Values::None,
                    width: Some(0),
                });
            }
            other => return Err(ColumnFlaw::NullKind(other)),
        };
        let present = count_values(nulls.unwrap_or_default(), rows)?;
        let nth = before.len();
        let values = match head.byte()? {
            DICTIONARY => {
                recall.read(head, streams, before, nulls, (rows, present))?;
                Values::Dictionary { done: 0 }
            }
            BLOCK_DICTIONARY => {
                recall.read_whole(head, streams, nth, present)?;
                Values::Dictionary { done: 0 }
            }
            encoding => {
                recall.leave(nth);
                Values::read(encoding, head, streams, present)?
            }
        };
        let width = match &values {
            Values::Dictionary { .. } => recall.column(nth).dictionary.width(),
            values => values.width(),
        };
        Ok(Self {
            nulls,
            values,
            width,
        })
    }

    /// Whether its fields differ in length from row to row.
    pub(super) fn varies(&self) -> bool {
        self.nulls.is_some() || self.width.is_none()
    }

    /// Bytes of each row's field, or of its length alone where the rest varies.
    pub(super) fn fixed_bytes(&self) -> usize {
        let width = self.width.filter(|_| self.nulls.is_none());
        LENGTH_LEN + width.unwrap_or_default()
    }
}

/// How many of the rows have a value by a null map, or without one; never none.
fn count_values(nulls: &[u8], rows: usize) -> Result<usize, ColumnFlaw> {
    let last = nulls.last().copied().unwrap_or_default();
    if !rows.is_multiple_of(8) && last >> (rows % 8) != 0 {
        return Err(ColumnFlaw::Padding);
    }
    let null_rows: u32 = nulls.iter().map(|b| b.count_ones()).sum();
    let present = rows.checked_sub(null_rows as usize);
    present
        .filter(|present| *present > 0)
        .ok_or(ColumnFlaw::Nulls)
}

impl<'a> Values<'a> {
    fn read(
        encoding: u8,
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        n: usize,
    ) -> Result<Self, ColumnFlaw> {
        match encoding {
            INTS => {
                let width = head.byte()?;
                if !matches!(width, 2 | 4 | 8) {
                    return Err(ColumnFlaw::Width(width));
                }
                let (width, ints) = (width.into(), Ints::read(head, streams, n)?);
                Ok(Self::Ints { width, ints })
            }
            NUMERIC => {
                let digits = head.byte()?;
                let scale = Scale::new(digits.into()).ok_or(ColumnFlaw::Scale(digits))?;
                let ints = Ints::read(head, streams, n)?;
                Ok(Self::Numeric { scale, ints })
            }
            encoding => Self::read_bytes(encoding, head, streams, n),
        }
    }

    /// Values as they are, or the entries of a dictionary.
    pub(super) fn read_bytes(
        encoding: u8,
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        n: usize,
    ) -> Result<Self, ColumnFlaw> {
        match encoding {
            FIXED => {
                let width = head.u32()? as usize;
                let total = width.checked_mul(n).ok_or(ColumnFlaw::StreamShort)?;
                let bytes = streams.values(head, total)?;
                Ok(Self::Fixed { width, bytes })
            }
            VARYING => {
                let lens = Ints::read(head, streams, n)?;
                let total = sum_of_lengths(lens.clone(), n)?;
                let bytes = streams.values(head, total)?;
                Ok(Self::Varying { lens, bytes })
            }
            other => Err(ColumnFlaw::Encoding(other)),
        }
    }

    /// Their bytes together, and each of them; only of bytes as they are.
    pub(super) fn bytes_len(&self) -> usize {
        match self {
            Self::Fixed { bytes, .. } | Self::Varying { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    pub(super) fn each(self, count: usize, mut found: impl FnMut(&[u8])) {
        match self {
            Self::Fixed { width, bytes } => {
                (0..count).for_each(|nth| found(&bytes[nth * width..][..width]));
            }
            Self::Varying { lens, bytes } => cut(lens, bytes, count, found),
            _ => {}
        }
    }

    /// The length of all values; none where they differ.
    fn width(&self) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::Fixed { width, .. } | Self::Ints { width, .. } => Some(*width),
            Self::Varying { .. } | Self::Numeric { .. } | Self::Dictionary { .. } => None,
        }
    }
}

fn cut(mut lens: Ints<'_>, mut bytes: &[u8], count: usize, mut found: impl FnMut(&[u8])) {
    let mut batch = [0; BATCH];
    for first in (0..count).step_by(BATCH) {
        let batch = &mut batch[..BATCH.min(count - first)];
        lens.next(batch);
        for len in batch {
            let (value, rest) = bytes.split_at(*len as usize);
            found(value);
            bytes = rest;
        }
    }
}

/// The sum of `n` lengths, each of which may be anything until it has been checked here.
fn sum_of_lengths(mut lens: Ints<'_>, n: usize) -> Result<usize, ColumnFlaw> {
    let (mut left, mut sum, mut batch) = (n, 0u64, [0; BATCH]);
    while left > 0 {
        let batch = &mut batch[..BATCH.min(left)];
        lens.next(batch);
        left -= batch.len();
        let longest = batch.iter().copied().max().unwrap_or_default();
        if longest > u64::from(MAX_RAW_LEN) {
            return Err(ColumnFlaw::RawLen);
        }
        sum += batch.iter().sum::<u64>();
        if sum > u64::from(MAX_RAW_LEN) {
            return Err(ColumnFlaw::RawLen);
        }
    }
    Ok(sum as usize)
}

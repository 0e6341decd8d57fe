//! The hot loops of decoding: a batch of rows, column by column.
//!
//! First the length of each row becomes known, from the columns that vary; then each column writes its
//! fields to their places.

use std::ops::Range;

use super::ints::BATCH;
use super::numeric;
use super::values::{Incoming, Values};
use crate::codec::MAX_RAW_LEN;
use crate::codec::error::ColumnFlaw;
use crate::copy::{COUNT_LEN, LENGTH_LEN, NULL};

/// What the rows of a batch need beside their columns; kept from batch to batch.
#[derive(Debug)]
pub(super) struct Batch {
    /// Of the columns that vary, in their order.
    varying: Vec<Varying>,
    /// Bytes of each row.
    sizes: Vec<u32>,
    /// Where each row is written next.
    at: Vec<u32>,
    ints: [u64; BATCH],
}

/// The fields of a column that varies.
#[derive(Debug, Default)]
struct Varying {
    /// Bytes of each row's value; [`NULL`] for none.
    lens: Vec<u32>,
    /// The values, where they are not in the block as they are.
    made: Vec<u8>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            varying: Vec::new(),
            sizes: Vec::new(),
            at: Vec::new(),
            ints: [0; BATCH],
        }
    }
}

impl Batch {
    /// Appends the tuples of `rows`, at most [`BATCH`] of them, to `out` and their ends to `ends`.
    pub(super) fn run(
        &mut self,
        columns: &mut [Incoming<'_>],
        rows: Range<usize>,
        raw_len: usize,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
    ) -> Result<(), ColumnFlaw> {
        let fixed: usize = columns.iter().map(Incoming::fixed_bytes).sum();
        let fixed = u32::try_from(COUNT_LEN + fixed).map_err(|_| ColumnFlaw::RawLen)?;
        self.sizes.clear();
        self.sizes.resize(rows.len(), fixed);
        self.measure(columns, rows, raw_len)?;
        self.lay_out(raw_len, out, ends)?;
        self.write(columns, out)
    }

    /// Gives back what one block of a few long values has taken.
    pub(super) fn shrink(&mut self) {
        let made: usize = self.varying.iter().map(|v| v.made.capacity()).sum();
        if made > 2 * MAX_RAW_LEN as usize {
            self.varying.clear();
        }
    }

    fn measure(
        &mut self,
        columns: &mut [Incoming<'_>],
        rows: Range<usize>,
        raw_len: usize,
    ) -> Result<(), ColumnFlaw> {
        let varying = columns.iter_mut().filter(|column| column.varies());
        for (number, column) in varying.enumerate() {
            if number == self.varying.len() {
                self.varying.push(Varying::default());
            }
            let varying = &mut self.varying[number];
            varying.measure(column, rows.clone(), &mut self.ints)?;
            for (size, len) in self.sizes.iter_mut().zip(&varying.lens) {
                let len = if *len == NULL { 0 } else { *len };
                *size = size.saturating_add(len);
            }
            // Before the next column is made, too.
            if self.sizes.iter().map(|size| *size as usize).sum::<usize>() > raw_len {
                return Err(ColumnFlaw::RawLen);
            }
        }
        Ok(())
    }

    /// Makes room in `out` and finds where each row begins.
    fn lay_out(
        &mut self,
        raw_len: usize,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
    ) -> Result<(), ColumnFlaw> {
        self.at.clear();
        let mut at = out.len();
        for size in &self.sizes {
            self.at.push(at as u32);
            at += *size as usize;
            if at > raw_len {
                return Err(ColumnFlaw::RawLen);
            }
            ends.push(at as u32);
        }
        out.resize(at, 0);
        Ok(())
    }

    fn write(&mut self, columns: &mut [Incoming<'_>], out: &mut [u8]) -> Result<(), ColumnFlaw> {
        let count = (columns.len() as u16).to_be_bytes();
        for at in &self.at {
            put(out, *at as usize, count);
        }
        let mut offset = COUNT_LEN;
        let mut varying = self.varying.iter();
        for column in columns {
            if column.varies() {
                let varying = varying.next().expect("all that vary were measured");
                varying.write(column, offset, &mut self.at, out);
                offset = 0;
            } else {
                let places = self.at.iter().map(|at| *at as usize + offset);
                write_fixed(column, places, &mut self.ints[..self.at.len()], out)?;
                offset += column.fixed_bytes();
            }
        }
        Ok(())
    }
}

impl Varying {
    /// Finds the length of each row's value, and makes those values that are not there yet.
    fn measure(
        &mut self,
        column: &mut Incoming<'_>,
        rows: Range<usize>,
        ints: &mut [u64; BATCH],
    ) -> Result<(), ColumnFlaw> {
        let present = self.mark_nulls(column.nulls, rows);
        let (lens, made) = (
            self.lens.iter_mut().filter(|len| **len != NULL),
            &mut self.made,
        );
        let ints = &mut ints[..present];
        made.clear();
        match &mut column.values {
            Values::None => {}
            Values::Fixed { width, .. } => lens.for_each(|len| *len = *width as u32),
            Values::Varying { lens: values, .. } => {
                values.next(ints);
                lens.zip(ints).for_each(|(len, value)| *len = *value as u32);
            }
            Values::Ints {
                width,
                ints: values,
            } => {
                values.next(ints);
                lens.for_each(|len| *len = *width as u32);
                let width = *width;
                ints.iter()
                    .for_each(|value| made.extend(&value.to_be_bytes()[8 - width..]));
            }
            Values::Numeric {
                scale,
                ints: values,
            } => {
                values.next(ints);
                made.resize((present + 1) * numeric::MAX_LEN, 0);
                let mut at = 0;
                for (len, value) in lens.zip(ints) {
                    let place = made[at..]
                        .first_chunk_mut()
                        .expect("there is room for the longest");
                    let written = scale.write(*value as i64, place);
                    *len = written as u32;
                    at += written;
                }
            }
            Values::Dictionary { entries, indices } => {
                indices.next(ints);
                for (len, index) in lens.zip(ints) {
                    let entry = entry(entries, *index)?;
                    *len = entry.len() as u32;
                    if made.len() + entry.len() > MAX_RAW_LEN as usize {
                        return Err(ColumnFlaw::RawLen);
                    }
                    made.extend_from_slice(entry);
                }
            }
        }
        Ok(())
    }

    /// Sets each length to 0 or [`NULL`]; returns how many rows have a value.
    fn mark_nulls(&mut self, nulls: Option<&[u8]>, rows: Range<usize>) -> usize {
        self.lens.clear();
        let Some(nulls) = nulls else {
            self.lens.resize(rows.len(), 0);
            return rows.len();
        };
        let mut present = 0;
        self.lens.extend(rows.map(|row| {
            let null = u32::from(nulls[row / 8] >> (row % 8) & 1);
            present += 1 - null as usize;
            null.wrapping_neg()
        }));
        present
    }

    /// Writes each row's field and moves `at` behind it.
    fn write(&self, column: &mut Incoming<'_>, offset: usize, at: &mut [u32], out: &mut [u8]) {
        let mut bytes = match &column.values {
            Values::Fixed { bytes, .. } | Values::Varying { bytes, .. } => bytes,
            _ => &self.made[..],
        };
        for (at, len) in at.iter_mut().zip(&self.lens) {
            let place = *at as usize + offset;
            put(out, place, len.to_be_bytes());
            let start = place + LENGTH_LEN;
            let end = if *len == NULL {
                start
            } else {
                start + *len as usize
            };
            let (value, rest) = bytes.split_at(end - start);
            copy(&mut out[start..end], value);
            bytes = rest;
            *at = end as u32;
        }
        if let Values::Fixed { bytes: left, .. } | Values::Varying { bytes: left, .. } =
            &mut column.values
        {
            *left = &left[left.len() - bytes.len()..];
        }
    }
}

/// Writes the field of each row of a column whose fields are all of one length.
fn write_fixed(
    column: &mut Incoming<'_>,
    places: impl Iterator<Item = usize>,
    ints: &mut [u64],
    out: &mut [u8],
) -> Result<(), ColumnFlaw> {
    match &mut column.values {
        Values::None => places.for_each(|at| put(out, at, NULL.to_be_bytes())),
        Values::Ints {
            width,
            ints: values,
        } => {
            values.next(ints);
            let fields = places.zip(ints);
            match width {
                2 => {
                    fields.for_each(|(at, value)| put_field(out, at, (*value as u16).to_be_bytes()))
                }
                4 => {
                    fields.for_each(|(at, value)| put_field(out, at, (*value as u32).to_be_bytes()))
                }
                _ => fields.for_each(|(at, value)| put_field(out, at, value.to_be_bytes())),
            }
        }
        Values::Fixed { width: 16, bytes } => {
            let (taken, rest) = bytes.split_at(16 * ints.len());
            *bytes = rest;
            let fields = places.zip(taken.as_chunks::<16>().0);
            fields.for_each(|(at, value)| put_field(out, at, *value));
        }
        Values::Fixed { width, bytes } => {
            for at in places {
                let (value, rest) = bytes.split_at(*width);
                *bytes = rest;
                put_value(out, at, value);
            }
        }
        Values::Dictionary { entries, indices } => {
            indices.next(ints);
            for (at, index) in places.zip(ints) {
                put_value(out, at, entry(entries, *index)?);
            }
        }
        Values::Varying { .. } | Values::Numeric { .. } => unreachable!("they vary"),
    }
    Ok(())
}

fn entry<'a>(entries: &[&'a [u8]], index: u64) -> Result<&'a [u8], ColumnFlaw> {
    let index = usize::try_from(index).ok();
    let entry = index.and_then(|index| entries.get(index));
    entry.copied().ok_or(ColumnFlaw::Index)
}

#[inline]
fn put_field<const N: usize>(out: &mut [u8], at: usize, value: [u8; N]) {
    let field = &mut out[at..at + LENGTH_LEN + N];
    field[..LENGTH_LEN].copy_from_slice(&(N as u32).to_be_bytes());
    field[LENGTH_LEN..].copy_from_slice(&value);
}

#[inline]
fn put_value(out: &mut [u8], at: usize, value: &[u8]) {
    put(out, at, (value.len() as u32).to_be_bytes());
    let start = at + LENGTH_LEN;
    copy(&mut out[start..start + value.len()], value);
}

#[inline]
fn put<const N: usize>(out: &mut [u8], at: usize, bytes: [u8; N]) {
    out[at..at + N].copy_from_slice(&bytes);
}

/// `copy_from_slice` for values that are short mostly: two overlapping halves instead of a call.
#[inline]
fn copy(out: &mut [u8], value: &[u8]) {
    match value.len() {
        8..=16 => halves::<8>(out, value),
        4..8 => halves::<4>(out, value),
        17..=32 => halves::<16>(out, value),
        _ => out.copy_from_slice(value),
    }
}

#[inline]
fn halves<const N: usize>(out: &mut [u8], value: &[u8]) {
    if let (Some(first), Some(last)) = (value.first_chunk::<N>(), value.last_chunk::<N>()) {
        let len = out.len();
        out[..N].copy_from_slice(first);
        out[len - N..].copy_from_slice(last);
    }
}

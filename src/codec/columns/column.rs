//! One column of a block on its way out: its nulls, and its values by the plan made for it.

use super::dictionary::Dictionary;
use super::ints::{self, Transform};
use super::numeric::Scale;
use super::section::Writer;
use crate::copy::{Column, LENGTH_LEN, NULL, Tuples, Width};

/// How a column's values are to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// As they are, one after another.
    Bytes,
    /// Values of one width, 2, 4 or 8 bytes, as integers.
    Ints(Transform),
    /// `numeric`s of one display scale, as integers.
    Numeric(Transform),
    /// The distinct values, and which of them each is; the transform is that of the indices.
    Dictionary(Transform),
}

/// Which rows have no value; in a column's head.
pub(super) const NO_NULLS: u8 = 0;
pub(super) const ALL_NULL: u8 = 1;
pub(super) const SOME_NULLS: u8 = 2;

/// Encodings; in a column's head, after the nulls.
pub(super) const FIXED: u8 = 0;
pub(super) const VARYING: u8 = 1;
pub(super) const INTS: u8 = 2;
pub(super) const NUMERIC: u8 = 3;
pub(super) const DICTIONARY: u8 = 4;

/// A value's place in the block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    #[inline]
    pub(super) fn of(self, raw: &[u8]) -> &[u8] {
        &raw[self.start as usize..(self.start + self.len) as usize]
    }
}

/// The column's values cannot be stored as planned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// What writing a column needs beside its input, kept from column to column.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    spans: Vec<Span>,
    nulls: Vec<u8>,
    values: Vec<u64>,
    lens: Vec<u64>,
    dictionary: Dictionary,
}

impl Scratch {
    /// Writes one column's head and streams; what it has written of an unfit one has to be undone.
    pub(super) fn write(
        &mut self,
        raw: &[u8],
        tuples: &Tuples,
        column: Column,
        plan: Plan,
        out: &mut Writer,
    ) -> Result<(), Unfit> {
        if let (Width::Fixed(width @ (2 | 4 | 8)), Plan::Ints(transform)) = (column.width, plan) {
            gather_ints(raw, tuples.fields(column), width, &mut self.values);
            out.head.extend([NO_NULLS, INTS, width as u8]);
            ints::write(&mut self.values, transform, out);
            return Ok(());
        }
        self.gather(raw, tuples, column);
        self.write_nulls(tuples.rows(), out);
        if self.spans.is_empty() {
            return Ok(());
        }
        match plan {
            Plan::Bytes => write_bytes(raw, &self.spans, &mut self.lens, out),
            Plan::Ints(transform) => self.write_ints(raw, transform, out)?,
            Plan::Numeric(transform) => self.write_numerics(raw, transform, out)?,
            Plan::Dictionary(transform) => self.write_dictionary(raw, transform, out)?,
        }
        Ok(())
    }

    /// The places of all values, and which rows have none.
    fn gather(&mut self, raw: &[u8], tuples: &Tuples, column: Column) {
        self.spans.clear();
        self.nulls.clear();
        let fields = tuples.fields(column);
        let span = |at, len| Span {
            start: (at + LENGTH_LEN) as u32,
            len,
        };
        match column.width {
            Width::Fixed(len) => self.spans.extend(fields.map(|at| span(at, len))),
            Width::Null => {}
            Width::Varies => {
                self.nulls.resize(tuples.rows().div_ceil(8), 0);
                for (row, at) in fields.enumerate() {
                    match length(raw, at) {
                        NULL => self.nulls[row / 8] |= 1 << (row % 8),
                        len => self.spans.push(span(at, len)),
                    }
                }
            }
        }
    }

    fn write_nulls(&self, rows: usize, out: &mut Writer) {
        match self.spans.len() {
            0 => out.head.push(ALL_NULL),
            all if all == rows => out.head.push(NO_NULLS),
            _ => {
                out.head.push(SOME_NULLS);
                out.stream(|bytes| bytes.extend(&self.nulls));
            }
        }
    }

    /// Integers between nulls.
    fn write_ints(
        &mut self,
        raw: &[u8],
        transform: Transform,
        out: &mut Writer,
    ) -> Result<(), Unfit> {
        let width = self.spans[0].len;
        if !matches!(width, 2 | 4 | 8) || self.spans.iter().any(|span| span.len != width) {
            return Err(Unfit);
        }
        let fields = self
            .spans
            .iter()
            .map(|span| span.start as usize - LENGTH_LEN);
        gather_ints(raw, fields, width, &mut self.values);
        out.head.extend([INTS, width as u8]);
        ints::write(&mut self.values, transform, out);
        Ok(())
    }

    fn write_numerics(
        &mut self,
        raw: &[u8],
        transform: Transform,
        out: &mut Writer,
    ) -> Result<(), Unfit> {
        let scale = Scale::of(self.spans[0].of(raw)).ok_or(Unfit)?;
        self.values.clear();
        for span in &self.spans {
            let scaled = scale.parse(span.of(raw)).ok_or(Unfit)?;
            self.values.push(scaled as u64);
        }
        out.head.extend([NUMERIC, scale.digits()]);
        ints::write(&mut self.values, transform, out);
        Ok(())
    }

    fn write_dictionary(
        &mut self,
        raw: &[u8],
        transform: Transform,
        out: &mut Writer,
    ) -> Result<(), Unfit> {
        let entries = self.dictionary.index(raw, &self.spans, &mut self.values);
        let entries = entries.ok_or(Unfit)?;
        out.head.push(DICTIONARY);
        out.head.extend((entries.len() as u32).to_le_bytes());
        write_bytes(raw, entries, &mut self.lens, out);
        ints::write(&mut self.values, transform, out);
        Ok(())
    }
}

/// The integers of `width` bytes, 2, 4 or 8, of the fields that begin at `fields`.
fn gather_ints(raw: &[u8], fields: impl Iterator<Item = usize>, width: u32, values: &mut Vec<u64>) {
    values.clear();
    match width {
        2 => values.extend(fields.map(|at| int(at, raw, i16::from_be_bytes))),
        4 => values.extend(fields.map(|at| int(at, raw, i32::from_be_bytes))),
        _ => values.extend(fields.map(|at| int(at, raw, i64::from_be_bytes))),
    }
}

/// Values one after another, and before them their lengths where these differ.
fn write_bytes(raw: &[u8], spans: &[Span], lens: &mut Vec<u64>, out: &mut Writer) {
    let len = spans.first().map_or(0, |span| span.len);
    if spans.iter().all(|span| span.len == len) {
        out.head.push(FIXED);
        out.head.extend(len.to_le_bytes());
    } else {
        lens.clear();
        lens.extend(spans.iter().map(|span| u64::from(span.len)));
        out.head.push(VARYING);
        ints::write(lens, Transform::Plain, out);
    }
    out.values(|bytes| match len {
        16 => copy_all::<16>(raw, spans, bytes),
        _ => copy_any(raw, spans, bytes),
    });
}

fn copy_any(raw: &[u8], spans: &[Span], out: &mut Vec<u8>) {
    for span in spans {
        out.extend_from_slice(span.of(raw));
    }
}

/// Most values are of `N` bytes, which is quicker to copy when known.
fn copy_all<const N: usize>(raw: &[u8], spans: &[Span], out: &mut Vec<u8>) {
    for span in spans {
        match <&[u8; N]>::try_from(span.of(raw)) {
            Ok(value) => out.extend_from_slice(value),
            Err(_) => out.extend_from_slice(span.of(raw)),
        }
    }
}

#[inline]
fn length(raw: &[u8], at: usize) -> u32 {
    let word = raw[at..].first_chunk().copied();
    u32::from_be_bytes(word.expect("the tuples are whole"))
}

/// The integer of a field, widened with its sign.
#[inline]
fn int<const N: usize, T: Into<i64>>(at: usize, raw: &[u8], convert: impl Fn([u8; N]) -> T) -> u64 {
    let value = raw[at + LENGTH_LEN..].first_chunk().copied();
    let value: i64 = convert(value.expect("the tuples are whole")).into();
    value as u64
}

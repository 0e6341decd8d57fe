//! One column of a block on its way out: its nulls, and its values by the plan made for it.

use super::dictionary::Context;
use super::index::{Index, Travels};
use super::ints::{self, Transform};
use super::nulls;
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
    /// The part's distinct values, and which of them each is.
    Dictionary,
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
/// Of version 2: a dictionary for one block.
pub(super) const BLOCK_DICTIONARY: u8 = 4;
pub(super) const DICTIONARY: u8 = 5;

/// In a dictionary's head: how its ids are predicted, if not by an earlier column's number.
pub(super) const BY_NOTHING: u16 = u16::MAX;
pub(super) const BY_ITSELF: u16 = u16::MAX - 1;

/// A column of a block: the raw bytes, the index of the tuples, and which column it is.
pub(super) type Block<'a> = (&'a [u8], &'a Tuples, Column);

/// A value's place in the block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    pub(super) fn new(start: usize, len: u32) -> Self {
        let start = start as u32;
        Self { start, len }
    }

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
    keys: Vec<u16>,
    /// Of the column that was written last, by a dictionary.
    pub(super) travels: Travels,
}

/// A dictionary to write a column with.
#[derive(Debug)]
pub(super) struct With<'a> {
    pub(super) index: &'a mut Index,
    pub(super) context: Context,
    /// Of each row, those of the context's column.
    pub(super) keys: &'a [u16],
    /// What the dictionary may cost.
    pub(super) room: usize,
}

impl Scratch {
    /// Writes one column's head and streams; what it has written of an unfit one has to be undone.
    pub(super) fn write(
        &mut self,
        block: Block<'_>,
        plan: Plan,
        out: &mut Writer,
    ) -> Result<(), Unfit> {
        let (raw, tuples, column) = block;
        if let (Width::Fixed(width @ (2 | 4 | 8)), Plan::Ints(transform)) = (column.width, plan) {
            gather_ints(raw, tuples.fields(column), width, &mut self.values);
            out.head.extend([NO_NULLS, INTS, width as u8]);
            ints::write(&mut self.values, transform, out);
            return Ok(());
        }
        self.gather(block);
        self.write_nulls(tuples.rows(), out);
        if self.spans.is_empty() {
            return Ok(());
        }
        match plan {
            Plan::Bytes => write_bytes(raw, &self.spans, &mut self.lens, out),
            Plan::Ints(transform) => self.write_ints(raw, transform, out)?,
            Plan::Numeric(transform) => self.write_numerics(raw, transform, out)?,
            Plan::Dictionary => return Err(Unfit),
        }
        Ok(())
    }

    /// As [`write`](Self::write), by a dictionary.
    pub(super) fn write_with(
        &mut self,
        block: Block<'_>,
        with: With<'_>,
        out: &mut Writer,
    ) -> Result<(), Unfit> {
        let (raw, tuples, _) = block;
        self.gather(block);
        self.write_nulls(tuples.rows(), out);
        self.travels.clear();
        if self.spans.is_empty() {
            // The other side forgets it as well.
            with.index.clear();
            return Ok(());
        }
        self.keep_present(with.keys);
        let context = (with.context, &self.keys[..]);
        let travels = &mut self.travels;
        with.index
            .index(raw, &self.spans, context, with.room, travels)?;
        self.write_travels(raw, with.context, out);
        Ok(())
    }

    /// Keeps, of `keys` for each row, those of rows with a value; of the column written last.
    pub(super) fn keep_present(&mut self, keys: &[u16]) {
        self.keys.clear();
        nulls::keep_present(keys.iter().copied(), map(&self.nulls), &mut self.keys);
    }

    /// The keys that were kept.
    pub(super) fn keys(&self) -> &[u16] {
        &self.keys
    }

    /// For each row the id of its value, 0 for none; of the column written last, by a dictionary.
    pub(super) fn row_ids(&self, rows: usize, out: &mut Vec<u16>) {
        let ids = self.travels.ids.iter().copied();
        nulls::spread(ids, map(&self.nulls), 0..rows, 0, out);
    }

    /// The places of all values, and which rows have none.
    fn gather(&mut self, (raw, tuples, column): Block<'_>) {
        self.spans.clear();
        self.nulls.clear();
        let fields = tuples.fields(column);
        let span = |at, len| Span::new(at + LENGTH_LEN, len);
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

    fn write_travels(&mut self, raw: &[u8], context: Context, out: &mut Writer) {
        let block = &mut self.travels;
        let by = match context {
            Context::None => BY_NOTHING,
            Context::Own => BY_ITSELF,
            Context::Column(number) => number,
        };
        out.head.extend([DICTIONARY, block.anew.into()]);
        out.head.extend(by.to_le_bytes());
        out.head.extend((block.entries.len() as u32).to_le_bytes());
        if !block.entries.is_empty() {
            write_bytes(raw, &block.entries, &mut self.lens, out);
        }
        if context != Context::None {
            out.head
                .extend((block.references.len() as u32).to_le_bytes());
            if block.references.is_empty() {
                return;
            }
            ints::write(&mut block.gaps, Transform::Plain, out);
        }
        ints::write(&mut block.references, Transform::Plain, out);
    }
}

/// The null map, where there is one: a column that does not vary has none.
fn map(nulls: &[u8]) -> Option<&[u8]> {
    (!nulls.is_empty()).then_some(nulls)
}

/// The low 16 bits of the integers in a column, 0 for nulls.
pub(super) fn int_keys((raw, tuples, column): Block<'_>, out: &mut Vec<u16>) {
    out.clear();
    let key = |end: usize| u16::from_be_bytes([raw[end - 2], raw[end - 1]]);
    let fields = tuples.fields(column);
    match column.width {
        Width::Fixed(width) => out.extend(fields.map(|at| key(at + LENGTH_LEN + width as usize))),
        _ => out.extend(fields.map(|at| match length(raw, at) {
            NULL => 0,
            len => key(at + LENGTH_LEN + len as usize),
        })),
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
    out.values(|bytes| {
        for span in spans {
            bytes.extend_from_slice(span.of(raw));
        }
    });
}

#[inline]
pub(super) fn length(raw: &[u8], at: usize) -> u32 {
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

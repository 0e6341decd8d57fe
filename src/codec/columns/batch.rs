//! The hot loops of decoding: a batch of rows, column by column.
//!
//! First the length of each row becomes known, from the columns that vary; then each column writes its
//! fields to their places.

use std::ops::Range;

use super::ints::{BATCH, Ints, Narrow};
use super::nulls::{count_present, spread};
use super::numeric::{self, Scale};
use super::recall::{Memory, Recall};
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
    /// Writes the tuples of `rows`, at most [`BATCH`] of them, into `out`, behind those before them, and
    /// appends their ends to `ends`.
    pub(super) fn run(
        &mut self,
        (columns, recall): (&mut [Incoming<'_>], &Recall),
        rows: Range<usize>,
        out: &mut [u8],
        ends: &mut Vec<u32>,
    ) -> Result<(), ColumnFlaw> {
        let fixed: usize = columns.iter().map(Incoming::fixed_bytes).sum();
        let fixed = u32::try_from(COUNT_LEN + fixed).map_err(|_| ColumnFlaw::RawLen)?;
        self.sizes.clear();
        self.sizes.resize(rows.len(), fixed);
        self.measure(columns, recall, rows, out.len())?;
        self.lay_out(out.len(), ends)?;
        self.write(columns, recall, out);
        Ok(())
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
        recall: &Recall,
        rows: Range<usize>,
        raw_len: usize,
    ) -> Result<(), ColumnFlaw> {
        let mut total = 0;
        let varying = columns.iter_mut().enumerate();
        let varying = varying.filter(|(_, column)| column.varies());
        for (number, (nth, column)) in varying.enumerate() {
            if number == self.varying.len() {
                self.varying.push(Varying::default());
            }
            let varying = &mut self.varying[number];
            let memory = recall.column(nth);
            varying.measure(column, memory, rows.clone(), &mut self.ints);
            for (size, len) in self.sizes.iter_mut().zip(&varying.lens) {
                let len = if *len == NULL { 0 } else { *len };
                *size = size.wrapping_add(len);
                total += u64::from(len);
            }
            // Before the next column is made; so no row's size is more than a length can be.
            if total > raw_len as u64 {
                return Err(ColumnFlaw::RawLen);
            }
        }
        Ok(())
    }

    /// Finds where each row begins and ends.
    fn lay_out(&mut self, raw_len: usize, ends: &mut Vec<u32>) -> Result<(), ColumnFlaw> {
        self.at.clear();
        let mut at = ends.last().copied().unwrap_or_default();
        for size in &self.sizes {
            self.at.push(at);
            at = at.saturating_add(*size);
            if at as usize > raw_len {
                return Err(ColumnFlaw::RawLen);
            }
            ends.push(at);
        }
        Ok(())
    }

    fn write(&mut self, columns: &mut [Incoming<'_>], recall: &Recall, out: &mut [u8]) {
        let count = (columns.len() as u16).to_be_bytes();
        for at in &self.at {
            put(out, *at as usize, count);
        }
        let mut offset = COUNT_LEN;
        let columns_len = columns.len();
        let mut varying = self.varying.iter();
        for (nth, column) in columns.iter_mut().enumerate() {
            let memory = recall.column(nth);
            if column.varies() {
                let varying = varying.next().expect("all that vary were measured");
                let later = columns_len - nth - 1;
                varying.write(column, memory, (offset, later), &mut self.at, out);
                offset = 0;
            } else {
                let places = Places {
                    at: &self.at,
                    offset,
                };
                let ints = &mut self.ints[..self.at.len()];
                write_fixed(column, memory, places, ints, out);
                offset += column.fixed_bytes();
            }
        }
    }
}

impl Varying {
    /// Finds the length of each row's value, and makes those values that are not there yet.
    fn measure(
        &mut self,
        column: &mut Incoming<'_>,
        memory: &Memory,
        rows: Range<usize>,
        ints: &mut [u64; BATCH],
    ) {
        let nulls = column.nulls;
        let present = count_present(nulls, rows.clone());
        let (lens, made) = (&mut self.lens, &mut self.made);
        let ints = &mut ints[..present];
        lens.clear();
        match &mut column.values {
            Values::None => spread(std::iter::empty(), nulls, rows, NULL, lens),
            Values::Fixed { width, .. } => {
                spread(std::iter::repeat(*width as u32), nulls, rows, NULL, lens);
            }
            Values::Varying { lens: values, .. } => {
                values.next(ints);
                spread(ints.iter().map(|len| *len as u32), nulls, rows, NULL, lens);
            }
            Values::Ints {
                width,
                ints: values,
            } => {
                values.next(ints);
                spread(std::iter::repeat(*width as u32), nulls, rows, NULL, lens);
                make_ints(made, ints, *width);
            }
            Values::Numeric {
                scale,
                ints: values,
            } => {
                values.next(ints);
                spread(make_numerics(made, ints, *scale), nulls, rows, NULL, lens);
            }
            Values::Dictionary { done } => {
                let ids = memory.ids[*done..][..present].iter();
                let len = |id: &u16| memory.dictionary.entry(*id).len() as u32;
                spread(ids.map(len), nulls, rows, NULL, lens);
            }
        }
    }

    /// Writes each row's field and moves `at` behind it; `later` columns follow.
    fn write(
        &self,
        column: &mut Incoming<'_>,
        memory: &Memory,
        (offset, later): (usize, usize),
        at: &mut [u32],
        out: &mut [u8],
    ) {
        match &mut column.values {
            Values::Dictionary { done } => {
                let mut ids = memory.ids[*done..].iter();
                let value = |_| {
                    let id = ids.next().expect("each value has an id");
                    memory.dictionary.entry_onwards(*id)
                };
                *done += self.write_values((offset, later), at, out, value);
            }
            Values::Fixed { bytes, .. } | Values::Varying { bytes, .. } => {
                self.write_values((offset, later), at, out, |len| advance(bytes, len));
            }
            _ => {
                let mut bytes = &self.made[..];
                self.write_values((offset, later), at, out, |len| advance(&mut bytes, len));
            }
        }
    }

    /// Writes each value, of which `value` gives what begins with it; returns how many there were.
    fn write_values<'v>(
        &self,
        (offset, later): (usize, usize),
        at: &mut [u32],
        out: &mut [u8],
        value: impl FnMut(usize) -> &'v [u8],
    ) -> usize {
        // What is copied too much is overwritten by the fields that follow in the row.
        match later * LENGTH_LEN {
            ..16 => self.write_some::<0>(offset, at, out, value),
            16..32 => self.write_some::<16>(offset, at, out, value),
            _ => self.write_some::<32>(offset, at, out, value),
        }
    }

    /// `SPARE`: how many bytes may be written behind a value.
    #[inline(never)]
    fn write_some<'v, const SPARE: usize>(
        &self,
        offset: usize,
        at: &mut [u32],
        out: &mut [u8],
        mut value: impl FnMut(usize) -> &'v [u8],
    ) -> usize {
        let mut written = 0;
        for (at, len) in at.iter_mut().zip(&self.lens) {
            let place = *at as usize + offset;
            put(out, place, len.to_be_bytes());
            let start = place + LENGTH_LEN;
            *at = start as u32;
            if *len != NULL {
                let len = *len as usize;
                let value = value(len);
                match (
                    value.first_chunk::<SPARE>(),
                    out[start..].first_chunk_mut::<SPARE>(),
                ) {
                    (Some(value), Some(place)) if len <= SPARE => *place = *value,
                    _ => copy(&mut out[start..start + len], &value[..len]),
                }
                *at += len as u32;
                written += 1;
            }
        }
        written
    }
}

/// What `bytes` are before the value is taken from them.
#[inline]
fn advance<'v>(bytes: &mut &'v [u8], len: usize) -> &'v [u8] {
    let value = *bytes;
    *bytes = &bytes[len..];
    value
}

/// Makes the values of integers of so many bytes.
fn make_ints(made: &mut Vec<u8>, ints: &[u64], width: usize) {
    made.resize(ints.len() * width, 0);
    match width {
        2 => fill(made, ints, |value| (value as u16).to_be_bytes()),
        4 => fill(made, ints, |value| (value as u32).to_be_bytes()),
        _ => fill(made, ints, u64::to_be_bytes),
    }
}

/// Makes numerics of one scale as their lengths are asked for.
fn make_numerics(made: &mut Vec<u8>, ints: &[u64], scale: Scale) -> impl Iterator<Item = u32> {
    made.resize((ints.len() + 1) * numeric::MAX_LEN, 0);
    let mut at = 0;
    ints.iter().map(move |value| {
        let place = made[at..].first_chunk_mut();
        let place = place.expect("there is room for the longest");
        let written = scale.write(*value as i64, place);
        at += written;
        written as u32
    })
}

/// Makes each integer's value.
fn fill<const N: usize>(made: &mut [u8], ints: &[u64], value: impl Fn(u64) -> [u8; N]) {
    for (place, int) in made.as_chunks_mut().0.iter_mut().zip(ints) {
        *place = value(*int);
    }
}

#[inline]
fn take<'v>(bytes: &mut &'v [u8], len: usize) -> &'v [u8] {
    &advance(bytes, len)[..len]
}

/// Where the rows of a batch have a column's field.
#[derive(Debug, Clone, Copy)]
struct Places<'a> {
    at: &'a [u32],
    offset: usize,
}

/// Writes the field of each row of a column whose fields are all of one length.
fn write_fixed(
    column: &mut Incoming<'_>,
    memory: &Memory,
    places: Places<'_>,
    ints: &mut [u64],
    out: &mut [u8],
) {
    match &mut column.values {
        Values::None => places.put(out, ints.iter(), |_| NULL.to_be_bytes()),
        Values::Ints {
            width,
            ints: values,
        } => match width {
            2 => places.put_ints(out, values, ints, short_field),
            4 => places.put_ints(out, values, ints, word_field),
            _ => places.put_ints(out, values, ints, |value| field::<12>(&value.to_be_bytes())),
        },
        Values::Fixed { width, bytes } => {
            let mut taken = take(bytes, *width * ints.len());
            places.put_values(out, ints, |_| take(&mut taken, *width));
        }
        Values::Dictionary { done } => {
            let ids = &memory.ids[*done..][..ints.len()];
            *done += ints.len();
            places.put_values(out, ids, |id| memory.dictionary.entry(*id));
        }
        Values::Varying { .. } | Values::Numeric { .. } => unreachable!("they vary"),
    }
}

impl Places<'_> {
    // Not inlined: the loops would share one function's registers.
    #[inline(never)]
    fn put<T, const N: usize>(
        self,
        out: &mut [u8],
        values: impl Iterator<Item = T>,
        field: impl Fn(T) -> [u8; N],
    ) {
        for (at, value) in self.at.iter().zip(values) {
            put(out, *at as usize + self.offset, field(value));
        }
    }

    /// As [`put`](Self::put), without a detour through memory for numbers of few bytes.
    fn put_ints<const N: usize>(
        self,
        out: &mut [u8],
        values: &mut Ints<'_>,
        batch: &mut [u64],
        field: impl Fn(u64) -> [u8; N],
    ) {
        match values.next_narrow(batch.len()) {
            Narrow::Same(value) => {
                let field = field(value);
                self.put(out, batch.iter(), |_| field);
            }
            Narrow::Bytes(base, bytes) => {
                let values = bytes.iter().map(|byte| base.wrapping_add((*byte).into()));
                self.put(out, values, field);
            }
            Narrow::Words(base, low, high) => {
                let word = |(low, high): (&u8, &u8)| u16::from_le_bytes([*low, *high]);
                let words = low.iter().zip(high).map(word);
                self.put(out, words.map(|word| base.wrapping_add(word.into())), field);
            }
            Narrow::No => {
                values.next(batch);
                self.put(out, batch.iter().copied(), field);
            }
        }
    }

    #[inline(never)]
    fn put_values<'v, T>(
        self,
        out: &mut [u8],
        values: &[T],
        mut value: impl FnMut(&T) -> &'v [u8],
    ) {
        for (at, key) in self.at.iter().zip(values) {
            put_value(out, *at as usize + self.offset, value(key));
        }
    }
}

fn short_field(value: u64) -> [u8; 6] {
    field::<6>(&(value as u16).to_be_bytes())
}

/// Length and value in one word.
fn word_field(value: u64) -> [u8; 8] {
    (4 << 32 | value & 0xffff_ffff).to_be_bytes()
}

/// A field of `N` bytes, its length's four included.
fn field<const N: usize>(value: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    let (len, rest) = field.split_at_mut(LENGTH_LEN);
    len.copy_from_slice(&(rest.len() as u32).to_be_bytes());
    rest.copy_from_slice(value);
    field
}

#[inline]
fn put_value(out: &mut [u8], at: usize, value: &[u8]) {
    put(out, at, (value.len() as u32).to_be_bytes());
    let start = at + LENGTH_LEN;
    copy(&mut out[start..start + value.len()], value);
}

#[inline]
fn put<const N: usize>(out: &mut [u8], at: usize, bytes: [u8; N]) {
    let place = out[at..].first_chunk_mut();
    *place.expect("the rows were laid out") = bytes;
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

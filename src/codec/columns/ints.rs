//! Integer streams: values, lengths and dictionary indices as byte planes of what little they differ by.
//!
//! ```text
//! head:    transform u8 | planes k u8 | base u64
//! streams: plane 0, n bytes | … | plane k - 1, n bytes      plane p: bits 8p to 8p + 7 of each number
//! ```

use super::section::{Head, Streams, Writer};
use crate::codec::error::ColumnFlaw;

/// Values that are decoded together; their bytes stay in the first-level cache.
pub(super) const BATCH: usize = 256;

/// How a value becomes the difference that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    /// Value - base; the base is the smallest value.
    Plain = 0,
    /// Value - the one before, zigzag: 0, -1, 1, -2 … become 0, 1, 2, 3 …; the base comes before the first.
    Delta = 1,
}

impl Transform {
    fn from_byte(byte: u8) -> Result<Self, ColumnFlaw> {
        match byte {
            0 => Ok(Self::Plain),
            1 => Ok(Self::Delta),
            _ => Err(ColumnFlaw::Transform(byte)),
        }
    }
}

/// Writes `values`, which it uses up, as one integer stream.
pub(super) fn write(values: &mut [u64], transform: Transform, out: &mut Writer) {
    let (base, span) = match transform {
        Transform::Plain => shift_to_least(values),
        Transform::Delta => zigzag_deltas(values),
    };
    let planes = 8 - span.leading_zeros() as usize / 8;
    out.head.push(transform as u8);
    out.head.push(planes as u8);
    out.head.extend(base.to_le_bytes());
    for plane in 0..planes {
        out.stream(|bytes| write_plane(values, plane, bytes));
    }
}

fn shift_to_least(values: &mut [u64]) -> (u64, u64) {
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for &value in values.iter() {
        least = least.min(value as i64);
        most = most.max(value as i64);
    }
    if values.is_empty() {
        return (0, 0);
    }
    let base = least as u64;
    for value in values {
        *value = value.wrapping_sub(base);
    }
    (base, (most as u64).wrapping_sub(base))
}

fn zigzag_deltas(values: &mut [u64]) -> (u64, u64) {
    let base = values.first().copied().unwrap_or_default();
    let (mut before, mut all) = (base, 0);
    for value in values {
        let delta = value.wrapping_sub(before) as i64;
        before = *value;
        *value = ((delta << 1) ^ (delta >> 63)) as u64;
        all |= *value;
    }
    (base, all)
}

fn write_plane(values: &[u64], plane: usize, out: &mut Vec<u8>) {
    let shift = 8 * plane as u32;
    out.extend(values.iter().map(|value| (value >> shift) as u8));
}

/// An integer stream being decoded, some values at a time.
#[derive(Debug, Clone)]
pub(super) struct Ints<'a> {
    transform: Transform,
    base: u64,
    planes: [&'a [u8]; 8],
    count: usize,
}

/// Values that need no work.
#[derive(Debug)]
pub(super) enum Narrow<'a> {
    /// All are the same.
    Same(u64),
    /// What each is more than the first field.
    Bytes(u64, &'a [u8]),
    /// The same, the low bytes and the high ones.
    Words(u64, &'a [u8], &'a [u8]),
    No,
}

impl<'a> Ints<'a> {
    /// Reads the head and takes the planes of `n` values.
    pub(super) fn read(
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        n: usize,
    ) -> Result<Self, ColumnFlaw> {
        let [transform, count] = head.array()?;
        let transform = Transform::from_byte(transform)?;
        if count > 8 {
            return Err(ColumnFlaw::Planes(count));
        }
        let base = u64::from_le_bytes(head.array()?);
        let mut planes = [&[][..]; 8];
        for plane in &mut planes[..usize::from(count)] {
            *plane = streams.take(n)?;
        }
        Ok(Self {
            transform,
            base,
            planes,
            count: usize::from(count),
        })
    }

    /// The next `n` values, if they take two bytes each or less; else they have not been taken.
    pub(super) fn next_narrow(&mut self, n: usize) -> Narrow<'a> {
        match (self.transform, self.count) {
            (Transform::Plain, 0) => Narrow::Same(self.base),
            (Transform::Plain, 1) => Narrow::Bytes(self.base, self.advance(0, n)),
            (Transform::Plain, 2) => {
                Narrow::Words(self.base, self.advance(0, n), self.advance(1, n))
            }
            _ => Narrow::No,
        }
    }

    /// The same, each larger by one.
    pub(super) fn plus_one(mut self) -> Self {
        self.base = self.base.wrapping_add(1);
        self
    }

    /// The next values, as many as `out` has room for, which must be there.
    pub(super) fn next(&mut self, out: &mut [u64]) {
        let n = out.len();
        match self.count {
            0 => out.fill(0),
            1 => {
                let plane = self.advance(0, n);
                for (value, byte) in out.iter_mut().zip(plane) {
                    *value = u64::from(*byte);
                }
            }
            2 => {
                let (low, high) = (self.advance(0, n), self.advance(1, n));
                for ((value, a), b) in out.iter_mut().zip(low).zip(high) {
                    *value = u64::from(u16::from_le_bytes([*a, *b]));
                }
            }
            3 | 4 => self.words(out),
            _ => self.longs(out),
        }
        match self.transform {
            Transform::Plain => {
                for value in out {
                    *value = value.wrapping_add(self.base);
                }
            }
            Transform::Delta => {
                for value in out {
                    let delta = (*value >> 1) ^ (*value & 1).wrapping_neg();
                    self.base = self.base.wrapping_add(delta);
                    *value = self.base;
                }
            }
        }
    }

    fn advance(&mut self, plane: usize, n: usize) -> &'a [u8] {
        let (taken, rest) = self.planes[plane].split_at(n);
        self.planes[plane] = rest;
        taken
    }

    /// The first three planes, and the fourth if there is one.
    fn words(&mut self, out: &mut [u64]) {
        let n = out.len();
        let (a, b, c) = (self.advance(0, n), self.advance(1, n), self.advance(2, n));
        let zeros = [0; BATCH];
        let d = if self.count >= 4 {
            self.advance(3, n)
        } else {
            &zeros[..n]
        };
        for ((((value, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *value = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        }
    }

    fn longs(&mut self, out: &mut [u64]) {
        let n = out.len();
        self.words(out);
        for plane in 4..self.count {
            let shift = 8 * plane as u32;
            for (value, byte) in out.iter_mut().zip(self.advance(plane, n)) {
                *value |= u64::from(*byte) << shift;
            }
        }
    }
}

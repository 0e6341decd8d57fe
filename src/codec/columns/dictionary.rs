//! The distinct values of a column along a part, and what follows what: the same on both sides.
//!
//! An entry's *id* is its number, from 1, in the order of arrival; 0 is a row without a value. Most
//! history tells of the same entities in the same order, so that an id follows from that of the row
//! before, or from another column of its row; only where it does not, it travels.

use crate::codec::error::ColumnFlaw;

/// The most entries that a dictionary may have.
pub(super) const MAX_ENTRIES: usize = u16::MAX as usize;

/// What all dictionaries of a part may take together, in bytes, by their [`Dictionary::cost`].
pub(super) const MAX_COST: usize = 8 << 20;

/// What one column's predictions cost at most.
pub(super) const MAX_PREDICTIONS: usize = 2 << 16;

/// What an entry costs beside its bytes.
const ENTRY_COST: usize = 16;

/// By what a value's id is predicted: the id that the value had that last came with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Context {
    /// There is no prediction.
    #[default]
    None,
    /// By the column's own last value; its id is the key.
    Own,
    /// By an earlier column: the id of its value in the row, or the low 16 bits of its integer; 0 of a null.
    Column(u16),
}

/// One column's entries and predictions.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    /// Where each entry begins in `bytes`, and where the last one ends; empty without entries.
    starts: Vec<u32>,
    /// Shortest and longest entry.
    lens: Option<(u32, u32)>,
    context: Context,
    /// By key, the id that came with it, 0 for none; up to the largest key that has come.
    predictions: Vec<u16>,
    /// The id of the last value.
    last: u16,
}

impl Dictionary {
    /// Forgets all entries and predictions, and gives their memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Predicts by `context` from now on; another one than before knows nothing yet.
    pub(super) fn turn_to(&mut self, context: Context) {
        if self.context != context {
            self.context = context;
            self.predictions = Vec::new();
            self.last = 0;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// What it counts for of [`MAX_COST`].
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_COST * self.len() + self.predictions_cost()
    }

    /// What predictions are of that.
    pub(super) fn predictions_cost(&self) -> usize {
        size_of_val(&self.predictions[..])
    }

    /// What an entry of so many bytes costs.
    pub(super) fn entry_cost(len: usize) -> usize {
        len + ENTRY_COST
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        let len = value.len() as u32;
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        if self.bytes.capacity() - self.bytes.len() < value.len() {
            // By a quarter, not by as much again: what counts is what is used.
            let more = value.len().max(self.bytes.len() / 4);
            self.bytes.reserve_exact(more);
        }
        self.bytes.extend_from_slice(value);
        self.starts.push(self.bytes.len() as u32);
        let (least, most) = self.lens.unwrap_or((len, len));
        self.lens = Some((least.min(len), most.max(len)));
    }

    /// The entry of an id that is not 0 and has arrived.
    #[inline]
    pub(super) fn entry(&self, id: u16) -> &[u8] {
        let id = usize::from(id);
        &self.bytes[self.starts[id - 1] as usize..self.starts[id] as usize]
    }

    /// That entry and all behind it.
    #[inline]
    pub(super) fn entry_onwards(&self, id: u16) -> &[u8] {
        &self.bytes[self.starts[usize::from(id) - 1] as usize..]
    }

    /// The length of all entries, if they have the same.
    pub(super) fn width(&self) -> Option<usize> {
        let (least, most) = self.lens?;
        (least == most).then_some(least as usize)
    }

    /// The id to expect; 0 where nothing is known. `row_key` is that of the context's column.
    #[inline]
    pub(super) fn predict(&self, row_key: u16) -> u16 {
        let found = self.predictions.get(usize::from(self.key(row_key)));
        found.copied().unwrap_or_default()
    }

    /// A value came, predicted or not, in a context.
    #[inline]
    pub(super) fn came(&mut self, id: u16, row_key: u16) {
        let key = usize::from(self.key(row_key));
        match self.predictions.get_mut(key) {
            Some(prediction) => *prediction = id,
            None => {
                self.predictions.resize(key, 0);
                self.predictions.push(id);
            }
        }
        self.last = id;
    }

    /// The id that a reference stands for: 0 for the entry after the first `known`, which it makes known.
    #[inline]
    pub(super) fn refer(&self, reference: u64, known: &mut usize) -> Result<u16, ColumnFlaw> {
        let id = if reference == 0 {
            *known += 1;
            *known as u64
        } else {
            reference
        };
        if id > *known as u64 || id > self.len() as u64 {
            return Err(ColumnFlaw::Index);
        }
        Ok(id as u16)
    }

    #[inline]
    fn key(&self, row_key: u16) -> u16 {
        match self.context {
            Context::Own => self.last,
            _ => row_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit counts what is used; what is held is at most a quarter more, and nothing once it is empty.
    #[test]
    fn memory_follows_the_cost() {
        let mut dictionary = Dictionary::default();
        dictionary.turn_to(Context::Own);
        for nth in 0..30_000u32 {
            dictionary.push(&nth.to_be_bytes().repeat(1 + nth as usize % 40));
            dictionary.came(nth as u16 + 1, 0);
        }
        let used = dictionary.bytes.len();
        assert!(used > 2 << 20 && dictionary.bytes.capacity() <= used + used / 4 + 160);
        assert_eq!(dictionary.cost(), used + 16 * 30_000 + 2 * 30_000);
        dictionary.clear();
        assert_eq!(dictionary.cost(), 0);
        let held = dictionary.bytes.capacity() + dictionary.starts.capacity();
        assert_eq!(held + dictionary.predictions.capacity(), 0);
    }
}

//! The distinct values of a column, in the order of their first appearance.

use twox_hash::XxHash3_64;

use super::column::Span;

/// More distinct values than this in a block are not worth an index.
const MAX_ENTRIES: usize = 1 << 15;

/// Finds the index of each value. Kept from block to block for its memory.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// Number of an entry + 1, by hash; 0 is free.
    slots: Vec<u16>,
    entries: Vec<Span>,
}

impl Dictionary {
    /// Replaces `indices` by the index of each value and returns the distinct ones; none where they are
    /// more than half of all.
    pub(super) fn index(
        &mut self,
        raw: &[u8],
        values: &[Span],
        indices: &mut Vec<u64>,
    ) -> Option<&[Span]> {
        let limit = (values.len() / 2 + 1).min(MAX_ENTRIES);
        self.clear(limit);
        indices.clear();
        let mut guess = 0;
        for &span in values {
            let value = span.of(raw);
            // History comes in the same order of entities each time.
            let index = match self.entries.get(guess) {
                Some(entry) if entry.of(raw) == value => guess,
                _ => self.find(raw, span),
            };
            if index == limit {
                return None;
            }
            guess = index + 1;
            indices.push(index as u64);
        }
        Some(&self.entries)
    }

    /// At most half of the slots will be used.
    fn clear(&mut self, limit: usize) {
        self.entries.clear();
        self.slots.clear();
        self.slots.resize((2 * limit).next_power_of_two(), 0);
    }

    fn find(&mut self, raw: &[u8], span: Span) -> usize {
        let value = span.of(raw);
        let mask = self.slots.len() - 1;
        let mut slot = hash(value) as usize & mask;
        loop {
            match usize::from(self.slots[slot]).checked_sub(1) {
                None => {
                    self.entries.push(span);
                    self.slots[slot] = self.entries.len() as u16;
                    return self.entries.len() - 1;
                }
                Some(entry) if self.entries[entry].of(raw) == value => return entry,
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }
}

/// xxh3, but of 8 to 16 bytes, as a uuid has, what takes a third of its time.
#[inline]
fn hash(value: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) else {
        return XxHash3_64::oneshot(value);
    };
    if value.len() > 16 {
        return XxHash3_64::oneshot(value);
    }
    let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    let product = u128::from(first ^ ODD) * u128::from(last ^ ODD.rotate_left(32));
    (product as u64) ^ (product >> 64) as u64
}

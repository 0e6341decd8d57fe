//! A dictionary on its way out: finds the id of each value, and which of them have to travel.

use twox_hash::XxHash3_64;

use super::column::{Span, Unfit};
use super::dictionary::{Context, Dictionary, MAX_ENTRIES};

/// Entries with which a dictionary begins anew rather than to run into the limit.
const FULL_ENTRIES: usize = MAX_ENTRIES / 2;

/// Slots that are tried for a value; half of them being free, a dozen is much.
const MAX_TRIED: u32 = 256;

/// A column's dictionary, with the means to look values up; kept along the part.
#[derive(Debug, Default)]
pub(super) struct Index {
    dictionary: Dictionary,
    /// Ids by hash; 0 is free. At most half are used.
    slots: Vec<u16>,
    /// Of each entry.
    hashes: Vec<u32>,
    /// Since it began: values, and those among them that were there already.
    values: u64,
    repeats: u64,
}

/// What travels of a column in a block.
#[derive(Debug, Default)]
pub(super) struct Travels {
    /// Whether the dictionary is empty before it.
    pub(super) anew: bool,
    /// The entries that are new.
    pub(super) entries: Vec<Span>,
    /// Before each reference, how many values were as predicted; empty without a context.
    pub(super) gaps: Vec<u64>,
    /// Of each value that was not: its id, or 0 for the next new entry.
    pub(super) references: Vec<u64>,
    /// Of each value.
    pub(super) ids: Vec<u16>,
    /// Values that were there already and were not predicted.
    pub(super) missed: usize,
}

impl Index {
    pub(super) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_full(&self) -> bool {
        self.dictionary.len() > FULL_ENTRIES
    }

    /// Whether most values were there already.
    pub(super) fn pays(&self) -> bool {
        2 * self.repeats >= self.values
    }

    /// Finds what travels of `values`, for the empty `out`; `keys` are those of the context's column, one for
    /// each value.
    ///
    /// Unfit where the dictionary would cost more than `room`; it is of no use then.
    pub(super) fn index(
        &mut self,
        raw: &[u8],
        values: &[Span],
        (context, keys): (Context, &[u16]),
        room: usize,
        out: &mut Travels,
    ) -> Result<(), Unfit> {
        out.anew = self.dictionary.len() == 0;
        self.dictionary.turn_to(context);
        let found = match context {
            Context::None => self.index_all(raw, values, room, out),
            Context::Own => self.index_rest(raw, values, std::iter::repeat(0), room, out),
            Context::Column(_) => self.index_rest(raw, values, keys.iter().copied(), room, out),
        };
        let known = out.references.iter().filter(|id| **id != 0);
        out.missed = known.count();
        self.values += values.len() as u64;
        self.repeats += (out.ids.len() - out.entries.len()) as u64;
        found?;
        // Predictions have their cost, too.
        match self.dictionary.cost() > room {
            true => Err(Unfit),
            false => Ok(()),
        }
    }

    fn index_all(
        &mut self,
        raw: &[u8],
        values: &[Span],
        room: usize,
        out: &mut Travels,
    ) -> Result<(), Unfit> {
        for &span in values {
            let (id, reference) = self.find(raw, span, room, &mut out.entries)?;
            out.ids.push(id);
            out.references.push(reference);
        }
        Ok(())
    }

    fn index_rest(
        &mut self,
        raw: &[u8],
        values: &[Span],
        keys: impl Iterator<Item = u16>,
        room: usize,
        out: &mut Travels,
    ) -> Result<(), Unfit> {
        let mut gap = 0;
        for (&span, key) in values.iter().zip(keys) {
            let predicted = self.dictionary.predict(key);
            let id = if predicted != 0 && same(self.dictionary.entry(predicted), span.of(raw)) {
                gap += 1;
                predicted
            } else {
                let (id, reference) = self.find(raw, span, room, &mut out.entries)?;
                out.gaps.push(gap);
                out.references.push(reference);
                gap = 0;
                id
            };
            self.dictionary.came(id, key);
            out.ids.push(id);
        }
        Ok(())
    }

    /// A value's id and how it is referred to.
    #[inline]
    fn find(
        &mut self,
        raw: &[u8],
        span: Span,
        room: usize,
        new: &mut Vec<Span>,
    ) -> Result<(u16, u64), Unfit> {
        if 2 * self.hashes.len() >= self.slots.len() {
            self.grow();
        }
        let value = span.of(raw);
        let hash = hash(value);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        for tried in 0.. {
            match self.slots[slot] {
                0 => break,
                // Somebody has chosen values for it.
                _ if tried == MAX_TRIED => return Err(Unfit),
                id if self.hashes[usize::from(id) - 1] == hash
                    && same(self.dictionary.entry(id), value) =>
                {
                    return Ok((id, id.into()));
                }
                _ => slot = (slot + 1) & mask,
            }
        }
        let cost = self.dictionary.cost() + Dictionary::entry_cost(value.len());
        if cost > room || self.dictionary.len() == MAX_ENTRIES {
            return Err(Unfit);
        }
        self.dictionary.push(value);
        self.hashes.push(hash);
        new.push(span);
        let id = self.hashes.len() as u16;
        self.slots[slot] = id;
        Ok((id, 0))
    }

    #[cold]
    fn grow(&mut self) {
        let len = (2 * self.slots.len()).max(256);
        self.slots.clear();
        self.slots.resize(len, 0);
        for (at, hash) in self.hashes.iter().enumerate() {
            let mut slot = *hash as usize & (len - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (len - 1);
            }
            self.slots[slot] = at as u16 + 1;
        }
    }
}

impl Travels {
    pub(super) fn clear(&mut self) {
        self.anew = false;
        self.entries.clear();
        self.gaps.clear();
        self.references.clear();
        self.ids.clear();
        self.missed = 0;
    }
}

/// `==` for values that are short mostly: two overlapping halves instead of a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        8..=16 => halves::<8>(a) == halves::<8>(b),
        4..8 => halves::<4>(a) == halves::<4>(b),
        _ => a == b,
    }
}

/// The first and the last `N` bytes.
#[inline]
fn halves<const N: usize>(value: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (value.first_chunk(), value.last_chunk())
}

/// xxh3, but of short values, as keys are, what takes a third of its time.
#[inline]
fn hash(value: &[u8]) -> u32 {
    let long = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let short = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    match value.len() {
        8..=16 => {
            let (first, last) = halves::<8>(value);
            mix(first.map_or(0, long), last.map_or(0, long))
        }
        4..8 => {
            let (first, last) = halves::<4>(value);
            mix(first.map_or(0, short), last.map_or(0, short))
        }
        _ => XxHash3_64::oneshot(value) as u32,
    }
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn mix(first: u64, last: u64) -> u32 {
    let product = u128::from(first ^ ODD) * u128::from(last ^ ODD.rotate_left(32));
    let folded = (product as u64) ^ (product >> 64) as u64;
    // The low bits choose a slot; they are to depend on all others.
    (folded.wrapping_mul(ODD) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(values: &[[u8; 16]]) -> Result<Travels, Unfit> {
        let raw = values.concat();
        let spans = (0..values.len()).map(|nth| Span::new(16 * nth, 16));
        let spans: Vec<_> = spans.collect();
        let mut travels = Travels::default();
        let context = (Context::None, &[][..]);
        let indexed = Index::default().index(&raw, &spans, context, 4 << 20, &mut travels);
        indexed.map(|()| travels)
    }

    fn value(first: u64, last: u64) -> [u8; 16] {
        let halves = [first.to_le_bytes(), last.to_le_bytes()];
        halves.concat().try_into().unwrap()
    }

    #[test]
    fn each_value_has_its_id() {
        let values: Vec<_> = (0..20_000)
            .map(|nth| value(nth % 9_000, nth % 9_000))
            .collect();
        let travels = index(&values).unwrap();
        assert_eq!(travels.entries.len(), 9_000);
        assert!(
            travels
                .ids
                .iter()
                .zip(0..)
                .all(|(id, nth)| u32::from(*id) == nth % 9_000 + 1)
        );
    }

    /// All with the same hash, as somebody may choose them: refused soon, not searched for ever longer.
    #[test]
    fn values_of_one_hash_are_refused() {
        let values: Vec<_> = (0..20_000).map(|nth| value(ODD, nth)).collect();
        assert_eq!(hash(&values[0]), hash(&values[1]));
        assert!(index(&values).is_err());
        assert!(index(&values[..200]).is_ok());
    }
}

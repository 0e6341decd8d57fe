//! What the receiving side remembers along a part: the dictionary of each column.

use super::column::{BY_ITSELF, BY_NOTHING};
use super::dictionary::{Context, Dictionary, MAX_COST, MAX_ENTRIES};
use super::ints::{BATCH, Ints};
use super::nulls::{count_present, keep_present, spread};
use super::section::{Head, Streams};
use super::values::{Incoming, Values};
use crate::codec::error::ColumnFlaw;

/// The dictionaries of all columns.
#[derive(Debug, Default)]
pub(super) struct Recall {
    columns: Vec<Memory>,
    /// What all dictionaries cost.
    cost: usize,
    /// Of each value of a column, the key of its context.
    keys: Vec<u16>,
}

/// One column's dictionary, and its ids in the present block.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) dictionary: Dictionary,
    /// Of each value.
    pub(super) ids: Vec<u16>,
    /// Of each row that by which other columns are predicted, once one of them has asked.
    keys: Vec<u16>,
}

impl Recall {
    /// Another part follows.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Begins a block of so many columns.
    pub(super) fn begin(&mut self, columns: usize) {
        if self.columns.len() != columns {
            self.forget();
            self.columns.resize_with(columns, Memory::default);
        }
        for memory in &mut self.columns {
            memory.ids.clear();
            memory.keys.clear();
        }
    }

    pub(super) fn column(&self, nth: usize) -> &Memory {
        &self.columns[nth]
    }

    /// Reads a dictionary's share of a block of `rows` rows, `present` of them with a value, and resolves
    /// its ids; `before` are the columns before it.
    pub(super) fn read<'a>(
        &mut self,
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        before: &[Incoming<'a>],
        nulls: Option<&[u8]>,
        (rows, present): (usize, usize),
    ) -> Result<(), ColumnFlaw> {
        let nth = before.len();
        match head.byte()? {
            0 => {}
            1 => self.leave(nth),
            other => return Err(ColumnFlaw::DictionaryFlags(other)),
        }
        let context = self.read_context(head, before, rows)?;
        let known = self.columns[nth].dictionary.len();
        let count = head.u32()? as usize;
        if count > 0 {
            let encoding = head.byte()?;
            self.add(head, streams, nth, encoding, (count, present))?;
        }
        self.keys.clear();
        match context {
            Context::None => {
                let ids = Ints::read(head, streams, present)?;
                return self.columns[nth].resolve_all(ids, known, present);
            }
            Context::Own => self.keys.resize(present, 0),
            Context::Column(number) => {
                let keys = self.columns[usize::from(number)].keys.iter().copied();
                keep_present(keys, nulls, &mut self.keys);
            }
        }
        let references = References::read(head, streams, present)?;
        let before = self.columns[nth].dictionary.cost();
        self.columns[nth].resolve_rest(references, known, &self.keys)?;
        self.cost = self.cost + self.columns[nth].dictionary.cost() - before;
        self.check_cost(0)
    }

    /// What predicts the values of the column behind those `before`, whose keys are there then.
    fn read_context(
        &mut self,
        head: &mut Head<'_>,
        before: &[Incoming<'_>],
        rows: usize,
    ) -> Result<Context, ColumnFlaw> {
        let context = match u16::from_le_bytes(head.array()?) {
            BY_NOTHING => Context::None,
            BY_ITSELF => Context::Own,
            number => Context::Column(number),
        };
        self.change(before.len(), 0, |dictionary| dictionary.turn_to(context))?;
        if let Context::Column(number) = context {
            self.find_keys(number, before, rows)?;
        }
        Ok(context)
    }

    /// As [`read`](Self::read), of a dictionary that serves for one block, as version 2 had it.
    pub(super) fn read_whole<'a>(
        &mut self,
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        nth: usize,
        present: usize,
    ) -> Result<(), ColumnFlaw> {
        self.leave(nth);
        let count = head.u32()? as usize;
        if count == 0 {
            return Err(ColumnFlaw::Entries);
        }
        let encoding = head.byte()?;
        self.add(head, streams, nth, encoding, (count, present))?;
        let indices = Ints::read(head, streams, present)?.plus_one();
        self.columns[nth].resolve_all(indices, count, present)
    }

    /// A column has no dictionary any more.
    pub(super) fn leave(&mut self, nth: usize) {
        let dictionary = &mut self.columns[nth].dictionary;
        self.cost -= dictionary.cost();
        dictionary.clear();
    }

    /// Changes a column's dictionary, which may cost `more` than it does.
    fn change(
        &mut self,
        nth: usize,
        more: usize,
        change: impl FnOnce(&mut Dictionary),
    ) -> Result<(), ColumnFlaw> {
        self.check_cost(more)?;
        let dictionary = &mut self.columns[nth].dictionary;
        let before = dictionary.cost();
        change(dictionary);
        self.cost = self.cost + dictionary.cost() - before;
        Ok(())
    }

    fn check_cost(&self, more: usize) -> Result<(), ColumnFlaw> {
        match self.cost + more > MAX_COST {
            true => Err(ColumnFlaw::DictionaryCost),
            false => Ok(()),
        }
    }

    /// Adds `count` entries, at most one for each value `present`.
    fn add<'a>(
        &mut self,
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        nth: usize,
        encoding: u8,
        (count, present): (usize, usize),
    ) -> Result<(), ColumnFlaw> {
        let len = self.columns[nth].dictionary.len();
        if count > present || count > MAX_ENTRIES - len {
            return Err(ColumnFlaw::Entries);
        }
        let entries = Values::read_bytes(encoding, head, streams, count)?;
        let more = entries.bytes_len() + count * Dictionary::entry_cost(0);
        self.change(nth, more, |dictionary| {
            entries.each(count, |entry| dictionary.push(entry));
        })
    }

    /// Finds the keys by which column `number` predicts others, unless they are there.
    fn find_keys(
        &mut self,
        number: u16,
        before: &[Incoming<'_>],
        rows: usize,
    ) -> Result<(), ColumnFlaw> {
        let nth = usize::from(number);
        let column = before.get(nth).ok_or(ColumnFlaw::Context(number))?;
        let Memory { ids, keys, .. } = &mut self.columns[nth];
        if keys.len() == rows {
            return Ok(());
        }
        match &column.values {
            Values::None => keys.resize(rows, 0),
            Values::Ints { ints, .. } => int_keys(ints.clone(), column.nulls, rows, keys),
            Values::Dictionary { .. } => {
                spread(ids.iter().copied(), column.nulls, 0..rows, 0, keys)
            }
            _ => return Err(ColumnFlaw::Context(number)),
        }
        Ok(())
    }
}

impl Memory {
    /// Finds the id of each value, all of which travel; the first `known` entries have come before.
    fn resolve_all(
        &mut self,
        mut references: Ints<'_>,
        mut known: usize,
        present: usize,
    ) -> Result<(), ColumnFlaw> {
        self.ids.reserve_exact(present);
        let mut batch = [0; BATCH];
        for first in (0..present).step_by(BATCH) {
            let batch = &mut batch[..BATCH.min(present - first)];
            references.next(batch);
            for reference in batch {
                let id = self.dictionary.refer(*reference, &mut known)?;
                self.ids.push(id);
            }
        }
        self.all_came(known)
    }

    /// Finds the id of each value, for which there is a key each.
    fn resolve_rest(
        &mut self,
        mut references: References<'_>,
        mut known: usize,
        keys: &[u16],
    ) -> Result<(), ColumnFlaw> {
        self.ids.reserve_exact(keys.len());
        let (mut gap, mut reference) = references.next();
        for key in keys {
            let id = if gap > 0 {
                gap -= 1;
                match self.dictionary.predict(*key) {
                    0 => return Err(ColumnFlaw::Prediction),
                    id => id,
                }
            } else {
                let id = self.dictionary.refer(reference, &mut known)?;
                (gap, reference) = references.next();
                id
            };
            self.dictionary.came(id, *key);
            self.ids.push(id);
        }
        if gap < END {
            return Err(ColumnFlaw::Gaps);
        }
        self.all_came(known)
    }

    /// Every entry has been referred to once it has come.
    fn all_came(&self, known: usize) -> Result<(), ColumnFlaw> {
        match known == self.dictionary.len() {
            true => Ok(()),
            false => Err(ColumnFlaw::Entries),
        }
    }
}

/// A gap that no block can have; it does not end before the rows do.
const END: u64 = 1 << 32;

/// Ids that travel, where others are predicted.
#[derive(Debug)]
struct References<'a> {
    /// Before each, how many values are as predicted; and themselves. None if there are no ids.
    ints: Option<(Ints<'a>, Ints<'a>)>,
    left: usize,
    batch: [[u64; BATCH]; 2],
    at: usize,
    got: usize,
}

impl<'a> References<'a> {
    fn read(
        head: &mut Head<'a>,
        streams: &mut Streams<'a>,
        present: usize,
    ) -> Result<Self, ColumnFlaw> {
        let count = head.u32()? as usize;
        if count > present {
            return Err(ColumnFlaw::Gaps);
        }
        let ints = if count == 0 {
            None
        } else {
            let gaps = Ints::read(head, streams, count)?;
            Some((gaps, Ints::read(head, streams, count)?))
        };
        Ok(Self {
            ints,
            left: count,
            batch: [[0; BATCH]; 2],
            at: 0,
            got: 0,
        })
    }

    /// The next gap, and the reference after it.
    #[inline]
    fn next(&mut self) -> (u64, u64) {
        if self.at == self.got {
            self.refill();
            if self.got == 0 {
                return (u64::MAX, 0);
            }
        }
        let [gaps, ids] = &self.batch;
        self.at += 1;
        // Longer than any block, but not the end.
        (gaps[self.at - 1].min(END - 1), ids[self.at - 1])
    }

    fn refill(&mut self) {
        self.at = 0;
        self.got = BATCH.min(self.left);
        self.left -= self.got;
        if let Some((gaps, ids)) = &mut self.ints {
            let [gap_batch, id_batch] = &mut self.batch;
            gaps.next(&mut gap_batch[..self.got]);
            ids.next(&mut id_batch[..self.got]);
        }
    }
}

/// The low 16 bits of each row's integer, 0 of a null.
fn int_keys(mut ints: Ints<'_>, nulls: Option<&[u8]>, rows: usize, keys: &mut Vec<u16>) {
    let mut batch = [0; BATCH];
    for first in (0..rows).step_by(BATCH) {
        let rows = first..rows.min(first + BATCH);
        let present = count_present(nulls, rows.clone());
        let values = &mut batch[..present];
        ints.next(values);
        spread(
            values.iter().map(|value| *value as u16),
            nulls,
            rows,
            0,
            keys,
        );
    }
}

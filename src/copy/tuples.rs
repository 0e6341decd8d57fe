//! The hot loop: where the tuples that lie whole in a buffer are, and their fields.
//!
//! Most columns of most tables have one length and no nulls. So most of a tuple is a *run*: fields whose
//! places follow from where the run begins, and whose lengths are checked by comparing the run with that
//! of the tuples before, lengths only, eight bytes at a time. Only fields whose length varies are walked.

use super::error::{FlawAt, ScanError};
use super::tuple::{LENGTH_LEN, NULL, field_len, walk_tuple};

/// Longer fields are worth a look of their own, however alike: a run's pattern is as long as the run.
const MAX_FIXED: u32 = 64;

/// What the fields of a column have in common, as far as they have been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// So many bytes, at most 64, and never null.
    Fixed(u32),
    /// Always null.
    Null,
    Varies,
}

/// A column of indexed tuples.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub width: Width,
    run: u32,
    /// Bytes from the run's beginning to the field's length.
    offset: u32,
}

/// The fields between two that vary, and the count before the first.
#[derive(Debug, Clone, Default)]
struct Run {
    bytes: usize,
    /// Count and lengths where they stand, and zeros where values do; filled up to whole words.
    pattern: Vec<u64>,
    /// All ones where the pattern counts.
    mask: Vec<u64>,
}

/// An index of the whole tuples at the beginning of a buffer.
///
/// Kept from buffer to buffer: what has been learnt of the columns' widths makes the next one quick.
/// It holds 4 bytes per row and per column that varies.
#[derive(Debug, Clone, Default)]
pub struct Tuples {
    columns: Vec<Column>,
    runs: Vec<Run>,
    /// Where each run of each row begins, row by row.
    starts: Vec<u32>,
    rows: usize,
    end: usize,
}

/// How far the walk by runs came.
enum Step {
    /// A row fits.
    Fits(usize),
    /// It does not, or may not be there whole: it has to be walked field by field.
    Unsure,
}

impl Tuples {
    /// Indexes the whole tuples at the beginning of `bytes`, all of one field count; returns where they
    /// end.
    pub fn find(&mut self, bytes: &[u8]) -> Result<usize, ScanError> {
        let found = self.index(bytes, &mut None);
        found.map_err(|flaw| flaw.in_stream(0))
    }

    /// Indexes the whole tuples at the beginning of `bytes` (less than 4 GiB); returns where they end.
    ///
    /// Stops at a tuple that is cut short and at a first byte of 0xff, which only a trailer may have.
    pub(super) fn index(
        &mut self,
        bytes: &[u8],
        columns: &mut Option<u16>,
    ) -> Result<usize, FlawAt> {
        self.clear();
        loop {
            while let Step::Fits(end) = self.step(bytes) {
                self.end = end;
                self.rows += 1;
            }
            self.starts.truncate(self.rows * self.runs.len());
            let rest = &bytes[self.end..];
            let walked = walk_tuple(rest, columns, |_, _| ());
            let Some(len) = walked.map_err(|flaw| flaw.moved(self.end))? else {
                return Ok(self.end);
            };
            if !self.add_walked(bytes, len) {
                self.learn(&bytes[self.end..], columns);
                self.clear();
            }
        }
    }

    fn clear(&mut self) {
        self.starts.clear();
        self.rows = 0;
        self.end = 0;
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the indexed tuples together.
    pub fn bytes(&self) -> usize {
        self.end
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Where each tuple begins.
    pub fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        let rows = self.starts.chunks_exact(self.runs.len().max(1));
        rows.map(|row| row[0] as usize)
    }

    /// Where the length of each row's field begins.
    #[inline]
    pub fn fields(&self, column: Column) -> impl Iterator<Item = usize> + '_ {
        let rows = self.starts.chunks_exact(self.runs.len().max(1));
        rows.map(move |row| row[column.run as usize] as usize + column.offset as usize)
    }

    /// Some of the tuples: `runs` times `rows` neighbours, from the first to the last; all where they are not more.
    pub fn sample(&self, runs: usize, rows: usize) -> Self {
        let stride = self.runs.len();
        let starts = if self.rows <= runs * rows {
            self.starts.clone()
        } else {
            let last = self.rows - rows;
            let firsts = (0..runs).map(|run| last * run / (runs - 1).max(1));
            let picked = firsts.map(|first| &self.starts[first * stride..(first + rows) * stride]);
            picked.flatten().copied().collect()
        };
        Self {
            columns: self.columns.clone(),
            runs: self.runs.clone(),
            rows: self.rows.min(runs * rows),
            starts,
            end: self.end,
        }
    }

    #[inline]
    fn step(&mut self, bytes: &[u8]) -> Step {
        let Some((last, before)) = self.runs.split_last() else {
            return Step::Unsure;
        };
        let mut at = self.end;
        for run in before {
            let Some(next) = run.end(bytes, at) else {
                return Step::Unsure;
            };
            self.starts.push(at as u32);
            let word = bytes.get(next..).and_then(<[u8]>::first_chunk);
            let Some(len) = word.and_then(|word| field_len(*word)) else {
                return Step::Unsure;
            };
            at = next + LENGTH_LEN + len as usize;
        }
        match last.end(bytes, at) {
            Some(end) => {
                self.starts.push(at as u32);
                Step::Fits(end)
            }
            None => Step::Unsure,
        }
    }

    /// Adds the tuple at the end, which is there whole; false if it does not have the known widths.
    fn add_walked(&mut self, bytes: &[u8], len: usize) -> bool {
        let Some((last, before)) = self.runs.split_last() else {
            return false;
        };
        let (tuple, mut at) = (&bytes[self.end..self.end + len], 0);
        let kept = self.starts.len();
        for run in before {
            let next = at + run.bytes;
            let word = tuple.get(next..).and_then(<[u8]>::first_chunk);
            let Some(len) = word.and_then(|word| field_len(*word)) else {
                break;
            };
            if !run.fits(&tuple[at..next]) {
                break;
            }
            self.starts.push((self.end + at) as u32);
            at = next + LENGTH_LEN + len as usize;
        }
        let all_before = self.starts.len() - kept == before.len();
        if !all_before || tuple.len() != at + last.bytes || !last.fits(&tuple[at..]) {
            self.starts.truncate(kept);
            return false;
        }
        self.starts.push((self.end + at) as u32);
        self.end += len;
        self.rows += 1;
        true
    }

    /// Learns the widths from all whole tuples of `bytes`, and not from one alone, so that a buffer is
    /// begun again only once. A column that varies does so for good.
    fn learn(&mut self, bytes: &[u8], columns: &mut Option<u16>) {
        if columns.is_none_or(|count| usize::from(count) != self.columns.len()) {
            self.columns.clear();
        }
        let mut widths: Vec<_> = self.columns.iter().map(|c| Some(c.width)).collect();
        let mut at = 0;
        // A flaw is found again, and reported, by the walk.
        while let Ok(Some(len)) = walk_tuple(&bytes[at..], columns, |number, len| {
            if widths.len() <= number {
                widths.resize(number + 1, None);
            }
            let seen = match len {
                NULL => Width::Null,
                0..=MAX_FIXED => Width::Fixed(len),
                _ => Width::Varies,
            };
            match &mut widths[number] {
                Some(known) if *known == seen => {}
                Some(known) => *known = Width::Varies,
                unknown => *unknown = Some(seen),
            }
        }) {
            at += len;
        }
        self.arrange(widths.into_iter().flatten().collect());
    }

    fn arrange(&mut self, widths: Vec<Width>) {
        self.columns.clear();
        self.runs.clear();
        let mut run = RunBuilder::default();
        run.add(&(widths.len() as u16).to_be_bytes(), 0);
        for width in widths {
            self.columns.push(Column {
                width,
                run: self.runs.len() as u32,
                offset: run.pattern.len() as u32,
            });
            match width {
                Width::Fixed(len) => run.add(&len.to_be_bytes(), len as usize),
                Width::Null => run.add(&NULL.to_be_bytes(), 0),
                Width::Varies => self.runs.push(std::mem::take(&mut run).finish()),
            }
        }
        self.runs.push(run.finish());
    }
}

impl Run {
    /// Where the run at `at` ends, if it is there with this pattern and with a word of room.
    #[inline]
    fn end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let words = bytes
            .get(at..at + 8 * self.pattern.len())?
            .as_chunks::<8>()
            .0;
        let mut odd = 0;
        for ((word, pattern), mask) in words.iter().zip(&self.pattern).zip(&self.mask) {
            odd |= (u64::from_ne_bytes(*word) ^ pattern) & mask;
        }
        (odd == 0).then_some(at + self.bytes)
    }

    /// The same for the run's bytes alone.
    fn fits(&self, bytes: &[u8]) -> bool {
        let words = bytes.chunks(8).zip(self.pattern.iter().zip(&self.mask));
        words.into_iter().all(|(bytes, (pattern, mask))| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            (u64::from_ne_bytes(word) ^ pattern) & mask == 0
        })
    }
}

#[derive(Default)]
struct RunBuilder {
    pattern: Vec<u8>,
    mask: Vec<u8>,
}

impl RunBuilder {
    fn add(&mut self, word: &[u8], value_len: usize) {
        self.pattern.extend(word);
        self.mask.resize(self.pattern.len(), 0xff);
        self.pattern.resize(self.pattern.len() + value_len, 0);
        self.mask.resize(self.pattern.len(), 0);
    }

    fn finish(self) -> Run {
        let words = |bytes: &[u8]| {
            let words = bytes.chunks(8).map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_ne_bytes(word)
            });
            words.collect()
        };
        Run {
            bytes: self.pattern.len(),
            pattern: words(&self.pattern),
            mask: words(&self.mask),
        }
    }
}

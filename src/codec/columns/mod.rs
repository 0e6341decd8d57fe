//! Tuples as columns: fewer bytes for zstd to see, and the like ones side by side.
//!
//! `docs/block.md` says how they are laid out. What decides is here: each column's encoding is chosen by
//! trial on some of a block's rows ([`probe`]), kept along the part, and tried again when it fails or when
//! the column takes much more than it did ([`history`]).

mod batch;
mod column;
mod contexts;
mod dictionary;
mod history;
mod index;
mod ints;
mod nulls;
mod numeric;
mod outgoing;
mod probe;
mod rebuild;
mod recall;
mod section;
mod values;

#[cfg(test)]
mod tests;

use column::Scratch;
use dictionary::MAX_COST;
use outgoing::{Outgoing, Room};
pub use probe::Encodings;
use probe::Probe;
pub(super) use rebuild::Rebuilder;
pub use rebuild::fuzz_columns;
use section::Writer;

use crate::copy::Tuples;

/// Columns that look for a context at the same time; each takes 80 KiB for it.
const MAX_LEARNERS: usize = 32;

/// A block with fewer rows is not worth the memory for that.
const LEAST_ROWS: usize = 256;

/// Turns blocks of tuples into columns; remembers along a part what it has learnt of them.
#[derive(Debug, Default)]
pub(super) struct Columns {
    probe: Probe,
    scratch: Scratch,
    columns: Vec<Outgoing>,
    writer: Writer,
}

impl Columns {
    /// Uses only these encodings, where there is a choice, from the next part on.
    pub(super) fn restrict(&mut self, encodings: Encodings) {
        self.probe.restrict(encodings);
    }

    /// Another part follows.
    pub(super) fn forget(&mut self) {
        self.columns.clear();
    }

    /// Arranges `raw`, of which `tuples` is the index; false where it is better sent as it is.
    pub(super) fn arrange(&mut self, raw: &[u8], tuples: &Tuples) -> bool {
        if tuples.columns().is_empty() {
            return false;
        }
        let columns = tuples.columns().len();
        if self.columns.is_empty() {
            self.columns.resize_with(columns, Outgoing::default);
        } else if self.columns.len() != columns {
            // No table has such rows.
            return false;
        }
        self.make_room();
        self.plan(raw, tuples);
        self.want_keys(tuples.rows());
        self.writer.begin(tuples.columns().len());
        let mut cost: usize = self.columns.iter().map(|column| column.held).sum();
        let predictions: usize = self.columns.iter().map(Outgoing::predictions_cost).sum();
        let mut room = Room {
            entries: 0,
            predictions: (MAX_COST / 4).saturating_sub(predictions),
        };
        for (nth, column) in tuples.columns().iter().enumerate() {
            let (before, rest) = self.columns.split_at_mut(nth);
            let block = (raw, tuples, *column);
            cost -= rest[0].held;
            room.entries = MAX_COST - cost;
            rest[0].write(
                block,
                before,
                &mut room,
                &mut self.scratch,
                &mut self.writer,
            );
            cost += rest[0].cost();
        }
        self.writer.end();
        let pays = self.writer.len() <= raw.len();
        if !pays {
            // The other side will not see what these have learnt.
            self.columns.iter_mut().for_each(Outgoing::begin_anew);
        }
        pays
    }

    /// Empties dictionaries until there is room for what a block may bring.
    fn make_room(&mut self) {
        self.columns.iter_mut().for_each(Outgoing::make_room);
        while self.columns.iter().map(Outgoing::cost).sum::<usize>() > MAX_COST / 2 {
            let dearest = self.columns.iter_mut().max_by_key(|column| column.cost());
            dearest.expect("what costs is there").empty();
        }
    }

    /// Makes a plan for each column that has none.
    fn plan(&mut self, raw: &[u8], tuples: &Tuples) {
        if !self.columns.iter().any(Outgoing::wants_plan) {
            return;
        }
        let sample = tuples.sample(probe::SAMPLE_RUNS, probe::SAMPLE_ROWS);
        for (column, outgoing) in tuples.columns().iter().zip(&mut self.columns) {
            if outgoing.wants_plan() {
                outgoing.plan(&mut self.probe, &mut self.scratch, (raw, &sample, *column));
            }
        }
    }

    /// Finds which columns' keys others will ask for.
    fn want_keys(&mut self, rows: usize) {
        let predictions = self.probe.encodings().predictions;
        let mut learners = match predictions && rows >= LEAST_ROWS {
            true => MAX_LEARNERS,
            false => 0,
        };
        for nth in 0..self.columns.len() {
            self.columns[nth].wanted = false;
            let (before, rest) = self.columns.split_at_mut(nth);
            if learners == 0 {
                rest[0].stop_learning();
            } else if rest[0].learns(before) {
                learners -= 1;
            }
            for column in rest[0].asks_for() {
                before[usize::from(column)].wanted = true;
            }
        }
    }

    /// The sections of what was arranged.
    pub(super) fn sections(&self) -> &Writer {
        &self.writer
    }

    /// Learns how many bytes each piece for the frame has become; `window` is the frame's, in bytes.
    pub(super) fn learn(&mut self, rows: u32, pieces: &[(usize, u32, u32)], window: u64) {
        for &(column, offered, taken) in pieces {
            self.columns[column].history.note(offered, taken);
        }
        let framed = self.writer.framed_len() as u64;
        for column in &mut self.columns {
            column.history.settle(rows, framed, window);
            column.held = column.cost();
        }
    }
}

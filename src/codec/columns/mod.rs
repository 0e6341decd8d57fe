//! Tuples as columns: fewer bytes for zstd to see, and the like ones side by side.
//!
//! `docs/block.md` says how they are laid out. What decides is here: each column's encoding is chosen by
//! trial on a block's first rows ([`probe`]), kept along the part, and tried again when it fails or when
//! the column takes much more than it did ([`history`]).

mod batch;
mod column;
mod dictionary;
mod history;
mod ints;
mod numeric;
mod probe;
mod rebuild;
mod section;
mod values;

#[cfg(test)]
mod tests;

use column::Scratch;
use history::History;
pub use probe::Encodings;
use probe::Probe;
pub(super) use rebuild::Rebuilder;
use section::Writer;

use crate::copy::{Column, Tuples};

/// Turns blocks of tuples into columns; remembers along a part what it has learnt of them.
#[derive(Debug, Default)]
pub(super) struct Columns {
    probe: Probe,
    scratch: Scratch,
    histories: Vec<History>,
    writer: Writer,
}

impl Columns {
    /// Uses only these encodings, where there is a choice.
    pub(super) fn restrict(&mut self, encodings: Encodings) {
        self.probe.restrict(encodings);
        self.forget();
    }

    /// Another table follows.
    pub(super) fn forget(&mut self) {
        self.histories.clear();
    }

    /// Arranges `raw`, of which `tuples` is the index; false where it is better sent as it is.
    pub(super) fn arrange(&mut self, raw: &[u8], tuples: &Tuples) -> bool {
        if tuples.columns().is_empty() {
            return false;
        }
        self.plan(raw, tuples);
        self.writer.begin(tuples.columns().len());
        for (column, history) in tuples.columns().iter().zip(&mut self.histories) {
            write_column(
                &mut self.scratch,
                raw,
                tuples,
                *column,
                history,
                &mut self.writer,
            );
        }
        self.writer.end();
        self.writer.len() <= raw.len()
    }

    /// Makes a plan for each column that has none.
    fn plan(&mut self, raw: &[u8], tuples: &Tuples) {
        let columns = tuples.columns();
        if self.histories.len() != columns.len() {
            self.forget();
            self.histories.resize_with(columns.len(), History::default);
        }
        if !self.histories.iter().any(History::wants_plan) {
            return;
        }
        let sample = tuples.first(probe::SAMPLE_ROWS);
        for (column, history) in columns.iter().zip(&mut self.histories) {
            if history.wants_plan() {
                history.planned(self.probe.best(&mut self.scratch, raw, &sample, *column));
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
            self.histories[column].note(offered, taken);
        }
        let framed = self.writer.framed_len() as u64;
        for history in &mut self.histories {
            history.settle(rows, framed, window);
        }
    }
}

fn write_column(
    scratch: &mut Scratch,
    raw: &[u8],
    tuples: &Tuples,
    column: Column,
    history: &mut History,
    out: &mut Writer,
) {
    out.begin_column(history.is_beside());
    if scratch
        .write(raw, tuples, column, history.plan(), out)
        .is_err()
    {
        out.undo_column();
        history.failed();
        let written = scratch.write(raw, tuples, column, history.plan(), out);
        debug_assert!(written.is_ok(), "any column can be written as bytes");
    }
}

//! One column along a part: its plan, its dictionary, and what predicts it.

use super::column::{self, Block, Plan, Scratch, Unfit, With};
use super::contexts::Contexts;
use super::dictionary::{Context, MAX_PREDICTIONS};
use super::history::History;
use super::index::Index;
use super::probe::Probe;
use super::section::Writer;

/// Columns before a column that may predict it: the nearest.
const CANDIDATES: usize = 4;

/// What is remembered of a column.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) history: History,
    /// What the other side holds of the column's dictionary, by what it costs.
    pub(super) held: usize,
    /// Whether other columns ask for this one's keys.
    pub(super) wanted: bool,
    /// One for each row of the block; none if nobody asked, or the block has none.
    keys: Vec<u16>,
    /// If its plan is a dictionary.
    words: Option<Box<Words>>,
    /// Whether one has not been worth its bytes.
    useless_words: bool,
}

/// What is left of the dictionaries' limit.
#[derive(Debug)]
pub(super) struct Room {
    /// For the dictionary of the column that is written, its predictions included.
    pub(super) entries: usize,
    /// For contexts that are yet to be taken; so that these do not crowd out what they are to predict.
    pub(super) predictions: usize,
}

/// A dictionary and what predicts it.
#[derive(Debug, Default)]
struct Words {
    index: Index,
    contexts: Contexts,
}

impl Outgoing {
    pub(super) fn wants_plan(&self) -> bool {
        self.history.wants_plan()
    }

    pub(super) fn plan(&mut self, probe: &mut Probe, scratch: &mut Scratch, sample: Block<'_>) {
        let plan = probe.best(scratch, sample, !self.useless_words);
        self.history.planned(plan);
        self.words = (plan == Plan::Dictionary).then(Box::default);
    }

    /// What its dictionary costs.
    pub(super) fn cost(&self) -> usize {
        let words = self.words.as_ref();
        words.map_or(0, |words| words.index.dictionary().cost())
    }

    /// What its predictions are of that.
    pub(super) fn predictions_cost(&self) -> usize {
        let words = self.words.as_ref();
        words.map_or(0, |words| words.index.dictionary().predictions_cost())
    }

    /// The dictionary begins anew before it meets its limit.
    pub(super) fn make_room(&mut self) {
        if self
            .words
            .as_ref()
            .is_some_and(|words| words.index.is_full())
        {
            self.empty();
        }
    }

    /// The dictionary begins anew, or is given up if it has not been worth its bytes.
    pub(super) fn empty(&mut self) {
        if self.words.as_ref().is_some_and(|words| !words.index.pays()) {
            self.fail();
        }
        self.begin_anew();
    }

    pub(super) fn begin_anew(&mut self) {
        if let Some(words) = &mut self.words {
            words.index.clear();
            words.contexts.begin_anew();
        }
    }

    /// Looks for a context among the columns `before`; false where that is settled.
    pub(super) fn learns(&mut self, before: &[Self]) -> bool {
        let Some(words) = &mut self.words else {
            return false;
        };
        let nearest = before.iter().enumerate().rev();
        let able = nearest.filter(|(_, column)| column.may_predict());
        let candidates = able.map(|(nth, _)| nth as u16).take(CANDIDATES);
        words.contexts.learns(candidates)
    }

    pub(super) fn stop_learning(&mut self) {
        if let Some(words) = &mut self.words {
            words.contexts.stop();
        }
    }

    /// The columns of whose keys it makes use, or may.
    pub(super) fn asks_for(&self) -> impl Iterator<Item = u16> + '_ {
        let contexts = self.words.iter().map(|words| &words.contexts);
        let contexts = contexts.flat_map(|contexts| {
            let candidates = contexts.candidates().iter().map(|each| each.context);
            [contexts.used()].into_iter().chain(candidates)
        });
        contexts.filter_map(|context| match context {
            Context::Column(number) => Some(number),
            Context::Own | Context::None => None,
        })
    }

    /// Writes the column; `before` are those before it.
    pub(super) fn write(
        &mut self,
        block: Block<'_>,
        before: &[Self],
        room: &mut Room,
        scratch: &mut Scratch,
        out: &mut Writer,
    ) {
        out.begin_column(self.history.is_beside());
        if self.try_write(block, before, room, scratch, out).is_err() {
            out.undo_column();
            self.fail();
            let written = scratch.write(block, Plan::Bytes, out);
            debug_assert!(written.is_ok(), "any column can be written as bytes");
        }
        self.keys.clear();
        if self.wanted {
            self.note_keys(block, scratch);
        }
    }

    fn try_write(
        &mut self,
        block: Block<'_>,
        before: &[Self],
        room: &mut Room,
        scratch: &mut Scratch,
        out: &mut Writer,
    ) -> Result<(), Unfit> {
        let Some(words) = &mut self.words else {
            return scratch.write(block, self.history.plan(), out);
        };
        let (context, keys) = match words.contexts.used() {
            Context::Column(number) => match &before[usize::from(number)].keys[..] {
                [] => (Context::None, &[][..]),
                keys => (Context::Column(number), keys),
            },
            context => (context, &[][..]),
        };
        let index = &mut words.index;
        let with = With {
            index,
            context,
            keys,
            room: room.entries,
        };
        scratch.write_with(block, with, out)?;
        let free = room.predictions >= MAX_PREDICTIONS;
        if words.learn(before, scratch, free) {
            room.predictions -= MAX_PREDICTIONS;
        }
        Ok(())
    }

    /// The plan does not suit this block.
    fn fail(&mut self) {
        self.history.failed();
        let words = self.words.take();
        self.useless_words |= words.is_some_and(|words| !words.index.pays());
    }

    fn may_predict(&self) -> bool {
        matches!(self.history.plan(), Plan::Ints(_) | Plan::Dictionary)
    }

    fn note_keys(&mut self, block: Block<'_>, scratch: &Scratch) {
        let (_, tuples, _) = block;
        match self.history.plan() {
            Plan::Ints(_) => column::int_keys(block, &mut self.keys),
            Plan::Dictionary if !scratch.travels.ids.is_empty() => {
                scratch.row_ids(tuples.rows(), &mut self.keys);
            }
            _ => {}
        }
    }
}

impl Words {
    /// Learns from the block what the candidates would have predicted; true if it has taken to one of them.
    fn learn(&mut self, before: &[Outgoing], scratch: &mut Scratch, free: bool) -> bool {
        if scratch.travels.ids.is_empty() {
            self.contexts.begin_anew();
            return false;
        }
        for candidate in self.contexts.candidates_mut() {
            match candidate.context {
                Context::Column(number) => {
                    scratch.keep_present(&before[usize::from(number)].keys);
                    candidate.learn(scratch.keys().iter().copied(), &scratch.travels.ids);
                }
                Context::Own => {
                    let ids = &scratch.travels.ids[..];
                    candidate.learn([0].into_iter().chain(ids.iter().copied()), ids);
                }
                Context::None => {}
            }
        }
        let travels = &scratch.travels;
        let values = travels.ids.len();
        self.contexts.settle(values, travels.missed, free)
    }
}

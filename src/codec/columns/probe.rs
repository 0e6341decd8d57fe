//! Which encoding a column gets: the one of which zstd makes the least, tried on some of a block's rows.

use std::fmt;

use zstd::zstd_safe::{CCtx, CParameter};

use super::column::{Block, Plan, Scratch, Unfit, With, length};
use super::dictionary::{Context, MAX_COST};
use super::index::Index;
use super::ints::Transform;
use super::section::Writer;
use crate::copy::{NULL, Width};

/// The sample: so many times so many neighbours, all over the block, whose first rows may be unlike the rest.
pub(super) const SAMPLE_RUNS: usize = 4;
pub(super) const SAMPLE_ROWS: usize = 256;

/// The shortest values that an id may be worth it for.
const LEAST_LEN: u32 = 3;

/// Rows by which that is told.
const LEN_ROWS: usize = 256;

/// Encodings of numbers, in the order of preference: a later one has to be smaller by a twentieth.
const NUMBERS: [Plan; 4] = [
    Plan::Ints(Transform::Plain),
    Plan::Ints(Transform::Delta),
    Plan::Numeric(Transform::Plain),
    Plan::Numeric(Transform::Delta),
];

/// Encodings to choose among, beside bytes as they are; a bench leaves some out to weigh them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encodings {
    pub ints: bool,
    pub numerics: bool,
    pub dictionaries: bool,
    /// Values of a dictionary that are predicted by others.
    pub predictions: bool,
    /// Differences from row to row, of integers and numerics.
    pub deltas: bool,
}

impl Encodings {
    pub const ALL: Self = Self {
        ints: true,
        numerics: true,
        dictionaries: true,
        predictions: true,
        deltas: true,
    };

    fn allow(self, plan: Plan) -> bool {
        let (kind, transform) = match plan {
            Plan::Bytes => return true,
            Plan::Ints(transform) => (self.ints, transform),
            Plan::Numeric(transform) => (self.numerics, transform),
            Plan::Dictionary => return self.dictionaries,
        };
        kind && (self.deltas || transform == Transform::Plain)
    }
}

impl Default for Encodings {
    fn default() -> Self {
        Self::ALL
    }
}

/// Tries encodings; has a zstd context of its own.
#[derive(Default)]
pub(super) struct Probe {
    context: Option<CCtx<'static>>,
    encodings: Encodings,
    writer: Writer,
    out: Vec<u8>,
}

/// The best plan so far, and what zstd makes of the column by it.
struct Best {
    plan: Plan,
    size: usize,
}

impl Default for Best {
    fn default() -> Self {
        Self {
            plan: Plan::Bytes,
            size: usize::MAX,
        }
    }
}

impl Best {
    fn consider(&mut self, plan: Plan, size: usize) {
        if size < self.size - self.size / 20 {
            *self = Self { plan, size };
        }
    }
}

impl Probe {
    pub(super) fn restrict(&mut self, encodings: Encodings) {
        self.encodings = encodings;
    }

    pub(super) fn encodings(&self) -> Encodings {
        self.encodings
    }

    /// The best plan for a column of the sample.
    ///
    /// What is stored as it is gets a `dictionary`, if it may: a sample cannot show whether values come
    /// again later, and one that proves useless has cost little.
    pub(super) fn best(
        &mut self,
        scratch: &mut Scratch,
        block: Block<'_>,
        dictionary: bool,
    ) -> Plan {
        let dictionary = dictionary && self.may_try(block, Plan::Dictionary);
        let mut best = Best::default();
        for plan in NUMBERS {
            if self.may_try(block, plan)
                && let Ok(size) = self.try_plan(scratch, block, plan)
            {
                best.consider(plan, size);
            }
        }
        if best.size < usize::MAX {
            let bytes = self.try_plan(scratch, block, Plan::Bytes);
            best.consider(Plan::Bytes, bytes.unwrap_or(usize::MAX));
            if dictionary && let Ok(size) = self.try_dictionary(scratch, block) {
                best.consider(Plan::Dictionary, size);
            }
        }
        match best.plan {
            Plan::Bytes if dictionary => Plan::Dictionary,
            plan => plan,
        }
    }

    fn may_try(&self, block: Block<'_>, plan: Plan) -> bool {
        self.encodings.allow(plan) && may_suit(block, plan)
    }

    fn try_plan(
        &mut self,
        scratch: &mut Scratch,
        block: Block<'_>,
        plan: Plan,
    ) -> Result<usize, Unfit> {
        self.writer.begin(1);
        self.writer.begin_column(false);
        scratch.write(block, plan, &mut self.writer)?;
        Ok(self.size())
    }

    /// What a dictionary would take; unfit where most values are different ones.
    fn try_dictionary(&mut self, scratch: &mut Scratch, block: Block<'_>) -> Result<usize, Unfit> {
        self.writer.begin(1);
        self.writer.begin_column(false);
        let mut index = Index::default();
        let with = With {
            index: &mut index,
            context: Context::None,
            keys: &[],
            room: MAX_COST / 2,
        };
        scratch.write_with(block, with, &mut self.writer)?;
        if index.pays() {
            Ok(self.size())
        } else {
            Err(Unfit)
        }
    }

    /// What zstd makes of the column.
    fn size(&mut self) -> usize {
        let context = self.context.get_or_insert_with(new_context);
        let sizes = self.writer.pieces().map(|piece| {
            self.out.clear();
            self.out
                .reserve(zstd::zstd_safe::compress_bound(piece.bytes.len()));
            let compressed = context.compress2(&mut self.out, piece.bytes);
            // It has all the room that it can need; were it to fail, the encoding would be dear.
            compressed.unwrap_or(piece.bytes.len())
        });
        sizes.sum()
    }
}

/// Without a window that is larger than a sample.
fn new_context() -> CCtx<'static> {
    let mut context = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(1),
        CParameter::ContentSizeFlag(false),
    ] {
        // A context that keeps its own defaults still tells sizes apart.
        let _ = context.set_parameter(parameter);
    }
    context
}

/// Whether it is worth a trial.
fn may_suit((raw, tuples, column): Block<'_>, plan: Plan) -> bool {
    let firsts = tuples.fields(column).take(LEN_ROWS);
    let mut lens = firsts.map(|at| length(raw, at));
    match (plan, column.width) {
        (Plan::Bytes, _) => true,
        (_, Width::Null) => false,
        (Plan::Dictionary, Width::Fixed(width)) => width >= LEAST_LEN,
        (Plan::Dictionary, Width::Varies) => lens.any(|len| len != NULL && len >= LEAST_LEN),
        (_, Width::Varies) => true,
        (Plan::Ints(_), Width::Fixed(width)) => matches!(width, 2 | 4 | 8),
        (Plan::Numeric(_), Width::Fixed(width)) => width >= 8 && width % 2 == 0,
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("encodings", &self.encodings)
            .finish_non_exhaustive()
    }
}

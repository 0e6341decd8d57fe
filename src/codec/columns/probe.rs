//! Which encoding a column gets: the one of which zstd makes the least, tried on a block's first rows.

use std::fmt;

use zstd::zstd_safe::{CCtx, CParameter};

use super::column::{Plan, Scratch};
use super::ints::Transform;
use super::section::Writer;
use crate::copy::{Column, Tuples, Width};

/// More than half of a block of history: enough to see what repeats within one.
pub(super) const SAMPLE_ROWS: usize = 4096;

/// In the order of preference: a later one has to be smaller by a twentieth.
const CANDIDATES: [Plan; 7] = [
    Plan::Ints(Transform::Plain),
    Plan::Ints(Transform::Delta),
    Plan::Numeric(Transform::Plain),
    Plan::Numeric(Transform::Delta),
    Plan::Bytes,
    Plan::Dictionary(Transform::Plain),
    Plan::Dictionary(Transform::Delta),
];

/// Encodings to choose among, beside bytes as they are; a bench leaves some out to weigh them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encodings {
    pub ints: bool,
    pub numerics: bool,
    pub dictionaries: bool,
    /// Differences from row to row, of integers, numerics and dictionary indices.
    pub deltas: bool,
}

impl Encodings {
    pub const ALL: Self = Self {
        ints: true,
        numerics: true,
        dictionaries: true,
        deltas: true,
    };

    fn allow(self, plan: Plan) -> bool {
        let (kind, transform) = match plan {
            Plan::Bytes => return true,
            Plan::Ints(transform) => (self.ints, transform),
            Plan::Numeric(transform) => (self.numerics, transform),
            Plan::Dictionary(transform) => (self.dictionaries, transform),
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

impl Probe {
    pub(super) fn restrict(&mut self, encodings: Encodings) {
        self.encodings = encodings;
    }

    /// The best plan for a column of the sample.
    pub(super) fn best(
        &mut self,
        scratch: &mut Scratch,
        raw: &[u8],
        sample: &Tuples,
        column: Column,
    ) -> Plan {
        let (mut best, mut least) = (Plan::Bytes, usize::MAX);
        for plan in CANDIDATES {
            if !self.encodings.allow(plan) || !may_suit(plan, column.width) {
                continue;
            }
            self.writer.begin(1);
            self.writer.begin_column(false);
            if scratch
                .write(raw, sample, column, plan, &mut self.writer)
                .is_err()
            {
                continue;
            }
            let size = self.size();
            if size < least - least / 20 {
                (best, least) = (plan, size);
            }
        }
        best
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
fn may_suit(plan: Plan, width: Width) -> bool {
    match (plan, width) {
        (Plan::Bytes, _) | (_, Width::Varies) => true,
        (Plan::Ints(_), Width::Fixed(width)) => matches!(width, 2 | 4 | 8),
        (Plan::Numeric(_), Width::Fixed(width)) => width >= 8 && width % 2 == 0,
        (Plan::Dictionary(_), Width::Fixed(width)) => width > 2,
        (_, Width::Null) => false,
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("encodings", &self.encodings)
            .finish_non_exhaustive()
    }
}

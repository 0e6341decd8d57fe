//! What is known of one column along a part.

use super::column::Plan;

/// A piece shorter than this says nothing about its column.
const LEAST_OFFERED: u32 = 4 << 10;

/// Blocks that a new plan is kept at least, so that planning stays a small part of the work.
const KEPT_BLOCKS: u32 = 16;

/// A column beside the frame is offered to zstd once in so many blocks.
const BESIDE_BLOCKS: u32 = 32;

/// One column's plan, and what it has cost.
#[derive(Debug, Default)]
pub(super) struct History {
    plan: Option<Plan>,
    /// The plan could not be kept, or has become dear.
    stale: bool,
    /// Blocks until it may be planned anew.
    kept: u32,
    /// The first plan did not outlive the part's first block, which may be unlike the rest.
    hasty: bool,
    /// The least that the column has taken since it was planned, in bytes per row.
    least: Option<f32>,
    /// Bytes of this block for zstd, and what became of them.
    offered: u32,
    taken: u32,
    /// Bytes of the frame since zstd last made anything of the column.
    idle: u64,
    beside: Option<u32>,
}

impl History {
    pub(super) fn wants_plan(&self) -> bool {
        self.plan.is_none() || self.stale && self.kept == 0
    }

    pub(super) fn planned(&mut self, plan: Plan) {
        *self = Self {
            plan: Some(plan),
            kept: KEPT_BLOCKS,
            hasty: self.hasty,
            ..Self::default()
        };
    }

    pub(super) fn plan(&self) -> Plan {
        self.plan.unwrap_or(Plan::Bytes)
    }

    /// The plan does not suit this block's values; bytes always do.
    pub(super) fn failed(&mut self) {
        self.plan = Some(Plan::Bytes);
        self.least = None;
        self.stale = true;
        if self.kept == KEPT_BLOCKS && !self.hasty {
            (self.kept, self.hasty) = (0, true);
        }
    }

    /// Whether the values' bytes go beside the frame: zstd would only copy them.
    pub(super) fn is_beside(&self) -> bool {
        self.beside.is_some()
    }

    /// What zstd made of a piece of the column.
    pub(super) fn note(&mut self, offered: u32, taken: u32) {
        self.offered += offered;
        self.taken += taken;
    }

    /// Ends a block of `rows`, of which the frame got `framed` bytes.
    pub(super) fn settle(&mut self, rows: u32, framed: u64, window: u64) {
        if self.offered >= LEAST_OFFERED {
            self.weigh(self.taken as f32 / rows as f32);
            self.watch(framed, window);
        }
        if let Some(blocks) = &mut self.beside {
            *blocks += 1;
            if *blocks == BESIDE_BLOCKS {
                // One block without gain and it is beside the frame again.
                self.beside = None;
                self.idle = window;
            }
        }
        self.kept = self.kept.saturating_sub(1);
        (self.offered, self.taken) = (0, 0);
    }

    /// A column that takes twice what it took is planned anew.
    fn weigh(&mut self, cost: f32) {
        match self.least {
            // A dictionary is dear while it fills.
            _ if self.plan == Some(Plan::Dictionary) => {}
            Some(least) if cost > 2.0 * least + 0.5 => self.stale = true,
            Some(least) => self.least = Some(least.min(cost)),
            None => self.least = Some(cost),
        }
    }

    /// Bytes without gain for a whole window will not find their like in it.
    fn watch(&mut self, framed: u64, window: u64) {
        let gained = u64::from(self.taken) * 100 < u64::from(self.offered) * 99;
        let as_it_is = matches!(self.plan, Some(Plan::Bytes | Plan::Dictionary));
        if gained || !as_it_is {
            self.idle = 0;
            return;
        }
        self.idle += framed;
        if self.idle >= window {
            self.beside = Some(0);
        }
    }
}

//! Which context predicts a column's ids best: learnt from some of the keys, the same in every block.

use super::dictionary::Context;

/// A context is used from this share of right predictions.
const LEAST_SHARE: f32 = 0.6;

/// And given up where so many values were known but not predicted.
const WORST_SHARE: f32 = 0.7;

/// Predictions that tell something about a context.
const LEAST_KNOWN: u32 = 32;

/// Blocks in which contexts are compared before the matter is settled.
const ROUNDS: u32 = 8;

/// How often it is opened again.
const RETRIES: u32 = 4;

/// Keys below this are all watched: where there are few, they are small.
const SMALL_KEYS: usize = 64;

/// Of the others one in eight: those whose product with an odd number is below this.
const WATCHED: usize = (1 << 16) / 8;

/// What is being learnt of one column's contexts.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    used: Context,
    candidates: Vec<Candidate>,
    rounds: u32,
    retries: u32,
}

#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) context: Context,
    /// By watched key, the id that came with it.
    ids: Vec<u16>,
    /// Predictions of this block, and those that were right.
    known: u32,
    right: u32,
}

impl Contexts {
    /// The context for the next block.
    pub(super) fn used(&self) -> Context {
        self.used
    }

    /// Begins to learn, unless it has or is done: the columns `before` and the column itself are candidates.
    /// False once it is done.
    pub(super) fn learns(&mut self, before: impl Iterator<Item = u16>) -> bool {
        if self.rounds >= ROUNDS {
            return false;
        }
        if self.candidates.is_empty() {
            let contexts = before.map(Context::Column).chain([Context::Own]);
            self.candidates.extend(contexts.map(Candidate::new));
        }
        true
    }

    /// Gives the memory back; it may begin again.
    pub(super) fn stop(&mut self) {
        self.candidates = Vec::new();
    }

    /// What is to be learnt of in this block.
    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    pub(super) fn candidates_mut(&mut self) -> &mut [Candidate] {
        &mut self.candidates
    }

    /// All ids mean something else from now on.
    pub(super) fn begin_anew(&mut self) {
        for candidate in &mut self.candidates {
            candidate.ids.fill(0);
        }
    }

    /// Ends a block of `values`, of which `missed` were known and not predicted; `free`: whether another
    /// context may be taken. True if one was.
    pub(super) fn settle(&mut self, values: usize, missed: usize, free: bool) -> bool {
        let missed = missed as f32 / values.max(1) as f32;
        if self.used != Context::None && missed > WORST_SHARE && self.retries < RETRIES {
            *self = Self {
                retries: self.retries + 1,
                ..Self::default()
            };
            return false;
        }
        let shares = self.candidates.iter().filter_map(Candidate::share);
        let best = shares.max_by(|a, b| a.0.total_cmp(&b.0));
        for candidate in &mut self.candidates {
            (candidate.known, candidate.right) = (0, 0);
        }
        let Some((share, context)) = best.filter(|_| free) else {
            return false;
        };
        // The present one's misses are those of all keys; the others' are a sample.
        let better = self.used == Context::None || share > 1.02 - missed;
        let taken = share >= LEAST_SHARE && better;
        if taken {
            self.used = context;
        }
        self.rounds += 1;
        if self.rounds == ROUNDS {
            self.candidates = Vec::new();
        }
        taken
    }
}

impl Candidate {
    fn new(context: Context) -> Self {
        Self {
            context,
            ids: vec![0; SMALL_KEYS + WATCHED],
            known: 0,
            right: 0,
        }
    }

    /// Learns what it would have predicted; `keys` and `ids` are those of the same values.
    pub(super) fn learn(&mut self, keys: impl Iterator<Item = u16>, ids: &[u16]) {
        for (key, id) in keys.zip(ids) {
            self.learn_one(key, *id);
        }
    }

    #[inline]
    fn learn_one(&mut self, key: u16, id: u16) {
        let place = match usize::from(key) {
            small @ ..SMALL_KEYS => small,
            _ => SMALL_KEYS + usize::from(key.wrapping_mul(0x9e37)),
        };
        if place >= SMALL_KEYS + WATCHED {
            return;
        }
        let predicted = std::mem::replace(&mut self.ids[place], id);
        if predicted != 0 {
            self.known += 1;
            self.right += u32::from(predicted == id);
        }
    }

    fn share(&self) -> Option<(f32, Context)> {
        let known = self.known;
        (known >= LEAST_KNOWN).then(|| (self.right as f32 / known as f32, self.context))
    }
}

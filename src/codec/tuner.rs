//! `--compress auto`: how hard the next chunk is compressed, by what the stages wait for.
//!
//! Pure. While the encoder waits for the link, fewer bytes are worth more work; where all wait for the
//! encoder, less work is worth more bytes. Columns leave little for the higher levels to find but in texts
//! (see [`ChunkParams::default`]), so there are few steps.

use std::time::Duration;

use super::params::ChunkParams;

/// A chunk with less to encode says nothing.
const LEAST_RAW_BYTES: u64 = 8 << 20;

/// The encoder's share of a chunk's time from which the others wait for it.
const BUSY: f64 = 0.7;

/// The link's share from which the encoder waits for it.
const HELD_UP: f64 = 0.5;

/// Chunks for which a step that proved too hard is not tried again.
const BARRED_CHUNKS: u32 = 32;

/// What an encoder did with the time of one chunk.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub encoding: Duration,
    /// Waiting until the link took what was encoded.
    pub sending: Duration,
    /// From the chunk's first block to its last, waiting for rows included.
    pub whole: Duration,
}

/// Chooses parameters chunk by chunk.
#[derive(Debug)]
pub struct Tuner {
    /// From the least work to the fewest bytes; at least one.
    steps: Vec<ChunkParams>,
    at: usize,
    /// While above 0, nothing is tried that is harder than the present step.
    barred: u32,
}

impl Tuner {
    /// Levels to which it steps. The first takes a fifth off texts at two thirds of level 1's speed; the
    /// second another twentieth off texts and statistics, at a quarter to a half.
    const LEVELS: [i32; 2] = [3, 6];

    /// The hardest level that is tried.
    pub const HARD_LEVEL: i32 = Self::LEVELS[1];

    /// Always these parameters.
    pub fn fixed(params: ChunkParams) -> Self {
        Self {
            steps: vec![params],
            at: 0,
            barred: 0,
        }
    }

    /// Begins with the default within `window_log`. Above `max_level` nothing is tried; nor, `within_host`,
    /// what costs more work for fewer bytes: there they cost next to nothing, and the servers want the cores.
    pub fn auto(window_log: u8, max_level: i32, within_host: bool) -> Self {
        let levels = Self::LEVELS.into_iter();
        let harder = levels.filter(|level| !within_host && *level <= max_level);
        let steps = [ChunkParams::default()].into_iter();
        let steps = steps.chain(harder.map(ChunkParams::with_level));
        Self {
            steps: steps.map(|params| params.within(window_log)).collect(),
            at: 0,
            barred: 0,
        }
    }

    /// The parameters for the next chunk.
    pub fn choose(&self) -> ChunkParams {
        self.steps[self.at]
    }

    /// Learns from a chunk; one that was begun before the last step says nothing about the present one.
    pub fn learn(&mut self, params: ChunkParams, raw_bytes: u64, spent: Spent) {
        if params != self.choose() || raw_bytes < LEAST_RAW_BYTES {
            return;
        }
        self.barred = self.barred.saturating_sub(1);
        let share = |part: Duration| part.as_secs_f64() / spent.whole.as_secs_f64().max(1e-9);
        if share(spent.encoding) >= BUSY && self.at > 0 {
            self.at -= 1;
            self.barred = BARRED_CHUNKS;
        } else if share(spent.sending) >= HELD_UP
            && self.at + 1 < self.steps.len()
            && self.barred == 0
        {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUCH: u64 = 100 << 20;

    fn spent(encoding_ms: u64, sending_ms: u64) -> Spent {
        Spent {
            encoding: Duration::from_millis(encoding_ms),
            sending: Duration::from_millis(sending_ms),
            whole: Duration::from_millis(1000),
        }
    }

    fn learn(tuner: &mut Tuner, encoding_ms: u64, sending_ms: u64) -> ChunkParams {
        tuner.learn(tuner.choose(), MUCH, spent(encoding_ms, sending_ms));
        tuner.choose()
    }

    #[test]
    fn a_full_link_is_worth_more_work_and_a_late_encoder_less() {
        let mut tuner = Tuner::auto(24, 19, false);
        assert_eq!(tuner.choose(), ChunkParams::default());
        assert_eq!(learn(&mut tuner, 300, 300), ChunkParams::default());
        assert_eq!(learn(&mut tuner, 200, 700), ChunkParams::with_level(3));
        assert_eq!(learn(&mut tuner, 200, 700), ChunkParams::with_level(6));
        assert_eq!(learn(&mut tuner, 200, 700), ChunkParams::with_level(6));
        assert_eq!(learn(&mut tuner, 800, 10), ChunkParams::with_level(3));
        assert_eq!(learn(&mut tuner, 800, 10), ChunkParams::default());
        assert_eq!(learn(&mut tuner, 800, 10), ChunkParams::default());
    }

    #[test]
    fn what_was_too_hard_is_not_tried_again_at_once() {
        let mut tuner = Tuner::auto(24, 19, false);
        learn(&mut tuner, 200, 700);
        learn(&mut tuner, 800, 100);
        for _ in 1..BARRED_CHUNKS {
            assert_eq!(learn(&mut tuner, 200, 700), ChunkParams::default());
        }
        assert_eq!(learn(&mut tuner, 200, 700), ChunkParams::with_level(3));
    }

    #[test]
    fn within_a_host_or_beyond_the_budget_nothing_harder_is_tried() {
        for mut tuner in [Tuner::auto(24, 19, true), Tuner::auto(24, 2, false)] {
            assert_eq!(learn(&mut tuner, 100, 900), ChunkParams::default());
        }
        let small = Tuner::auto(18, 19, false);
        assert!(small.steps.iter().all(|params| params.window_log == 18));
    }

    #[test]
    fn small_chunks_and_those_of_another_step_say_nothing() {
        let mut tuner = Tuner::auto(24, 19, false);
        tuner.learn(ChunkParams::default(), LEAST_RAW_BYTES - 1, spent(0, 900));
        tuner.learn(ChunkParams::with_level(3), MUCH, spent(0, 900));
        assert_eq!(tuner.choose(), ChunkParams::default());
        let mut fixed = Tuner::fixed(ChunkParams::UNCOMPRESSED);
        assert_eq!(learn(&mut fixed, 900, 0), ChunkParams::UNCOMPRESSED);
        assert_eq!(learn(&mut fixed, 0, 900), ChunkParams::UNCOMPRESSED);
    }
}

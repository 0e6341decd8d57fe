//! Numbers that a seed repeats.

use std::time::Duration;

/// xorshift64 (Marsaglia, 2003).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Neighbouring seeds give unrelated numbers; zero is as good as any.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    /// From 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of a xorshift are its worst.
        (self.0 >> 16) % limit
    }

    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from((most - least).as_millis()).unwrap();
        least + Duration::from_millis(self.below(span + 1))
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// True so many times in a thousand.
    pub(crate) fn hits(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }
}

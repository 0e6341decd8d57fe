//! How often a thread tries again what a server refused in passing.

use std::time::Duration;

/// Failures without a success between them, before whoever tries gives up.
const LIMIT: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Counts one thread's failures in a row.
#[derive(Debug, Default)]
pub struct Patience {
    failures: u32,
}

impl Patience {
    /// One more failure: how long to pause before the next try (0.5 s to 8 s), or nothing when it is
    /// enough.
    pub fn again(&mut self) -> Option<Duration> {
        if self.failures == LIMIT {
            return None;
        }
        self.failures += 1;
        Some(FIRST_PAUSE * 2_u32.pow(self.failures - 1))
    }

    /// It went well: the next failure is the first again.
    pub fn renew(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = std::iter::from_fn(|| patience.again()).collect();
        assert_eq!(pauses.len(), 5);
        assert_eq!(pauses[4], Duration::from_secs(8));
        patience.renew();
        assert_eq!(patience.again(), Some(FIRST_PAUSE));
    }
}

//! A limit on bytes per second, shared by all workers of a side (`--rate`).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Hands out sending time: whoever takes bytes waits until those before it have had theirs.
#[derive(Debug)]
pub struct Throttle {
    bytes_per_second: f64,
    free_at: Mutex<Option<Instant>>,
}

impl Throttle {
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1) as f64,
            free_at: Mutex::new(None),
        }
    }

    /// How long to wait from `now` on before sending `bytes`. An idle time is not saved up.
    pub fn take(&self, bytes: usize, now: Instant) -> Duration {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let start = free_at.map_or(now, |free| free.max(now));
        *free_at = Some(start + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second));
        start - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spread_over_time_and_idleness_is_not_saved() {
        let throttle = Throttle::new(1000);
        let start = Instant::now();
        assert_eq!(throttle.take(500, start), Duration::ZERO);
        assert_eq!(throttle.take(500, start), Duration::from_millis(500));
        let later = start + Duration::from_secs(60);
        assert_eq!(throttle.take(500, later), Duration::ZERO);
        assert_eq!(throttle.take(1, later), Duration::from_millis(500));
    }
}

//! A rate that neither jumps with each chunk nor forgets how the last minute went.

use std::time::Duration;

/// What is this old weighs 1/e as much as what is new.
const MEMORY_SECONDS: f64 = 15.0;

/// An exponentially weighted rate; the weights are summed too, so that it is right from the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Smoothed {
    last: Option<(Duration, u64)>,
    bytes: f64,
    seconds: f64,
}

impl Smoothed {
    /// Takes the total at an instant; a total that shrank (a chunk rolled back) counts as standstill.
    pub(super) fn sample(&mut self, at: Duration, total: u64) {
        let Some((before, had)) = self.last.replace((at, total)) else {
            return;
        };
        let passed = at.saturating_sub(before).as_secs_f64();
        let fade = (-passed / MEMORY_SECONDS).exp();
        self.bytes = self.bytes * fade + total.saturating_sub(had) as f64;
        self.seconds = self.seconds * fade + passed;
    }

    /// `None` before the second sample.
    pub(super) fn bytes_per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.bytes / self.seconds)
    }

    /// Seconds until `bytes` more are done; `None` while nothing moves.
    pub(super) fn eta_seconds(&self, bytes: u64) -> Option<u64> {
        let rate = self.bytes_per_second()?;
        (rate >= 1.0).then(|| (bytes as f64 / rate).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rates: &[u64]) -> Smoothed {
        let mut smoothed = Smoothed::default();
        let mut total = 0;
        smoothed.sample(Duration::ZERO, 0);
        for (second, rate) in (1..).zip(rates) {
            total += rate;
            smoothed.sample(Duration::from_secs(second), total);
        }
        smoothed
    }

    #[test]
    fn a_steady_rate_is_right_at_once() {
        assert_eq!(after(&[100]).bytes_per_second().unwrap().round(), 100.0);
        assert_eq!(after(&[100; 50]).bytes_per_second().unwrap().round(), 100.0);
        assert_eq!(after(&[100; 50]).eta_seconds(1000), Some(10));
    }

    #[test]
    fn it_follows_a_change_within_a_minute_and_smooths_a_burst() {
        let mut rates = vec![100; 60];
        rates.extend([200; 60]);
        let slow_to_fast = after(&rates).bytes_per_second().unwrap();
        assert!((195.0..=200.0).contains(&slow_to_fast), "{slow_to_fast}");
        let mut burst = vec![100; 60];
        burst.push(400);
        assert!(after(&burst).bytes_per_second().unwrap() < 130.0);
    }

    #[test]
    fn a_standstill_has_no_end_in_sight() {
        assert_eq!(after(&[0; 5]).eta_seconds(1000), None);
        assert_eq!(Smoothed::default().eta_seconds(1), None);
    }
}

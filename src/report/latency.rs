//! How long each stage takes for one block or one commit.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// An hour: longer waits are counted as one.
const MAX_LATENCY_US: u64 = 3_600_000_000;
/// 1 % resolution in 26 KiB per stage; three digits would take 180 KiB.
const SIGNIFICANT_DIGITS: u8 = 2;

/// The stations of a block on its way, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Read,
    Encode,
    Send,
    Receive,
    Decode,
    Write,
    Commit,
}

impl Stage {
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Encode,
        Self::Send,
        Self::Receive,
        Self::Decode,
        Self::Write,
        Self::Commit,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Encode => "encode",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Decode => "decode",
            Self::Write => "write",
            Self::Commit => "commit",
        }
    }
}

/// A stage's latency in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// One histogram per stage, shared by all workers.
///
/// A mutex each is enough: a stage records about once per MiB.
#[derive(Debug)]
pub struct Latencies {
    stages: [Mutex<Histogram<u64>>; Stage::ALL.len()],
}

impl Latencies {
    pub fn new() -> Self {
        Self {
            stages: std::array::from_fn(|_| Mutex::new(empty())),
        }
    }

    pub fn record(&self, stage: Stage, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut histogram = self.stages[stage as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        histogram.saturating_record(us.max(1));
    }

    /// The stages that have been recorded at least once.
    pub fn quantiles(&self) -> BTreeMap<Stage, Quantiles> {
        Stage::ALL
            .into_iter()
            .filter_map(|stage| Some((stage, self.stage(stage)?)))
            .collect()
    }

    fn stage(&self, stage: Stage) -> Option<Quantiles> {
        let histogram = self.stages[stage as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let ms = |us: u64| us as f64 / 1000.0;
        (!histogram.is_empty()).then(|| Quantiles {
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
        })
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, SIGNIFICANT_DIGITS)
        .expect("the bounds are valid constants")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_milliseconds_within_one_percent() {
        let latencies = Latencies::new();
        for ms in 1..=100 {
            latencies.record(Stage::Encode, Duration::from_millis(ms));
        }
        let all = latencies.quantiles();
        assert_eq!(all.len(), 1);
        let encode = all[&Stage::Encode];
        assert!((encode.p50 - 50.0).abs() < 1.0, "{encode:?}");
        assert!((encode.p99 - 99.0).abs() < 1.5, "{encode:?}");
        assert!((encode.max - 100.0).abs() < 1.5, "{encode:?}");
    }

    #[test]
    fn a_wait_of_days_is_an_hour() {
        let latencies = Latencies::new();
        latencies.record(Stage::Commit, Duration::from_secs(500_000));
        assert!(latencies.quantiles()[&Stage::Commit].max < 3.7e6);
    }

    #[test]
    fn stage_names_are_those_of_the_report() {
        for stage in Stage::ALL {
            let json = serde_json::to_string(&stage).unwrap();
            assert_eq!(json, format!("\"{}\"", stage.as_str()));
        }
    }
}

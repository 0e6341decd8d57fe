//! `--compress auto`: how hard the next chunk of a table is compressed, by what the last ones cost.
//!
//! Pure. Between hosts fewer bytes win, and the usual parameters stay. Within one host the bytes
//! cost next to nothing and the servers want the cores: there the cheaper of two ways wins, and
//! which that is depends on the table. Texts that repeat after megabytes are both smaller and
//! faster in the large window, noisy numbers are neither.

use std::collections::HashMap;
use std::time::Duration;

use super::params::ChunkParams;

/// A window that stays in the processor's second-level cache, and level -3.
///
/// Measured against the default on a busy 2-core machine, MB/s to encode and ratio: disk hourly
/// 145 and 3.6 against 59 and 4.3; disk usage 99 and 2.6 against 332 and 33.8.
const LIGHT: ChunkParams = ChunkParams {
    level: Some(-3),
    window_log: 19,
};

/// The light way is kept where it saves at least this share of the time: less is noise.
const WORTH: f64 = 0.85;

/// One table's last cost of either way, in seconds per byte.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    usual: Option<f64>,
    light: Option<f64>,
}

impl Seen {
    /// The way not tried yet, then the faster one.
    fn light_is_next(self, at_first: bool) -> bool {
        match (self.usual, self.light) {
            (None, None) => at_first,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(usual), Some(light)) => light < usual * WORTH,
        }
    }
}

/// Chooses parameters chunk by chunk, table by table.
#[derive(Debug)]
pub struct Tuner {
    usual: ChunkParams,
    /// None where bytes count more than work.
    light: Option<ChunkParams>,
    tables: HashMap<u32, Seen>,
    /// What the table before settled on is where the next one begins.
    begin_light: bool,
}

impl Tuner {
    /// Always these parameters.
    pub fn fixed(params: ChunkParams) -> Self {
        Self {
            usual: params,
            light: None,
            tables: HashMap::new(),
            begin_light: false,
        }
    }

    /// These or lighter ones, whichever take less time; for a peer on the same host.
    pub fn within_host(usual: ChunkParams) -> Self {
        let window_log = LIGHT.window_log.min(usual.window_log);
        Self {
            light: Some(ChunkParams {
                window_log,
                ..LIGHT
            }),
            ..Self::fixed(usual)
        }
    }

    /// The parameters for a table's next chunk.
    pub fn choose(&self, table: u32) -> ChunkParams {
        let seen = self.tables.get(&table).copied().unwrap_or_default();
        let light = self.light.filter(|_| seen.light_is_next(self.begin_light));
        light.unwrap_or(self.usual)
    }

    /// Learns how long a chunk of a table took to encode.
    pub fn learn(&mut self, table: u32, params: ChunkParams, raw_bytes: u64, took: Duration) {
        let per_byte = took.as_secs_f64() / raw_bytes.max(1) as f64;
        let seen = self.tables.entry(table).or_default();
        if Some(params) == self.light {
            seen.light = Some(per_byte);
        } else {
            seen.usual = Some(per_byte);
        }
        if seen.usual.is_some() && seen.light.is_some() {
            self.begin_light = seen.light_is_next(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: ChunkParams = ChunkParams {
        level: Some(1),
        window_log: 22,
    };

    fn learn(tuner: &mut Tuner, table: u32, params: ChunkParams, ms: u64) {
        tuner.learn(table, params, 1 << 20, Duration::from_millis(ms));
    }

    #[test]
    fn both_ways_are_tried_and_the_faster_is_kept() {
        let mut tuner = Tuner::within_host(USUAL);
        assert_eq!(tuner.choose(1), USUAL);
        learn(&mut tuner, 1, USUAL, 100);
        assert_eq!(tuner.choose(1), LIGHT);
        learn(&mut tuner, 1, LIGHT, 40);
        assert_eq!(tuner.choose(1), LIGHT);
        // The next table begins where this one ended, and tries the other way too.
        assert_eq!(tuner.choose(2), LIGHT);
        learn(&mut tuner, 2, LIGHT, 300);
        assert_eq!(tuner.choose(2), USUAL);
        learn(&mut tuner, 2, USUAL, 100);
        assert_eq!(tuner.choose(2), USUAL);
    }

    #[test]
    fn a_little_faster_is_not_worth_the_bytes() {
        let mut tuner = Tuner::within_host(USUAL);
        learn(&mut tuner, 1, USUAL, 100);
        learn(&mut tuner, 1, LIGHT, 90);
        assert_eq!(tuner.choose(1), USUAL);
    }

    #[test]
    fn between_hosts_nothing_changes() {
        let mut tuner = Tuner::fixed(USUAL);
        learn(&mut tuner, 1, USUAL, 100);
        assert_eq!(tuner.choose(1), USUAL);
    }

    #[test]
    fn a_small_budget_bounds_the_light_window_too() {
        let small = ChunkParams {
            level: Some(1),
            window_log: 12,
        };
        let mut tuner = Tuner::within_host(small);
        learn(&mut tuner, 1, small, 100);
        assert_eq!(tuner.choose(1).window_log, 12);
    }
}

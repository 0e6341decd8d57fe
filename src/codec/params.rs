//! What is fixed for all blocks of a chunk.

use serde::{Deserialize, Serialize};

use super::error::ParamsError;

/// Smallest window that zstd knows: 1 KiB.
pub const MIN_WINDOW_LOG: u8 = 10;

/// Largest window, 16 MiB: with one of these on either side a worker still fits the memory budget.
pub const MAX_WINDOW_LOG: u8 = 24;

const LEVELS: std::ops::RangeInclusive<i32> = -7..=22;

/// How a chunk's blocks are compressed; travels in the header of the chunk's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkParams {
    /// zstd's level, -7 to 22; none: payloads are not compressed.
    pub level: Option<i32>,
    /// The base-2 logarithm of the window, which is what a decoder must hold.
    pub window_log: u8,
}

/// Level 1 with a window of 16 MiB.
///
/// Columns of 1 MiB blocks, one core, ratio at MB/s to encode and to decode:
///
/// | level | window | VM samples | disk hourly | disk usage | mail statistics | unique text |
/// |---|---|---|---|---|---|---|
/// | -3 | 2^19 | 22.1, 1468, 2759 | 8.0, 969, 2137 | 2.8, 426, 1522 | 8.2, 681, 1532 | 2.5, 210, 1034 |
/// | 1 | 2^19 | 30.2, 1355, 2681 | 8.4, 914, 1930 | 4.6, 464, 1345 | 9.6, 602, 1218 | 2.6, 245, 1085 |
/// | 1 | 2^24 | 35.9, 1368, 2703 | 8.8, 901, 1902 | 44.7, 961, 2547 | 10.1, 573, 1211 | 3.2, 187, 642 |
/// | 4 | 2^24 | 35.8, 1057, 2444 | 8.8, 736, 1965 | 41.3, 741, 2215 | 10.2, 440, 1173 | 3.4, 135, 502 |
/// | 6 | 2^24 | 36.1, 950, 2530 | 8.9, 539, 1951 | 46.2, 512, 2344 | 10.5, 290, 1223 | 3.4, 66, 580 |
/// | 9 | 2^24 | 36.1, 873, 2566 | 8.9, 402, 1910 | 48.1, 404, 2470 | 10.7, 224, 1233 | 3.6, 38, 521 |
///
/// What columns leave to be found, level 1 finds; a large window pays where rows repeat after megabytes.
impl Default for ChunkParams {
    fn default() -> Self {
        Self {
            level: Some(1),
            window_log: 24,
        }
    }
}

impl ChunkParams {
    /// Payloads are the raw bytes.
    pub const UNCOMPRESSED: Self = Self {
        level: None,
        window_log: MIN_WINDOW_LOG,
    };

    /// Level 1 with a window of 1 MiB, which the second-level cache holds: less work where rows do not
    /// repeat after megabytes.
    pub const NEAR: Self = Self {
        level: Some(1),
        window_log: 20,
    };

    /// The usual window at another level.
    pub fn with_level(level: i32) -> Self {
        Self {
            level: Some(level),
            ..Self::default()
        }
    }

    /// Whether this build can use the parameters with windows of at most `max_window_log`.
    pub(super) fn check(self, max_window_log: u8) -> Result<(), ParamsError> {
        if let Some(level) = self.level.filter(|l| !LEVELS.contains(l)) {
            return Err(ParamsError::Level(level));
        }
        if !(MIN_WINDOW_LOG..=max_window_log).contains(&self.window_log) {
            return Err(ParamsError::Window {
                log: self.window_log,
                max: max_window_log,
            });
        }
        Ok(())
    }
}

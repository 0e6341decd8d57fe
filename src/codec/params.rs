//! What is fixed for all blocks of a chunk.

use serde::{Deserialize, Serialize};

use super::error::ParamsError;

/// Smallest window that zstd knows: 1 KiB.
pub const MIN_WINDOW_LOG: u8 = 10;

/// Largest window of the block format, 16 MiB; what a run uses follows from the memory budget.
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

/// Level 1 with zstd's own window for it, 512 KiB.
///
/// Columns of 1 MiB blocks, one core, ratio at MB/s to encode and to decode:
///
/// | level | window | VM samples | disk hourly | disk usage | mail statistics | unique text | wide |
/// |---|---|---|---|---|---|---|---|
/// | 1 | 2^19 | 36.8, 1152, 2508 | 8.9, 864, 1750 | 106.2, 1339, 4702 | 12.0, 641, 1502 | 2.6, 220, 943 | 3.4, 229, 503 |
/// | 1 | 2^22 | 36.8, 1124, 2505 | 8.9, 839, 1744 | 106.2, 1647, 4639 | 12.0, 639, 1490 | 2.6, 213, 952 | 3.4, 226, 505 |
/// | 3 | 2^22 | 36.8, 990, 2460 | 8.8, 715, 1762 | 90.3, 1349, 4308 | 12.1, 504, 1495 | 3.2, 147, 751 | 3.7, 168, 480 |
/// | 6 | 2^22 | 36.6, 854, 2377 | 8.9, 478, 1702 | 97.3, 953, 4273 | 12.6, 294, 1484 | 3.4, 58, 763 | 3.9, 90, 482 |
/// | 9 | 2^22 | 36.5, 776, 2399 | 8.9, 362, 1730 | 100.8, 764, 4289 | 12.8, 217, 1438 | 3.6, 33, 745 | 4.0, 58, 475 |
///
/// What repeats is in the dictionaries of columns; a larger window is for texts, and for higher levels.
impl Default for ChunkParams {
    fn default() -> Self {
        Self {
            level: Some(1),
            window_log: 19,
        }
    }
}

impl ChunkParams {
    /// Payloads are the raw bytes.
    pub const UNCOMPRESSED: Self = Self {
        level: None,
        window_log: MIN_WINDOW_LOG,
    };

    /// Another level, with a window of 4 MiB where it can make use of one.
    pub fn with_level(level: i32) -> Self {
        let window_log = if level > 1 {
            22
        } else {
            Self::default().window_log
        };
        Self {
            level: Some(level),
            window_log,
        }
    }

    /// With at most that window.
    pub fn within(self, window_log: u8) -> Self {
        Self {
            window_log: self.window_log.min(window_log),
            ..self
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

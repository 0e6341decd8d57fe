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

/// Level 1 with a window of 4 MiB.
///
/// Measured at 1 MiB blocks of COPY BINARY with the encoder's hash table, one core, ratio at MB/s to
/// encode (VM samples; disk hourly; disk usage, whose texts repeat after 1.7 MB):
///
/// | level | window | VM samples | disk hourly | disk usage | context, encoder and decoder |
/// |---|---|---|---|---|---|
/// | 1 | 2^21 | 13.2 at 646 | 4.3 at 254 | 33.7 at 1259 | 3.0 and 2.5 MiB |
/// | 1 | 2^22 | 13.2 at 602 | 4.3 at 240 | 33.9 at 1321 | 5.0 and 4.5 MiB |
/// | 1 | 2^23 | 13.2 at 545 | 4.3 at 281 | 34.2 at 1036 | 9.0 and 8.5 MiB |
/// | -1 | 2^22 | 12.8 at 577 | 4.1 at 225 | 27.9 at 1266 | 5.0 and 4.5 MiB |
/// | 3 | 2^21 | 12.6 at 502 | 4.2 at 152 | 38.6 at 801 | 3.5 and 2.5 MiB |
///
/// Larger windows find no more, cost both sides their caches (decoding VM samples: 1650 MB/s at 2^22,
/// 570 to 900 at 2^23) and twice the memory each step; negative levels are not faster here.
impl Default for ChunkParams {
    fn default() -> Self {
        Self {
            level: Some(1),
            window_log: 22,
        }
    }
}

impl ChunkParams {
    /// Payloads are the raw bytes.
    pub const UNCOMPRESSED: Self = Self {
        level: None,
        window_log: MIN_WINDOW_LOG,
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

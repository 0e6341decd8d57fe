//! A chunk's zstd frame being written.

use std::fmt;

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, SafeResult, get_error_name,
};

use super::params::ChunkParams;

/// Entries of the fast levels' hash table, as a logarithm; zstd's own choice for them is 13 or 14.
///
/// With 14, whatever repeats a minute of history later has been overwritten, however large the window.
/// Columns, level 1, window 2^24, 1 MiB blocks, ratio at MB/s to encode:
///
/// | hash log | VM samples | disk hourly | disk usage |
/// |---|---|---|---|
/// | 14 | 35.5 at 1101 | 8.7 at 817 | 4.6 at 440 |
/// | 16 | 36.0 at 1099 | 8.8 at 798 | 47.7 at 1118 |
/// | 17 | 36.1 at 1117 | 8.8 at 796 | 53.3 at 1094 |
/// | 19 | 36.1 at 1122 | 8.9 at 794 | 55.5 at 1070 |
const FAST_HASH_LOG: u32 = 17;

/// The largest window for which zstd's own choice will do.
const LAST_NEAR_WINDOW_LOG: u8 = ChunkParams::NEAR.window_log;

/// The last level to which [`FAST_HASH_LOG`] applies; from 2 on zstd takes as much or more by itself.
const LAST_FAST_LEVEL: i32 = 1;

/// What becomes of bytes once they are compressed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// They may wait for what follows.
    GoOn,
    /// A decoder can have them all.
    Flush,
    /// They are the frame's last.
    End,
}

/// Compresses one frame after another; keeps its zstd context.
pub(super) struct Frame {
    context: CCtx<'static>,
}

impl Frame {
    pub(super) fn new() -> Self {
        Self {
            context: CCtx::create(),
        }
    }

    /// Begins a frame, whatever became of the one before.
    pub(super) fn begin(&mut self, level: i32, window_log: u8) -> Result<(), &'static str> {
        self.prepare(level, window_log)
            .map(drop)
            .map_err(get_error_name)
    }

    /// Bytes that the context takes.
    pub(super) fn context_bytes(&self) -> usize {
        self.context.sizeof()
    }

    /// Appends to `out` what zstd makes of `bytes`; its spare capacity has to be enough for that.
    pub(super) fn append(
        &mut self,
        bytes: &[u8],
        then: Then,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let mut input = InBuffer::around(bytes);
        loop {
            let before = out.len();
            let mut output = OutBuffer::around_pos(out, before);
            let left = self
                .context
                .compress_stream2(&mut output, &mut input, directive(then));
            let left = left.map_err(get_error_name)?;
            let taken = input.pos() == bytes.len();
            if taken && (left == 0 || matches!(then, Then::GoOn)) {
                return Ok(());
            }
            if out.len() == before {
                return Err("its output is longer than zstd's bound");
            }
        }
    }

    fn prepare(&mut self, level: i32, window_log: u8) -> SafeResult {
        self.context.reset(ResetDirective::SessionAndParameters)?;
        self.context
            .set_parameter(CParameter::CompressionLevel(level))?;
        if level <= LAST_FAST_LEVEL && window_log > LAST_NEAR_WINDOW_LOG {
            self.context
                .set_parameter(CParameter::HashLog(FAST_HASH_LOG))?;
        }
        self.context
            .set_parameter(CParameter::WindowLog(u32::from(window_log)))
    }
}

fn directive(then: Then) -> ZSTD_EndDirective {
    match then {
        Then::GoOn => ZSTD_EndDirective::ZSTD_e_continue,
        Then::Flush => ZSTD_EndDirective::ZSTD_e_flush,
        Then::End => ZSTD_EndDirective::ZSTD_e_end,
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").finish_non_exhaustive()
    }
}

//! A chunk's zstd frame being written.

use std::fmt;

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, SafeResult, get_error_name,
};

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

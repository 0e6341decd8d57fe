//! How an end takes its leave: a code and a line of text that reach the peer.

use std::fmt;

use quinn::VarInt;

/// Fits a packet beside its frame's header, so that QUIC does not cut it inside a character.
const REASON_LIMIT: usize = 800;

/// Why a connection is closed on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Everything is done.
    Done,
    /// The user, or the peer's wish, stopped it: to be continued.
    Stopped,
    /// The peer is not let in.
    Refused,
    /// An error that ends the migration's run.
    Failed,
    /// The user gave the migration up.
    Aborted,
    /// Nobody took leave: the handle went away, as in a panic, or the code is not ours.
    Dropped,
}

impl CloseCode {
    /// 0 is what QUIC sends for a handle that was merely dropped.
    pub(super) fn to_wire(self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Dropped => 0,
            Self::Done => 1,
            Self::Stopped => 2,
            Self::Refused => 3,
            Self::Failed => 4,
            Self::Aborted => 5,
        })
    }

    pub(super) fn from_wire(code: VarInt) -> Self {
        match code.into_inner() {
            1 => Self::Done,
            2 => Self::Stopped,
            3 => Self::Refused,
            4 => Self::Failed,
            5 => Self::Aborted,
            _ => Self::Dropped,
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Dropped => "dropped",
        })
    }
}

/// A reason cut to what a close frame carries.
pub(super) fn outgoing_reason(reason: &str) -> &str {
    let fits = |end: &usize| reason.is_char_boundary(*end);
    let end = (0..=reason.len().min(REASON_LIMIT)).rev().find(fits);
    &reason[..end.unwrap_or(0)]
}

/// A peer's reason made fit for a terminal and a log: one line, bounded, no control characters.
pub(super) fn incoming_reason(reason: &[u8]) -> String {
    let reason = &reason[..reason.len().min(REASON_LIMIT)];
    String::from_utf8_lossy(reason)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_and_strange_ones_are_dropped() {
        for code in [
            CloseCode::Done,
            CloseCode::Stopped,
            CloseCode::Refused,
            CloseCode::Failed,
            CloseCode::Dropped,
        ] {
            assert_eq!(CloseCode::from_wire(code.to_wire()), code);
        }
        let strange = VarInt::from_u32(99);
        assert_eq!(CloseCode::from_wire(strange), CloseCode::Dropped);
    }

    #[test]
    fn reasons_are_bounded_and_printable() {
        let long = "ä".repeat(REASON_LIMIT);
        assert_eq!(outgoing_reason(&long).len(), REASON_LIMIT);
        assert_eq!(outgoing_reason(&format!("x{long}")).len(), REASON_LIMIT - 1);
        assert_eq!(incoming_reason(b"a\x1b[2J\nb\xff"), "a [2J b\u{fffd}");
    }
}

//! The data phase's rate for whoever looks at a meter beside the display.

use super::rate::Smoothed;
use super::view::{is_data, left};
use crate::report::meter::Snapshot;

/// How fast the data phase moves; look about once a second.
#[derive(Debug, Clone, Default)]
pub struct Pace(Smoothed);

impl Pace {
    /// Takes one look. Only the data phase moves bytes: time spent elsewhere must not lower the rate.
    pub fn look(&mut self, now: &Snapshot) {
        if is_data(now) {
            let moved = now.bytes_done.saturating_sub(now.bytes_resumed);
            self.0.sample(now.elapsed, moved);
        } else {
            self.0 = Smoothed::default();
        }
    }

    /// `None` outside of the data phase, and before the second look.
    pub fn bytes_per_second(&self) -> Option<f64> {
        self.0.bytes_per_second()
    }

    /// Until all of it is done at this rate; `None` while nothing moves.
    pub fn seconds_left(&self, now: &Snapshot) -> Option<u64> {
        self.0.eta_seconds(left(now))
    }

    pub(super) fn smoothed(&self) -> &Smoothed {
        &self.0
    }
}

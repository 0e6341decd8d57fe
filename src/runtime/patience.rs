//! How often a thread tries again what a server refused in passing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Failures without a success between them, before whoever tries gives up.
const LIMIT: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks for a free connection while others do the work: hours may pass.
const CROWDED_PAUSE: Duration = Duration::from_secs(30);

/// Threads that do the same work, each over a connection of its own: how many have one.
#[derive(Debug, Default)]
pub struct Company(AtomicUsize);

/// Counts one thread's failures in a row.
#[derive(Debug, Default)]
pub struct Patience {
    failures: u32,
    /// How often it stood back since it went well, or since somebody left.
    looks: u32,
    company: Arc<Company>,
    /// Do other work, which ends without this thread and leaves it connections then.
    others: Arc<Company>,
    connected: bool,
    /// How many others were connected when it last stood back.
    seen: usize,
}

impl Patience {
    pub fn among(company: &Arc<Company>) -> Self {
        Self {
            failures: 0,
            looks: 0,
            company: Arc::clone(company),
            others: Arc::default(),
            connected: false,
            seen: 0,
        }
    }

    /// It waits for these `others` too.
    #[must_use]
    pub fn beside(mut self, others: &Arc<Company>) -> Self {
        self.others = Arc::clone(others);
        self
    }

    /// The thread has a connection, until it tries again.
    pub fn connected(&mut self) {
        if !std::mem::replace(&mut self.connected, true) {
            self.company.0.fetch_add(1, Relaxed);
        }
    }

    /// One more failure: how long to pause before the next try (0.5 s to 8 s), or nothing when it is
    /// enough. Where the server has no connection to spare and others have theirs it never is.
    pub fn again(&mut self, crowded: bool) -> Option<Duration> {
        if crowded && let Some(pause) = self.stand_back() {
            return Some(pause);
        }
        self.leave();
        if self.failures == LIMIT {
            return None;
        }
        self.failures += 1;
        Some(pause_after(self.failures))
    }

    /// No connection is free: how long to leave the work to others, where there are any. Not long at
    /// first, and again when one of them has left, as the crowd may be a short one. Its tries begin
    /// anew when nobody is left.
    pub fn stand_back(&mut self) -> Option<Duration> {
        self.leave();
        if self.has_anybody_left() {
            self.looks = 0;
        }
        self.seen = self.others();
        if self.seen == 0 {
            return None;
        }
        self.failures = 0;
        self.looks = self.looks.saturating_add(1);
        Some(match self.looks {
            looks @ ..=LIMIT => pause_after(looks),
            _ => CROWDED_PAUSE,
        })
    }

    /// Whether fewer others are connected than when it last stood back: one of them may have left it
    /// a connection.
    pub fn has_anybody_left(&self) -> bool {
        self.others() < self.seen
    }

    /// How many are connected; itself it is not.
    fn others(&self) -> usize {
        let companies = [&self.company, &self.others];
        companies
            .map(|company| company.0.load(Relaxed))
            .iter()
            .sum()
    }

    /// It went well: the next failure is the first again.
    pub fn renew(&mut self) {
        self.failures = 0;
        self.looks = 0;
    }

    fn leave(&mut self) {
        if std::mem::take(&mut self.connected) {
            self.company.0.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.leave();
    }
}

/// 0.5 s after the first failure, doubled after each.
fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE * 2_u32.pow(failures - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = std::iter::from_fn(|| patience.again(true)).collect();
        assert_eq!(pauses.len(), 5);
        assert_eq!(pauses[4], Duration::from_secs(8));
        patience.renew();
        assert_eq!(patience.again(false), Some(FIRST_PAUSE));
    }

    #[test]
    fn while_others_are_connected_a_crowd_is_waited_out() {
        let company = Arc::default();
        let [mut one, mut other] = [(); 2].map(|()| Patience::among(&company));
        one.connected();
        one.connected();
        let pauses: Vec<_> = (0..20).map_while(|_| other.again(true)).collect();
        assert_eq!(pauses[..2], [FIRST_PAUSE, FIRST_PAUSE * 2]);
        assert_eq!(pauses[5..], [CROWDED_PAUSE; 15]);
        assert_eq!(other.again(false), Some(FIRST_PAUSE));
        assert_eq!(one.again(true), Some(FIRST_PAUSE), "it is alone");
        one.connected();
        drop(one);
        assert_eq!(other.stand_back(), None);
    }

    #[test]
    fn others_are_waited_for_and_do_not_wait_themselves() {
        let (builders, writers) = (Arc::default(), Arc::default());
        let mut builder = Patience::among(&builders).beside(&writers);
        let mut writer = Patience::among(&writers);
        assert_eq!(builder.stand_back(), None);
        writer.connected();
        assert_eq!(builder.stand_back(), Some(FIRST_PAUSE));
        builder.connected();
        assert_eq!(writer.stand_back(), None);
    }
    #[test]
    fn the_tries_begin_when_nobody_is_left() {
        let (builders, writers) = (Arc::default(), Arc::default());
        let mut builder = Patience::among(&builders).beside(&writers);
        let mut writer = Patience::among(&writers);
        while builder.again(false).is_some() {}
        writer.connected();
        for _ in 0..20 {
            assert!(builder.stand_back().is_some());
        }
        drop(writer);
        assert_eq!(builder.stand_back(), None);
        let pauses: Vec<_> = std::iter::from_fn(|| builder.again(false)).collect();
        assert_eq!(pauses.len(), 5);
    }

    #[test]
    fn when_one_of_the_others_has_left_the_pauses_are_short_again() {
        let (builders, writers) = (Arc::default(), Arc::default());
        let mut builder = Patience::among(&builders).beside(&writers);
        let mut both = [(); 2].map(|()| Patience::among(&writers));
        both.iter_mut().for_each(Patience::connected);
        while builder.stand_back() != Some(CROWDED_PAUSE) {}
        assert!(!builder.has_anybody_left());
        let [one, other] = both;
        drop(one);
        assert!(builder.has_anybody_left());
        assert_eq!(builder.stand_back(), Some(FIRST_PAUSE));
        assert!(!builder.has_anybody_left());
        drop(other);
        assert!(builder.has_anybody_left());
        assert_eq!(builder.stand_back(), None);
        assert!(!builder.has_anybody_left());
    }
}

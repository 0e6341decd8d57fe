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
    company: Arc<Company>,
    /// Do other work, which ends without this thread and leaves it connections then.
    others: Arc<Company>,
    connected: bool,
}

impl Patience {
    pub fn among(company: &Arc<Company>) -> Self {
        Self {
            failures: 0,
            company: Arc::clone(company),
            others: Arc::default(),
            connected: false,
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
        Some(FIRST_PAUSE * 2_u32.pow(self.failures - 1))
    }

    /// No connection is free: how long to leave the work to others, where there are any.
    pub fn stand_back(&mut self) -> Option<Duration> {
        self.leave();
        let connected = [&self.company, &self.others].map(|company| company.0.load(Relaxed));
        (connected != [0, 0]).then_some(CROWDED_PAUSE)
    }

    /// It went well: the next failure is the first again.
    pub fn renew(&mut self) {
        self.failures = 0;
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
        for _ in 0..20 {
            assert_eq!(other.again(true), Some(CROWDED_PAUSE));
        }
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
        assert_eq!(builder.stand_back(), Some(CROWDED_PAUSE));
        builder.connected();
        assert_eq!(writer.stand_back(), None);
    }
}

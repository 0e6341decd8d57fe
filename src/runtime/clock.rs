//! A limit on waits whose clock can be stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// Limits waits, but for the time in which it is stopped.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    stopped: Arc<watch::Sender<bool>>,
}

/// The clock stands still as long as this lives.
#[derive(Debug)]
#[must_use = "the clock runs again when this is dropped"]
pub struct Stopped(Clock);

impl Clock {
    /// For one at a time.
    pub fn stop(&self) -> Stopped {
        self.stopped.send_replace(true);
        Stopped(self.clone())
    }

    /// What `work` gives; nothing where that takes longer than `limit`, which begins anew after the
    /// clock has stood still. As cancel-safe as `work`.
    pub async fn limit<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut stopped = self.stopped.subscribe();
        tokio::pin!(work);
        loop {
            let runs = !*stopped.borrow_and_update();
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                Ok(()) = stopped.changed() => {}
                () = sleep(limit), if runs => return None,
            }
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.stopped.send_replace(false);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_wait_ends_at_its_limit() {
        let clock = Clock::default();
        assert_eq!(clock.limit(LIMIT, pending::<()>()).await, None);
        assert_eq!(clock.limit(Duration::ZERO, ready(7)).await, Some(7));
    }

    #[tokio::test]
    async fn time_in_which_it_is_stopped_does_not_count() {
        let (clock, begun) = (Clock::default(), Instant::now());
        let stopped = clock.stop();
        let waiting = clock.limit(LIMIT, pending::<()>());
        let starting = async {
            sleep(4 * LIMIT).await;
            drop(stopped);
        };
        assert_eq!(tokio::join!(waiting, starting).0, None);
        assert!(begun.elapsed() >= 5 * LIMIT);
    }
}

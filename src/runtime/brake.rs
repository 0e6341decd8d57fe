//! What ends blocked calls on other threads when their work is stopped.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::lock;

type Release = Box<dyn FnOnce() + Send>;

/// Calls that end other threads' waits; pulled once.
///
/// Whatever is added after that is called at once: a thread that was still connecting when the
/// brake was pulled must not go on with a connection that nobody closes.
#[derive(Default)]
pub struct Brake {
    held: Mutex<Held>,
}

enum Held {
    Waiting(Vec<Release>),
    Pulled,
}

impl Default for Held {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

impl Brake {
    pub fn add(&self, release: impl FnOnce() + Send + 'static) {
        match &mut *lock(&self.held) {
            Held::Waiting(releases) => return releases.push(Box::new(release)),
            Held::Pulled => {}
        }
        release();
    }

    /// A place for one release that is replaced time and again: a thread's connection of the moment.
    pub fn slot(&self) -> Slot {
        let slot = Slot::default();
        let held = Arc::clone(&slot.0);
        self.add(move || slot_release(&held));
        slot
    }

    pub fn pull(&self) {
        let held = std::mem::replace(&mut *lock(&self.held), Held::Pulled);
        if let Held::Waiting(releases) = held {
            releases.into_iter().for_each(|release| release());
        }
    }

    pub fn is_pulled(&self) -> bool {
        matches!(&*lock(&self.held), Held::Pulled)
    }
}

/// One thread's place on a [`Brake`].
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Release>>>);

impl Slot {
    /// Puts `release` in the place of what was there; `brake` is the one that made the slot.
    pub fn hold(&self, brake: &Brake, release: impl FnOnce() + Send + 'static) {
        *lock(&self.0) = Some(Box::new(release));
        if brake.is_pulled() {
            self.release();
        }
    }

    /// Ends this one thread's wait.
    pub fn release(&self) {
        slot_release(&self.0);
    }
}

fn slot_release(held: &Mutex<Option<Release>>) {
    let release = lock(held).take();
    if let Some(release) = release {
        release();
    }
}

impl fmt::Debug for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Brake(pulled: {})", self.is_pulled())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[test]
    fn what_comes_too_late_is_ended_at_once_and_everything_only_once() {
        let (brake, ended) = (Brake::default(), Arc::new(AtomicU32::new(0)));
        let release = || {
            let ended = Arc::clone(&ended);
            move || {
                ended.fetch_add(1, Relaxed);
            }
        };
        brake.add(release());
        assert!(!brake.is_pulled() && ended.load(Relaxed) == 0);
        brake.pull();
        assert!(brake.is_pulled());
        brake.pull();
        assert_eq!(ended.load(Relaxed), 1);
        brake.add(release());
        assert_eq!(ended.load(Relaxed), 2);
    }

    #[test]
    fn only_the_last_of_a_slot_is_ended() {
        let (brake, ended) = (Brake::default(), Arc::new(AtomicU32::new(0)));
        let release = |bit: u32| {
            let ended = Arc::clone(&ended);
            move || {
                ended.fetch_add(bit, Relaxed);
            }
        };
        let slot = brake.slot();
        slot.hold(&brake, release(1));
        slot.hold(&brake, release(10));
        brake.pull();
        assert_eq!(ended.load(Relaxed), 10);
        slot.hold(&brake, release(100));
        assert_eq!(ended.load(Relaxed), 110);
    }
}

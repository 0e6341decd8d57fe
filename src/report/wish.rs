//! What the user wants of a run under way: by a signal, by `pgpipe stop`, by `pgpipe abort`.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

/// The user's wish; clones share it.
#[derive(Debug, Clone)]
pub struct Wish {
    stop: Arc<watch::Sender<bool>>,
    aborted_by: Arc<OnceLock<String>>,
}

impl Wish {
    pub fn new() -> Self {
        Self {
            stop: Arc::new(watch::Sender::new(false)),
            aborted_by: Arc::default(),
        }
    }

    /// Asks for a stop: the same command goes on later.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Gives the migration up: a stop after which nobody goes on. The first asker is remembered.
    pub fn abort(&self, by: &str) {
        self.aborted_by.get_or_init(|| by.to_owned());
        self.stop();
    }

    /// Turns true when the run is to end, for whatever reason.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Who gave the migration up.
    pub fn aborted_by(&self) -> Option<&str> {
        self.aborted_by.get().map(String::as_str)
    }
}

impl Default for Wish {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_is_a_stop_with_a_name() {
        let wish = Wish::new();
        let stopping = wish.clone().stopping();
        assert!(!*stopping.borrow());
        wish.abort("one");
        wish.abort("two");
        assert!(*stopping.borrow());
        assert_eq!(wish.aborted_by(), Some("one"));
    }
}

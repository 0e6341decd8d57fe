//! Whether the user wants the demo to end, told to everything that waits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// A flag that every wait in the demo looks at; clones share it. The default one is never raised.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks everything that holds this flag to end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Raises a [`Stop`] on SIGINT, SIGTERM and SIGHUP, for as long as it lives.
///
/// The default action would end the process at once and leave two servers and their directories.
pub(super) struct Signals {
    stop: Stop,
    _listener: Runtime,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let listener = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("demo-signals")
            .enable_io()
            .build()?;
        let stop = Stop::default();
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ] {
            let raise = stop.clone();
            let mut signals = {
                let _inside = listener.enter();
                signal(kind)?
            };
            listener.spawn(async move {
                while signals.recv().await.is_some() {
                    raise.request();
                }
            });
        }
        Ok(Self {
            stop,
            _listener: listener,
        })
    }

    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

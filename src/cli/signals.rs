//! Interrupts: the first asks for an orderly stop, the second ends the process.

use std::io;
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::exit::Exit;
use crate::report::Wish;

/// Listens for SIGINT and SIGTERM until dropped.
#[derive(Debug)]
pub struct Interrupt {
    wish: Wish,
    task: JoinHandle<()>,
}

impl Interrupt {
    /// Takes the signals over; must be called inside a tokio runtime.
    ///
    /// `notice` runs at the first signal: it says that the stop is under way and that a second
    /// signal ends the process, through the progress display so as not to tear the bar.
    pub fn install(wish: Wish, notice: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let signals = signals()?;
        let task = tokio::spawn(watch_signals(signals, wish.clone(), notice));
        Ok(Self { wish, task })
    }

    /// Becomes `true` at the first signal; `borrow()` serves threads, `wait_for` serves tasks.
    pub fn stop(&self) -> watch::Receiver<bool> {
        self.wish.stopping()
    }

    pub fn is_stopping(&self) -> bool {
        *self.wish.stopping().borrow()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// SIGINT and SIGTERM, taken over from now on; must be called inside a tokio runtime.
pub(super) fn signals() -> io::Result<Signals> {
    Ok(Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    })
}

/// What a user or a service manager ends a process with.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Waits for the next of either.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn watch_signals(mut signals: Signals, wish: Wish, notice: impl FnOnce() + Send) {
    signals.next().await;
    wish.stop();
    notice();
    signals.next().await;
    eprintln!("\npgpipe: stopped; what is committed stays, the same command goes on from there");
    process::exit(i32::from(Exit::Resumable.code()));
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn the_first_signal_asks_for_a_stop() {
        let (tell, told) = std::sync::mpsc::channel();
        let interrupt = Interrupt::install(Wish::new(), move || tell.send(()).unwrap()).unwrap();
        assert!(!interrupt.is_stopping());
        kill_process(getpid(), Signal::TERM).unwrap();
        let mut stop = interrupt.stop();
        stop.wait_for(|stopping| *stopping).await.unwrap();
        assert!(interrupt.is_stopping());
        told.recv().unwrap();
    }
}

//! Named threads with an owner that joins them and turns a panic into an error.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use thiserror::Error;

/// Why a worker did not end well.
#[derive(Debug, Error)]
pub enum WorkerError<E: std::error::Error + 'static> {
    #[error("worker {name} failed")]
    Failed {
        name: String,
        #[source]
        source: E,
    },
    #[error("worker {name} panicked: {message}; please report this as a bug")]
    Panicked { name: String, message: String },
}

type Outcome<T, E> = Result<T, WorkerError<E>>;

/// The owner of a group of threads; dropping it waits for them.
///
/// Stopping is the workers' own affair: close their channels or connections first, then join.
#[derive(Debug)]
pub struct Workers<T, E: std::error::Error + 'static> {
    threads: Vec<JoinHandle<()>>,
    // Holds one outcome per thread, so `threads` bounds it.
    outcomes: Receiver<Outcome<T, E>>,
    report: Sender<Outcome<T, E>>,
    unreported: usize,
}

impl<T, E> Workers<T, E>
where
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    pub fn new() -> Self {
        let (report, outcomes) = unbounded();
        Self {
            threads: Vec::new(),
            outcomes,
            report,
            unreported: 0,
        }
    }

    /// Starts a thread; Linux shows the first 15 bytes of its name.
    pub fn spawn(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> io::Result<()> {
        let name = name.into();
        let report = self.report.clone();
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let outcome = run(name, work);
            // Fails only when the owner is gone, which then has nobody to tell.
            let _ = report.send(outcome);
        })?;
        self.threads.push(thread);
        self.unreported += 1;
        Ok(())
    }

    /// Waits for the next worker to end, in the order of time; `None` when all have.
    pub fn next_ended(&mut self) -> Option<Outcome<T, E>> {
        if self.unreported == 0 {
            return None;
        }
        self.unreported -= 1;
        self.outcomes.recv().ok()
    }

    /// Waits for all workers; the error is the one that happened first, as later ones are often
    /// its consequence.
    pub fn join(mut self) -> Result<Vec<T>, WorkerError<E>> {
        let mut values = Vec::new();
        let mut first_error = None;
        while let Some(outcome) = self.next_ended() {
            match outcome {
                Ok(value) => values.push(value),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(values), Err)
    }
}

impl<T, E> Default for Workers<T, E>
where
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E: std::error::Error + 'static> Drop for Workers<T, E> {
    fn drop(&mut self) {
        for thread in self.threads.drain(..) {
            // A panic inside was caught and reported as an outcome.
            let _ = thread.join();
        }
    }
}

/// Unwinding is stopped here because a panic is a worker's outcome like any other; what it shared
/// sits behind mutexes and channels, which show the damage themselves.
fn run<T, E: std::error::Error>(
    name: String,
    work: impl FnOnce() -> Result<T, E>,
) -> Outcome<T, E> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(WorkerError::Failed { name, source }),
        Err(panic) => Err(WorkerError::Panicked {
            name,
            message: panic_message(panic.as_ref()),
        }),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Error as Failure;
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_come_back() {
        let mut workers = Workers::<u32, Failure>::new();
        for i in 0..3 {
            workers.spawn(format!("worker {i}"), move || Ok(i)).unwrap();
        }
        let mut values = workers.join().unwrap();
        values.sort_unstable();
        assert_eq!(values, [0, 1, 2]);
    }

    #[test]
    fn the_first_error_in_time_is_told() {
        let mut workers = Workers::<(), Failure>::new();
        workers
            .spawn("late", || {
                thread::sleep(Duration::from_millis(50));
                Err(Failure)
            })
            .unwrap();
        workers.spawn("early", || Err(Failure)).unwrap();
        let error = workers.join().unwrap_err();
        assert_eq!(error.to_string(), "worker early failed");
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let mut workers = Workers::<(), Failure>::new();
        workers.spawn("reader 1", || panic!("broken")).unwrap();
        let error = workers.join().unwrap_err();
        assert!(matches!(error, WorkerError::Panicked { .. }));
        assert!(error.to_string().contains("reader 1 panicked: broken"));
    }
}

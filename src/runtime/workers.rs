//! Threads with an owner that joins them, and blocking calls beside the executor; a panic in
//! either becomes an error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// A panic on another thread.
#[derive(Debug, thiserror::Error)]
#[error("{name} panicked: {message}; please report this as a bug")]
pub struct Panicked {
    pub name: String,
    pub message: String,
}

/// A group of named threads; dropping it waits for them.
///
/// Stopping is the threads' own affair: end what they wait for first (see [`super::Brake`]).
#[derive(Debug, Default)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a thread that tells `ended` how its work ended; Linux shows 15 bytes of its name.
    pub fn spawn<E: From<Panicked> + 'static>(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
        ended: impl FnOnce(Result<(), E>) + Send + 'static,
    ) {
        let name = name.into();
        let thread = thread::Builder::new().name(name.clone());
        let thread = thread.spawn(move || ended(run(name, work)));
        self.threads
            .push(thread.expect("the system starts a few threads"));
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for thread in self.threads.drain(..) {
            // A panic inside was caught and told.
            let _ = thread.join();
        }
    }
}

/// Unwinding is stopped here because a panic is a worker's outcome like any other; what it shared
/// sits behind mutexes and channels, which show the damage themselves.
fn run<E: From<Panicked>>(name: String, work: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic_message(panic.as_ref());
        Err(Panicked { name, message }.into())
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Runs what blocks beside the executor. Not cancelled when dropped: the work goes on to its end.
pub async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Panicked> + Send + 'static,
{
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(panicked(error).into()))
}

/// Drops what joins threads, beside the executor.
pub async fn dispose<T: Send + 'static>(value: T) -> Result<(), Panicked> {
    blocking(move || {
        drop(value);
        Ok(())
    })
    .await
}

/// The error of a task that nobody cancels.
pub fn panicked(error: tokio::task::JoinError) -> Panicked {
    let name = "a task".to_owned();
    let message = match error.try_into_panic() {
        Ok(panic) => panic_message(panic.as_ref()),
        Err(error) => error.to_string(),
    };
    Panicked { name, message }
}

/// Locks even where a thread panicked with the lock held: its panic is told elsewhere.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("its own")]
        Own,
        #[error(transparent)]
        Panicked(#[from] Panicked),
    }

    #[test]
    fn each_thread_tells_how_it_ended_and_all_are_joined() {
        let (tell, told) = channel();
        let mut workers = Workers::new();
        let works: [fn() -> Result<(), Failure>; 3] =
            [|| Ok(()), || Err(Failure::Own), || panic!("broken {}", 7)];
        for (number, work) in works.into_iter().enumerate() {
            let tell = tell.clone();
            workers.spawn(format!("reader {number}"), work, move |ended| {
                tell.send((number, ended)).unwrap();
            });
        }
        drop((workers, tell));
        let mut told: Vec<_> = told.iter().collect();
        told.sort_by_key(|(number, _)| *number);
        let texts: Vec<_> = told
            .into_iter()
            .map(|(_, ended)| ended.map_err(|e| e.to_string()))
            .collect();
        let panicked = "reader 2 panicked: broken 7; please report this as a bug";
        assert_eq!(texts, [Ok(()), Err("its own".into()), Err(panicked.into())]);
    }

    #[tokio::test]
    async fn a_panic_beside_the_executor_becomes_an_error() {
        let ended = blocking::<(), Failure>(|| panic!("broken")).await;
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("panicked: broken"), "{error}");
    }
}

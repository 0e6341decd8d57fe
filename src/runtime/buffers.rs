//! Block buffers that two threads of a worker hand to one another, so that no block allocates.

use std::ops::{Deref, DerefMut};

use crossbeam_channel::{Receiver, Sender, bounded};

/// A fixed number of reusable buffers.
///
/// Bounded by construction: [`Self::take`] waits until a buffer comes back. A buffer returns when
/// it is dropped, wherever that happens, so a thread that dies gives back what it held; but not what
/// is queued for it in a channel, which keeps that until its other end has gone too. So whoever
/// stops the threads closes the pool.
#[derive(Debug)]
pub struct Pool {
    /// `None`: the pool is closed.
    free: Receiver<Option<Vec<u8>>>,
    give_back: Sender<Option<Vec<u8>>>,
    capacity: usize,
}

impl Pool {
    /// A pool of `count` buffers (at least one) of `capacity` bytes, each allocated at its first
    /// use: an idle worker costs nothing.
    pub fn new(count: usize, capacity: usize) -> Self {
        let count = count.max(1);
        let (give_back, free) = bounded(count + 1);
        for _ in 0..count {
            give_back
                .send(Some(Vec::new()))
                .expect("the channel holds `count` buffers");
        }
        Self {
            free,
            give_back,
            capacity,
        }
    }

    /// Waits for a free buffer; it comes empty. None once the pool is closed.
    pub fn take(&self) -> Option<Buffer> {
        let free = self.free.recv();
        let Some(mut bytes) = free.expect("the pool itself holds a sending end") else {
            // For whoever waits next.
            let _ = self.give_back.try_send(None);
            return None;
        };
        bytes.reserve_exact(self.capacity);
        Some(Buffer {
            bytes,
            capacity: self.capacity,
            home: self.give_back.clone(),
        })
    }

    /// What closes the pool: who waits for a buffer, or comes for one later, gets none.
    pub fn closer(&self) -> impl FnOnce() + Send + 'static {
        let give_back = self.give_back.clone();
        // The channel has room for all buffers and this.
        move || drop(give_back.try_send(None))
    }
}

/// A buffer on loan from a [`Pool`]: a `Vec<u8>` that goes home when dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    capacity: usize,
    home: Sender<Option<Vec<u8>>>,
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Self::Target {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bytes
    }
}

/// For `bytes::Bytes::from_owner`.
impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // One huge block must not keep its size for the rest of the run.
        bytes.shrink_to(self.capacity.saturating_mul(2));
        // Fails only when the pool is gone, and then the buffer may go too.
        let _ = self.home.try_send(Some(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_with_its_memory() {
        let pool = Pool::new(1, 100);
        let mut buffer = pool.take().unwrap();
        buffer.extend_from_slice(b"rows");
        let address = buffer.as_ptr();
        drop(buffer);
        let again = pool.take().unwrap();
        assert!(again.is_empty());
        assert_eq!(again.as_ptr(), address);
        assert!(again.capacity() >= 100);
    }

    #[test]
    fn take_waits_for_a_buffer_on_another_thread() {
        let pool = Arc::new(Pool::new(1, 10));
        let held = pool.take().unwrap();
        let taker = Arc::clone(&pool);
        let waiting = thread::spawn(move || taker.take().unwrap().len());
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.join().unwrap(), 0);
    }

    /// A channel keeps what is queued when its receiver goes: recv hung when its writer had ended while
    /// all buffers were on their way to it.
    #[test]
    fn a_closed_pool_keeps_nobody_waiting() {
        let pool = Arc::new(Pool::new(1, 10));
        let (sender, receiver) = bounded(1);
        sender.send(pool.take().unwrap()).unwrap();
        drop(receiver);
        let taker = Arc::clone(&pool);
        let waiting = thread::spawn(move || taker.take().is_none());
        pool.closer()();
        assert!(waiting.join().unwrap());
        assert!(pool.take().is_none());
    }

    #[test]
    fn an_overgrown_buffer_shrinks_and_one_may_outlive_its_pool() {
        let pool = Pool::new(1, 16);
        let mut buffer = pool.take().unwrap();
        buffer.resize(10_000, 0);
        drop(buffer);
        let buffer = pool.take().unwrap();
        assert!(buffer.capacity() <= 64);
        drop(pool);
        drop(buffer);
    }
}

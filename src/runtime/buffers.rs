//! Block buffers that two threads of a worker hand to one another, so that no block allocates.

use std::ops::{Deref, DerefMut};

use crossbeam_channel::{Receiver, Sender, bounded};

/// A fixed number of reusable buffers.
///
/// Bounded by construction: [`Self::take`] waits until a buffer comes back. A buffer returns when
/// it is dropped, wherever that happens, so a thread that dies gives back what it held.
#[derive(Debug)]
pub struct Pool {
    free: Receiver<Vec<u8>>,
    give_back: Sender<Vec<u8>>,
    capacity: usize,
}

impl Pool {
    /// A pool of `count` buffers (at least one) of `capacity` bytes, each allocated at its first
    /// use: an idle worker costs nothing.
    pub fn new(count: usize, capacity: usize) -> Self {
        let count = count.max(1);
        let (give_back, free) = bounded(count);
        for _ in 0..count {
            give_back
                .send(Vec::new())
                .expect("the channel holds `count` buffers");
        }
        Self {
            free,
            give_back,
            capacity,
        }
    }

    /// Waits for a free buffer; it comes empty.
    pub fn take(&self) -> Buffer {
        let mut bytes = self
            .free
            .recv()
            .expect("the pool itself holds a sending end");
        bytes.reserve_exact(self.capacity);
        Buffer {
            bytes,
            capacity: self.capacity,
            home: self.give_back.clone(),
        }
    }
}

/// A buffer on loan from a [`Pool`]: a `Vec<u8>` that goes home when dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    capacity: usize,
    home: Sender<Vec<u8>>,
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
        let _ = self.home.try_send(bytes);
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
        let mut buffer = pool.take();
        buffer.extend_from_slice(b"rows");
        let address = buffer.as_ptr();
        drop(buffer);
        let again = pool.take();
        assert!(again.is_empty());
        assert_eq!(again.as_ptr(), address);
        assert!(again.capacity() >= 100);
    }

    #[test]
    fn take_waits_for_a_buffer_on_another_thread() {
        let pool = Arc::new(Pool::new(1, 10));
        let held = pool.take();
        let taker = Arc::clone(&pool);
        let waiting = thread::spawn(move || taker.take().len());
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.join().unwrap(), 0);
    }

    #[test]
    fn an_overgrown_buffer_shrinks_and_one_may_outlive_its_pool() {
        let pool = Pool::new(1, 16);
        let mut buffer = pool.take();
        buffer.resize(10_000, 0);
        drop(buffer);
        let buffer = pool.take();
        assert!(buffer.capacity() <= 64);
        drop(pool);
        drop(buffer);
    }
}

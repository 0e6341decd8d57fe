//! Data streams: one way, ordered, one per chunk in flight.

use std::time::Duration;

use bytes::Bytes;
use quinn::VarInt;
use tokio::time::timeout;

use super::error::TransportError;

/// What a stream that is broken off says; the reason travels on the control stream.
const BROKEN_OFF: VarInt = VarInt::from_u32(0);

/// The sending end. Dropped without [`finish`](Self::finish), it is reset: a half-written stream
/// must never look complete.
#[derive(Debug)]
pub struct SendStream {
    inner: quinn::SendStream,
    open: bool,
}

impl SendStream {
    pub(super) fn new(inner: quinn::SendStream) -> Self {
        Self { inner, open: true }
    }

    /// Writes all of `bytes`, as the peer's window lets it. Not cancel-safe: a part may be sent.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        Ok(self.inner.write_all(bytes).await?)
    }

    /// Writes a buffer without copying it. Not cancel-safe: a part may be sent.
    pub async fn write_chunk(&mut self, bytes: Bytes) -> Result<(), TransportError> {
        Ok(self.inner.write_chunk(bytes).await?)
    }

    /// Marks the end; what was written is still delivered, this does not wait for it.
    pub fn finish(mut self) -> Result<(), TransportError> {
        self.open = false;
        self.inner
            .finish()
            .map_err(|_| TransportError::StreamClosed)
    }

    /// Breaks off: the peer's reads fail at once, undelivered bytes are forgotten.
    pub fn reset(mut self) {
        self.break_off();
    }

    fn break_off(&mut self) {
        self.open = false;
        // Fails only for a stream that the peer has ended already.
        let _ = self.inner.reset(BROKEN_OFF);
    }
}

impl Drop for SendStream {
    /// quinn itself would finish it.
    fn drop(&mut self) {
        if self.open {
            self.break_off();
        }
    }
}

/// The receiving end. Dropped before its end, it tells the peer to stop.
#[derive(Debug)]
pub struct RecvStream {
    inner: quinn::RecvStream,
}

impl RecvStream {
    pub(super) fn new(inner: quinn::RecvStream) -> Self {
        Self { inner }
    }

    /// Fills `buffer`. Not cancel-safe: bytes read so far are lost.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), TransportError> {
        let wanted = buffer.len();
        let seen = self.fill(buffer).await?;
        if seen == wanted {
            Ok(())
        } else {
            Err(TransportError::Truncated { seen, wanted })
        }
    }

    /// The same, but fails with [`TransportError::Silent`] where not one byte comes for `silence`.
    /// Not cancel-safe.
    pub async fn read_exact_within(
        &mut self,
        buffer: &mut [u8],
        silence: Option<Duration>,
    ) -> Result<(), TransportError> {
        let Some(silence) = silence else {
            return self.read_exact(buffer).await;
        };
        let (wanted, mut seen) = (buffer.len(), 0);
        while seen < wanted {
            let reading = timeout(silence, self.inner.read(&mut buffer[seen..]));
            match reading.await.map_err(|_| TransportError::Silent)?? {
                Some(more) => seen += more,
                None => return Err(TransportError::Truncated { seen, wanted }),
            }
        }
        Ok(())
    }

    /// Requires that the peer has finished the stream and nothing is left in it. Cancel-safe.
    pub async fn expect_end(&mut self) -> Result<(), TransportError> {
        let mut byte = [0];
        match self.inner.read(&mut byte).await? {
            None => Ok(()),
            Some(_) => Err(TransportError::Trailing),
        }
    }

    /// Wants no more: the peer's writes fail.
    pub fn stop(mut self) {
        // Fails only for a stream that has ended already.
        let _ = self.inner.stop(BROKEN_OFF);
    }

    /// Reads until `buffer` is full or the stream ends; how many bytes that were.
    async fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, TransportError> {
        let mut seen = 0;
        while seen < buffer.len() {
            match self.inner.read(&mut buffer[seen..]).await? {
                Some(more) => seen += more,
                None => break,
            }
        }
        Ok(seen)
    }
}

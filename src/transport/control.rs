//! The control stream: framed messages both ways.

use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::TransportError;
use crate::wire::frame;

/// How long the last message may take to be acknowledged before the connection is closed over it.
const DELIVERY_LIMIT: Duration = Duration::from_secs(10);
/// What is taken from the transport at once.
const READ_BYTES: usize = 64 << 10;

/// Both directions of a control stream.
#[derive(Debug)]
pub struct Control {
    pub sender: ControlSender,
    pub receiver: ControlReceiver,
}

impl Control {
    pub(super) fn new((send, recv): (quinn::SendStream, quinn::RecvStream)) -> Self {
        Self {
            sender: ControlSender {
                inner: send,
                limit: frame::UNPROVEN_LIMIT,
            },
            receiver: ControlReceiver {
                inner: recv,
                buffer: BytesMut::new(),
                limit: frame::UNPROVEN_LIMIT,
            },
        }
    }

    /// Longer frames from here on: the peer is authenticated.
    pub(super) fn raise_limits(&mut self) {
        self.sender.limit = frame::LIMIT;
        self.receiver.limit = frame::LIMIT;
    }
}

/// Sends messages, one frame each.
#[derive(Debug)]
pub struct ControlSender {
    inner: quinn::SendStream,
    limit: usize,
}

impl ControlSender {
    /// Sends one message. Not cancel-safe: half a frame may be sent, after which nothing more may be.
    pub async fn send<T: Serialize + ?Sized>(&mut self, message: &T) -> Result<(), TransportError> {
        let frame = frame::encode(message, self.limit)?;
        Ok(self.inner.write_all(&frame).await?)
    }

    /// Sends a body that is already encoded.
    pub(super) async fn send_body(&mut self, body: &[u8]) -> Result<(), TransportError> {
        let frame = frame::encode_body(body, self.limit)?;
        Ok(self.inner.write_all(&frame).await?)
    }

    /// Ends this direction and waits, at most 10 s, until the peer has all of it: closing a
    /// connection forgets what is not delivered.
    pub async fn finish(mut self) -> Result<(), TransportError> {
        self.inner
            .finish()
            .map_err(|_| TransportError::StreamClosed)?;
        match timeout(DELIVERY_LIMIT, self.inner.stopped()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(quinn::StoppedError::ConnectionLost(e))) => Err(e.into()),
            Ok(Err(quinn::StoppedError::ZeroRttRejected)) => Err(TransportError::StreamClosed),
            Err(_) => Err(TransportError::NotDelivered {
                seconds: DELIVERY_LIMIT.as_secs(),
            }),
        }
    }
}

/// Receives messages, one frame each.
#[derive(Debug)]
pub struct ControlReceiver {
    inner: quinn::RecvStream,
    /// Bytes read that are not yet a whole frame; never more than one frame at limit and a read.
    buffer: BytesMut,
    limit: usize,
}

impl ControlReceiver {
    /// The next message; [`TransportError::ControlEnded`] if the peer finished instead.
    /// Cancel-safe.
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<T, TransportError> {
        let body = self.recv_body().await?;
        Ok(frame::decode(&body)?)
    }

    /// The next frame's body. Cancel-safe.
    pub(super) async fn recv_body(&mut self) -> Result<BytesMut, TransportError> {
        loop {
            if let Some(bytes) = frame::split(&self.buffer, self.limit)?.map(<[u8]>::len) {
                let mut frame = self.buffer.split_to(frame::HEADER_BYTES + bytes);
                return Ok(frame.split_off(frame::HEADER_BYTES));
            }
            match self.inner.read_chunk(READ_BYTES, true).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None => return Err(self.ended()),
            }
        }
    }

    fn ended(&self) -> TransportError {
        match self.buffer.len() {
            0 => TransportError::ControlEnded,
            bytes => frame::FrameError::Truncated { bytes }.into(),
        }
    }
}

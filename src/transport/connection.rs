//! One connection, as long as it lasts.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::close::{CloseCode, outgoing_reason};
use super::config::{self, Limits};
use super::control::Control;
use super::error::TransportError;
use super::stream::{RecvStream, SendStream};
use crate::wire::handshake::Fingerprint;

/// A TLS connection to a peer that holds the key of the certificate [`peer`](Self::peer) names.
///
/// Clones are handles of the same connection; when the last one is dropped it is closed as
/// [`CloseCode::Dropped`].
#[derive(Debug, Clone)]
pub struct Connection {
    inner: quinn::Connection,
    ours: Fingerprint,
    peer: Fingerprint,
    limits: Limits,
}

/// Counters of one connection since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Bytes of UDP payload sent, repeats included.
    pub udp_tx_bytes: u64,
    pub udp_rx_bytes: u64,
    pub sent_packets: u64,
    pub lost_packets: u64,
    pub rtt: Duration,
    /// Bytes that may be in flight.
    pub congestion_window: u64,
    /// Payload of the largest datagram the path is known to carry.
    pub mtu: u16,
}

impl Connection {
    /// `None` if the peer showed no certificate, which our TLS configuration never lets through.
    pub(super) fn new(inner: quinn::Connection, ours: Fingerprint, limits: Limits) -> Option<Self> {
        let identity = inner.peer_identity()?;
        let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        let peer = Fingerprint::of_certificate(chain.first()?);
        Some(Self {
            inner,
            ours,
            peer,
            limits,
        })
    }

    /// The certificate whose key the peer holds. Whether it may be here is for
    /// [`super::auth::authenticate`] to say.
    pub fn peer(&self) -> Fingerprint {
        self.peer
    }

    /// The certificate that this side has shown.
    pub(super) fn ours(&self) -> Fingerprint {
        self.ours
    }

    pub fn remote_addr(&self) -> SocketAddr {
        self.inner.remote_address()
    }

    /// A secret that both ends of this connection, and nobody else, can compute (RFC 8446, 7.5).
    pub fn exporter(&self, label: &[u8]) -> [u8; 32] {
        let mut secret = [0; 32];
        self.inner
            .export_keying_material(&mut secret, label, b"")
            .expect("32 bytes can be exported once the handshake is over");
        secret
    }

    /// Opens the control stream. The peer sees it with the first message on it.
    pub async fn open_control(&self) -> Result<Control, TransportError> {
        Ok(Control::new(self.inner.open_bi().await?))
    }

    /// The control stream that the peer opens. Cancel-safe.
    pub async fn accept_control(&self) -> Result<Control, TransportError> {
        Ok(Control::new(self.inner.accept_bi().await?))
    }

    /// Opens a data stream, as soon as the peer allows one more. Cancel-safe.
    pub async fn open_data(&self) -> Result<SendStream, TransportError> {
        Ok(SendStream::new(self.inner.open_uni().await?))
    }

    /// The next data stream that the peer opens. Cancel-safe.
    pub async fn accept_data(&self) -> Result<RecvStream, TransportError> {
        Ok(RecvStream::new(self.inner.accept_uni().await?))
    }

    pub fn stats(&self) -> LinkStats {
        let stats = self.inner.stats();
        LinkStats {
            udp_tx_bytes: stats.udp_tx.bytes,
            udp_rx_bytes: stats.udp_rx.bytes,
            sent_packets: stats.path.sent_packets,
            lost_packets: stats.path.lost_packets,
            rtt: stats.path.rtt,
            congestion_window: stats.path.cwnd,
            mtu: stats.path.current_mtu,
        }
    }

    /// Closes at once, forgetting what is not delivered: end with
    /// [`ControlSender::finish`](super::ControlSender::finish) where the last message matters, and
    /// with [`Link::shutdown`](super::Link::shutdown) before the process ends.
    pub fn close(&self, code: CloseCode, reason: &str) {
        let reason = outgoing_reason(reason).as_bytes();
        self.inner.close(code.to_wire(), reason);
    }

    /// Waits for the end of the connection, whoever brings it about. Cancel-safe.
    pub async fn closed(&self) -> TransportError {
        self.inner.closed().await.into()
    }

    /// Why the connection has ended, if it has.
    pub fn close_reason(&self) -> Option<TransportError> {
        self.inner.close_reason().map(TransportError::from)
    }

    /// Data streams and full windows: the peer is authenticated.
    pub(super) fn raise_limits(&self) {
        config::raise(&self.inner, &self.limits);
    }
}

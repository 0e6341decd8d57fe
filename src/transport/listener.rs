//! The listening side: strangers' handshakes run beside one another, bounded in number and time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Endpoint, Incoming, ServerConfig};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::close::CloseCode;
use super::config::{self, Limits};
use super::connection::Connection;
use super::dialler::drain;
use super::error::TransportError;
use super::identity::Identity;
use super::link::HANDSHAKE_LIMIT;
use super::tls;
use crate::wire::handshake::Fingerprint;

/// One peer is expected; the rest is room for strangers without getting in its way.
const MAX_HANDSHAKES: usize = 32;
/// From here on an address must first show that it receives our packets, so that forged ones
/// cannot take the places.
const PROOF_OF_ADDRESS_FROM: usize = 8;
/// Connections that wait for [`Listener::next`].
const MAX_WAITING: usize = 16;
/// The same of the peer that is expected, which has them to itself.
const MAX_EXPECTED: usize = 4;

#[derive(Debug)]
pub(super) struct Listener {
    endpoint: Endpoint,
    arrivals: Mutex<mpsc::Receiver<Connection>>,
    expected: Mutex<mpsc::Receiver<Connection>>,
    /// Who need not queue behind strangers.
    peer: watch::Sender<Option<Fingerprint>>,
    acceptor: JoinHandle<()>,
}

impl Listener {
    /// Binds the first of `addresses` that can be bound.
    pub(super) fn bind(
        addresses: Vec<SocketAddr>,
        identity: &Identity,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        let server = server_config(identity, &limits)?;
        let bind = |address| {
            let config = config::endpoint_config(identity);
            config::endpoint(config, Some(server.clone()), address)
                .map_err(|source| TransportError::Bind { address, source })
        };
        let endpoint = first_success(addresses, bind)?;
        let (arrived, arrivals) = mpsc::channel(MAX_WAITING);
        let (has_come, expected) = mpsc::channel(MAX_EXPECTED);
        let peer = watch::Sender::new(None);
        let door = Door {
            ours: identity.fingerprint(),
            limits,
            arrived,
            has_come,
            peer: peer.subscribe(),
        };
        let acceptor = tokio::spawn(accept_all(endpoint.clone(), door));
        Ok(Self {
            endpoint,
            arrivals: Mutex::new(arrivals),
            expected: Mutex::new(expected),
            peer,
            acceptor,
        })
    }

    /// The next connection that is still alive, but of the peer that is expected. Cancel-safe.
    pub(super) async fn next(&self) -> Result<Connection, TransportError> {
        next_of(&self.arrivals).await
    }

    /// From now on this peer's connections come apart from all others.
    pub(super) fn expect(&self, peer: Option<Fingerprint>) {
        self.peer.send_replace(peer);
    }

    /// The next connection of the peer that is expected, if it is still alive. Cancel-safe.
    pub(super) async fn expected(&self) -> Result<Connection, TransportError> {
        next_of(&self.expected).await
    }

    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        self.endpoint.local_addr().ok()
    }

    /// Closing the endpoint ends the acceptor too.
    pub(super) async fn shutdown(&self) {
        drain(&self.endpoint).await;
    }
}

async fn next_of(
    arrivals: &Mutex<mpsc::Receiver<Connection>>,
) -> Result<Connection, TransportError> {
    let mut arrivals = arrivals.lock().await;
    loop {
        let connection = arrivals.recv().await.ok_or(TransportError::LinkClosed)?;
        if connection.close_reason().is_none() {
            return Ok(connection);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

fn server_config(identity: &Identity, limits: &Limits) -> Result<ServerConfig, TransportError> {
    let mut config = ServerConfig::with_crypto(Arc::new(tls::server(identity)?));
    config
        .transport_config(config::transport(limits)?)
        .max_incoming(MAX_HANDSHAKES);
    Ok(config)
}

/// What the first address that works gives, or the last one's error.
fn first_success<T>(
    addresses: Vec<SocketAddr>,
    bind: impl Fn(SocketAddr) -> Result<T, TransportError>,
) -> Result<T, TransportError> {
    let mut last = TransportError::Socket {
        source: io::ErrorKind::AddrNotAvailable.into(),
    };
    for address in addresses {
        match bind(address) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What every handshake needs to become a connection that somebody waits for.
#[derive(Clone)]
struct Door {
    ours: Fingerprint,
    limits: Limits,
    arrived: mpsc::Sender<Connection>,
    /// Where the peer goes that is expected.
    has_come: mpsc::Sender<Connection>,
    peer: watch::Receiver<Option<Fingerprint>>,
}

/// Runs until the endpoint is closed; handshakes in progress end with it.
async fn accept_all(endpoint: Endpoint, door: Door) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => admit(incoming, &door, &mut handshakes),
                None => return,
            },
            Some(_) = handshakes.join_next() => {}
        }
    }
}

fn admit(incoming: Incoming, door: &Door, handshakes: &mut JoinSet<()>) {
    let running = handshakes.len();
    if running >= MAX_HANDSHAKES {
        tracing::debug!(remote = %incoming.remote_address(), "refused: too many handshakes");
        incoming.refuse();
    } else if running >= PROOF_OF_ADDRESS_FROM && incoming.may_retry() {
        // Fails only for what `may_retry` rules out.
        let _ = incoming.retry();
    } else {
        handshakes.spawn(door.clone().shake_hands(incoming));
    }
}

impl Door {
    async fn shake_hands(self, incoming: Incoming) {
        let remote = incoming.remote_address();
        match timeout(HANDSHAKE_LIMIT, incoming.into_future()).await {
            Ok(Ok(connection)) => self.deliver(connection),
            Ok(Err(error)) => tracing::warn!(%remote, %error, "a handshake failed"),
            Err(_) => {
                tracing::warn!(%remote, limit = ?HANDSHAKE_LIMIT, "a handshake took too long")
            }
        }
    }

    fn deliver(self, connection: quinn::Connection) {
        let remote = connection.remote_address();
        let Some(connection) = Connection::new(connection, self.ours, self.limits) else {
            tracing::warn!(%remote, "a peer showed no certificate");
            return;
        };
        let queue = match *self.peer.borrow() == Some(connection.peer()) {
            true => &self.has_come,
            false => &self.arrived,
        };
        if queue.try_send(connection.clone()).is_err() {
            tracing::warn!(%remote, "turned away: too many connections wait");
            connection.close(CloseCode::Dropped, "too many connections, try again");
        }
    }
}

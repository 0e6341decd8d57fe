//! The dialling side: resolves the name anew each time, tries its addresses beside one another.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::{ClientConfig, ConnectionError, Endpoint, EndpointConfig};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::close::CloseCode;
use super::config::{self, Limits};
use super::connection::Connection;
use super::error::TransportError;
use super::identity::{Identity, NAME};
use super::link::{HANDSHAKE_LIMIT, resolve};
use super::tls;
use crate::wire::handshake::Fingerprint;

/// The lead of a name's first address over the next (RFC 8305 calls it the attempt delay): UDP has
/// no refusal that would tell a dead address early.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// A name with more addresses than this is not one host.
const MAX_ADDRESSES: usize = 8;
/// How long peers may take to hear that this process ends; a close needs three round trips.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Dialler {
    target: String,
    client: ClientConfig,
    endpoint_config: EndpointConfig,
    ours: Fingerprint,
    limits: Limits,
    endpoints: Mutex<Endpoints>,
}

/// One socket per address family, from the first dial that needs it to the end of the process.
#[derive(Debug, Default)]
struct Endpoints {
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
}

impl Dialler {
    pub(super) fn new(
        target: &str,
        identity: &Identity,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        let mut client = ClientConfig::new(Arc::new(tls::client(identity)?));
        client.transport_config(config::transport(&limits)?);
        Ok(Self {
            target: target.to_owned(),
            client,
            endpoint_config: config::endpoint_config(identity),
            ours: identity.fingerprint(),
            limits,
            endpoints: Mutex::default(),
        })
    }

    /// One try. Cancel-safe: what was begun is dropped.
    pub(super) async fn dial(&self) -> Result<Connection, TransportError> {
        let dialled = timeout(HANDSHAKE_LIMIT, async {
            let addresses = resolve(&self.target).await?;
            self.race(&addresses).await
        });
        let connection = dialled.await.unwrap_or_else(|_| Err(self.no_answer()))?;
        Connection::new(connection, self.ours, self.limits.clone()).ok_or_else(|| self.no_answer())
    }

    /// The first address that answers wins; the other tries are dropped.
    async fn race(&self, addresses: &[SocketAddr]) -> Result<quinn::Connection, TransportError> {
        let mut tries = JoinSet::new();
        let mut delay = Duration::ZERO;
        let mut last = self.no_answer();
        for &address in addresses.iter().take(MAX_ADDRESSES) {
            match self.endpoint_for(address) {
                Ok(endpoint) => {
                    tries.spawn(attempt(endpoint, self.client.clone(), address, delay));
                    delay += ATTEMPT_DELAY;
                }
                Err(error) => last = error,
            }
        }
        while let Some(ended) = tries.join_next().await {
            match ended {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = error,
                Err(panicked) => tracing::error!(error = %panicked, "a try to dial broke"),
            }
        }
        Err(last)
    }

    fn endpoint_for(&self, address: SocketAddr) -> Result<Endpoint, TransportError> {
        let mut endpoints = self.lock();
        let (slot, local): (_, SocketAddr) = match address {
            SocketAddr::V4(_) => (&mut endpoints.v4, (Ipv4Addr::UNSPECIFIED, 0).into()),
            SocketAddr::V6(_) => (&mut endpoints.v6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        };
        if let Some(endpoint) = slot {
            return Ok(endpoint.clone());
        }
        let endpoint = config::endpoint(self.endpoint_config.clone(), None, local)
            .map_err(|source| TransportError::Socket { source })?;
        Ok(slot.insert(endpoint).clone())
    }

    pub(super) async fn shutdown(&self) {
        let Endpoints { v4, v6 } = std::mem::take(&mut *self.lock());
        for endpoint in v4.into_iter().chain(v6) {
            drain(&endpoint).await;
        }
    }

    /// A panic cannot leave the two slots half-written, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Endpoints> {
        self.endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn no_answer(&self) -> TransportError {
        TransportError::NoAnswer {
            address: self.target.clone(),
            seconds: HANDSHAKE_LIMIT.as_secs(),
        }
    }
}

async fn attempt(
    endpoint: Endpoint,
    client: ClientConfig,
    address: SocketAddr,
    delay: Duration,
) -> Result<quinn::Connection, TransportError> {
    sleep(delay).await;
    let connecting = endpoint
        .connect_with(client, address, NAME)
        .map_err(|source| TransportError::Dial { address, source })?;
    connecting.await.map_err(|source| match source {
        ConnectionError::ApplicationClosed(_) => source.into(),
        source => TransportError::Handshake { address, source },
    })
}

/// Closes what is still open on an endpoint and waits until its peers know.
pub(super) async fn drain(endpoint: &Endpoint) {
    endpoint.close(CloseCode::Stopped.to_wire(), b"the process ends");
    if timeout(DRAIN_LIMIT, endpoint.wait_idle()).await.is_err() {
        tracing::debug!(limit = ?DRAIN_LIMIT, "peers may not know that this side has ended");
    }
}

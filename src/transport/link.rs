//! How connections come to be, for the life of the process: by listening or by dialling.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;

use super::config::Limits;
use super::connection::Connection;
use super::dialler::Dialler;
use super::error::TransportError;
use super::identity::Identity;
use super::listener::Listener;
use crate::wire::handshake::Fingerprint;

/// From the first packet to the end of TLS, name resolution included where we dial.
pub(super) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// One side's way to its peer. Which side dials has nothing to do with which way data flows.
#[derive(Debug)]
pub struct Link {
    side: Side,
}

#[derive(Debug)]
enum Side {
    Listener(Listener),
    Dialler(Box<Dialler>),
}

impl Link {
    /// Listens on `addr`, an ADDR:PORT (a name is resolved; `[::]` serves IPv4 too).
    pub async fn listen(
        addr: &str,
        identity: &Identity,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        let listener = Listener::bind(resolve(addr).await?, identity, limits)?;
        Ok(Self {
            side: Side::Listener(listener),
        })
    }

    /// Prepares to dial `host_port`, whose name must resolve now and is resolved again at each
    /// [`connect`](Self::connect).
    pub async fn dial(
        host_port: &str,
        identity: &Identity,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        resolve(host_port).await?;
        let dialler = Dialler::new(host_port, identity, limits)?;
        Ok(Self {
            side: Side::Dialler(Box::new(dialler)),
        })
    }

    /// A new connection: the next that arrives (waits for ever), or one try to dial (10 s).
    ///
    /// Its TLS handshake is complete; who the peer is, is still to be judged. Cancel-safe.
    pub async fn connect(&self) -> Result<Connection, TransportError> {
        match &self.side {
            Side::Listener(listener) => listener.next().await,
            Side::Dialler(dialler) => dialler.dial().await,
        }
    }

    /// From now on a listener's connections of this peer do not come by [`connect`](Self::connect), where
    /// they would queue behind strangers, but by [`expected`](Self::expected).
    pub fn expect(&self, peer: Option<Fingerprint>) {
        if let Side::Listener(listener) = &self.side {
            listener.expect(peer);
        }
    }

    /// The next connection of the peer that a listener expects; waits for ever. Cancel-safe.
    pub async fn expected(&self) -> Result<Connection, TransportError> {
        match &self.side {
            Side::Listener(listener) => listener.expected().await,
            Side::Dialler(_) => std::future::pending().await,
        }
    }

    pub fn is_listener(&self) -> bool {
        matches!(self.side, Side::Listener(_))
    }

    /// Where this side listens; a dialler has no address of its own before it dials.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.side {
            Side::Listener(listener) => listener.local_addr(),
            Side::Dialler(_) => None,
        }
    }

    /// Ends the link: connections that nobody closed are closed as stopped, then waits, at most
    /// 3 s, until the peers have been told. To be called last before the process ends.
    pub async fn shutdown(&self) {
        match &self.side {
            Side::Listener(listener) => listener.shutdown().await,
            Side::Dialler(dialler) => dialler.shutdown().await,
        }
    }
}

/// The addresses that a HOST:PORT stands for; never none.
pub(super) async fn resolve(address: &str) -> Result<Vec<SocketAddr>, TransportError> {
    let (host, port) = split(address).ok_or_else(|| TransportError::Address {
        address: address.to_owned(),
    })?;
    let found = lookup_host((host, port))
        .await
        .map_err(|source| TransportError::Resolve {
            address: address.to_owned(),
            source,
        })?;
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(TransportError::NoAddress {
            address: address.to_owned(),
        });
    }
    Ok(found)
}

/// HOST:PORT with IPv6 in brackets. A bare IPv6 address is refused: its last group may be meant
/// as the port, or not.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match bracketed {
        Some(v6) => v6,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split() {
        assert_eq!(split("db.example:7432"), Some(("db.example", 7432)));
        assert_eq!(split("[::1]:7432"), Some(("::1", 7432)));
        for bad in ["", "db", "db:", ":7432", "db:99999", "::1:7432", "[::1]"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}

//! The numbers of the transport, and the socket they apply to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use quinn::congestion::{ControllerFactory, CubicConfig};
use quinn::{
    ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::error::TransportError;
use super::identity::Identity;

/// Keeps NAT entries and firewalls' idle timers alive, five times per default idle timeout.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// A burst of the sender while this process is not scheduled; the kernel may grant less.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// quinn hands the kernel up to ten packets in one call, and a call takes 65,507 bytes. Of larger
/// packets full batches would be refused, which quinn takes for loss: it would fall back to the
/// smallest packets for ever.
const MAX_UDP_PAYLOAD: u16 = 6550;
/// What an unproven peer may have in flight: the handshake's few frames, with room for one at limit.
const UNPROVEN_WINDOW: u32 = 32 << 10;

/// What a connection may hold in memory and how long it may be silent.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes received but not yet read, per stream.
    pub stream_window: u32,
    /// Bytes received but not yet read, all streams together.
    pub connection_window: u32,
    /// Bytes sent but not yet acknowledged.
    pub send_window: u64,
    /// Silence after which the connection is lost.
    pub idle_timeout: Duration,
    /// Data streams that the peer may have open at a time.
    pub max_streams: u32,
}

impl Default for Limits {
    /// 16 MiB in flight: 1 Gbit/s at 130 ms.
    fn default() -> Self {
        Self {
            stream_window: 4 << 20,
            connection_window: 16 << 20,
            send_window: 16 << 20,
            idle_timeout: Duration::from_secs(15),
            max_streams: 64,
        }
    }
}

/// A connection's settings before its peer is authenticated; [`raise`] lifts them.
pub(super) fn transport(limits: &Limits) -> Result<Arc<TransportConfig>, TransportError> {
    let idle = IdleTimeout::try_from(limits.idle_timeout).map_err(|_| TransportError::Limits {
        limits: "idle timeout",
    })?;
    let mut config = TransportConfig::default();
    config
        .keep_alive_interval(Some(KEEP_ALIVE.min(limits.idle_timeout / 3)))
        .max_idle_timeout(Some(idle))
        .stream_receive_window(VarInt::from_u32(limits.stream_window))
        .receive_window(VarInt::from_u32(UNPROVEN_WINDOW))
        .send_window(limits.send_window)
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(discovery()))
        .congestion_controller_factory(congestion());
    Ok(Arc::new(config))
}

/// Probes up to the largest packet that pays: networks with jumbo frames and the loopback interface
/// then cost a fraction of the packets.
fn discovery() -> MtuDiscoveryConfig {
    let mut config = MtuDiscoveryConfig::default();
    config.upper_bound(MAX_UDP_PAYLOAD);
    config
}

/// The one place that chooses how fast to send.
fn congestion() -> Arc<dyn ControllerFactory + Send + Sync> {
    Arc::new(CubicConfig::default())
}

/// Gives an authenticated peer its data streams and its full window.
pub(super) fn raise(connection: &quinn::Connection, limits: &Limits) {
    connection.set_receive_window(VarInt::from_u32(limits.connection_window));
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(limits.max_streams));
}

/// An endpoint on a socket of its own. Needs a tokio runtime.
pub(super) fn endpoint(
    config: EndpointConfig,
    server: Option<ServerConfig>,
    address: SocketAddr,
) -> io::Result<Endpoint> {
    let socket = socket(address)?;
    Endpoint::new(config, server, socket.into(), Arc::new(TokioRuntime))
}

/// The reset key comes from the identity, so that a restarted process can reset the connections
/// of its predecessor at once instead of letting them time out.
pub(super) fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let reset = identity.derive("pgpipe stateless reset v1");
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset)));
    config
        .max_udp_payload_size(MAX_UDP_PAYLOAD)
        .expect("above the least that QUIC demands");
    config.cid_generator(|| -> Box<dyn ConnectionIdGenerator> { Box::new(RandomIds) });
    config
}

/// Connection ids without a check in them. quinn's default ones carry a hash under a key of the
/// process, and packets whose id fails it are dropped: a successor would never send a reset.
struct RandomIds;

const ID_BYTES: usize = 8;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        rand::fill(&mut id).expect("the system's random source works");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` serves both families.
        socket.set_only_v6(false)?;
    }
    for enlarged in [
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES),
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES),
    ] {
        if let Err(error) = enlarged {
            tracing::debug!(%error, "the socket keeps its smaller buffers");
        }
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

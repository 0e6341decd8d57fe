//! One address of a server, and how a socket to it is opened.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustix::net::sockopt;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, SockAddr, Socket, Type};

use super::conninfo::{ConnInfo, Host, Keepalive, Place, SslMode};
use super::error::{ConnectFailure, PgError, TlsError};
use super::stream::{Stream, is_timeout};
use super::tls;

/// A host that was found, with all that opening further connections to it takes.
#[derive(Clone)]
pub(super) struct Endpoint {
    address: Address,
    /// What error messages call it.
    name: String,
    limit: Option<Duration>,
    keepalive: Option<Keepalive>,
    user_timeout_ms: Option<u32>,
    tls: Option<Tls>,
}

#[derive(Clone)]
enum Address {
    /// A path, or a name of Linux's abstract space after a zero byte.
    Unix(String),
    Tcp(SocketAddr),
}

#[derive(Clone)]
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    sslmode: &'static str,
}

/// Whether to ask for TLS, and whether to go on without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Plain,
    TlsIfOffered,
    Tls,
}

/// When patience ends, and how long it was.
pub(super) type Deadline = Option<(Instant, Duration)>;

impl Endpoint {
    /// The addresses of `host`, in the resolver's order. The resolver's own timeout applies.
    pub(super) fn all(info: &ConnInfo, host: &Host) -> Result<Vec<Self>, PgError> {
        match &host.place {
            Place::Unix(dir) => {
                let path = Host::socket_file(dir, host.port).display().to_string();
                let path = path
                    .strip_prefix('@')
                    .map_or_else(|| path.clone(), |name| format!("\0{name}"));
                Ok(vec![Self::new(info, host, Address::Unix(path), None)])
            }
            Place::Tcp { name, address } => addresses(name, *address, host.port)?
                .into_iter()
                .map(|socket| {
                    let tls = Tls::new(info, name, socket.ip()).transpose();
                    let tls = tls.map_err(|source| PgError::Tls {
                        address: host.to_string(),
                        source,
                    })?;
                    Ok(Self::new(info, host, Address::Tcp(socket), tls))
                })
                .collect(),
        }
    }

    fn new(info: &ConnInfo, host: &Host, address: Address, tls: Option<Tls>) -> Self {
        Self {
            address,
            name: host.to_string(),
            limit: info.connect_timeout,
            keepalive: info.keepalive.clone(),
            user_timeout_ms: info.user_timeout_ms,
            tls,
        }
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.limit.map(|limit| (Instant::now() + limit, limit))
    }

    /// Connects, and sets up TLS if wished.
    pub(super) fn open(&self, wish: Wish, deadline: Deadline) -> Result<Stream, PgError> {
        let stream = self.dial(deadline).map_err(|error| self.failure(error))?;
        let (Stream::Tcp(_), Some(tls), true) = (&stream, &self.tls, wish != Wish::Plain) else {
            return Ok(stream);
        };
        self.secure(stream, tls, wish, deadline)
    }

    fn dial(&self, deadline: Deadline) -> io::Result<Stream> {
        let left = deadline.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let stream = match &self.address {
            Address::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                // a Unix socket waits for the listener's queue as it would for a write
                socket.set_write_timeout(left)?;
                socket.connect(&SockAddr::unix(path)?)?;
                Stream::Unix(socket.into())
            }
            Address::Tcp(address) => {
                let domain = Domain::for_address(*address);
                let socket = Socket::new(domain, Type::STREAM, None)?;
                self.set_tcp_options(&socket)?;
                match left {
                    Some(left) => socket.connect_timeout(&(*address).into(), left)?,
                    None => socket.connect(&(*address).into())?,
                }
                Stream::Tcp(socket.into())
            }
        };
        stream.set_write_poll()?;
        Ok(stream)
    }

    fn set_tcp_options(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(true)?;
        if let Some(keepalive) = &self.keepalive {
            socket.set_keepalive(true)?;
            sockopt::set_tcp_keepidle(socket.as_fd(), keepalive.idle)?;
            if let Some(interval) = keepalive.interval {
                sockopt::set_tcp_keepintvl(socket.as_fd(), interval)?;
            }
            if let Some(count) = keepalive.count {
                sockopt::set_tcp_keepcnt(socket.as_fd(), count)?;
            }
        }
        if let Some(timeout) = self.user_timeout_ms {
            sockopt::set_tcp_user_timeout(socket.as_fd(), timeout)?;
        }
        Ok(())
    }

    /// Asks for TLS. Exactly one byte is read before the handshake: more would be an attacker's
    /// (CVE-2021-23222), and the handshake fails on it.
    fn secure(
        &self,
        mut stream: Stream,
        tls: &Tls,
        wish: Wish,
        deadline: Deadline,
    ) -> Result<Stream, PgError> {
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        let mut answer = [0];
        let asked = limit_read(&stream, deadline)
            .and_then(|()| stream.write_all(&request))
            .and_then(|()| stream.read_exact(&mut answer));
        asked.map_err(|error| self.failure(error))?;
        let refused = |source| PgError::Tls {
            address: self.name.clone(),
            source,
        };
        let sslmode = tls.sslmode;
        match (answer[0], stream) {
            (b'S', Stream::Tcp(tcp)) => {
                let connection = ClientConnection::new(tls.config.clone(), tls.name.clone());
                let connection = connection.map_err(|error| refused(error.into()))?;
                let stream = StreamOwned::new(connection, tcp);
                self.shake_hands(stream, deadline)
            }
            (b'N', stream) if wish == Wish::TlsIfOffered => Ok(stream),
            (b'N', _) => Err(refused(TlsError::NotOffered { sslmode })),
            _ => Err(refused(TlsError::BadAnswer)),
        }
    }

    fn shake_hands(
        &self,
        mut stream: StreamOwned<ClientConnection, std::net::TcpStream>,
        deadline: Deadline,
    ) -> Result<Stream, PgError> {
        while stream.conn.is_handshaking() {
            let left = time_left(deadline).map_err(|error| self.failure(error))?;
            let step = stream
                .sock
                .set_read_timeout(left)
                .and_then(|()| stream.conn.complete_io(&mut stream.sock));
            match step {
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {}
                Err(error) => {
                    return Err(PgError::Tls {
                        address: self.name.clone(),
                        source: handshake_error(error),
                    });
                }
            }
        }
        Ok(Stream::Tls(Box::new(stream)))
    }

    fn failure(&self, error: io::Error) -> PgError {
        let address = self.name.clone();
        match self.limit {
            Some(limit) if is_timeout(&error) => PgError::ConnectTimeout { address, limit },
            _ => PgError::Unreachable {
                address,
                source: ConnectFailure(error),
            },
        }
    }
}

impl Tls {
    fn new(info: &ConnInfo, name: &str, address: IpAddr) -> Option<Result<Self, TlsError>> {
        let mode = info.tls.mode;
        let make = || {
            Ok(Self {
                config: tls::client_config(&info.tls)?,
                name: tls::server_name(name, address, mode)?,
                sslmode: mode.as_str(),
            })
        };
        (mode != SslMode::Disable).then(make)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn addresses(name: &str, given: Option<IpAddr>, port: u16) -> Result<Vec<SocketAddr>, PgError> {
    if let Some(ip) = given {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let failed = |source| PgError::Resolve {
        host: name.to_owned(),
        source,
    };
    let found: Vec<_> = (name, port).to_socket_addrs().map_err(failed)?.collect();
    if found.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(found)
}

fn limit_read(stream: &Stream, deadline: Deadline) -> io::Result<()> {
    stream.set_read_timeout(time_left(deadline)?)
}

/// What is left, never zero; `None` is no limit.
fn time_left(deadline: Deadline) -> io::Result<Option<Duration>> {
    let left = deadline.map(|(at, _)| at.saturating_duration_since(Instant::now()));
    match left {
        Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// rustls hides its own error in an `io::Error`.
fn handshake_error(error: io::Error) -> TlsError {
    match error.downcast::<rustls::Error>() {
        Ok(error) => error.into(),
        Err(error) => TlsError::Handshake(error),
    }
}

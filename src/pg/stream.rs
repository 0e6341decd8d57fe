//! The byte stream to a server: a Unix socket, TCP, or TLS over TCP.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

/// A write that makes no headway for this long looks whether the server has something to say: it
/// may be blocked on telling us, and would never read again.
const WRITE_POLL: Duration = Duration::from_millis(200);

pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A second handle on the socket, to shut it down with.
pub(super) enum Handle {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Writes come back after [`WRITE_POLL`] even if the peer takes nothing.
    pub(super) fn set_write_poll(&self) -> io::Result<()> {
        match self {
            Self::Unix(unix) => unix.set_write_timeout(Some(WRITE_POLL)),
            Self::Tcp(tcp) => tcp.set_write_timeout(Some(WRITE_POLL)),
            Self::Tls(tls) => tls.sock.set_write_timeout(Some(WRITE_POLL)),
        }
    }

    pub(super) fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(unix) => unix.set_read_timeout(limit),
            Self::Tcp(tcp) => tcp.set_read_timeout(limit),
            Self::Tls(tls) => tls.sock.set_read_timeout(limit),
        }
    }

    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        match self {
            Self::Unix(unix) => unix.set_nonblocking(on),
            Self::Tcp(tcp) => tcp.set_nonblocking(on),
            Self::Tls(tls) => tls.sock.set_nonblocking(on),
        }
    }

    /// Reads what is there without waiting; `None` if nothing is.
    pub(super) fn read_available(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.set_nonblocking(true)?;
        let read = self.read(buf);
        self.set_nonblocking(false)?;
        match read {
            Err(error) if is_timeout(&error) => Ok(None),
            read => read.map(Some),
        }
    }

    pub(super) fn handle(&self) -> io::Result<Handle> {
        match self {
            Self::Unix(unix) => unix.try_clone().map(Handle::Unix),
            Self::Tcp(tcp) => tcp.try_clone().map(Handle::Tcp),
            Self::Tls(tls) => tls.sock.try_clone().map(Handle::Tcp),
        }
    }

    pub(super) fn shutdown(&self) {
        // fails only where the socket is already gone
        let _ = match self {
            Self::Unix(unix) => unix.shutdown(Shutdown::Both),
            Self::Tcp(tcp) => tcp.shutdown(Shutdown::Both),
            Self::Tls(tls) => tls.sock.shutdown(Shutdown::Both),
        };
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether others on the network could read along.
    pub(super) fn is_tcp_plain(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}

impl Handle {
    pub(super) fn shutdown(&self) {
        let _ = match self {
            Self::Unix(unix) => unix.shutdown(Shutdown::Both),
            Self::Tcp(tcp) => tcp.shutdown(Shutdown::Both),
        };
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(unix) => unix.as_fd(),
            Self::Tcp(tcp) => tcp.as_fd(),
            Self::Tls(tls) => tls.sock.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(unix) => unix.read(buf),
            Self::Tcp(tcp) => tcp.read(buf),
            Self::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Unix(unix) => unix.write_vectored(bufs),
            Self::Tcp(tcp) => tcp.write_vectored(bufs),
            Self::Tls(tls) => tls.write_vectored(bufs),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(unix) => unix.flush(),
            Self::Tcp(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// What a socket says when its timeout has passed, or when it would block.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

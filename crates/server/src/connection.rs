//! A client's socket: TCP or in the file system, never blocking.
//!
//! Moves bytes and reports how far it came; whose they are and what they mean is the node's.

use std::io::{self, IoSlice, Read, Write};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use slipstream_engine::config::Config;
use slipstream_engine::{Endpoint, SessionId};
use socket2::{SockRef, TcpKeepalive};

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A socket in the file system.
    Unix(UnixStream),
}

/// A socket and what the loop knows of it.
#[derive(Debug)]
pub struct Connection {
    /// The client's number.
    pub id: SessionId,
    /// The socket.
    pub socket: Socket,
    /// Whether the last write took everything; if not, readiness is awaited.
    pub writable: bool,
    /// Whether the peer sends no more: what it sent before is still to be read, and then the end.
    pub ended: bool,
}

/// The two ends of a TCP connection: the peer's and ours.
pub fn tcp_endpoints(stream: &TcpStream) -> (Endpoint, Endpoint) {
    let end = |address: io::Result<std::net::SocketAddr>| match address {
        Ok(address) => Endpoint::Tcp(address.ip(), address.port()),
        Err(_) => Endpoint::Internal,
    };
    (end(stream.peer_addr()), end(stream.local_addr()))
}

impl Socket {
    /// Sets what `config` asks of client sockets.
    pub fn configure(&self, config: &Config) -> io::Result<()> {
        if let Socket::Tcp(stream) = self {
            stream.set_nodelay(true)?;
            if config.tcp_keepalive > 0 {
                set_keepalive(stream, config.tcp_keepalive)?;
            }
        }
        Ok(())
    }

    /// `repl-disable-tcp-nodelay`: whether small pieces of a replica's stream go out at once.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.set_nodelay(nodelay),
            Socket::Unix(_) => Ok(()),
        }
    }

    /// The two ends: the peer's and ours.
    pub fn endpoints(&self) -> (Endpoint, Endpoint) {
        match self {
            Socket::Tcp(stream) => tcp_endpoints(stream),
            Socket::Unix(stream) => {
                let path =
                    stream.local_addr().ok().and_then(|a| a.as_pathname().map(|p| p.display().to_string()));
                let end = Endpoint::Unix(path.unwrap_or_default());
                (end.clone(), end)
            }
        }
    }

    /// The descriptor's number.
    pub fn descriptor(&self) -> i64 {
        use std::os::fd::AsRawFd;
        match self {
            Socket::Tcp(stream) => i64::from(stream.as_raw_fd()),
            Socket::Unix(stream) => i64::from(stream.as_raw_fd()),
        }
    }

    /// Registers for readiness in both directions, on changes only; what is ready already counts as a change.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.source().register(registry, token, interest)
    }

    /// Ends the registration.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }

    /// A second handle to the same socket, for a thread that writes to it.
    pub fn duplicate(&self) -> io::Result<std::net::TcpStream> {
        use std::os::fd::{AsFd, OwnedFd};
        let descriptor: OwnedFd = match self {
            Socket::Tcp(stream) => stream.as_fd().try_clone_to_owned()?,
            Socket::Unix(stream) => stream.as_fd().try_clone_to_owned()?,
        };
        Ok(descriptor.into())
    }

    /// Ends the connection for whoever else holds it.
    pub fn shut_down(&self) {
        use std::net::Shutdown;
        // One that is down already needs nothing more.
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Both).ok(),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Both).ok(),
        };
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Socket::Tcp(stream) => stream,
            Socket::Unix(stream) => stream,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write_vectored(slices),
            Socket::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Probes a silent peer after `seconds`, three times at a third of that.
pub fn set_keepalive(stream: &TcpStream, seconds: u32) -> io::Result<()> {
    let third = (seconds / 3).max(1);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(seconds.into()))
        .with_interval(Duration::from_secs(third.into()))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

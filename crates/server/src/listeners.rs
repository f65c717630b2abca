//! Listening sockets: `bind`, `port`, `unixsocket`.
//!
//! An address with `-` before it may be missing on this machine; `*` and `::*`
//! mean all of a family. New sockets are bound before old ones are closed where
//! they do not overlap; a failed CONFIG SET leaves everything as it was.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use mio::net::{TcpListener, UnixListener};
use slipstream_engine::config::Config;
use socket2::{Domain, Socket, Type};

use crate::mptcp;

/// One socket that clients connect to.
#[derive(Debug)]
pub enum Listener {
    /// An address and a port.
    Tcp(TcpListener),
    /// A path; the file is removed with the listener.
    Unix(UnixListener, PathBuf),
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // A file that cannot be removed is removed by the next start.
            fs::remove_file(&*path).ok();
        }
    }
}

/// The listeners, as the loop serves them and CONFIG SET exchanges them.
#[derive(Debug, Default)]
pub struct Listening {
    /// The sockets.
    pub sockets: Vec<Listener>,
    /// Whether there are others than the loop knows.
    pub changed: bool,
}

impl Listening {
    /// Listens where `config` says instead.
    pub fn rebind(&mut self, config: &Config) -> Result<(), String> {
        let bound = match bind_port(config) {
            Ok(sockets) => Ok(sockets),
            // An address that stays is in the way of itself.
            Err(_) => self.rebind_in_place(config),
        };
        self.changed = true;
        let sockets = bound?;
        self.take_tcp();
        self.sockets.extend(sockets);
        Ok(())
    }

    fn rebind_in_place(&mut self, config: &Config) -> Result<Vec<Listener>, String> {
        let old: Vec<SocketAddr> = self.take_tcp().iter().filter_map(Listener::address).collect();
        bind_port(config).inspect_err(|_| {
            let again = old.iter().filter_map(|address| bind_tcp(*address, config).ok());
            self.sockets.extend(again.map(Listener::Tcp));
        })
    }

    fn take_tcp(&mut self) -> Vec<Listener> {
        self.sockets.extract_if(.., |listener| matches!(listener, Listener::Tcp(_))).collect()
    }
}

impl Listener {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }
}

/// Binds everything that `config` names.
pub fn bind_all(config: &Config) -> Result<Vec<Listener>, String> {
    let mut listeners = bind_port(config)?;
    if let Some(path) = &config.unixsocket {
        listeners.push(bind_unix(path, config)?);
    }
    Ok(listeners)
}

/// Binds the addresses and the port, what CONFIG SET can change: no address is no TCP at all.
pub fn bind_port(config: &Config) -> Result<Vec<Listener>, String> {
    let mut listeners = Vec::new();
    if config.port != 0 {
        bind_addresses(config, &mut listeners)?;
    }
    Ok(listeners)
}

fn bind_addresses(config: &Config, listeners: &mut Vec<Listener>) -> Result<(), String> {
    for name in &config.bind {
        let (optional, name) = match name.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, name.as_str()),
        };
        for address in addresses(name, config.port).map_err(|error| failure(name, config.port, &error))? {
            match bind_tcp(address, config) {
                Ok(listener) => listeners.push(Listener::Tcp(listener)),
                Err(error) if optional && is_missing(&error) => {}
                Err(error) => return Err(failure(name, config.port, &error)),
            }
        }
    }
    if listeners.is_empty() && !config.bind.is_empty() {
        return Err(format!("Failed listening on port {} (tcp), aborting.", config.port));
    }
    Ok(())
}

fn failure(name: &str, port: u16, error: &io::Error) -> String {
    format!("Could not create server TCP listening socket {name}:{port}: bind: {}", describe(error))
}

/// The system's words without Rust's addition.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error().is_some_and(|code| {
            let code = rustix::io::Errno::from_raw_os_error(code);
            code == rustix::io::Errno::AFNOSUPPORT || code == rustix::io::Errno::PROTONOSUPPORT
        })
}

fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match name {
        "*" => Ok(vec![(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into()]),
        "::*" => Ok(vec![(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into()]),
        _ => Ok((name, port).to_socket_addrs()?.take(1).collect()),
    }
}

fn bind_tcp(address: SocketAddr, config: &Config) -> io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(mptcp::protocol(config.mptcp)))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(config.tcp_backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

fn bind_unix(path: &str, config: &Config) -> Result<Listener, String> {
    let explain = |error: io::Error| format!("Failed opening Unix socket: bind: {}", describe(&error));
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(explain(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(explain)?;
    if config.unixsocketperm != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(config.unixsocketperm)).map_err(explain)?;
    }
    Ok(Listener::Unix(listener, path.into()))
}

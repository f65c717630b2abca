//! One connection on its way: the addresses that a name stands for, tried one after the other, without waiting.
//!
//! A connection is refused only if all of them refused it: a name may stand for an address that nobody listens at.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use slipstream_sentinel::Failure;
use socket2::{Domain, Socket, Type};

use crate::connection::set_keepalive;

/// Addresses of one name that are tried.
pub(super) const MOST_ADDRESSES: usize = 8;

/// Where to connect, and how.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Name or number.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
    /// `bind-source-addr`: from which address of this machine, name or number.
    pub(super) source: Option<String>,
    /// `tcp-keepalive`, seconds; 0 for none.
    pub(super) keepalive: u32,
}

/// A host and a source, looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// What the host stands for, without a port.
    pub(super) targets: Vec<SocketAddr>,
    /// What the source stands for; empty if any will do.
    pub(super) sources: Vec<SocketAddr>,
}

impl Route {
    /// The addresses, if neither is a name.
    pub(super) fn numbers(&self) -> Option<Numbers> {
        let number = |host: &str| host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0));
        let sources = match &self.source {
            Some(source) => vec![number(source)?],
            None => Vec::new(),
        };
        Some(Numbers { targets: vec![number(&self.host)?], sources })
    }
}

/// How a connection's socket is set up.
#[derive(Clone, Debug)]
struct Setup {
    sources: Vec<SocketAddr>,
    keepalive: u32,
}

/// What is left to try, and what failed.
#[derive(Debug)]
pub(super) struct Opening {
    rest: VecDeque<SocketAddr>,
    setup: Setup,
    failure: Option<Failure>,
}

/// What a step of it came to.
#[derive(Debug)]
pub(super) enum Step {
    /// The socket tells when it is connected, or that it is not.
    Wait(TcpStream),
    /// It is connected.
    Done(TcpStream),
    /// There is nothing left to try.
    Failed(Failure),
}

impl Opening {
    /// To the addresses of a route.
    pub(super) fn new(numbers: Numbers, route: &Route) -> Opening {
        let Numbers { targets, sources } = numbers;
        let mut rest: VecDeque<_> = targets.into_iter().take(MOST_ADDRESSES).collect();
        rest.iter_mut().for_each(|address| address.set_port(route.port));
        Opening { rest, setup: Setup { sources, keepalive: route.keepalive }, failure: None }
    }

    /// Tries the next address.
    pub(super) fn step(&mut self) -> Step {
        while let Some(address) = self.rest.pop_front() {
            match self.setup.begin(address) {
                Ok(step) => return step,
                Err(error) => self.note(failure(&error)),
            }
        }
        let nothing = || Failure::Other("the name has no address".to_owned());
        Step::Failed(self.failure.take().unwrap_or_else(nothing))
    }

    /// An address has failed.
    pub(super) fn note(&mut self, failure: Failure) {
        if !(self.failure.is_some() && failure == Failure::Refused) {
            self.failure = Some(failure);
        }
    }
}

impl Setup {
    fn begin(&self, address: SocketAddr) -> io::Result<Step> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        self.bind(&socket, address)?;
        let is_waiting = match socket.connect(&address.into()) {
            Ok(()) => false,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => true,
            Err(error) => return Err(error),
        };
        let stream = TcpStream::from_std(socket.into());
        if self.keepalive > 0 {
            set_keepalive(&stream, self.keepalive)?;
        }
        Ok(if is_waiting { Step::Wait(stream) } else { Step::Done(stream) })
    }

    fn bind(&self, socket: &Socket, target: SocketAddr) -> io::Result<()> {
        let mut sources = self.sources.iter().filter(|source| source.is_ipv4() == target.is_ipv4());
        match sources.next() {
            Some(source) => {
                let explain = |error| io::Error::other(format!("bind-source-addr {}: {error}", source.ip()));
                socket.bind(&(*source).into()).map_err(explain)
            }
            None if self.sources.is_empty() => Ok(()),
            None => Err(io::Error::other(format!(
                "bind-source-addr has no address to reach {} from",
                target.ip()
            ))),
        }
    }
}

/// Whether a socket that was on its way is connected now.
pub(super) fn is_connected(stream: &TcpStream) -> Result<bool, Failure> {
    if let Some(error) = stream.take_error().map_err(|error| failure(&error))? {
        return Err(failure(&error));
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(failure(&error)),
    }
}

/// What an error of a socket tells of the other side.
pub(super) fn failure(error: &io::Error) -> Failure {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset};
    match error.kind() {
        ConnectionRefused => Failure::Refused,
        ConnectionReset | BrokenPipe => Failure::Closed,
        _ => Failure::Other(words(error)),
    }
}

/// The system's words without Rust's addition.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_refused_only_if_all_refuse() {
        let check = |failures: &[Failure], expected: Failure| {
            let mut opening = Opening {
                rest: VecDeque::new(),
                setup: Setup { sources: Vec::new(), keepalive: 0 },
                failure: None,
            };
            failures.iter().for_each(|failure| opening.note(failure.clone()));
            assert!(matches!(opening.step(), Step::Failed(failure) if failure == expected), "{failures:?}");
        };
        let other = Failure::Other("No route to host".to_owned());
        check(&[], Failure::Other("the name has no address".to_owned()));
        check(&[Failure::Refused, Failure::Refused], Failure::Refused);
        check(&[Failure::Refused, other.clone()], other.clone());
        check(&[other.clone(), Failure::Refused], other);
        check(&[Failure::Closed, Failure::Refused], Failure::Closed);
    }

    #[test]
    fn a_name_is_no_number() {
        let numbers = |host: &str, source: Option<&str>| {
            let source = source.map(ToOwned::to_owned);
            let route = Route { host: host.to_owned(), port: 1, source, keepalive: 0 };
            route.numbers().map(|numbers| (numbers.targets.len(), numbers.sources.len()))
        };
        assert_eq!(numbers("127.0.0.1", None), Some((1, 0)));
        assert_eq!(numbers("::1", Some("::1")), Some((1, 1)));
        assert_eq!(numbers("localhost", None), None);
        assert_eq!(numbers("127.0.0.1", Some("localhost")), None);
    }
}

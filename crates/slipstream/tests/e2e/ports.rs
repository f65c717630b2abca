//! Ports of loopback that belong to one test for as long as it wants.
//!
//! A port that is only known to be free may be somebody else's a moment later: another test's server, or the own end
//! of any connection that is made meanwhile. So a socket is bound to it and never listens. Whoever sets SO_REUSEADDR
//! first, as every server here does, may then bind and listen, again and again, and the system gives the port to
//! nobody else.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

pub(crate) struct Port {
    pub(crate) number: u16,
    _bound: OwnedFd,
}

impl Port {
    /// One that nobody uses or has reserved.
    pub(crate) fn reserve() -> Self {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .expect("the system has sockets");
        set_socket_reuseaddr(&socket, true).expect("it is a socket");
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = getsockname(&socket).expect("it is bound");
        let address = SocketAddrV4::try_from(address).expect("it is one of IPv4");
        Self { number: address.port(), _bound: socket }
    }
}

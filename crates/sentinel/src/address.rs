//! Where an instance is: a host as it was told, name or number, and a port.
//! Names are looked up elsewhere, each time that somebody connects.

use std::fmt;

/// A host and a port. Two addresses of one server may differ, by name and number: only who has connected knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name or number, as it was told.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// From its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Address {
        Address { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Whether a host is a number, IPv4 or IPv6, and no name.
pub fn is_number(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

//! Multipath TCP, for `mptcp` and `repl-mptcp`: a connection that may use several paths between two machines.
//!
//! A socket that speaks it falls back to plain TCP with a peer that does not, so either directive may be set on one
//! side alone. A system without it is named when the directive is set; nothing falls back in silence there.

use std::io;

use slipstream_engine::config::Config;
use socket2::{Domain, Protocol, Socket, Type};

/// What to open a socket with.
pub(crate) fn protocol(multipath: bool) -> Protocol {
    #[cfg(target_os = "linux")]
    if multipath {
        return Protocol::MPTCP;
    }
    debug_assert!(!multipath || is_supported().is_ok(), "it was looked for before it was switched on");
    Protocol::TCP
}

/// Whether the system can do what `config` asks for; the error says which directive it cannot obey, and why.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    let wanted = [("mptcp", config.mptcp), ("repl-mptcp", config.repl_mptcp)];
    let Some((name, _)) = wanted.into_iter().find(|(_, wanted)| *wanted) else { return Ok(()) };
    is_supported().map_err(|error| format!("{name}: this system has no Multipath TCP: {error}"))
}

/// A kernel without it, and one where it is switched off, refuse the socket.
fn is_supported() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)).map(drop);
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

//! The door: where a connection becomes a session, and what comes in while a command runs.
//!
//! Lent to the process around the node, which lets clients in by itself even in the middle of a command that
//! runs for long ([`Host::while_busy`]). Nothing behind the door can be reached through it: no data, and no
//! other part of the node.

use std::net::IpAddr;

use slipstream_log::Log;

use crate::acl::Users;
use crate::commands::connection::PROTECTED_MODE;
use crate::config::Config;
use crate::host::{Clock, Host};
use crate::node::Core;
use crate::session::{Endpoint, Session, SessionId, Sessions};
use crate::stats::Stats;

/// What a process needs of a node to serve its sockets.
#[derive(Debug)]
pub struct Door<'a> {
    /// The clients, but for one whose command runs.
    pub sessions: &'a mut Sessions,
    /// The directives.
    pub config: &'a Config,
    /// What a replica's socket is to have before replies leave.
    pub sent_ahead: Option<&'a Log>,
    users: &'a Users,
    stats: &'a mut Stats,
    clock: Clock,
}

/// What came in while a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A client sent bytes.
    Bytes(SessionId, Vec<u8>),
    /// The connection of a client or a replica is gone.
    Closed(SessionId),
    /// Something failed, and the log is to tell it.
    Trouble(String),
}

impl Door<'_> {
    /// A client connected; its number, or the text to refuse it with.
    pub fn accept(
        &mut self,
        peer: Endpoint,
        local: Endpoint,
        descriptor: i64,
    ) -> Result<SessionId, &'static str> {
        if self.sessions.len() >= self.config.maxclients as usize {
            self.stats.connections_rejected += 1;
            return Err("-ERR max number of clients reached\r\n");
        }
        if self.config.protected_mode && self.users.needs_no_password() && is_elsewhere(&peer) {
            self.stats.connections_rejected += 1;
            return Err(PROTECTED_MODE);
        }
        self.stats.connections_received += 1;
        let id = self.sessions.next_id();
        let mut session = Session::new(id, peer, local, self.clock.moment());
        session.authenticated = self.users.is_open();
        session.descriptor = descriptor;
        self.sessions.insert(Box::new(session));
        Ok(id)
    }

    /// Whether a session is served while a command runs: what its own client and replicas send is looked at afterwards.
    pub fn serves(&self, id: SessionId) -> bool {
        self.sessions.get(id).is_some_and(|session| !session.role.is_replica())
    }

    /// Whether a session is a replica's.
    pub fn is_replica(&self, id: SessionId) -> bool {
        self.sessions.get(id).is_some_and(|session| session.role.is_replica())
    }

    /// Bytes went out to clients.
    pub fn sent(&mut self, bytes: u64) {
        self.stats.net_output += bytes;
        self.stats.writes_processed += 1;
    }
}

impl Core {
    /// The log, if a replica's socket is to have it before replies leave (`repl-send-before-reply`).
    #[inline]
    pub fn sent_ahead(&self) -> Option<&Log> {
        (self.config.repl_send_before_reply && !self.is_replica()).then_some(&self.log)
    }

    /// The door, and the process that is to stand at it.
    pub(crate) fn door(&mut self) -> (Door<'_>, &mut dyn Host) {
        let sends_ahead = self.sent_ahead().is_some();
        let Core { sessions, config, users, log, stats, clock, host, .. } = self;
        let sent_ahead = sends_ahead.then_some(&*log);
        (Door { sessions, config, sent_ahead, users, stats, clock: *clock }, &mut **host)
    }
}

/// Whether a client is on another machine: `protected-mode` lets it in only if the default user has a password.
fn is_elsewhere(peer: &Endpoint) -> bool {
    let Endpoint::Tcp(ip, _) = peer else { return false };
    let mapped = match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        IpAddr::V4(_) => false,
    };
    !ip.is_loopback() && !mapped
}

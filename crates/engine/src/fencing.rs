//! The fence of a primary (`sentinel-fencing`), as the node does it.
//!
//! The machine counts leases ([`slipstream_replication::fencing`]); here they come in, from REPLICA LEASE and from the
//! hellos of stock sentinels, and here the fence falls. Behind it a primary refuses writes with READONLY, which makes
//! clients ask their sentinels where the primary is; nothing expires and nothing is evicted, since another node may
//! decide by now; and no reply goes out that would promise a write: those that are held give way to errors, and
//! clients whose writes were done in the very turn in which the fence fell are closed.
//!
//! Leases are counted on every node, also on a replica and where nothing is fenced: whoever is promoted, and whoever
//! is told to fence itself while it runs, knows already who watches it.

use std::net::IpAddr;

use slipstream_replication::fencing::{Held, Lease, SentinelId, TooMany};
use slipstream_replication::{Fencing, Level, Moment};

use crate::config::Config;
use crate::errors::CommandError;
use crate::node::Core;
use crate::session::{Endpoint, Role, Session, SessionId};

/// The channel on which sentinels greet each other.
pub(crate) const HELLO: &[u8] = b"__sentinel__:hello";

/// What a node knows of its sentinels.
#[derive(Debug)]
pub(crate) struct Fence {
    pub(crate) leases: Fencing,
    /// When it was last looked whether time has passed without a turn, in microseconds (`replication/returning.rs`).
    pub(crate) seen_at: u64,
    /// When the two turns before this one ended.
    ended: [Moment; 2],
    /// As it was when it was last looked at: whether there is a fence, and whether it has fallen.
    last: (bool, bool),
}

impl Fence {
    /// A fence that nobody holds up. `seed` is what tells its tokens from those of others.
    pub(crate) fn new(config: &Config, seed: u64) -> Fence {
        let leases = Fencing::new(seed, config.sentinel_fencing_timeout);
        Fence { leases, seen_at: 0, ended: [Moment(0); 2], last: (false, false) }
    }

    /// A turn ends, and the sockets are looked at for the next one.
    pub(crate) fn end_turn(&mut self, now: Moment) {
        self.ended = [self.ended[1], now];
    }
}

impl Core {
    /// Whether this primary takes no writes since too few of its sentinels prove that they hold it for one.
    #[inline]
    pub(crate) fn is_fenced(&self) -> bool {
        self.config.sentinel_fencing
            && !self.is_replica()
            && !self.fence.leases.may_write(self.clock.moment())
    }

    /// What a client is told that writes to a fenced primary.
    #[inline]
    pub(crate) fn fence_refusal(&self) -> Option<CommandError> {
        self.is_fenced().then(|| CommandError::fenced(&self.fence_reason()))
    }

    /// Why it is fenced.
    #[cold]
    pub(crate) fn fence_reason(&self) -> String {
        let leases = &self.fence.leases;
        if leases.is_empty() {
            return "no sentinel watches it".to_owned();
        }
        let (running, needed) = (leases.running(self.clock.moment()), leases.needed());
        let reason = format!("leases of {running} of {} sentinels run, {needed} are needed", leases.len());
        match leases.holding_for_replica() {
            0 => reason,
            strangers => format!("{reason}; {strangers} of them hold it for a replica"),
        }
    }

    /// REPLICA LEASE; the token that proves later that it was answered now.
    pub(crate) fn on_lease(
        &mut self,
        session: &mut Session,
        lease: Lease,
        holds_for_primary: bool,
    ) -> Result<u64, CommandError> {
        let now = self.clock.moment();
        let role = Held { holds_for_primary, is_replica: self.is_replica() };
        let result = self.fence.leases.on_lease(now, lease, role);
        result.map_err(|TooMany| CommandError::TOO_MANY_SENTINELS)?;
        session.sentinel = Some(Box::new(lease.sentinel));
        Ok(self.fence.leases.token(now))
    }

    /// Somebody published something on the channel of hellos: `ip,port,id,epoch,name,ip,port,epoch`, the last four
    /// being of the primary that a sentinel watches.
    pub(crate) fn on_hello(&mut self, session: &mut Session, message: &[u8]) {
        let fields: Vec<&[u8]> = message.split(|byte| *byte == b',').collect();
        let [_, _, id, _, _, host, port, _] = fields[..] else { return };
        let Some(id) = SentinelId::parse(id).filter(|_| session.role == Role::Client) else { return };
        let role = Held {
            holds_for_primary: self.is_known_as((host, port), &session.local),
            is_replica: self.is_replica(),
        };
        if self.fence.leases.on_hello(self.clock.moment(), id, role).is_ok() {
            session.sentinel = Some(Box::new(id));
        }
    }

    /// Whether an address is this node's: that at which a client has reached it, or the one that it announces.
    fn is_known_as(&self, (host, port): (&[u8], &[u8]), local: &Endpoint) -> bool {
        let (Ok(host), Ok(port)) = (std::str::from_utf8(host), std::str::from_utf8(port)) else {
            return false;
        };
        let (Ok(port), ip) = (port.parse::<u16>(), host.parse::<IpAddr>()) else { return false };
        let config = &self.config;
        let (is_local_ip, is_local_port) = match local {
            Endpoint::Tcp(local, here) => {
                (ip.is_ok_and(|ip| ip.to_canonical() == local.to_canonical()), *here == port)
            }
            Endpoint::Unix(_) | Endpoint::Internal => (false, config.port == port),
        };
        (is_local_ip || config.replica_announce_ip.as_deref() == Some(host))
            && (is_local_port || config.replica_announce_port == port)
    }

    /// A sentinel sent something. It was not here yet when the sockets were looked at for the turn before, so it is no
    /// older than the end of the one before that: what lies in a socket while a process stands still, be it between
    /// that look and the turn, is no sign of life of the moment in which it is read.
    pub(crate) fn on_sentinel_sent(&mut self, session: &Session) {
        let Some(id) = session.sentinel.as_deref() else { return };
        let (now, is_replica) = (self.clock.moment(), self.is_replica());
        self.fence.leases.on_sign_of_life(now, (*id, self.fence.ended[0]), is_replica);
    }

    /// Takes over changed directives. Who switches it off and on again begins anew.
    pub(crate) fn configure_fence(&mut self, was_on: bool) {
        if was_on && !self.config.sentinel_fencing {
            self.fence.leases.forget_all();
        }
        self.fence.leases.set_greeting_ms(self.clock.moment(), self.config.sentinel_fencing_timeout);
    }

    /// When the fence falls, if nothing more is heard.
    pub(crate) fn fence_deadline(&self) -> Option<Moment> {
        let may_fall = self.config.sentinel_fencing && !self.is_replica() && !self.fence.last.1;
        may_fall.then(|| self.fence.leases.until())
    }

    /// Looks whether the fence has fallen, or is up again.
    pub(crate) fn look_at_fence(&mut self) {
        let is_on = self.config.sentinel_fencing;
        let is_fenced = self.is_fenced();
        let (was_on, was_fenced) = std::mem::replace(&mut self.fence.last, (is_on, is_fenced));
        if is_fenced && !was_fenced {
            let text = format!(
                "This primary is fenced and takes no writes: {}. Its sentinels may promote another.",
                self.fence_reason()
            );
            self.notice(Level::Warning, &text);
            self.give_up_each(&CommandError::NOT_ACKNOWLEDGED_BY_FENCE, |_| true);
            if was_on {
                self.close_late_writers("as the fence fell");
            }
        } else if was_fenced && !is_fenced && !self.is_replica() {
            let leases = &self.fence.leases;
            let text = if is_on {
                let running = leases.running(self.clock.moment());
                format!("This primary takes writes: leases of {running} of {} sentinels run", leases.len())
            } else {
                "This primary takes writes: sentinel-fencing is off".to_owned()
            };
            self.notice(Level::Notice, &text);
        }
    }

    /// Clients that wrote in this turn are not told: between their writes and now the fence fell, or the process stood still.
    pub(crate) fn close_late_writers(&mut self, when: &str) {
        let turn = self.stats.turns;
        let is_late = |session: &&Session| session.wrote_in == Some(turn) && !session.output.is_empty();
        let late: Vec<SessionId> = self.sessions.iter().filter(is_late).map(|session| session.id).collect();
        for id in late {
            if let Some(mut session) = self.sessions.take(id) {
                let text = format!("Closing a client that wrote {when}: {}", session.peer);
                self.cut_off(&mut session, &text);
                self.sessions.insert(session);
            }
        }
    }
}

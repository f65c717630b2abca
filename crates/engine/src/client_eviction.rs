//! maxmemory-clients: the greediest clients are closed when all of them together take too much.
//!
//! Counted is what a client has sent and is not done with, what it is to be sent, what it queued and watches.
//! The link to a primary and replicas have limits of their own and are not counted; a client that asked not to
//! be evicted is counted and stays. Looked at at the end of a turn, once replies have been sent as far as
//! clients take them.

use crate::commands::client::describe;
use crate::config::Config;
use crate::host::{Effect, Level};
use crate::node::Core;
use crate::session::{Flow, Role, Session, SessionId};

/// A lower limit would leave nobody who could raise it.
const LEAST: u64 = 128 * 1024;

impl Config {
    /// Bytes that all clients together may take, if there is a limit.
    pub(crate) fn client_memory_limit(&self) -> Option<usize> {
        let limit = match u64::try_from(self.maxmemory_clients) {
            Ok(0) => return None,
            Ok(bytes) => bytes,
            Err(_) if self.maxmemory == 0 => return None,
            Err(_) => self.maxmemory / 100 * self.maxmemory_clients.unsigned_abs(),
        };
        Some(usize::try_from(limit.max(LEAST)).unwrap_or(usize::MAX))
    }
}

impl Core {
    /// Closes the greediest clients until all together are below the limit.
    pub(crate) fn evict_clients(&mut self) {
        let Some(limit) = self.config.client_memory_limit() else { return };
        self.sessions.recount_marked();
        if self.sessions.memory() < limit {
            return;
        }
        self.sessions.recount_all();
        let mut closed = 0;
        for id in self.greediest() {
            if self.sessions.memory() < limit {
                break;
            }
            self.evict_client(id);
            closed += 1;
        }
        if closed > 0 && self.sessions.memory() >= limit {
            self.notice(Level::Warning, "Over client maxmemory after evicting all evictable clients");
        }
    }

    /// Clients that may be closed, those that take most first.
    fn greediest(&self) -> Vec<SessionId> {
        let may_go = |session: &&Session| {
            let is_client = matches!(session.role, Role::Client | Role::Monitor);
            is_client && !session.no_evict && session.flow != Flow::Closing
        };
        let mut found: Vec<(usize, SessionId)> =
            self.sessions.iter().filter(may_go).map(|session| (session.memory(), session.id)).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, id)| id).collect()
    }

    fn evict_client(&mut self, id: SessionId) {
        let Some(mut session) = self.sessions.take(id) else { return };
        let text = format!("Evicting client: {}", describe(self, &session));
        self.notice(Level::Notice, &text);
        self.stats.evicted_clients += 1;
        self.leave(&mut session);
        session.close();
        self.effects.push(Effect::Disconnect(id));
        self.sessions.insert(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_bytes_or_a_share_and_never_too_low() {
        let check = |maxmemory: u64, clients: i64, expected: Option<usize>| {
            let mut config = Config::default();
            (config.maxmemory, config.maxmemory_clients) = (maxmemory, clients);
            assert_eq!(config.client_memory_limit(), expected);
        };
        check(0, 0, None);
        check(1 << 30, 0, None);
        check(0, -5, None);
        check(100 << 20, -5, Some(5 << 20));
        check(0, 1 << 20, Some(1 << 20));
        check(0, 1, Some(128 << 10));
        check(1 << 20, -1, Some(128 << 10));
    }
}

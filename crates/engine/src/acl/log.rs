//! ACL LOG: what was refused of late, newest first. Equal refusals within a minute are one entry.
//! Entries in a row of bounded length; who is told of them is not its matter.

use std::collections::VecDeque;

use crate::session::Session;

/// Refusals of the same within so many milliseconds of each other are one entry.
const SAME_WITHIN: i64 = 60_000;
/// An equal one is looked for among so many.
const LOOKED_AT: usize = 10;
/// Of what a client sent, no more than this is kept.
const MOST_BYTES: usize = 4096;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Command,
    Key,
    Channel,
    Auth,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Where it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    TopLevel,
    Multi,
    Script,
}

impl Context {
    /// Where a session asks at its own request.
    pub(crate) fn of(session: &Session) -> Context {
        if session.in_transaction() { Context::Multi } else { Context::TopLevel }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Script => "lua",
        }
    }
}

/// What was refused to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) context: Context,
    /// The command, key or channel.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
}

/// Refusals that are one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) id: u64,
    pub(crate) refusal: Refusal,
    /// How many they are.
    pub(crate) count: u64,
    /// The client of the last, as CLIENT LIST shows it.
    pub(crate) client: String,
    /// The times of the first and the last, in milliseconds since 1970.
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// What was refused of late.
#[derive(Debug, Default)]
pub(crate) struct AclLog {
    entries: VecDeque<LogEntry>,
    next_id: u64,
}

impl AclLog {
    /// Notes a refusal; of all no more than `most` are kept.
    pub(crate) fn note(&mut self, mut refusal: Refusal, client: String, now: i64, most: usize) {
        refusal.object.truncate(MOST_BYTES);
        refusal.user.truncate(MOST_BYTES);
        let is_same = |entry: &LogEntry| entry.refusal == refusal && (entry.last - now).abs() <= SAME_WITHIN;
        let known = self.entries.iter().take(LOOKED_AT).position(is_same);
        if let Some(mut entry) = known.and_then(|at| self.entries.remove(at)) {
            entry.count += 1;
            (entry.client, entry.last) = (client, now);
            self.entries.push_front(entry);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(LogEntry { id, refusal, count: 1, client, first: now, last: now });
        self.entries.truncate(most);
    }

    /// The newest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &LogEntry> {
        self.entries.iter()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

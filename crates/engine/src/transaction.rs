//! MULTI: the queue of a transaction, and WATCH: which keys break it.
//!
//! A transaction that saw a bad command (unknown, wrong arity, refused by a
//! gate) is doomed: EXEC answers EXECABORT. One whose watched keys changed runs
//! nothing and answers null.

use std::collections::BTreeMap;

use slipstream_resp::OwnedRequest;

use crate::session::SessionId;
use crate::table::Entry;

/// An open MULTI.
#[derive(Debug)]
pub struct Transaction {
    /// The queued requests.
    pub requests: Vec<OwnedRequest>,
    /// Their rows.
    pub entries: Vec<Entry>,
    /// Bytes that the requests hold.
    pub memory: usize,
    /// Flags that any of the queued commands has.
    pub flags: u32,
    /// Flags that all of them have.
    pub common_flags: u32,
    /// Whether a command was refused while queuing.
    pub doomed: bool,
}

impl Default for Transaction {
    fn default() -> Self {
        let (requests, entries) = (Vec::new(), Vec::new());
        Transaction { requests, entries, memory: 0, flags: 0, common_flags: u32::MAX, doomed: false }
    }
}

impl Transaction {
    /// Adds one request, whose flags are these.
    pub fn queue(&mut self, request: OwnedRequest, entry: Entry, flags: u32) {
        self.flags |= flags;
        self.common_flags &= flags;
        self.memory += request.memory();
        self.requests.push(request);
        self.entries.push(entry);
    }
}

/// Which sessions watch which keys.
#[derive(Debug, Default)]
pub struct Watches {
    by_key: BTreeMap<(usize, Box<[u8]>), Vec<SessionId>>,
    broken: Vec<SessionId>,
}

impl Watches {
    /// Whether no session watches any key: the common case, checked on each write.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// `session` watches `key` from now on.
    pub fn add(&mut self, db: usize, key: &[u8], session: SessionId) {
        self.by_key.entry((db, key.into())).or_default().push(session);
    }

    /// `session` watches `key` no more.
    pub fn remove(&mut self, db: usize, key: &[u8], session: SessionId) {
        let place = (db, Box::from(key));
        if let Some(sessions) = self.by_key.get_mut(&place) {
            sessions.retain(|known| *known != session);
            if sessions.is_empty() {
                self.by_key.remove(&place);
            }
        }
    }

    /// `key` changed: whoever watches it is noted as broken.
    pub fn changed(&mut self, db: usize, key: &[u8]) {
        if let Some(sessions) = self.by_key.get(&(db, Box::from(key))) {
            self.broken.extend_from_slice(sessions);
        }
    }

    /// The keys of one database that are watched.
    pub fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.by_key.keys().filter(move |(known, _)| *known == db).map(|(_, key)| &**key)
    }

    /// A session is to be told with those of the next call that its watch is broken: it is out of its place.
    pub(crate) fn break_later(&mut self, session: SessionId) {
        self.broken.push(session);
    }

    /// Sessions whose watched keys changed since the last call.
    pub fn take_broken(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.broken)
    }
}

//! Keys with deadlines that clients of a writable replica made.
//!
//! A replica deletes nothing by itself: its primary tells it what is gone. Of what a replica's own clients
//! write the primary knows nothing, so those keys go here when they are due, and nobody is told. Their fields
//! stay, hidden, until the key goes.
//!
//! Invariant: a key is listed only if a client of this node gave it a deadline while the node was a replica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use slipstream_keyspace::UnixMillis;
use slipstream_resp::Args;

use crate::commands::introspection::keys_of;
use crate::dispatch::Machine;
use crate::node::Node;
use crate::session::Role;
use crate::table::Entry;

/// The longest that this holds up others at once, in microseconds.
const SLICE: u64 = 1_000;

/// Keys looked at before the clock is.
const STEP: usize = 64;

/// A database and a key in it.
type Place = (usize, Arc<[u8]>);

/// What is listed, by time and by key.
#[derive(Debug, Default)]
pub(crate) struct LocalDeadlines {
    due: BTreeSet<(UnixMillis, Place)>,
    times: BTreeMap<Place, UnixMillis>,
}

impl LocalDeadlines {
    /// How many keys are listed (`slave_expires_tracked_keys`).
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The data is the primary's again, or this node's own.
    pub(crate) fn clear(&mut self) {
        *self = LocalDeadlines::default();
    }

    fn insert(&mut self, place: Place, deadline: UnixMillis) {
        if let Some(old) = self.times.insert(place.clone(), deadline) {
            self.due.remove(&(old, place.clone()));
        }
        self.due.insert((deadline, place));
    }

    /// A key is the primary's again.
    pub(crate) fn forget(&mut self, db: usize, key: &[u8]) {
        let place = (db, Arc::from(key));
        if let Some(deadline) = self.times.remove(&place) {
            self.due.remove(&(deadline, place));
        }
    }

    fn take_due(&mut self, now: UnixMillis) -> Option<Place> {
        self.due.first().filter(|(deadline, _)| *deadline < now)?;
        let (_, place) = self.due.pop_first()?;
        self.times.remove(&place);
        Some(place)
    }
}

impl Machine<'_> {
    /// A command has changed something: lists those of its keys that have a deadline now.
    pub(crate) fn list_deadlines(&mut self, entry: Entry, args: Args<'_>) {
        if !self.core.is_replica() || self.session.role == Role::Primary {
            return;
        }
        let here = self.session.db;
        // The only ones that reach into another database.
        let reaches_far = matches!(entry.command.name, "move" | "copy");
        let databases = if reaches_far { 0..self.keyspace.databases() } else { here..here + 1 };
        for (at, _) in keys_of(entry.command, args).unwrap_or_default() {
            for db in databases.clone() {
                if let Some(deadline) = self.keyspace.db(db).deadline(&args[at]) {
                    self.core.local_deadlines.insert((db, Arc::from(&args[at])), deadline);
                }
            }
        }
    }
}

impl Node {
    /// Deletes listed keys that are due, for a slice of time.
    pub(crate) fn expire_local_keys(&mut self) {
        if !self.core.is_replica() {
            return self.core.local_deadlines.clear();
        }
        if self.core.pause.is_active() || !self.core.active_expire {
            return;
        }
        let end = self.core.clock.micros + SLICE;
        while self.expire_some_local_keys() && self.core.clock.micros < end {}
        self.core.tell_broken_watches();
    }

    /// Whether more may be due.
    fn expire_some_local_keys(&mut self) -> bool {
        let now = self.core.clock.unix();
        for _ in 0..STEP {
            let Some(place) = self.core.local_deadlines.take_due(now) else { return false };
            let (db, key) = &place;
            match self.keyspace.db(*db).deadline(key) {
                // It went or lost its deadline in the meantime.
                None => {}
                Some(deadline) if deadline >= now => self.core.local_deadlines.insert(place, deadline),
                Some(_) => {
                    let database = self.keyspace.db_mut(*db);
                    let value = database.remove(key);
                    database.garbage.extend(value);
                    self.core.key_expired(*db, key);
                }
            }
        }
        self.core.tick_clock();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_the_primarys_again_is_not_listed_any_more() {
        let mut deadlines = LocalDeadlines::default();
        for (db, deadline) in [(0, 10), (1, 20)] {
            deadlines.insert((db, Arc::from(&b"k"[..])), UnixMillis(deadline));
        }
        deadlines.forget(0, b"k");
        deadlines.forget(0, b"unknown");
        assert_eq!(deadlines.len(), 1);
        assert_eq!(deadlines.take_due(UnixMillis(30)), Some((1, Arc::from(&b"k"[..]))));
        assert_eq!(deadlines.take_due(UnixMillis(30)), None);
    }
}

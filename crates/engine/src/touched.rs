//! The one place that learns of changed keys.
//!
//! Whatever changes a key — a command, its time, eviction, a load, SWAPDB —
//! ends here, and from here learns whoever wants to know. [`Observers`] says
//! whether anybody does, so that a write that nobody observes costs one test.

use crate::db::Db;
use crate::event::{self, class};
use crate::node::Core;
use crate::session::SessionId;

/// Who wants to know of changed keys, as bits that those who keep the lists set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observers(u8);

impl Observers {
    /// Sessions that watch keys.
    pub(crate) const WATCHES: u8 = 1;
    /// Keyspace notifications are on.
    pub(crate) const EVENTS: u8 = 1 << 1;
    /// Clients that keep copies of keys.
    pub(crate) const TRACKING: u8 = 1 << 2;
    /// Sessions that wait for keys.
    pub(crate) const WAITS: u8 = 1 << 3;

    /// Whether anybody does.
    #[inline]
    pub(crate) fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether one of `bits` is set.
    #[inline]
    pub(crate) fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    /// Sets or clears `bits`.
    pub(crate) fn set(&mut self, bits: u8, on: bool) {
        self.0 = if on { self.0 | bits } else { self.0 & !bits };
    }
}

impl Core {
    /// `key` changed, or is gone, by what runs.
    #[inline]
    pub(crate) fn touched(&mut self, db: usize, key: &[u8]) {
        self.touched_by(db, key, self.running);
    }

    /// `key` changed, or is gone, since its time came or room was needed: no client did that.
    #[inline]
    pub(crate) fn faded(&mut self, db: usize, key: &[u8]) {
        self.touched_by(db, key, None);
    }

    #[inline]
    fn touched_by(&mut self, db: usize, key: &[u8], by: Option<SessionId>) {
        self.outdated(db, key, by);
        if self.observers.has(Observers::WAITS) {
            self.waits.touched(db, key);
        }
    }

    /// `key` changed in a way that gives nothing to who waits for it: so nobody is tried in vain.
    #[inline]
    pub(crate) fn outdated(&mut self, db: usize, key: &[u8], by: Option<SessionId>) {
        if self.observers.has(Observers::WATCHES) {
            self.watches.changed(db, key);
        }
        if self.observers.has(Observers::TRACKING) {
            self.invalidate(key, by);
        }
    }

    /// The keys of one database of which somebody wants to know when they change.
    pub(crate) fn observed_keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.watches.keys(db).chain(self.waits.keys(db))
    }

    /// Takes over which events are to be told.
    pub(crate) fn observe_events(&mut self) {
        let on = class::tell_anything(self.config.notify_keyspace_events);
        self.observers.set(Observers::EVENTS, on);
    }

    /// Before `key` is read: where it is due it goes, so that this is told before the miss.
    #[inline]
    pub(crate) fn before_read(&mut self, db: &mut Db<'_>, key: &[u8]) {
        if self.observers.has(Observers::EVENTS) && db.occupied(key).is_none() {
            self.collect_expired(db.keyspace);
        }
    }

    /// Counts a read that found `key`, or did not.
    #[inline]
    pub(crate) fn count_lookup(&mut self, db: usize, key: &[u8], found: bool) {
        if found {
            self.stats.keyspace_hits += 1;
        } else {
            self.stats.keyspace_misses += 1;
            if self.observers.has(Observers::EVENTS) {
                self.notify(db, key, event::KEYMISS);
            }
        }
    }
}

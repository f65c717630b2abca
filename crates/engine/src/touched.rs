//! The one place that learns of changed keys.
//!
//! Whatever changes a key — a command, its time, eviction, a load, SWAPDB —
//! ends here, and from here learns whoever wants to know. [`Observers`] says
//! whether anybody does, so that a write that nobody observes costs one test.

use crate::event::Event;
use crate::node::Core;

/// Who wants to know of changed keys, as bits that those who keep the lists set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observers(u8);

impl Observers {
    /// Sessions that watch keys.
    pub(crate) const WATCHES: u8 = 1;
    /// Keyspace notifications are on.
    pub(crate) const EVENTS: u8 = 1 << 1;

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
    /// `key` changed, or is gone.
    #[inline]
    pub(crate) fn touched(&mut self, db: usize, key: &[u8]) {
        if self.observers.has(Observers::WATCHES) {
            self.watches.changed(db, key);
        }
    }

    /// An event happened to `key`.
    pub(crate) fn notify(&mut self, _db: usize, _key: &[u8], _event: Event) {}

    /// Counts a read that found `key`, or did not.
    #[inline]
    pub(crate) fn count_lookup(&mut self, db: usize, key: &[u8], found: bool) {
        if found {
            self.stats.keyspace_hits += 1;
        } else {
            self.stats.keyspace_misses += 1;
            if self.observers.has(Observers::EVENTS) {
                self.notify(db, key, crate::event::KEYMISS);
            }
        }
    }
}

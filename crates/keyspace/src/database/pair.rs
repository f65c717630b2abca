//! A database's entry: key, value, deadline and access clock.
//!
//! The clock is atomic so that recording a read neither needs exclusive access nor copies a
//! segment that a snapshot holds; nothing else synchronises through it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::short_bytes::ShortBytes;
use crate::table::Entry;
use crate::time::UnixMillis;
use crate::value::Value;

/// The deadline of an entry that has none.
pub(super) const NEVER: i64 = i64::MAX;

pub(crate) struct Pair {
    key: ShortBytes,
    pub(super) value: Value<'static>,
    deadline: i64,
    clock: AtomicU32,
}

impl Clone for Pair {
    fn clone(&self) -> Self {
        Pair {
            key: self.key.clone(),
            value: self.value.clone(),
            deadline: self.deadline,
            clock: AtomicU32::new(self.clock()),
        }
    }
}

impl Entry for Pair {
    #[inline]
    fn key(&self) -> &[u8] {
        self.key.as_slice()
    }

    fn deadline(&self) -> i64 {
        self.deadline
    }
}

impl Pair {
    pub(super) fn new(key: &[u8], value: Value<'static>, deadline: Option<UnixMillis>, clock: u32) -> Self {
        let clock = AtomicU32::new(clock);
        let mut pair = Pair { key: ShortBytes::new(key), value, deadline: NEVER, clock };
        pair.set_deadline(deadline);
        pair
    }

    /// Key, value and deadline.
    pub(crate) fn view(&self) -> (&[u8], Value<'_>, Option<UnixMillis>) {
        (self.key(), self.value.view(), self.deadline_if_any())
    }

    pub(super) fn deadline_if_any(&self) -> Option<UnixMillis> {
        (self.deadline != NEVER).then_some(UnixMillis(self.deadline))
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<UnixMillis>) {
        // The last millisecond of time stands for never; a deadline there is a millisecond early.
        self.deadline = deadline.map_or(NEVER, |deadline| deadline.0.min(NEVER - 1));
    }

    #[inline]
    pub(super) fn is_due(&self, now: UnixMillis) -> bool {
        now.0 > self.deadline
    }

    #[inline]
    pub(super) fn clock(&self) -> u32 {
        self.clock.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_clock(&self, clock: u32) {
        self.clock.store(clock, Ordering::Relaxed);
    }

    pub(super) fn key_heap_size(&self) -> usize {
        self.key.heap_size()
    }
}

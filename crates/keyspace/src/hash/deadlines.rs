//! Deadlines of a hash's fields, by field and by time.
//!
//! Invariant: both maps hold the same pairs, and the whole thing is dropped when they are empty.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::UnixMillis;

#[derive(Clone, Default)]
pub(super) struct Deadlines {
    by_field: BTreeMap<Box<[u8]>, UnixMillis>,
    by_time: BTreeSet<(UnixMillis, Box<[u8]>)>,
}

/// Gives `field` a deadline or takes it away.
pub(super) fn set(deadlines: &mut Option<Box<Deadlines>>, field: &[u8], deadline: Option<UnixMillis>) {
    if deadlines.is_none() && deadline.is_none() {
        return;
    }
    let all = deadlines.get_or_insert_default();
    let old = match deadline {
        Some(deadline) => {
            all.by_time.insert((deadline, field.into()));
            all.by_field.insert(field.into(), deadline)
        }
        None => all.by_field.remove(field),
    };
    if let Some(old) = old.filter(|old| Some(*old) != deadline) {
        all.by_time.remove(&(old, field.into()));
    }
    if all.by_field.is_empty() {
        *deadlines = None;
    }
}

impl Deadlines {
    pub(super) fn get(&self, field: &[u8]) -> Option<UnixMillis> {
        self.by_field.get(field).copied()
    }

    pub(super) fn first(&self) -> Option<UnixMillis> {
        self.by_time.first().map(|(deadline, _)| *deadline)
    }

    /// How many fields are due.
    pub(super) fn due_len(&self, now: UnixMillis) -> usize {
        self.by_time.iter().take_while(|(deadline, _)| *deadline < now).count()
    }

    /// The first `limit` fields that are due, earliest first.
    pub(super) fn due(&self, now: UnixMillis, limit: usize) -> Vec<Vec<u8>> {
        let due = self.by_time.iter().take_while(|(deadline, _)| *deadline < now);
        due.take(limit).map(|(_, field)| field.to_vec()).collect()
    }

    /// About what both maps take: two copies of each name, and the maps' nodes.
    pub(super) fn heap_size(&self) -> usize {
        self.by_field.keys().map(|field| 2 * (field.len() + 40)).sum()
    }
}

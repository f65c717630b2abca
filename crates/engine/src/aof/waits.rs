//! Clients of WAITAOF that wait for this node's disk.
//!
//! They stand in the order of what they wrote, so that what the disk has done costs what it ends, however many wait.

use std::collections::{BTreeMap, BTreeSet};

use slipstream_log::Offset;

use crate::session::SessionId;

/// What one waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileWait {
    /// The end of what it wrote.
    pub(crate) offset: Offset,
    /// How many replicas it waits for besides.
    pub(crate) replicas: usize,
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct FileWaits {
    all: BTreeMap<SessionId, FileWait>,
    by_offset: BTreeSet<(Offset, SessionId)>,
}

impl FileWaits {
    pub(super) fn insert(&mut self, id: SessionId, wait: FileWait) {
        self.remove(id);
        self.all.insert(id, wait);
        self.by_offset.insert((wait.offset, id));
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        if let Some(wait) = self.all.remove(&id) {
            self.by_offset.remove(&(wait.offset, id));
        }
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.all.contains_key(&id)
    }

    /// Takes out the next one that waits for nothing behind `end`.
    pub(super) fn take_next(&mut self, end: Offset) -> Option<(SessionId, FileWait)> {
        let (_, id) = *self.by_offset.first().filter(|(offset, _)| *offset <= end)?;
        let wait = self.all[&id];
        self.remove(id);
        Some((id, wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_write_is_before_the_end_is_taken_out_in_the_order_of_writes() {
        let mut waits = FileWaits::default();
        let wait = |offset| FileWait { offset: Offset(offset), replicas: 0 };
        for (id, offset) in [(1, 30), (2, 10), (3, 20), (4, 20), (5, 10), (5, 40)] {
            waits.insert(SessionId(id), wait(offset));
        }
        waits.remove(SessionId(3));
        let taken: Vec<_> = std::iter::from_fn(|| waits.take_next(Offset(30))).collect();
        assert_eq!(taken, [(2, 10), (4, 20), (1, 30)].map(|(id, offset)| (SessionId(id), wait(offset))));
        assert!(waits.contains(SessionId(5)) && !waits.contains(SessionId(1)));
    }
}

//! Walking all entries of a table, segment by segment.
//!
//! Sees the table as it was borrowed; a scan that goes on between calls is the table's `scan`.

use super::{Entry, Slot};

/// All entries of a table, each once.
#[derive(Clone)]
pub struct TableIter<'a, E> {
    slots: std::slice::Iter<'a, Slot<E>>,
    entries: std::slice::Iter<'a, E>,
}

impl<'a, E> TableIter<'a, E> {
    pub(super) fn new(slots: &'a [Slot<E>]) -> Self {
        TableIter { slots: slots.iter(), entries: [].iter() }
    }
}

impl<'a, E: Entry> Iterator for TableIter<'a, E> {
    type Item = &'a E;

    #[inline]
    fn next(&mut self) -> Option<&'a E> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            self.entries = self.slots.next()?.segment.entries().iter();
        }
    }
}

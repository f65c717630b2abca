//! The fields of a big hash: a packed table whose entries' rest is the value.
//!
//! A value that is too long for an entry lies beside it, shared with snapshots.

use triomphe::Arc;

use crate::item::Item;
use crate::size_class::ARC_HEADER;
use crate::table::{EntryRef, Fill, INLINE, Layout, NewEntry, Table, TableIter};

#[derive(Clone)]
struct FieldLayout;

impl Layout for FieldLayout {
    type Beside = Arc<[u8]>;
}

/// Fields and their values.
#[derive(Clone)]
pub(super) struct FieldTable(Table<FieldLayout>);

impl FieldTable {
    pub(super) fn new(seed: [u64; 4]) -> Self {
        FieldTable(Table::new(seed))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of `field`.
    #[inline]
    pub(super) fn get(&self, field: &[u8]) -> Option<Item<'_>> {
        self.0.get(field).map(|entry| pair(entry).1)
    }

    /// Sets a field; true when it is new.
    pub(super) fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        let is_long = field.len() + value.len() > INLINE;
        let (rest, beside) =
            if is_long { ([&[][..], &[]], Some(Arc::from(value))) } else { ([value, &[]], None) };
        match self.0.find(field) {
            Ok(place) => {
                self.0.replace(place, rest, beside);
                false
            }
            Err(hash) => {
                self.0.insert_new(NewEntry { hash, key: field, rest, beside });
                true
            }
        }
    }

    /// Removes a field; false when there was none.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let found = self.0.find(field);
        found.map(|place| self.0.remove_at(place)).is_ok()
    }

    /// A field chosen fairly, and its value.
    pub(super) fn random(&self, rng: &mut fastrand::Rng) -> Option<(Item<'_>, Item<'_>)> {
        self.0.random(rng).map(pair)
    }

    /// One step of HSCAN, as `Table::scan`.
    pub(super) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, Item<'_>)) -> u64 {
        self.0.scan(cursor, count, |entry| {
            let (field, value) = pair(entry);
            visit(field, value);
        })
    }

    pub(super) fn iter(&self) -> FieldIter<'_> {
        FieldIter(self.0.iter())
    }

    /// How the fields fill the table's segments.
    pub(super) fn fill(&self) -> Fill {
        self.0.fill()
    }

    /// Bytes allocated, with values that lie beside.
    pub(super) fn heap_size(&self) -> usize {
        self.0.heap_size() + self.0.beside_sum(|value| value.len() + ARC_HEADER)
    }
}

/// All fields and their values.
#[derive(Clone)]
pub(super) struct FieldIter<'a>(TableIter<'a, FieldLayout>);

impl<'a> Iterator for FieldIter<'a> {
    type Item = (Item<'a>, Item<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(pair)
    }
}

fn pair<'a>(entry: EntryRef<'a, Arc<[u8]>>) -> (Item<'a>, Item<'a>) {
    let value = match entry.beside {
        Some(value) => value,
        None => entry.rest,
    };
    (Item::Bytes(entry.key), Item::Bytes(value))
}

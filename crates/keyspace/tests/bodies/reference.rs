//! What a keyspace is to its user: sorted maps of plain values.
//!
//! Knows the rules of expiry and nothing of how anything is stored. Cloning it for a snapshot shares the values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A value, as its user sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    /// Fields with their values and deadlines.
    Hash(BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>),
    SortedSet(BTreeMap<Vec<u8>, f64>),
}

impl Shape {
    pub(crate) fn len(&self) -> usize {
        match self {
            Shape::String(bytes) => bytes.len(),
            Shape::List(elements) => elements.len(),
            Shape::Set(members) => members.len(),
            Shape::Hash(fields) => fields.len(),
            Shape::SortedSet(members) => members.len(),
        }
    }

    /// Whether a key may hold it: an empty collection is no value.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Shape::String(_)) || self.len() > 0
    }

    /// The deadlines of a hash's fields that have one.
    pub(crate) fn field_deadlines(&self) -> impl Iterator<Item = i64> {
        let fields = if let Shape::Hash(fields) = self { Some(fields) } else { None };
        fields.into_iter().flat_map(|fields| fields.values().filter_map(|field| field.1))
    }

    /// The elements that a scan of the value returns.
    pub(crate) fn names(&self) -> BTreeSet<Vec<u8>> {
        match self {
            Shape::String(_) | Shape::List(_) => BTreeSet::new(),
            Shape::Set(members) => members.clone(),
            Shape::Hash(fields) => fields.keys().cloned().collect(),
            Shape::SortedSet(members) => members.keys().cloned().collect(),
        }
    }

    pub(crate) fn has(&self, name: &[u8]) -> bool {
        match self {
            Shape::String(_) | Shape::List(_) => false,
            Shape::Set(members) => members.contains(name),
            Shape::Hash(fields) => fields.contains_key(name),
            Shape::SortedSet(members) => members.contains_key(name),
        }
    }
}

/// What is under a key.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) shape: Arc<Shape>,
    pub(crate) deadline: Option<i64>,
}

impl Entry {
    pub(crate) fn new(shape: Shape, deadline: Option<i64>) -> Entry {
        Entry { shape: Arc::new(shape), deadline }
    }

    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.deadline.is_some_and(|deadline| deadline < now)
    }
}

/// One database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    pub(crate) entries: BTreeMap<Vec<u8>, Entry>,
}

impl Reference {
    /// The entry of a key that is there and not due. One that is due goes where it may, and true is returned.
    pub(crate) fn live(&mut self, key: &[u8], now: i64, deletes_due: bool) -> (Option<&mut Entry>, bool) {
        if self.entries.get(key).is_some_and(|entry| entry.is_due(now)) {
            if deletes_due {
                self.entries.remove(key);
            }
            return (None, deletes_due);
        }
        (self.entries.get_mut(key), false)
    }

    /// How many hashes have fields with deadlines.
    pub(crate) fn hashes_with_deadlines(&self) -> usize {
        self.entries.values().filter(|entry| entry.shape.field_deadlines().next().is_some()).count()
    }

    pub(crate) fn expires(&self) -> usize {
        self.entries.values().filter(|entry| entry.deadline.is_some()).count()
    }
}

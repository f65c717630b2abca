//! Which hashes of a database have fields that are due some day, and when the first of them is.
//!
//! Only active expiry needs this: whoever looks at a hash asks the hash itself.
//! Invariant: holds exactly the keys of hashes with deadlines, each with its hash's earliest one,
//! once a change of such a hash has been noted.

use super::Database;
use crate::encoding::Encoding;
use crate::hash::deadlines::Deadlines;
use crate::time::UnixMillis;
use crate::value::Value;

pub(super) struct FieldDeadlines {
    hashes: Deadlines,
    encoding: Encoding,
}

/// A key and the names of its fields that were removed because they were due.
pub type DueFields = (Vec<u8>, Vec<Vec<u8>>);

impl FieldDeadlines {
    pub(super) fn new(seed: [u64; 4]) -> Self {
        FieldDeadlines { hashes: Deadlines::default(), encoding: Encoding { seed, ..Encoding::default() } }
    }

    /// All of them, to be dropped elsewhere.
    pub(super) fn take(&mut self) -> FieldDeadlines {
        FieldDeadlines { hashes: std::mem::take(&mut self.hashes), encoding: self.encoding }
    }

    /// What `key` holds has `new` as its first deadline instead of `old`.
    #[inline]
    pub(super) fn replaced(&mut self, key: &[u8], old: Option<UnixMillis>, new: Option<UnixMillis>) {
        if old.is_some() || new.is_some() {
            self.note(key, new);
        }
    }

    fn note(&mut self, key: &[u8], next: Option<UnixMillis>) {
        match next {
            Some(next) => self.hashes.set(key, next, &self.encoding),
            None => self.hashes.remove(key),
        }
    }

    fn first_due(&self, now: UnixMillis) -> Option<Vec<u8>> {
        self.hashes.due(now, 1).pop()
    }
}

pub(super) fn next_deadline(value: &Value<'_>) -> Option<UnixMillis> {
    match value {
        Value::Hash(hash) => hash.next_deadline(),
        _ => None,
    }
}

impl Database {
    /// How many hashes have fields with a deadline.
    pub fn hashes_with_deadlines(&self) -> usize {
        self.field_deadlines.hashes.len()
    }

    /// Tells that deadlines of fields of the hash at `key` have changed.
    pub fn note_fields(&mut self, key: &[u8]) {
        let next = self.table.get(key).and_then(|entry| entry.beside.and_then(|value| next_deadline(value)));
        self.field_deadlines.note(key, next);
    }

    /// Active expiry of fields: removes up to `limit` due ones, and the hashes that have no others. Fewer than
    /// `limit` means that no more are due.
    pub fn take_due_fields(&mut self, now: UnixMillis, limit: usize) -> Vec<DueFields> {
        let mut taken = Vec::new();
        let mut left = limit;
        while left > 0
            && let Some(key) = self.field_deadlines.first_due(now)
        {
            let found = self.table.find(&key);
            let place = found.expect("a key that is noted exists");
            let Value::Hash(mut hash) = self.take(place) else {
                unreachable!("a key that is noted holds a hash");
            };
            let fields = hash.take_due(now, left);
            let next = hash.next_deadline();
            // Not both: giving back may move the entry.
            if hash.is_empty() {
                self.remove_at(place);
            } else {
                self.give_back(place, Value::Hash(hash));
            }
            self.field_deadlines.note(&key, next);
            left -= fields.len();
            taken.push((key, fields));
        }
        taken
    }
}

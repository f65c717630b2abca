//! Records into a keyspace, in an order in which neighbours are stored near each other.
//!
//! In a snapshot of another program the keys come in an order that means nothing here: each would be put somewhere
//! else in a big table, and the processor would wait for most of what it touches. So, once a database does not fit
//! the caches, records are sorted onto shelves by where they will be stored. A full shelf is inserted in that order;
//! it is small enough that it fits the caches itself and takes about a millisecond. Within 32 keys, what the next ones
//! need is read ahead ([`Database::prefetch`]).
//!
//! ```text
//! batch ─┬▶ shelf of the keys from 0/64 to 1/64 of the table ──full──▶ arranged, inserted
//!        ├▶ shelf of the next 64th
//!        └▶ …
//! ```
//! Invariant: records with one key are inserted in the order in which they came.
//!
//! [`Database::prefetch`]: slipstream_keyspace::Database::prefetch

use slipstream_keyspace::{Batch, Keyspace, UnixMillis};

use crate::error::{KeyName, ReadError, Reason};
use crate::read::Duplicates;
use crate::records::{Attributes, Content, Record, Records};

/// Tables with fewer keys stay in the caches by themselves.
const WORTHWHILE_KEYS: usize = 20_000;

const SHELVES: usize = 1 << SHELF_BITS;
const SHELF_BITS: u32 = 6;

/// A shelf is full with so many bytes of keys and short strings, or with so many keys.
const SHELF_BYTES: usize = 128 << 10;
const SHELF_KEYS: usize = 1024;

/// The order of a shelf is that of so many ranges of hashes.
const RANGES: usize = 1 << RANGE_BITS;
const RANGE_BITS: u32 = 10;

/// Puts records into a keyspace.
pub struct Insertion<'k> {
    keyspace: &'k mut Keyspace,
    now: UnixMillis,
    duplicates: Duplicates,
    ahead: Batch,
    order: Vec<u32>,
    keys: u64,
    /// All are empty until a database is big.
    shelves: Vec<Records>,
}

impl<'k> Insertion<'k> {
    /// Into a fresh keyspace, of the shape that the decoder was told.
    pub fn new(keyspace: &'k mut Keyspace, now: UnixMillis, duplicates: Duplicates) -> Insertion<'k> {
        Insertion {
            keyspace,
            now,
            duplicates,
            ahead: Batch::default(),
            order: Vec::new(),
            keys: 0,
            shelves: std::iter::repeat_with(Records::default).take(SHELVES).collect(),
        }
    }

    /// Keys inserted so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Takes in a batch, which is empty afterwards. Its keys need not be in the keyspace before
    /// [`advance`](Self::advance) has told that all are.
    pub fn insert(&mut self, records: &mut Records) -> Result<(), ReadError> {
        let is_big = |number| self.keyspace.db(number).len() >= WORTHWHILE_KEYS;
        if !(0..self.keyspace.databases()).any(is_big) {
            let (all, bytes) = records.parts();
            all.iter_mut().try_for_each(|record| self.insert_one(record, bytes))?;
            records.clear();
            return Ok(());
        }
        self.put_on_shelves(records);
        for shelf in 0..SHELVES {
            if self.shelves[shelf].len() >= SHELF_KEYS || self.shelves[shelf].size() >= SHELF_BYTES {
                self.empty(shelf)?;
            }
        }
        Ok(())
    }

    /// Inserts a piece of what has been taken in; false when all of it is in the keyspace.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        match self.shelves.iter().position(|shelf| !shelf.is_empty()) {
            Some(shelf) => self.empty(shelf).map(|()| true),
            None => Ok(false),
        }
    }

    fn put_on_shelves(&mut self, records: &mut Records) {
        let Insertion { keyspace, shelves, .. } = self;
        records.sort_onto(shelves, |record, bytes| {
            part(keyspace.db(record.database).order_hint(&bytes[record.key.clone()]), SHELF_BITS)
        });
    }

    /// Inserts what is on a shelf.
    fn empty(&mut self, shelf: usize) -> Result<(), ReadError> {
        let mut shelf_records = std::mem::take(&mut self.shelves[shelf]);
        let mut order = std::mem::take(&mut self.order);
        let (records, bytes) = shelf_records.parts();
        let keyspace = &*self.keyspace;
        let hint = |record: &Record| {
            keyspace.db(record.database).order_hint(&bytes[record.key.clone()]) << SHELF_BITS
        };
        arrange(records.iter().map(hint), &mut order);
        for near in order.chunks(Batch::CAPACITY) {
            self.look_ahead(near, records, bytes);
            near.iter().try_for_each(|index| self.insert_one(&mut records[place(*index)], bytes))?;
        }
        shelf_records.clear();
        self.shelves[shelf] = shelf_records;
        self.order = order;
        Ok(())
    }

    fn look_ahead(&mut self, near: &[u32], records: &[Record], bytes: &[u8]) {
        let Some(first) = near.first() else { return };
        let number = records[place(*first)].database;
        let database = self.keyspace.db(number);
        if database.len() < WORTHWHILE_KEYS {
            return;
        }
        self.ahead.clear();
        for record in near.iter().map(|index| &records[place(*index)]) {
            if record.database == number {
                database.expect(&bytes[record.key.clone()], &mut self.ahead);
            }
        }
        database.prefetch(&self.ahead);
    }

    fn insert_one(&mut self, record: &mut Record, bytes: &[u8]) -> Result<(), ReadError> {
        let key = &bytes[record.key.clone()];
        let Attributes { deadline, idle_seconds, frequency } = record.attributes;
        let database = self.keyspace.db_mut(record.database);
        let was_there = match std::mem::replace(&mut record.content, Content::Short(0..0)) {
            Content::Short(value) => database.set_string(key, &bytes[value], deadline, self.now),
            Content::Value(value) => database.insert(key, value, deadline).is_some(),
        };
        if was_there && self.duplicates == Duplicates::Refuse {
            let number = u64::try_from(record.database).expect("usize fits in u64");
            let key = Some(KeyName { database: number, name: key.into() });
            return Err(ReadError { offset: record.offset, key, reason: Reason::DuplicateKey });
        }
        if let Some(seconds) = idle_seconds {
            database.set_idle(key, seconds, self.now);
        }
        if let Some(frequency) = frequency {
            database.set_frequency(key, frequency, self.now);
        }
        self.keys += 1;
        Ok(())
    }
}

fn place(index: u32) -> usize {
    usize::try_from(index).expect("u32 fits in usize")
}

/// The first `bits` of a hint.
fn part(hint: u64, bits: u32) -> usize {
    usize::try_from(hint >> (u64::BITS - bits)).expect("a few bits")
}

/// Numbers so many things by the ranges of their hints; within one range they stay in order.
fn arrange(hints: impl Iterator<Item = u64> + Clone, order: &mut Vec<u32>) {
    let mut next = [0u32; RANGES];
    let mut count = 0;
    for hint in hints.clone() {
        next[part(hint, RANGE_BITS)] += 1;
        count += 1;
    }
    let mut before = 0;
    for place in &mut next {
        before += std::mem::replace(place, before);
    }
    order.clear();
    order.resize(count, 0);
    for (index, hint) in (0u32..).zip(hints) {
        let next = &mut next[part(hint, RANGE_BITS)];
        order[place(*next)] = index;
        *next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_together_and_equals_stay_in_order() {
        let hints = [7, 0, 3, 7, 0, 1023].map(|range: u64| range << 54 | 99);
        let mut order = vec![1, 2, 3];
        arrange(hints.into_iter(), &mut order);
        assert_eq!(order, [1, 4, 2, 0, 3, 5]);
        arrange(std::iter::empty(), &mut order);
        assert!(order.is_empty());
    }
}

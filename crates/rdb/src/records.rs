//! Keys and values between their decoder and the keyspace: in batches, so that the two may be two threads.
//!
//! Short strings, which most values are, lie in one run of bytes with the keys: a batch that was emptied is used
//! again, and what passes from thread to thread is not allocated on one and freed on the other. A batch is as big as
//! the nearest caches, and its keys are looked for together ([`Database::prefetch`]) before they are inserted.
//!
//! [`Database::prefetch`]: slipstream_keyspace::Database::prefetch

use std::ops::Range;

use slipstream_keyspace::{Batch, Keyspace, Str, UnixMillis, Value};

use crate::error::{KeyName, ReadError, Reason};
use crate::read::Duplicates;

/// A batch is full with so many bytes of keys and short strings, or with so many keys.
const FULL_BYTES: usize = 64 * 1024;
const FULL_KEYS: usize = 512;

/// Tables with fewer keys stay in the caches by themselves.
const WORTHWHILE_KEYS: usize = 20_000;

/// A batch of keys with their values, in the order of the snapshot.
#[derive(Default)]
pub struct Records {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

struct Record {
    database: usize,
    /// Of the batch's bytes.
    key: Range<usize>,
    content: Content,
    attributes: Attributes,
    /// Where in the snapshot it ends.
    offset: u64,
}

enum Content {
    /// A string, of the batch's bytes.
    Short(Range<usize>),
    Value(Value<'static>),
}

/// What records before a key say of it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) deadline: Option<UnixMillis>,
    pub(crate) idle_seconds: Option<u64>,
    pub(crate) frequency: Option<u8>,
}

impl Records {
    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes the keys out, for whoever wants to look at them only.
    pub fn drain(&mut self, mut look: impl FnMut(KeyRecord<'_>)) {
        for record in &self.records {
            let value = match &record.content {
                Content::Short(range) => Value::String(Str::from_bytes(&self.bytes[range.clone()])),
                Content::Value(value) => value.view(),
            };
            look(KeyRecord {
                database: record.database,
                key: &self.bytes[record.key.clone()],
                value,
                deadline: record.attributes.deadline,
            });
        }
        self.clear();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= FULL_KEYS || self.bytes.len() >= FULL_BYTES
    }

    pub(crate) fn push_short(&mut self, place: (usize, u64), key: &[u8], value: &[u8], with: Attributes) {
        let key = self.keep(key);
        let value = self.keep(value);
        self.add(place, key, Content::Short(value), with);
    }

    pub(crate) fn push(&mut self, place: (usize, u64), key: &[u8], value: Value<'static>, with: Attributes) {
        let key = self.keep(key);
        self.add(place, key, Content::Value(value), with);
    }

    fn add(
        &mut self,
        (database, offset): (usize, u64),
        key: Range<usize>,
        content: Content,
        attributes: Attributes,
    ) {
        self.records.push(Record { database, key, content, attributes, offset });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        // One long key must not stay for good.
        self.bytes.shrink_to(2 * FULL_BYTES);
    }
}

/// A key of a batch.
pub struct KeyRecord<'a> {
    /// The database that it belongs to.
    pub database: usize,
    /// Its name.
    pub key: &'a [u8],
    /// What it holds.
    pub value: Value<'a>,
    /// When it is due.
    pub deadline: Option<UnixMillis>,
}

/// Puts records into a keyspace.
pub struct Insertion<'k> {
    keyspace: &'k mut Keyspace,
    now: UnixMillis,
    duplicates: Duplicates,
    ahead: Batch,
    keys: u64,
}

impl<'k> Insertion<'k> {
    /// Into a fresh keyspace, of the shape that the decoder was told.
    pub fn new(keyspace: &'k mut Keyspace, now: UnixMillis, duplicates: Duplicates) -> Insertion<'k> {
        Insertion { keyspace, now, duplicates, ahead: Batch::default(), keys: 0 }
    }

    /// Keys inserted so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Takes in a batch, which is empty afterwards.
    pub fn insert(&mut self, records: &mut Records) -> Result<(), ReadError> {
        let mut rest = records.records.as_mut_slice();
        while !rest.is_empty() {
            let (near, far) = rest.split_at_mut(rest.len().min(Batch::CAPACITY));
            self.look_ahead(near, &records.bytes);
            for record in near {
                self.insert_one(record, &records.bytes)?;
            }
            rest = far;
        }
        records.clear();
        Ok(())
    }

    fn look_ahead(&mut self, records: &[Record], bytes: &[u8]) {
        let database = self.keyspace.db(records[0].database);
        if database.len() < WORTHWHILE_KEYS {
            return;
        }
        self.ahead.clear();
        for record in records {
            database.expect(&bytes[record.key.clone()], &mut self.ahead);
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

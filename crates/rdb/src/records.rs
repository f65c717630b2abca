//! Keys and values between their decoder and the keyspace: in batches, so that the two may be two threads.
//!
//! Short strings, which most values are, lie in one run of bytes with the keys: a batch that was emptied is used
//! again, and what passes from thread to thread is not allocated on one and freed on the other. Where they go is
//! `insertion.rs`.

use std::ops::Range;

use slipstream_keyspace::{Str, UnixMillis, Value};

/// A batch is full with so many bytes of keys and short strings, or with so many keys.
const FULL_BYTES: usize = 64 * 1024;
const FULL_KEYS: usize = 512;

/// A batch of keys with their values, in the order of the snapshot.
#[derive(Default)]
pub struct Records {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

pub(crate) struct Record {
    pub(crate) database: usize,
    /// Of the batch's bytes.
    pub(crate) key: Range<usize>,
    pub(crate) content: Content,
    pub(crate) attributes: Attributes,
    /// Where in the snapshot it ends.
    pub(crate) offset: u64,
}

pub(crate) enum Content {
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

    /// The records, and the bytes that they lie in.
    pub(crate) fn parts(&mut self) -> (&mut [Record], &[u8]) {
        (&mut self.records, &self.bytes)
    }

    /// Bytes of keys and short strings.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Moves each record to the one of `others` that `pick` names for it.
    pub(crate) fn sort_onto(&mut self, others: &mut [Records], pick: impl Fn(&Record, &[u8]) -> usize) {
        for record in self.records.drain(..) {
            let target = &mut others[pick(&record, &self.bytes)];
            let key = target.keep(&self.bytes[record.key.clone()]);
            let content = match record.content {
                Content::Short(range) => Content::Short(target.keep(&self.bytes[range])),
                value @ Content::Value(_) => value,
            };
            target.records.push(Record { key, content, ..record });
        }
        self.clear();
    }

    /// Forgets all, and keeps the room for the next batch.
    pub(crate) fn clear(&mut self) {
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

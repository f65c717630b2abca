//! Keys and values between their decoder and the keyspace: in batches, so that the two may be two threads.
//!
//! Short strings, which most values are, lie in one run of bytes with the keys: a batch that was emptied is used
//! again, and what passes from thread to thread is not allocated on one and freed on the other. What few keys have
//! lies apart, so that the others are small. Where they go is `insertion.rs`.
//!
//! ```text
//! bytes    key short-string key short-string key key short-string …
//! records  [start, lengths, offset, …] for each key
//! extras   a value that is no short string, a deadline, … for those that have any
//! ```

use slipstream_keyspace::{Content, Incoming, Str, UnixMillis, Value};

/// A batch is full with so many bytes of keys and short strings, or with so many keys.
const FULL_BYTES: usize = 64 * 1024;
const FULL_KEYS: usize = 512;

/// A batch of keys with their values, in the order of the snapshot.
#[derive(Default)]
pub struct Records {
    bytes: Vec<u8>,
    records: Vec<Record>,
    extras: Vec<Extra>,
    announced: Vec<(usize, u64)>,
}

/// One key.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    /// Where the keyspace stores the key, once somebody has asked it.
    pub(crate) hint: u64,
    pub(crate) database: usize,
    /// Where in the snapshot it ends.
    pub(crate) offset: u64,
    /// Where in the batch's bytes its key begins. A short string follows the key.
    start: usize,
    key: usize,
    short: u32,
    /// Number of its extra, `NONE` without.
    extra: u32,
}

/// Bytes that a cache reads at a time.
const LINE: usize = 64;

const NONE: u32 = u32::MAX;

#[cfg(test)]
impl Record {
    /// A key of which nothing else matters.
    pub(crate) fn with_hint(hint: u64) -> Record {
        Record { hint, database: 0, offset: 0, start: 0, key: 0, short: 0, extra: NONE }
    }
}

/// What one key has and most do not.
#[derive(Default)]
struct Extra {
    /// What is not a short string.
    value: Option<Value<'static>>,
    attributes: Attributes,
}

/// What records before a key say of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
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
        let (records, contents) = self.split();
        for record in records {
            look(contents.look(record));
        }
        self.clear();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= FULL_KEYS || self.bytes.len() >= FULL_BYTES
    }

    /// The snapshot says that a database has so many keys.
    pub(crate) fn announce(&mut self, database: usize, keys: u64) {
        self.announced.push((database, keys));
    }

    /// What was announced since this was asked last.
    pub(crate) fn take_announced(&mut self) -> impl Iterator<Item = (usize, u64)> {
        self.announced.drain(..)
    }

    pub(crate) fn push_short(&mut self, place: (usize, u64), key: &[u8], value: &[u8], with: Attributes) {
        self.add(place, [key, value], None, with);
    }

    pub(crate) fn push(&mut self, place: (usize, u64), key: &[u8], value: Value<'static>, with: Attributes) {
        self.add(place, [key, &[]], Some(value), with);
    }

    fn add(
        &mut self,
        (database, offset): (usize, u64),
        [key, short]: [&[u8]; 2],
        value: Option<Value<'static>>,
        attributes: Attributes,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(short);
        let has_extra = value.is_some() || attributes != Attributes::default();
        let extra = if has_extra { self.keep(Extra { value, attributes }) } else { NONE };
        let short = u32::try_from(short.len()).expect("only short strings lie here");
        self.records.push(Record { hint: 0, database, offset, start, key: key.len(), short, extra });
    }

    fn keep(&mut self, extra: Extra) -> u32 {
        let number = u32::try_from(self.extras.len()).expect("a batch is bounded");
        self.extras.push(extra);
        number
    }

    /// The name of a key.
    fn key(&self, record: &Record) -> &[u8] {
        &self.bytes[record.start..][..record.key]
    }

    /// Notes where the keyspace stores each key.
    pub(crate) fn ask(&mut self, hint: impl Fn(usize, &[u8]) -> u64) {
        for record in &mut self.records {
            record.hint = hint(record.database, &self.bytes[record.start..][..record.key]);
        }
    }

    /// The records, and what they stand for.
    pub(crate) fn split(&mut self) -> (&[Record], Contents<'_>) {
        (&self.records, Contents { bytes: &self.bytes, extras: &mut self.extras })
    }

    /// Bytes of keys and short strings.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Moves each record to the one of `others` that the first bits of its key's hint name.
    pub(crate) fn sort_onto(&mut self, others: &mut [Records], hint: impl Fn(usize, &[u8]) -> u64) {
        let bits = others.len().ilog2();
        for record in &self.records {
            let hint = hint(record.database, self.key(record));
            let target = &mut others[first_bits(hint, bits)];
            let start = target.bytes.len();
            target.bytes.extend_from_slice(&self.bytes[record.start..][..record.key + widen(record.short)]);
            let extra = match record.extra {
                NONE => NONE,
                number => target.keep(std::mem::take(&mut self.extras[widen(number)])),
            };
            target.records.push(Record { hint, start, extra, ..*record });
        }
        self.clear();
    }

    /// Forgets all, and keeps the room for the next batch.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.extras.clear();
        self.bytes.clear();
        // One long key must not stay for good.
        self.bytes.shrink_to(2 * FULL_BYTES);
    }
}

/// What the records of a batch stand for, to be taken out.
pub(crate) struct Contents<'b> {
    bytes: &'b [u8],
    extras: &'b mut [Extra],
}

impl<'b> Contents<'b> {
    /// Reads all bytes once, in order, which brings them near to the processor faster than taking
    /// keys here and there does.
    pub(crate) fn read_ahead(&self) {
        let lines = self.bytes.iter().step_by(LINE);
        std::hint::black_box(lines.fold(0, |seen, byte| seen ^ byte));
    }

    /// The name of a key.
    pub(crate) fn key(&self, record: &Record) -> &'b [u8] {
        &self.bytes[record.start..][..record.key]
    }

    fn look(&self, record: &Record) -> KeyRecord<'_> {
        let extra = (record.extra != NONE).then(|| &self.extras[widen(record.extra)]);
        let value = match extra.and_then(|extra| extra.value.as_ref()) {
            Some(value) => value.view(),
            None => Value::String(Str::from_bytes(
                &self.bytes[record.start + record.key..][..widen(record.short)],
            )),
        };
        let deadline = extra.and_then(|extra| extra.attributes.deadline);
        KeyRecord { database: record.database, key: self.key(record), value, deadline }
    }

    /// What records before a key say of it.
    pub(crate) fn attributes(&self, record: &Record) -> Attributes {
        if record.extra == NONE { Attributes::default() } else { self.extras[widen(record.extra)].attributes }
    }

    /// A key as a keyspace takes it in.
    #[inline]
    pub(crate) fn take(&mut self, record: &Record) -> Incoming<'b> {
        let (key, rest) = self.bytes[record.start..].split_at(record.key);
        let short = Content::String(&rest[..widen(record.short)]);
        let (content, deadline) = match record.extra {
            NONE => (short, None),
            number => {
                let Extra { value, attributes } = &mut self.extras[widen(number)];
                (value.take().map_or(short, Content::Value), attributes.deadline)
            }
        };
        Incoming { hint: record.hint, key, content, deadline }
    }
}

/// The first `bits` of a hint, which are few.
pub(crate) fn first_bits(hint: u64, bits: u32) -> usize {
    usize::try_from(hint >> (u64::BITS - bits)).expect("a few bits")
}

fn widen(number: u32) -> usize {
    usize::try_from(number).expect("u32 fits in usize")
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

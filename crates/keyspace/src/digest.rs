//! The digests of DEBUG DIGEST and DEBUG DIGEST-VALUE: equal data gives the same forty digits as
//! a real Redis.
//!
//! Two ways to take bytes in: unordered parts are combined by XOR of their SHA-1, ordered ones by
//! hashing the running digest after the XOR. Source: the behaviour of Redis' debug.c.

pub(crate) mod ranges;

#[cfg(test)]
mod tests;

use sha1_smol::Sha1;

use crate::item::Item;
use crate::keyspace::Snapshot;
use crate::number::{ScoreFormat, write_score};
use crate::time::UnixMillis;
use crate::value::Value;

/// Twenty bytes that depend on data alone, not on its order in memory or its encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub [u8; 20]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Digest {
    /// Takes in bytes whose order among others does not matter.
    fn xor(&mut self, bytes: &[u8]) {
        let hash = Sha1::from(bytes).digest().bytes();
        self.0.iter_mut().zip(hash).for_each(|(byte, hash)| *byte ^= hash);
    }

    /// Takes in bytes whose place in the sequence matters.
    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::from(self.0).digest().bytes();
    }

    fn mix_item(&mut self, item: Item<'_>) {
        self.mix(item.bytes(&mut itoa::Buffer::new()));
    }

    fn take_value(&mut self, value: &Value<'_>, deadline: Option<UnixMillis>, format: ScoreFormat) {
        self.mix(&type_number(value).to_be_bytes());
        match value {
            Value::String(value) => self.mix_item(value.item()),
            Value::List(list) => list.iter().for_each(|item| self.mix_item(item)),
            Value::Set(set) => {
                set.iter().for_each(|item| self.xor(item.bytes(&mut itoa::Buffer::new())));
            }
            Value::Hash(hash) => {
                let mut scratch = itoa::Buffer::new();
                for (field, value) in hash.iter() {
                    let mut pair = Digest::default();
                    pair.mix_item(field);
                    pair.mix_item(value);
                    if hash.has_deadlines() && hash.deadline(field.bytes(&mut scratch)).is_some() {
                        pair.xor(b"!!hexpire!!");
                    }
                    self.xor(&pair.0);
                }
            }
            Value::SortedSet(set) => {
                for (member, score) in set.iter() {
                    let mut text = Vec::new();
                    write_score(score, format, &mut text);
                    let mut pair = Digest::default();
                    pair.mix_item(member);
                    pair.mix(&text);
                    self.xor(&pair.0);
                }
            }
            Value::Stream(stream) => {
                for entry in stream.iter() {
                    self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (name, value) in entry.fields {
                        self.mix_item(name);
                        self.mix_item(value);
                    }
                }
            }
        }
        if deadline.is_some() {
            self.xor(b"!!expire!!");
        }
    }
}

/// Redis' numbers of the types.
fn type_number(value: &Value<'_>) -> u32 {
    match value {
        Value::String(_) => 0,
        Value::List(_) => 1,
        Value::Set(_) => 2,
        Value::SortedSet(_) => 3,
        Value::Hash(_) => 4,
        Value::Stream(_) => 6,
    }
}

/// The digest of one value, as DEBUG DIGEST-VALUE gives it. `format` is how the Redis to compare
/// with prints scores.
pub fn value_digest(value: &Value<'_>, deadline: Option<UnixMillis>, format: ScoreFormat) -> Digest {
    let mut digest = Digest::default();
    digest.take_value(value, deadline, format);
    digest
}

/// The digest of all databases, as DEBUG DIGEST gives it; all zeros when there is no key.
pub fn dataset_digest(snapshot: &Snapshot, format: ScoreFormat) -> Digest {
    let mut all = Digest::default();
    for (number, database) in (0u32..).zip(snapshot.databases()) {
        if database.is_empty() {
            continue;
        }
        all.mix(&number.to_be_bytes());
        for (key, value, deadline) in database.iter() {
            let mut digest = Digest::default();
            digest.mix(key);
            digest.take_value(&value, deadline, format);
            all.xor(&digest.0);
        }
    }
    all
}

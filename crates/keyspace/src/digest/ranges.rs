//! Digests by ranges of keys: how two copies of the data are compared, and where they differ.
//!
//! A key's range comes from a hash of its name that is the same in every process. A range's digest is the sum
//! of its keys' digests, so neither order nor encoding matters. A key's digest covers everything that
//! replication copies: unlike DEBUG DIGEST it knows the exact deadlines of keys and fields, and a stream's
//! groups. Left out is what each node keeps for itself: access clocks, and when a consumer was last seen or an
//! entry last delivered.

use sha1_smol::Sha1;

use super::{Digest, ScoreFormat};
use crate::keyspace::Snapshot;
use crate::stream::{Group, Stream};
use crate::time::UnixMillis;
use crate::value::Value;

/// How many ranges the keys of all databases together are divided into.
pub const RANGES: usize = 4096;

/// The keys of one range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeDigest {
    /// How many there are; no more than the type holds is counted.
    pub keys: u32,
    /// The sum of their digests, wrapping.
    pub sum: u64,
}

/// One key of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDigest {
    /// Its database.
    pub db: u32,
    /// Its name.
    pub key: Box<[u8]>,
    /// Depends on name, value, type and deadlines.
    pub digest: u64,
}

/// The digests of all [`RANGES`], in order.
pub fn digest_ranges(snapshot: &Snapshot) -> Vec<RangeDigest> {
    let mut ranges = vec![RangeDigest::default(); RANGES];
    for (db, key, value, deadline) in entries(snapshot) {
        let range = &mut ranges[usize::from(range_of(db, key))];
        range.keys = range.keys.saturating_add(1);
        range.sum = range.sum.wrapping_add(key_digest(db, key, &value, deadline));
    }
    ranges
}

/// The keys of some ranges, and whether these are all: no more than `limit` are listed.
pub fn list_ranges(snapshot: &Snapshot, ranges: &[u16], limit: usize) -> (Vec<KeyDigest>, bool) {
    let mut keys = Vec::new();
    let chosen = entries(snapshot).filter(|(db, key, ..)| ranges.contains(&range_of(*db, key)));
    for (db, key, value, deadline) in chosen {
        if keys.len() == limit {
            return (keys, false);
        }
        keys.push(KeyDigest { db, key: key.into(), digest: key_digest(db, key, &value, deadline) });
    }
    (keys, true)
}

fn entries(snapshot: &Snapshot) -> impl Iterator<Item = (u32, &[u8], Value<'_>, Option<UnixMillis>)> {
    let databases = (0u32..).zip(snapshot.databases());
    databases.flat_map(|(db, database)| {
        database.iter().map(move |(key, value, deadline)| (db, key, value, deadline))
    })
}

/// The range that a key belongs to.
fn range_of(db: u32, key: &[u8]) -> u16 {
    let mut hash = Sha1::from(db.to_be_bytes());
    hash.update(key);
    let [first, second, ..] = hash.digest().bytes();
    u16::from_be_bytes([first, second]) >> 4
}

fn key_digest(db: u32, key: &[u8], value: &Value<'_>, deadline: Option<UnixMillis>) -> u64 {
    let mut digest = Digest::default();
    digest.mix(&db.to_be_bytes());
    digest.mix(key);
    digest.take_value(value, deadline, ScoreFormat::Shortest);
    if let Some(UnixMillis(at)) = deadline {
        digest.mix(&at.to_be_bytes());
    }
    match value {
        Value::Hash(hash) if hash.has_deadlines() => {
            let mut scratch = itoa::Buffer::new();
            for (field, _) in hash.iter() {
                let field = field.bytes(&mut scratch);
                if let Some(UnixMillis(at)) = hash.deadline(field) {
                    let mut due = Digest::default();
                    due.mix(field);
                    due.mix(&at.to_be_bytes());
                    digest.xor(&due.0);
                }
            }
        }
        Value::Stream(stream) => digest.take_groups(stream),
        _ => {}
    }
    let [a, b, c, d, e, f, g, h, ..] = digest.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Digest {
    fn take_groups(&mut self, stream: &Stream) {
        for id in [stream.last_id(), stream.max_deleted_id()] {
            self.mix(&id.to_be_bytes());
        }
        self.mix(&stream.entries_added().to_be_bytes());
        for (name, group) in stream.groups() {
            let mut one = Digest::default();
            one.mix(name);
            one.take_group(group);
            self.xor(&one.0);
        }
    }

    fn take_group(&mut self, group: &Group) {
        self.mix(&group.last_id().to_be_bytes());
        self.mix(&group.entries_read().unwrap_or(u64::MAX).to_be_bytes());
        for (id, pending) in group.pending().iter() {
            self.mix(&id.to_be_bytes());
            self.mix(&pending.delivery.count.to_be_bytes());
            let consumer = pending.consumer.and_then(|consumer| group.consumer(consumer));
            self.mix(consumer.map_or(b"".as_slice(), |consumer| consumer.name()));
        }
        for consumer in group.consumers() {
            self.xor(consumer.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;
    use crate::keyspace::Keyspace;

    fn keyspace(seed: u64) -> Keyspace {
        Keyspace::new(2, [seed, 2, 3, 4], Encoding::default())
    }

    fn set(keyspace: &mut Keyspace, db: usize, key: &str, value: &str, deadline: Option<i64>) {
        let value = Value::String(crate::string::Str::from_bytes(value.as_bytes()));
        keyspace.db_mut(db).insert(key.as_bytes(), value, deadline.map(UnixMillis));
    }

    /// The keys in which two keyspaces differ, found as a verification finds them.
    fn differing(left: &Keyspace, right: &Keyspace) -> Vec<(u32, String)> {
        let (left, right) = (left.snapshot(), right.snapshot());
        let pairs = digest_ranges(&left).into_iter().zip(digest_ranges(&right));
        let ranges: Vec<u16> =
            (0u16..).zip(pairs).filter(|(_, (left, right))| left != right).map(|(range, _)| range).collect();
        let (left, _) = list_ranges(&left, &ranges, usize::MAX);
        let (right, _) = list_ranges(&right, &ranges, usize::MAX);
        let unmatched = |ours: &[KeyDigest], theirs: &[KeyDigest]| {
            let name = |key: &KeyDigest| (key.db, String::from_utf8_lossy(&key.key).into_owned());
            ours.iter().filter(|key| !theirs.contains(key)).map(name).collect::<Vec<_>>()
        };
        let mut all = [unmatched(&left, &right), unmatched(&right, &left)].concat();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn equal_data_has_equal_digests_whatever_its_order_in_memory() {
        let (mut left, mut right) = (keyspace(1), keyspace(99));
        for n in 0..1000 {
            set(&mut left, n % 2, &format!("key:{n}"), "value", None);
        }
        for n in (0..1000).rev() {
            set(&mut right, n % 2, &format!("key:{n}"), "value", None);
        }
        assert_eq!(digest_ranges(&left.snapshot()), digest_ranges(&right.snapshot()));
        let total: u32 = digest_ranges(&left.snapshot()).iter().map(|range| range.keys).sum();
        assert_eq!(total, 1000);
    }

    #[test]
    fn each_planted_difference_is_found_and_nothing_else() {
        type Change = fn(&mut Keyspace);
        let changes: [(Change, u32, &str); 5] = [
            (|k| set(k, 0, "key:7", "other", None), 0, "key:7"),
            (|k| set(k, 0, "key:7", "value", Some(5_000_000_000_000)), 0, "key:7"),
            (|k| set(k, 1, "extra", "value", None), 1, "extra"),
            (|k| drop(k.db_mut(0).remove(b"key:9")), 0, "key:9"),
            (|k| set(k, 0, "due", "value", Some(5_000_000_000_001)), 0, "due"),
        ];
        for (change, db, key) in changes {
            let (mut left, mut right) = (keyspace(1), keyspace(2));
            for keyspace in [&mut left, &mut right] {
                (0..500).for_each(|n| set(keyspace, 0, &format!("key:{n}"), "value", None));
                set(keyspace, 0, "due", "value", Some(5_000_000_000_000));
            }
            assert_eq!(differing(&left, &right), []);
            change(&mut right);
            assert_eq!(differing(&left, &right), [(db, key.to_owned())]);
        }
    }

    #[test]
    fn a_list_is_cut_at_its_limit_and_says_so() {
        let mut keyspace = keyspace(1);
        (0..100).for_each(|n| set(&mut keyspace, 0, &format!("key:{n}"), "value", None));
        let all: Vec<u16> = (0..4096).collect();
        let (keys, complete) = list_ranges(&keyspace.snapshot(), &all, 10);
        assert_eq!((keys.len(), complete), (10, false));
        let (keys, complete) = list_ranges(&keyspace.snapshot(), &all, 100);
        assert_eq!((keys.len(), complete), (100, true));
    }
}

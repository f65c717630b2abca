//! Digests against those that Redis 7.0.15 and Valkey 9 gave for the same data.

use super::*;
use crate::{Encoding, Hash, Keyspace, List, Set, SortedSet, Str, Stream, StreamId};

fn sample() -> Vec<(&'static str, Value<'static>)> {
    let encoding = Encoding::default();
    let mut list = List::new();
    [b"a".as_slice(), b"1", b"-5", b"1000", b""]
        .iter()
        .for_each(|element| list.push_back(element, &encoding));
    let (mut ints, mut strs, mut hash, mut zset) = (Set::new(), Set::new(), Hash::new(), SortedSet::new());
    [b"1".as_slice(), b"2", b"300000"].iter().for_each(|member| assert!(ints.insert(member, &encoding)));
    [b"a".as_slice(), b"bb", b"7"].iter().for_each(|member| assert!(strs.insert(member, &encoding)));
    hash.insert(b"f1", b"v1", &encoding);
    hash.insert(b"f2", b"22", &encoding);
    for (member, score) in [(b"a", 1.0), (b"b", 2.5), (b"c", 0.1), (b"d", 1e300), (b"e", f64::NEG_INFINITY)] {
        zset.insert(member, score, &encoding);
    }
    vec![
        ("str", Str::from_bytes(b"hello").into()),
        ("int", Str::from_bytes(b"42").into()),
        ("exp", Str::from_bytes(b"v").into()),
        ("list", list.into()),
        ("ints", ints.into()),
        ("strs", strs.into()),
        ("hash", hash.into()),
        ("zset", zset.into()),
    ]
}

fn deadline(key: &str) -> Option<UnixMillis> {
    (key == "exp").then_some(UnixMillis(100_000_000_000))
}

fn check(format: ScoreFormat, values: &[&str], one: &str, two: &str) {
    let mut keyspace = Keyspace::new(16, [1, 2, 3, 4], Encoding::default());
    assert_eq!(dataset_digest(&keyspace.snapshot(), format).to_string(), "0".repeat(40));
    for ((key, value), expected) in sample().into_iter().zip(values) {
        assert_eq!(value_digest(&value, deadline(key), format).to_string(), *expected, "{key}");
        keyspace.db_mut(0).insert(key.as_bytes(), value, deadline(key));
    }
    assert_eq!(dataset_digest(&keyspace.snapshot(), format).to_string(), one);
    keyspace.db_mut(3).insert(b"other", Str::from_int(1).into(), None);
    assert_eq!(dataset_digest(&keyspace.snapshot(), format).to_string(), two);
}

const VALUES: [&str; 7] = [
    "36b23a1456b2dce2c3ed252c456761301dba8060",
    "547a004a370bc71c2d611f010c52f2e7b64c77a4",
    "311b17018163335616e089f6b951c82c477335ac",
    "08dadc7a302e338f97ca431ff4f8a0236cc24cee",
    "a5f06f4721116e44ffd705155f567c906dac6285",
    "3ef58150aceebe55213375b005adb0f13334e956",
    "ace09efefee43cefd37d4713a6e8cf46c6e14058",
];

#[test]
fn digests_are_those_of_valkey_9() {
    let values = [&VALUES[..], &["5418944a1cc80e3656f88fc45266a97393a9a45e"]].concat();
    check(
        ScoreFormat::Shortest,
        &values,
        "6a72902be45e071c84a061a908f20f7ccc0dc6fc",
        "5e3ebbcf64d7c64ead4bca8be7890467ea1fbf83",
    );
}

#[test]
fn digests_are_those_of_redis_7_0_with_its_scores() {
    let values = [&VALUES[..], &["8c696a0f604137813da236840fc1ae31fc397edf"]].concat();
    check(
        ScoreFormat::SeventeenDigits,
        &values,
        "9e5cf0463270b3d83658b8f150fd0fc071601709",
        "e97deb530b9e4cbf3902472807b1676726438064",
    );
}

#[test]
fn the_digest_depends_on_data_not_on_encoding() {
    let big = Encoding {
        hash_max_listpack_entries: 0,
        set_max_intset_entries: 0,
        set_max_listpack_entries: 0,
        zset_max_listpack_entries: 0,
        list_max_listpack_size: 1,
        ..Encoding::default()
    };
    for (key, value) in sample() {
        let mut scratch = itoa::Buffer::new();
        let other: Value = match &value {
            Value::String(value) => Str::raw(value.to_vec()).into(),
            Value::List(list) => {
                let mut other = List::new();
                list.iter().for_each(|item| other.push_back(item.bytes(&mut scratch), &big));
                other.into()
            }
            Value::Set(set) => {
                let mut other = Set::new();
                set.iter().for_each(|item| assert!(other.insert(item.bytes(&mut scratch), &big)));
                other.into()
            }
            Value::Hash(hash) => {
                let mut other = Hash::new();
                hash.iter().for_each(|(name, item)| {
                    other.insert(&name.to_vec(), item.bytes(&mut scratch), &big);
                });
                other.into()
            }
            Value::SortedSet(set) => {
                let mut other = SortedSet::new();
                set.iter().for_each(|(item, score)| {
                    other.insert(item.bytes(&mut scratch), score, &big);
                });
                other.into()
            }
            Value::Stream(_) => unreachable!("a stream has one encoding"),
        };
        assert_ne!(value.encoding_name(), other.encoding_name(), "{key}");
        let digest = |value| value_digest(value, None, ScoreFormat::Shortest);
        assert_eq!(digest(&value), digest(&other), "{key}");
    }
}

#[test]
fn a_field_with_a_deadline_changes_the_digest() {
    let mut hash = Hash::new();
    hash.insert(b"f", b"v", &Encoding::default());
    let before = value_digest(&hash.clone().into(), None, ScoreFormat::Shortest);
    hash.set_deadline(b"f", UnixMillis(1), &Encoding::default());
    assert_ne!(value_digest(&hash.into(), None, ScoreFormat::Shortest), before);
}

#[test]
fn a_stream_counts_by_its_entries_in_order() {
    let mut stream = Stream::new();
    for (ms, seq, fields) in [
        (5, 3, &[(&b"temp"[..], &b"12"[..]), (b"id", b"x")][..]),
        (6, 0, &[(b"temp", b"-4"), (b"id", b"007")]),
        (6, 1, &[(b"other", b"y")]),
        (6, 2, &[(b"", b"")]),
    ] {
        stream.append(StreamId::new(ms, seq), fields.iter().copied(), &Encoding::default());
    }
    assert!(stream.delete(StreamId::new(6, 0)));
    let digest = |deadline| value_digest(&stream.clone().into(), deadline, ScoreFormat::Shortest).to_string();
    assert_eq!(digest(None), "67f845ed7a7ff67223fab089cd36ca1704173fc1");
    assert_eq!(digest(Some(UnixMillis(1))), "817dbb12a6461c26e2ec5b71885c058c1eb97e42");
}

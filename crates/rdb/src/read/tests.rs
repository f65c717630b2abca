//! The records of a file, every layout of old versions, and damage of every kind.
//!
//! Files are put together by hand here; those of real servers are in `tests/fixtures.rs`.

use super::*;
use crate::bytes::ziplist::tests::{assemble, short};
use crate::error::Reason;
use crate::format::record;
use crate::input::Reached;
use slipstream_keyspace::{Encoding, Item, Listpack, Stream, StreamId, Value};
use std::ops::ControlFlow;

const SAMPLES: [&[u8]; 4] = [
    include_bytes!("../../tests/files/redis-7.0.rdb"),
    include_bytes!("../../tests/files/redis-7.0-plain-lfu.rdb"),
    include_bytes!("../../tests/files/redis-7.0-lru.rdb"),
    include_bytes!("../../tests/files/valkey-9.rdb"),
];

fn replica<'a>() -> ReadOptions<'a> {
    ReadOptions::new(UnixMillis(1001))
}

fn keyspace() -> Keyspace {
    Keyspace::new(16, [1, 2, 3, 4], Encoding::default())
}

fn load(bytes: &[u8], options: ReadOptions<'_>) -> (Keyspace, std::result::Result<Loaded, String>) {
    let mut into = keyspace();
    let loaded = read(bytes, &mut into, options).map_err(|error| error.to_string());
    (into, loaded)
}

/// A file of these records, without a checksum.
fn file(magic: &str, records: &[u8]) -> Vec<u8> {
    [magic.as_bytes(), records, &[record::END], &[0; 8]].concat()
}

/// A record of one key named `k`.
fn key(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, 1, b'k'], value].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    let mut sink = crate::output::Sink::new(&mut output, false, false);
    sink.string(bytes).unwrap();
    sink.finish().unwrap();
    output.truncate(output.len() - 8);
    output
}

fn text(item: &Item<'_>) -> String {
    String::from_utf8(item.to_vec()).unwrap()
}

/// The value as text, unordered collections sorted.
fn shown(value: &Value<'_>) -> String {
    let mut parts: Vec<String> = match value {
        Value::String(string) => vec![text(&string.item())],
        Value::List(list) => return list.iter().map(|item| text(&item)).collect::<Vec<_>>().join(" "),
        Value::Set(set) => set.iter().map(|item| text(&item)).collect(),
        Value::SortedSet(set) => {
            let pairs = set.iter_from_rank(0).map(|(member, score)| format!("{}={score}", text(&member)));
            return pairs.collect::<Vec<_>>().join(" ");
        }
        Value::Hash(hash) => hash
            .iter()
            .map(|(field, value)| match hash.deadline(&field.to_vec()) {
                Some(UnixMillis(millis)) => format!("{}={}@{millis}", text(&field), text(&value)),
                None => format!("{}={}", text(&field), text(&value)),
            })
            .collect(),
        Value::Stream(stream) => return shown_stream(stream),
    };
    parts.sort();
    parts.join(" ")
}

fn shown_stream(stream: &Stream) -> String {
    let mut parts: Vec<String> = stream
        .iter()
        .map(|entry| {
            let fields = entry.fields.map(|(name, value)| format!("{}={}", text(&name), text(&value)));
            format!("{}:{}", entry.id, fields.collect::<Vec<_>>().join(","))
        })
        .collect();
    parts.push(format!("last {} deleted {}", stream.last_id(), stream.max_deleted_id()));
    parts.push(format!("added {}", stream.entries_added()));
    for (name, group) in stream.groups() {
        let (name, read) = (name.escape_ascii(), group.entries_read());
        parts.push(format!("group {name} last {} read {read:?}", group.last_id()));
        for consumer in group.consumers() {
            let active = consumer.active().map(|time| time.0);
            parts.push(format!("{} {} {active:?}", consumer.name().escape_ascii(), consumer.seen().0));
            for (id, ()) in consumer.pending().iter() {
                let delivery = group.pending().get(id).unwrap().delivery;
                parts.push(format!("{id}@{}x{}", delivery.time.0, delivery.count));
            }
        }
    }
    parts.join(" ")
}

fn check(magic: &str, kind: u8, value: &[u8], expected: &str) {
    let (into, loaded) = load(&file(magic, &key(kind, value)), replica());
    let found = match loaded {
        Err(error) => error,
        Ok(_) => match into.db(0).peek(b"k", UnixMillis(0)) {
            Some(value) => format!("{} {}", value.type_name(), shown(&value)),
            None => "no key".to_owned(),
        },
    };
    assert_eq!(found, expected, "{magic}, type {kind}");
}

#[test]
fn the_layouts_of_old_versions_are_read() {
    let pairs = assemble(&[&short("one"), &[0xf2], &short("two"), &short("2.5")]);
    let zero = assemble(&[&[0xf1]]);
    let zipmap = b"\x02\x03foo\x03\x00bar\x01n\x02\x0142.\xff";
    let ints = [4, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    check("REDIS0006", 0, &string(b"text"), "string text");
    check("REDIS0006", 1, &[&[2][..], &string(b"a"), &string(b"77")].concat(), "list a 77");
    check("REDIS0006", 2, &[&[2][..], &string(b"b"), &string(b"a")].concat(), "set a b");
    check("REDIS0006", 3, b"\x03\x01a\x042.25\x01b\xfe\x01c\xff", "zset c=-inf a=2.25 b=inf");
    check("REDIS0006", 4, &[&[1][..], &string(b"f"), &string(b"v")].concat(), "hash f=v");
    check("REDIS0003", 9, &string(zipmap), "hash foo=bar n=42");
    check("REDIS0006", 10, &string(&pairs), "list one 1 two 2.5");
    check("REDIS0006", 11, &string(&ints), "set 1 65536");
    check("REDIS0006", 12, &string(&pairs), "zset one=1 two=2.5");
    check("REDIS0006", 13, &string(&pairs), "hash one=1 two=2.5");
    check("REDIS0007", 14, &[&[2][..], &string(&pairs), &string(&zero)].concat(), "list one 1 two 2.5 0");
}

#[test]
fn packed_sorted_sets_out_of_order_are_put_in_order() {
    let mut pack = Listpack::new();
    [&b"b"[..], b"2", b"a", b"1.5"].iter().for_each(|item| pack.push_back(item));
    check("REDIS0010", 17, &string(pack.bytes()), "zset a=1.5 b=2");
}

#[test]
fn field_deadlines_are_read_in_every_dialect() {
    let mut triples = Listpack::new();
    [&b"a"[..], b"1", b"0", b"b", b"2", b"1700000000500"].iter().for_each(|item| triples.push_back(item));
    let earliest = 1_700_000_000_000i64.to_le_bytes();
    let absolute = 1_700_000_000_500u64.to_be_bytes();
    let expected = "hash a=1 b=2@1700000000500";

    let pre_ga = [&[2, 0, 1, b'a', 1, b'1', 0x81], &absolute[..], &[1, b'b', 1, b'2']].concat();
    check("REDIS0012", 22, &pre_ga, expected);
    check("REDIS0012", 23, &string(triples.bytes()), expected);
    let relative = [&earliest[..], &[2, 0, 1, b'a', 1, b'1', 0x41, 0xf5, 1, b'b', 1, b'2']].concat();
    check("REDIS0012", 24, &relative, expected);
    check("REDIS0014", 25, &[&earliest[..], &string(triples.bytes())].concat(), expected);

    let none = (-1i64).to_le_bytes();
    let some = 1_700_000_000_500i64.to_le_bytes();
    let valkey = [&[2, 1, b'a', 1, b'1'], &none[..], &[1, b'b', 1, b'2'], &some[..]].concat();
    check("VALKEY080", 22, &valkey, expected);
    let negative = [&[1, 1, b'a', 1, b'1'], &(-2i64).to_le_bytes()[..]].concat();
    let expected = "at offset 25, key 'k' of database 0: hash: a field's deadline is no point in time";
    check("VALKEY080", 22, &negative, expected);
}

/// A block of one entry `1-1 f v`, and what comes before the groups: length 1, last id 2-0.
fn stream_of_one() -> Vec<u8> {
    let mut node = Listpack::new();
    ["1", "0", "1", "f", "0", "2", "0", "0", "v", "4"]
        .iter()
        .for_each(|item| node.push_back(item.as_bytes()));
    let id = StreamId::new(1, 1).to_be_bytes();
    [&[1][..], &string(&id), &string(node.bytes()), &[1, 2, 0]].concat()
}

/// A group `g` with last id 1-1; consumer `c` was given that entry five times.
fn group_of_one(entries_read: &[u8], active: &[u8]) -> Vec<u8> {
    let id = StreamId::new(1, 1).to_be_bytes();
    let (delivered, seen) = (7i64.to_le_bytes(), 8i64.to_le_bytes());
    let pending = [&[1][..], &id, &delivered, &[5]].concat();
    let consumers = [&[1, 1, b'c'][..], &seen, active, &[1], &id].concat();
    [&[1, b'g', 1, 1], entries_read, &pending, &consumers].concat()
}

#[test]
fn streams_are_read_in_every_version() {
    let first = [stream_of_one(), vec![1], group_of_one(&[], &[])].concat();
    let expected =
        "stream 1-1:f=v last 2-0 deleted 0-0 added 1 group g last 1-1 read Some(1) c 8 Some(8) 1-1@7x5";
    check("REDIS0009", 15, &first, expected);
    let history = [1, 1, 1, 0, 9, 1];
    let unknown = [&[0x81][..], &[0xff; 8]].concat();
    let second = [&stream_of_one()[..], &history, &group_of_one(&unknown, &[])].concat();
    let expected =
        "stream 1-1:f=v last 2-0 deleted 1-0 added 9 group g last 1-1 read None c 8 Some(8) 1-1@7x5";
    check("REDIS0010", 19, &second, expected);
    let never = (-1i64).to_le_bytes();
    let third = [&stream_of_one()[..], &history, &group_of_one(&[6], &never)].concat();
    let expected =
        "stream 1-1:f=v last 2-0 deleted 1-0 added 9 group g last 1-1 read Some(6) c 8 None 1-1@7x5";
    check("REDIS0011", 21, &third, expected);
    check("VALKEY080", 21, &third, expected);
    let empty = [0, 0, 3, 4, 0, 0, 3, 4, 1, 0];
    check("REDIS0010", 19, &empty, "stream last 3-4 deleted 3-4 added 1");
}

#[test]
fn groups_must_agree_with_their_consumers() {
    let refused = |groups: &[u8], reason: &str| {
        let body = [&stream_of_one()[..], groups].concat();
        let error = load(&file("REDIS0009", &key(15, &body)), replica()).1.unwrap_err();
        assert!(error.ends_with(&format!(", key 'k' of database 0: {reason}")), "{error}");
    };
    let id = [&[0; 7][..], &[1], &[0; 7], &[1]].concat();
    let (time, group) = ([0; 8], [1, 1, b'g', 1, 1]);
    let pending = [&[1][..], &id, &time, &[1]].concat();
    let consumer = |name: u8, ids: &[u8]| [&[1, name], &time[..], ids].concat();
    let with = |rest: &[&[u8]]| [&group[..], &rest.concat()].concat();
    let twice = [&[2][..], &id, &time, &[1], &id, &time, &[1]].concat();
    refused(&with(&[&twice]), "stream: an entry pending twice");
    refused(&with(&[&pending, &[0]]), "stream: a pending entry that is no consumer's");
    let same = [consumer(b'c', &[0]), consumer(b'c', &[0])].concat();
    refused(&with(&[&[0], &[2], &same]), "stream: two consumers of one name in a group");
    let mine = consumer(b'c', &[&[1][..], &id].concat());
    let other = "stream: a consumer's entry that is not pending, or another's";
    refused(&with(&[&[0], &[1], &mine]), other);
    let both = [mine.clone(), consumer(b'd', &[&[1][..], &id].concat())].concat();
    refused(&with(&[&pending, &[2], &both]), other);
    refused(&[2, 1, b'g', 1, 1, 0, 0, 1, b'g', 1, 1, 0, 0], "stream: two groups of one name");
}

#[test]
fn what_is_not_supported_is_named_with_its_place() {
    let at = |what: &str| format!("at offset 9, key 'k' of database 0: {what} is not supported");
    check("REDIS0013", 26, b"anything", &at("value type 26 (stream)"));
    check("REDIS0009", 7, b"anything", &at("value type 7 (module value)"));
    check("VALKEY080", 24, b"anything", &at("value type 24 (unknown)"));
    let refused = |magic, records: &[u8], expected: &str| {
        assert_eq!(load(&file(magic, records), replica()).1.unwrap_err(), expected);
    };
    refused("REDIS0013", &[243], "at offset 10: record 243 (key metadata) is not supported");
    refused("VALKEY080", &[243], "at offset 10: record 243 (slot import) is not supported");
    refused(
        "REDIS0010",
        &[246],
        "at offset 10: record 246 (function of a release candidate) is not supported",
    );
    let more = "the snapshot was made with more than the 16 databases configured here";
    refused("REDIS0010", &[254, 16], &format!("at offset 11: {more}"));
    refused("REDIS0015", &[], "at offset 9: cannot handle the format of Redis, version 15");
}

#[test]
fn collections_that_contradict_themselves_are_refused() {
    let at = |offset: u64, what: &str| format!("at offset {offset}, key 'k' of database 0: {what}");
    let twice = assemble(&[&short("a"), &short("1"), &short("a"), &short("2")]);
    let odd = assemble(&[&short("a"), &short("1"), &short("b")]);
    check("REDIS0010", 2, b"\x02\x01a\x01a", &at(17, "set: the same member twice"));
    check("REDIS0010", 4, b"\x02\x01a\x01b\x01a\x01c", &at(21, "hash: the same field twice"));
    check("REDIS0010", 3, b"\x02\x01a\x011\x01a\x012", &at(21, "sorted set: the same member twice"));
    check("REDIS0010", 3, b"\x01\x01a\xfd", &at(16, "sorted set: a score that is not a number"));
    check("REDIS0010", 3, b"\x01\x01a\x02x1", &at(18, "sorted set: a score that is not a number"));
    check("REDIS0010", 13, &string(&twice), &at(12, "hash: the same field twice"));
    check("REDIS0010", 12, &string(&twice), &at(12, "sorted set: the same member twice"));
    check("REDIS0010", 13, &string(&odd), &at(12, "listpack: a pair without its second half"));
    check("REDIS0010", 18, b"\x01\x03\x01a", &at(14, "list: unknown kind of node"));
    check("REDIS0010", 10, &string(b"junk"), &at(12, "ziplist: header is cut off"));
    check(
        "REDIS0010",
        9,
        &string(b"\x05\xff"),
        &at(12, "zipmap: holds another number of pairs than it declares"),
    );
}

#[test]
fn records_about_keys_and_snapshot_are_understood() {
    let module_aux =
        [247, 0x81, 1, 2, 3, 4, 5, 6, 7, 8, 2, 1, 2, 9, 5, 2, b'h', b'i', 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let records = [
        &[250][..],
        b"\x0crepl-id-none\xc0\x07",
        &module_aux,
        b"\xf5\x04code",
        &[254, 3, 251, 2, 1, 244, 1, 2, 3],
        &[253, 0, 0, 0, 1],
        &key(0, b"\x01v"),
        &[249, 77, 248, 0x41, 0],
        b"\x00\x01j\x01w",
        b"\x04\x05empty\x00",
    ]
    .concat();
    let (into, loaded) = load(&file("REDIS0011", &records), replica());
    let loaded = loaded.unwrap();
    assert_eq!(loaded.aux.value("repl-id-none"), Some(&b"7"[..]));
    assert_eq!(loaded.functions, [b"code"]);
    assert_eq!((loaded.keys_loaded, loaded.empty_keys_skipped), (2, 1));
    assert_eq!(loaded.length, u64::try_from(records.len()).unwrap() + 18);
    assert_eq!(into.db(3).deadline(b"k"), Some(UnixMillis(16_777_216_000)));
    assert_eq!(into.db(3).deadline(b"j"), None);
}

#[test]
fn expired_keys_stay_or_go_as_the_role_asks() {
    let records = [&[252][..], &1000i64.to_le_bytes(), &key(0, b"\x01v"), b"\x00\x01j\x01w"].concat();
    let bytes = file("REDIS0010", &records);
    let (kept, loaded) = load(&bytes, replica());
    assert_eq!(loaded.unwrap().keys_loaded, 2);
    assert_eq!(kept.db(0).len(), 2);

    let (left, loaded) = load(&bytes, ReadOptions { expired: Expired::Drop, ..replica() });
    let loaded = loaded.unwrap();
    assert_eq!(loaded.keys_loaded, 1);
    assert_eq!(left.db(0).len(), 1);
    assert_eq!(loaded.expired, [(0, b"k".to_vec())]);
}

#[test]
fn progress_tells_how_many_keys_there_will_be() {
    let check = |records: &[u8], expected: &[(u64, Option<u64>)]| {
        // A key is told of when the buffer is filled again behind it, so the last one is not.
        let bytes = file("REDIS0010", records);
        let mut told = Vec::new();
        let mut progress = |reached: Reached| {
            told.push((reached.keys, reached.expected_keys));
            ControlFlow::Continue(())
        };
        let options = ReadOptions { progress: Some(&mut progress), ..replica() };
        load(&bytes, options).1.unwrap();
        told.dedup();
        assert_eq!(told, expected);
    };
    let long = |name: u8| [&[0, 1, name][..], &string(&[b'v'; 100_000])].concat();
    let sizes = |database: u8, keys: u8| vec![254, database, 251, keys, 0];
    let sized = [sizes(0, 2), long(b'a'), long(b'b'), sizes(1, 1), long(b'c')].concat();
    check(&sized, &[(0, None), (0, Some(2)), (1, Some(2)), (2, Some(3))]);
    let total = [&[250][..], &string(b"slipstream-keys"), &string(b"3")].concat();
    let told = [total, sizes(0, 2), long(b'a'), long(b'b'), sizes(1, 1), long(b'c')].concat();
    check(&told, &[(0, None), (0, Some(3)), (1, Some(3)), (2, Some(3))]);
    check(&[long(b'a'), long(b'b')].concat(), &[(0, None), (1, None)]);
}

#[test]
fn a_batch_is_handed_on_before_more_is_read() {
    let key = |number: u16| [&[0, 2][..], &number.to_be_bytes(), b"\x01v"].concat();
    let bytes = file("REDIS0010", &(0..2000).flat_map(key).collect::<Vec<u8>>());
    let mut decoder = Decoder::open(&bytes[..], Shape::of(&keyspace()), replica()).unwrap();
    let mut records = Records::default();
    assert!(decoder.fill(&mut records).unwrap());
    let full = records.len();
    assert!(decoder.fill(&mut records).unwrap());
    assert_eq!(records.len(), full, "a full batch takes no more");
    let mut into = keyspace();
    let mut insertion = Insertion::new(&mut into, UnixMillis(0), Duplicates::Refuse);
    insertion.insert(&mut records).unwrap();
    assert!(records.is_empty());
    while decoder.fill(&mut records).unwrap() {
        insertion.insert(&mut records).unwrap();
    }
    insertion.insert(&mut records).unwrap();
    while insertion.advance().unwrap() {}
    assert_eq!((insertion.keys(), into.db(0).len()), (2000, 2000));
}

#[test]
fn keys_of_a_big_snapshot_are_all_there_in_whatever_order_they_are_inserted() {
    let key = |number: u16, value: u8| [&[0, 2][..], &number.to_be_bytes(), &[1, value]].concat();
    let keys: Vec<u8> = (0..60_000).flat_map(|number| key(number, b'v')).collect();
    let (into, loaded) = load(&file("REDIS0010", &keys), replica());
    assert_eq!((loaded.unwrap().keys_loaded, into.db(0).len()), (60_000, 60_000));
    for number in 0..60_000u16 {
        assert!(into.db(0).peek(&number.to_be_bytes(), UnixMillis(0)).is_some(), "{number}");
    }

    let twice = file("REDIS0010", &[keys, key(50_000, b'w')].concat());
    let error = load(&twice, replica()).1.unwrap_err();
    assert_eq!(error, format!("at offset {}, key '\\xc3P' of database 0: duplicate key", 9 + 60_001 * 6));
    let options = ReadOptions { duplicates: Duplicates::Replace, ..replica() };
    let (into, _) = load(&twice, options);
    assert_eq!(shown(&into.db(0).peek(&50_000u16.to_be_bytes(), UnixMillis(0)).unwrap()), "w");
}

#[test]
fn a_key_that_is_there_twice_is_refused_or_replaced() {
    let bytes = file("REDIS0010", &[key(0, b"\x01v"), key(0, b"\x01w")].concat());
    let error = load(&bytes, replica()).1.unwrap_err();
    assert_eq!(error, "at offset 19, key 'k' of database 0: duplicate key");
    let options = ReadOptions { duplicates: Duplicates::Replace, ..replica() };
    let (into, loaded) = load(&bytes, options);
    assert_eq!(loaded.unwrap().keys_loaded, 2);
    assert_eq!(shown(&into.db(0).peek(b"k", UnixMillis(0)).unwrap()), "w");
}

#[test]
fn the_checksum_counts_unless_it_is_switched_off() {
    let mut bytes = file("REDIS0010", &key(0, b"\x01v"));
    *bytes.last_mut().unwrap() = 1;
    let error = load(&bytes, replica()).1.unwrap_err();
    assert!(error.starts_with("at offset 23: RDB CRC error: the file says 0100000000000000"), "{error}");
    let options = ReadOptions { verify_checksum: false, ..replica() };
    assert!(load(&bytes, options).1.is_ok());
    let without = &bytes[..bytes.len() - 8];
    let old = [b"REDIS0004", &without[9..]].concat();
    assert_eq!(load(&old, replica()).1.unwrap().keys_loaded, 1);
}

#[test]
fn every_truncation_is_told_with_its_offset() {
    for sample in SAMPLES {
        for length in 0..sample.len() {
            let error = read(&sample[..length], &mut keyspace(), replica()).unwrap_err();
            assert!(matches!(error.reason, Reason::Truncated), "cut to {length}: {error}");
            assert_eq!(error.offset, u64::try_from(length).unwrap());
        }
    }
}

/// Reads a damaged file; the reader must end, and must not have trusted a length of it.
fn read_damaged(bytes: &[u8], verify_checksum: bool) -> bool {
    let options = ReadOptions { verify_checksum, ..replica() };
    let Ok(mut decoder) = Decoder::open(bytes, Shape::of(&keyspace()), options) else { return false };
    let mut records = Records::default();
    let ended = loop {
        match decoder.fill(&mut records) {
            Ok(true) => {}
            Ok(false) => break true,
            Err(_) => break false,
        }
    };
    assert!(decoder.source.trusted <= 64 * 1024);
    ended
}

#[test]
fn every_flipped_byte_is_noticed() {
    for sample in SAMPLES {
        let summed = sample[sample.len() - 8..] != [0; 8];
        for at in 0..sample.len() {
            for mask in [0xff, 0x80, 0x40, 0x01, 0x10] {
                let mut bytes = sample.to_vec();
                bytes[at] ^= mask;
                assert!(!(read_damaged(&bytes, true) && summed), "byte {at} ^ {mask:#x} went unnoticed");
                read_damaged(&bytes, false);
            }
        }
    }
}

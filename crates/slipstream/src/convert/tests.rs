//! Snapshots made here, converted to each format and back.

use super::*;
use slipstream_keyspace::{
    Digest, Group, Hash, Keyspace, List, ScoreFormat, Set, SortedSet, Str, Stream, StreamId, Value,
    dataset_digest,
};
use slipstream_rdb::{Preface, read, write};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn empty() -> Keyspace {
    let mut keyspace = Keyspace::new(16, [1; 4], Encoding::default());
    keyspace.set_time(NOW);
    keyspace
}

/// A value of every type, small; a deadline; several databases.
fn data() -> Keyspace {
    let encoding = Encoding::default();
    let mut keyspace = empty();
    let later = Some(UnixMillis(NOW.0 + 1000));
    let mut add = |db: usize, key: &str, value: Value<'static>, deadline| {
        keyspace.db_mut(db).insert(key.as_bytes(), value, deadline);
    };
    add(0, "text", Str::from_bytes(b"a \"b\"\n").into(), later);
    add(0, "bytes", Str::from_bytes(b"\x00\xff").into(), None);
    add(0, "number", Str::from_bytes(b"42").into(), None);
    let mut list = List::new();
    ["x", "7"].iter().for_each(|element| list.push_back(element.as_bytes(), &encoding));
    add(3, "list", list.into(), None);
    let mut set = Set::new();
    set.insert(b"5", &encoding);
    add(3, "set", set.into(), None);
    let mut hash = Hash::new();
    hash.insert(b"f", b"v", &encoding);
    add(3, "hash", hash.into(), None);
    let mut sorted = SortedSet::new();
    for (member, score) in [("low", f64::NEG_INFINITY), ("mid", 1.5)] {
        sorted.insert(member.as_bytes(), score, &encoding);
    }
    add(3, "zset", sorted.into(), None);
    let mut stream = Stream::new();
    let fields = [(&b"name"[..], &b"value"[..])];
    stream.append(StreamId::new(1, 2), fields.iter().copied(), &encoding);
    stream.add_group(b"group", Group::new(StreamId::new(1, 2), Some(1)));
    add(15, "stream", stream.into(), None);
    keyspace
}

fn snapshot_of(keyspace: &Keyspace, target: Target) -> Vec<u8> {
    let preface = Preface { functions: vec![b"#!lua name=lib".to_vec()], ..Preface::default() };
    let mut bytes = Vec::new();
    write(keyspace.snapshot(), &preface, WriteOptions { target, ..WriteOptions::default() }, &mut bytes)
        .unwrap();
    bytes
}

fn converted(input: &[u8], format: Format) -> Result<Vec<u8>, Failure> {
    let mut output = Vec::new();
    convert(input, input.len() as u64, format, &mut output)?;
    Ok(output)
}

fn digest(keyspace: &Keyspace) -> Digest {
    dataset_digest(&keyspace.snapshot(), ScoreFormat::Shortest)
}

#[test]
fn the_data_is_the_same_in_every_format() {
    let keyspace = data();
    let input = snapshot_of(&keyspace, Target::Redis12);
    for (name, format) in FORMATS {
        let Format::Snapshot(_) = format else { continue };
        let output = converted(&input, *format).unwrap();
        let mut copy = empty();
        let loaded = read(&output[..], &mut copy, ReadOptions::new(NOW)).unwrap();
        assert_eq!(digest(&copy), digest(&keyspace), "{name}");
        assert_eq!(loaded.functions, [b"#!lua name=lib".to_vec()], "{name}");
    }
}

#[test]
fn keys_become_lines() {
    let output = converted(&snapshot_of(&data(), Target::Redis11), Format::Json).unwrap();
    let text = String::from_utf8(output).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let expected = [
        r#"{"db":0,"key":"bytes","type":"string","value":{"hex":"00ff"}}"#,
        r#"{"db":0,"key":"number","type":"string","value":"42"}"#,
        r#"{"db":0,"key":"text","type":"string","expires_at_ms":1700000001000,"value":"a \"b\"\n"}"#,
        concat!(
            r#"{"db":15,"key":"stream","type":"stream","value":{"last_id":"1-2","entries_added":1,"#,
            r#""max_deleted_id":"0-0","entries":[["1-2",[["name","value"]]]],"groups":[{"name":"group","#,
            r#""last_id":"1-2","entries_read":1,"consumers":[],"pending":[]}]}}"#
        ),
        r#"{"db":3,"key":"hash","type":"hash","value":[["f","v"]]}"#,
        r#"{"db":3,"key":"list","type":"list","value":["x","7"]}"#,
        r#"{"db":3,"key":"set","type":"set","value":["5"]}"#,
        r#"{"db":3,"key":"zset","type":"zset","value":[["low","-inf"],["mid",1.5]]}"#,
        r##"{"function":"#!lua name=lib"}"##,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn deadlines_of_fields_are_kept_or_refused() {
    let encoding = Encoding::default();
    let mut hash = Hash::new();
    hash.insert(b"f", b"v", &encoding);
    hash.set_deadline(b"f", UnixMillis(NOW.0 + 5), &encoding);
    let mut keyspace = empty();
    keyspace.db_mut(2).insert(b"h", hash.into(), None);
    let input = snapshot_of(&keyspace, Target::Redis12);
    let refused = converted(&input, Format::Snapshot(Target::Redis10)).unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("key 'h' of database 2 has what that format lacks"), "{text}");
    assert!(converted(&input, Format::Snapshot(Target::Valkey80)).is_ok());
    let line = String::from_utf8(converted(&input, Format::Json).unwrap()).unwrap();
    assert!(line.contains(r#"[["f","v",1700000000005]]"#), "{line}");
}

#[test]
fn a_broken_input_is_refused() {
    let mut input = snapshot_of(&data(), Target::Redis10);
    input.truncate(input.len() - 9);
    let refused = converted(&input, Format::Json).unwrap_err().to_string();
    assert!(refused.contains("unexpected end of the snapshot"), "{refused}");
}

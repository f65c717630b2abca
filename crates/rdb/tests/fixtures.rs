//! Files that real servers wrote hold what those servers said they hold, and survive being written for any target.
//!
//! `redis-7.0*.rdb` are of a redis-server 7.0.15, `valkey-9.rdb` of a valkey-server 9; the digests are what DEBUG
//! DIGEST said just before the file was saved.

use slipstream_keyspace::{
    Encoding, Hash, Keyspace, ScoreFormat, UnixMillis, Value, ValueMut, dataset_digest, value_digest,
};
use slipstream_rdb::{
    Loaded, Preface, ReadOptions, Target, Version, WriteError, WriteOptions, dump, read, restore,
    unsupported_feature, write,
};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

const REDIS: &[u8] = include_bytes!("files/redis-7.0.rdb");
const REDIS_PLAIN_LFU: &[u8] = include_bytes!("files/redis-7.0-plain-lfu.rdb");
const REDIS_LRU: &[u8] = include_bytes!("files/redis-7.0-lru.rdb");
const REDIS_LARGE: &[u8] = include_bytes!("files/redis-7.0-large.rdb");
const REDIS_STREAMS: &[u8] = include_bytes!("files/redis-7.0-streams.rdb");
const VALKEY: &[u8] = include_bytes!("files/valkey-9.rdb");
const VALKEY_STREAMS: &[u8] = include_bytes!("files/valkey-9-streams.rdb");

const REDIS_FILES: [(&[u8], &str); 6] = [
    (REDIS, "3fb94d6140de65ba27503dbc817d40a58f78dcc1"),
    (REDIS_PLAIN_LFU, "3fb94d6140de65ba27503dbc817d40a58f78dcc1"),
    (REDIS_LRU, "9035f3690ce1424b8af1927e3781a3f65817b0bf"),
    (REDIS_LARGE, "2050ba2e8574f0756e2fe40b036d4197ec10e3df"),
    (REDIS_STREAMS, STREAMS_DIGEST),
    (VALKEY_STREAMS, STREAMS_DIGEST),
];
/// Made by the same commands on both servers; groups count for nothing.
const STREAMS_DIGEST: &str = "388768c2999f43255930d9bd60a59bd7dce84578";
const VALKEY_DIGEST: &str = "7eabdba2a8bdb5ad2f8996052e23ccceb7114d63";

const TARGETS: [Target; 4] = [Target::Redis10, Target::Redis11, Target::Redis12, Target::Valkey80];

fn load(bytes: &[u8]) -> (Keyspace, Loaded) {
    let mut keyspace = Keyspace::new(16, [1, 2, 3, 4], Encoding::default());
    let loaded = read(bytes, &mut keyspace, ReadOptions::new(NOW)).expect("a real server wrote it");
    (keyspace, loaded)
}

fn digest(keyspace: &Keyspace, format: ScoreFormat) -> String {
    dataset_digest(&keyspace.snapshot(), format).to_string()
}

/// Every key with its deadline and encoding, in order.
fn listing(keyspace: &Keyspace) -> Vec<String> {
    let mut lines = Vec::new();
    for number in 0..keyspace.databases() {
        for (key, value, deadline) in keyspace.db(number).iter() {
            let deadline = deadline.map_or(0, |UnixMillis(millis)| millis);
            lines.push(format!("{number} {} {} {deadline}", key.escape_ascii(), value.encoding_name()));
        }
    }
    lines.sort();
    lines
}

#[test]
fn the_data_is_what_the_server_said() {
    for (bytes, expected) in REDIS_FILES {
        assert_eq!(digest(&load(bytes).0, ScoreFormat::SeventeenDigits), expected);
    }
    // Valkey's digest leaves field deadlines out.
    let mut keyspace = load(VALKEY).0;
    for (key, fields) in [(&b"hfe:packed"[..], &[&b"b"[..]][..]), (b"hfe:table", &[b"f1", b"f3"])] {
        let hash = keyspace.db_mut(0).get_mut(key, NOW).and_then(ValueMut::typed::<Hash<'_>>);
        let Some(mut hash) = hash else { panic!("a hash was saved") };
        fields.iter().for_each(|field| assert!(hash.clear_deadline(field)));
    }
    assert_eq!(digest(&keyspace, ScoreFormat::Shortest), VALKEY_DIGEST);
}

#[test]
fn everything_about_the_keys_is_there() {
    let (keyspace, loaded) = load(REDIS);
    assert_eq!(loaded.version, Version::Redis(10));
    assert_eq!(loaded.aux.value("redis-ver"), Some(&b"7.0.15"[..]));
    assert_eq!(loaded.length, u64::try_from(REDIS.len()).unwrap());
    assert_eq!(loaded.functions.len(), 1);
    assert!(loaded.functions[0].starts_with(b"#!lua name=mylib\n"));
    let expected = "0 binary embstr 0
0 compressed raw 0
0 empty embstr 0
0 greeting embstr 0
0 hash:packed listpack 0
0 hash:table listpack 0
0 int16 int 0
0 int32 int 0
0 int64 int 0
0 int8 int 0
0 list:nodes listpack 0
0 list:packed listpack 0
0 set:int intset 0
0 set:table listpack 0
0 set:text listpack 0
0 zeros embstr 0
0 zset:packed listpack 0
0 zset:tree listpack 0
3 expires embstr 4102444800123
3 hash:expires listpack 4102444800000";
    assert_eq!(listing(&keyspace).join("\n"), expected);

    let (keyspace, _) = load(REDIS_PLAIN_LFU);
    assert!(keyspace.db(0).frequency(b"greeting", NOW).is_some());
    let (keyspace, _) = load(VALKEY);
    let Some(Value::Hash(hash)) = keyspace.db(0).peek(b"hfe:table", NOW) else { panic!("a hash was saved") };
    assert_eq!(hash.deadline(b"f1"), Some(UnixMillis(4_102_444_800_456)));
    assert_eq!(hash.deadline(b"f2"), None);
}

#[test]
fn data_survives_being_written_for_any_target() {
    for (bytes, _) in REDIS_FILES {
        let (keyspace, loaded) = load(bytes);
        let preface = Preface { aux: loaded.aux, functions: loaded.functions };
        for target in TARGETS {
            for (compress, checksum) in [(true, true), (false, true), (true, false)] {
                check_round_trip(&keyspace, &preface, WriteOptions { target, compress, checksum });
            }
        }
    }
}

fn check_round_trip(keyspace: &Keyspace, preface: &Preface, options: WriteOptions) {
    let mut bytes = Vec::new();
    let length = write(keyspace.snapshot(), preface, options, &mut bytes).expect("memory does not fail");
    assert_eq!(u64::try_from(bytes.len()), Ok(length));
    assert_eq!(bytes.ends_with(&[0; 8]), !options.checksum);
    let (again, loaded) = load(&bytes);
    assert_eq!(digest(&again, ScoreFormat::Shortest), digest(keyspace, ScoreFormat::Shortest), "{options:?}");
    assert_eq!(listing(&again), listing(keyspace), "{options:?}");
    assert_eq!((&loaded.aux, &loaded.functions), (&preface.aux, &preface.functions));
}

#[test]
fn field_deadlines_need_a_target_that_has_them() {
    let (keyspace, _) = load(VALKEY);
    let snapshot = keyspace.snapshot();
    for target in TARGETS {
        let options = WriteOptions { target, ..WriteOptions::default() };
        let written = write(snapshot.clone(), &Preface::default(), options, &mut Vec::new());
        if matches!(target, Target::Redis10 | Target::Redis11) {
            assert!(matches!(written, Err(WriteError::Feature("expiry of hash fields"))));
            assert_eq!(unsupported_feature(&snapshot, target), Some("expiry of hash fields"));
        } else {
            assert_eq!(unsupported_feature(&snapshot, target), None);
            check_round_trip(&keyspace, &Preface::default(), options);
        }
    }
}

/// Both files were saved without compression: each key must be written as the very bytes it was read from.
#[test]
fn streams_are_written_byte_for_byte_as_their_servers_write_them() {
    for (bytes, target) in [(REDIS_STREAMS, Target::Redis10), (VALKEY_STREAMS, Target::Valkey80)] {
        let (keyspace, loaded) = load(bytes);
        assert_eq!(loaded.keys_loaded, 4);
        for (key, value, _) in keyspace.db(0).iter() {
            let mut single = Keyspace::new(1, [1, 2, 3, 4], Encoding::default());
            single.db_mut(0).insert(key, value.into_owned(), None);
            let options = WriteOptions { target, compress: false, checksum: false };
            let mut written = Vec::new();
            write(single.snapshot(), &Preface::default(), options, &mut written).unwrap();
            // Between the sizes of the only database and the mark of the end.
            let record = &written[9 + 5..written.len() - 9];
            let found = bytes.windows(record.len()).any(|window| window == record);
            assert!(found, "{target:?}, {}", key.escape_ascii());
        }
    }
}

#[test]
fn a_deadline_that_redis_refuses_is_brought_forward_for_it() {
    let mut keyspace = Keyspace::new(1, [1, 2, 3, 4], Encoding::default());
    let mut hash = Hash::new();
    for (field, deadline) in [(b"a", 1_000), (b"b", 1 << 50)] {
        hash.insert(field, b"", keyspace.encoding());
        hash.set_deadline(field, UnixMillis(deadline), keyspace.encoding());
    }
    keyspace.db_mut(0).insert(b"k", hash.into(), None);
    for (target, expected) in [(Target::Redis12, (1 << 48) - 1), (Target::Valkey80, 1 << 50)] {
        let mut bytes = Vec::new();
        let options = WriteOptions { target, ..WriteOptions::default() };
        write(keyspace.snapshot(), &Preface::default(), options, &mut bytes).unwrap();
        let (again, _) = load(&bytes);
        let Some(Value::Hash(hash)) = again.db(0).peek(b"k", NOW) else { panic!("a hash was written") };
        assert_eq!(hash.deadline(b"a"), Some(UnixMillis(1_000)));
        assert_eq!(hash.deadline(b"b"), Some(UnixMillis(expected)), "{target:?}");
    }
}

#[test]
fn every_value_survives_dump_and_restore() {
    for bytes in [REDIS, REDIS_LARGE, REDIS_STREAMS, VALKEY] {
        let (keyspace, _) = load(bytes);
        for number in 0..keyspace.databases() {
            for (key, value, _) in keyspace.db(number).iter() {
                let payload = dump(&value, true);
                let again = restore(&payload, keyspace.encoding()).unwrap();
                let digest = |value| value_digest(value, None, ScoreFormat::Shortest);
                assert_eq!(digest(&again), digest(&value), "{}", key.escape_ascii());
                assert_eq!(again.encoding_name(), value.encoding_name(), "{}", key.escape_ascii());
            }
        }
    }
}

#[test]
fn payloads_of_real_servers_are_restored_and_damaged_ones_refused() {
    let text = |payload: &[u8]| match restore(payload, &Encoding::default()) {
        Ok(value) => format!("{} of {}", value.type_name(), value.len()),
        Err(error) => error.to_string(),
    };
    assert_eq!(text(b"\x00\xc0\x0c\n\x00<*\xf8Q\\\x04\xbc\xd5"), "string of 2");
    assert_eq!(text(b"\x00\xc0\x0cP\x00\xf3\x001\xc0\xc2V\xdb!"), "string of 2");
    let sorted_set = b"\x11\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x831.5\x04\x81b\x02\x02\x01\xff\n\x00\xfa\x02\xb4%\xaf\x18\x87c";
    assert_eq!(text(sorted_set), "zset of 2");
    let hash = b"\x16\x02\x01a\xc0\x01\xff\xff\xff\xff\xff\xff\xff\xff\x01b\xc0\x02{\xd8\xc3,\xbb\x03\x00\x00P\x00>\xca\xb5\xb0\xff\\0\x9a";
    assert_eq!(text(hash), "hash of 2");

    let redis = b"\x00\xc0\x0c\x0a\x00";
    let sealed = |body: &[u8]| [body, &slipstream_rdb::crc64(body).to_le_bytes()].concat();
    assert_eq!(text(&sealed(redis)), "string of 2");
    assert_eq!(text(redis), "DUMP payload version or checksum are wrong");
    assert_eq!(text(b""), "DUMP payload version or checksum are wrong");
    assert_eq!(text(&sealed(b"\x00\xc0\x0c\x0f\x00")), "DUMP payload version or checksum are wrong");
    let beyond = "Bad data format: at offset 3: bytes after the value";
    assert_eq!(text(&sealed(b"\x00\xc0\x0c\x00\x0a\x00")), beyond);
    assert_eq!(
        text(&sealed(b"\x04\x00\x0a\x00")),
        "Bad data format: at offset 2: a collection without elements"
    );
    let module = "Bad data format: at offset 0: value type 7 (module value) is not supported";
    assert_eq!(text(&sealed(b"\x07\x00\x0a\x00")), module);
    let good = sealed(redis);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(text(&bad), "DUMP payload version or checksum are wrong");
    }
}

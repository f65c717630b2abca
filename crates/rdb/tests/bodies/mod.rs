//! What the fuzz targets do with one input; shared with the test that runs them over a corpus.
//!
//! Whatever is accepted must survive being written and read again.

use slipstream_keyspace::{Encoding, Keyspace, ScoreFormat, UnixMillis, Value, value_digest};
use slipstream_rdb::{Preface, ReadOptions, Target, WriteOptions, crc64, dump, read, restore, write};

fn keyspace() -> Keyspace {
    Keyspace::new(16, [1, 2, 3, 4], Encoding::default())
}

fn write_all(keyspace: &Keyspace, preface: &Preface) -> Vec<u8> {
    let options = WriteOptions { target: Target::Valkey80, ..WriteOptions::default() };
    let mut bytes = Vec::new();
    write(keyspace.snapshot(), preface, options, &mut bytes).expect("memory does not fail");
    bytes
}

/// A whole snapshot, its checksum not looked at.
pub(crate) fn rdb_read(input: &[u8]) {
    let options =
        || ReadOptions { verify_checksum: false, string_limit: 1 << 24, ..ReadOptions::new(UnixMillis(0)) };
    let mut first = keyspace();
    let Ok(loaded) = read(input, &mut first, options()) else { return };
    let preface = Preface { aux: loaded.aux, functions: loaded.functions };
    let written = write_all(&first, &preface);
    let mut second = keyspace();
    let again = read(&written[..], &mut second, options()).expect("what is written can be read");
    assert_eq!((preface.aux, preface.functions), (again.aux, again.functions));
    for number in 0..16 {
        assert_eq!(first.db(number).len(), second.db(number).len());
    }
}

/// One value: a type, its bytes and a version, which get the footer that RESTORE asks for.
pub(crate) fn rdb_restore(input: &[u8]) {
    let mut payload = input.to_vec();
    payload.extend_from_slice(&crc64(input).to_le_bytes());
    let encoding = Encoding::default();
    let Ok(value) = restore(&payload, &encoding) else { return };
    let again = restore(&dump(&value, true), &encoding).expect("what is dumped can be restored");
    let digest = |value: &Value<'_>| value_digest(value, None, ScoreFormat::Shortest);
    assert_eq!(digest(&value), digest(&again));
}

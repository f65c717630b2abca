//! What the fuzz targets do with one input; shared with the test that runs them over a corpus.
//!
//! Whatever is accepted must survive being written and read again.

use std::io::{Read, Write};

use slipstream_keyspace::{Encoding, Keyspace, ScoreFormat, UnixMillis, Value, value_digest};
use slipstream_rdb::frames::{self, Chunks, HashKey};
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

/// A snapshot in frames: as it is, and again with sums that are right, since few inputs would get past those.
pub(crate) fn rdb_frames(input: &[u8]) {
    framed(input);
    framed(&with_right_sums(input));
}

fn framed(input: &[u8]) {
    let Some((content, Some(key))) = content_of(input) else { return };
    let mut again = Vec::new();
    let emit = |frame: Vec<u8>| {
        again.extend(frames::pack(&frame).unwrap_or(frame));
        Ok(())
    };
    let mut chunks = Chunks::framed(key, emit).expect("memory does not fail");
    chunks.write_all(&content).and_then(|()| chunks.flush()).expect("memory does not fail");
    assert!(content_of(&again) == Some((content, Some(key))), "what is framed and packed comes out again");
    // What is inside is read as it comes out, and refused or not.
    let (records, _) = frames::open(input).expect("it was opened before");
    let options =
        ReadOptions { verify_checksum: false, string_limit: 1 << 24, ..ReadOptions::new(UnixMillis(0)) };
    read(records, &mut keyspace(), options).ok();
}

fn content_of(input: &[u8]) -> Option<(Vec<u8>, Option<HashKey>)> {
    let (mut records, key) = frames::open(input).ok()?;
    let mut content = Vec::new();
    records.read_to_end(&mut content).ok()?;
    Some((content, key))
}

/// The magic and the sums as they must be for what stands between them.
fn with_right_sums(input: &[u8]) -> Vec<u8> {
    let mut right = input.to_vec();
    let Some((head, mut frames)) = right.split_at_mut_checked(44) else { return right };
    head[..8].copy_from_slice(b"SLIPSYNC");
    let sum = crc32fast::hash(&head[8..40]);
    head[40..].copy_from_slice(&sum.to_le_bytes());
    while let Some((head, rest)) = frames.split_at_mut_checked(12) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((content, rest)) = rest.split_at_mut_checked(length) else { break };
        head[8..].copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        frames = rest;
    }
    right
}

//! The fuzz targets' bodies over a committed corpus and over seeded mutations of it.
//!
//! What a fuzzer finds is added to the corpus. Nothing here looks at the data: a body panics or it does not.

mod bodies;

use std::fs;
use std::path::Path;

/// Mutations per corpus, a second or two of them.
const ROUNDS: usize = 20_000;

#[expect(clippy::disallowed_methods, reason = "the corpus is files")]
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let entries = fs::read_dir(directory).expect("the corpus is committed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    let inputs: Vec<_> = paths.iter().map(|path| fs::read(path).expect("it can be read")).collect();
    assert!(!inputs.is_empty());
    inputs
}

/// Bytes at which the meaning of a byte changes.
const EDGES: [u8; 11] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xfe, 0xff];

fn mutate(rng: &mut fastrand::Rng, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..input.len().max(1)).min(input.len().saturating_sub(1));
        match rng.u8(..7) {
            _ if input.is_empty() => input.push(rng.u8(..)),
            0 => input[at] = rng.u8(..),
            1 => input[at] ^= 1 << rng.u8(..8),
            2 => input[at] = EDGES[rng.usize(..EDGES.len())],
            3 => input.truncate(at),
            4 => input.insert(at, rng.u8(..)),
            5 => drop(input.remove(at)),
            _ => {
                let from = rng.usize(..other.len().max(1)).min(other.len());
                let piece = &other[from..(from + rng.usize(..32)).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
}

fn run(name: &str, body: fn(&[u8])) {
    let corpus = corpus(name);
    corpus.iter().for_each(|input| body(input));
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..ROUNDS {
        let mut input = corpus[rng.usize(..corpus.len())].clone();
        let other = rng.usize(..corpus.len());
        mutate(&mut rng, &mut input, &corpus[other]);
        body(&input);
    }
}

#[test]
fn any_snapshot_is_refused_or_survives_a_round_trip() {
    run("rdb_read", bodies::rdb_read);
}

#[test]
fn any_payload_is_refused_or_survives_a_round_trip() {
    run("rdb_restore", bodies::rdb_restore);
}

#[test]
fn any_frames_are_refused_or_survive_a_round_trip() {
    run("rdb_frames", bodies::rdb_frames);
}

#[test]
fn the_corpus_reaches_every_layout() {
    for input in corpus("rdb_restore") {
        let payload = [&input[..], &slipstream_rdb::crc64(&input).to_le_bytes()].concat();
        let restored = slipstream_rdb::restore(&payload, &slipstream_keyspace::Encoding::default());
        assert!(restored.is_ok_and(|value| !value.is_empty()), "{}", input.escape_ascii());
    }
    let check = |input: &mut dyn std::io::Read| {
        let mut keyspace = slipstream_keyspace::Keyspace::new(16, [1, 2, 3, 4], Default::default());
        let options = slipstream_rdb::ReadOptions::new(slipstream_keyspace::UnixMillis(0));
        slipstream_rdb::read(input, &mut keyspace, options).unwrap();
    };
    for input in corpus("rdb_read") {
        check(&mut &input[..]);
    }
    for input in corpus("rdb_frames") {
        let (mut records, key) = slipstream_rdb::frames::open(&input[..]).unwrap();
        assert!(key.is_some(), "it is framed");
        check(&mut records);
    }
}

//! Reading a snapshot into a keyspace on one thread: a batch is decoded (`decode.rs`) and inserted (`records.rs`) in
//! turn.
//!
//! Memory does not grow with the file beyond the data itself. The caller gives a fresh keyspace and throws it away
//! on an error: what was read until then is in it.

use std::io::Read;

use slipstream_keyspace::{Keyspace, UnixMillis};

use crate::aux::Aux;
use crate::decode::{Decoder, Shape};
use crate::format::Version;
use crate::input::{Progress, Result};
use crate::insertion::Insertion;
use crate::records::Records;

/// How to read a snapshot.
pub struct ReadOptions<'a> {
    /// The wall clock.
    pub now: UnixMillis,
    /// What happens to keys that are past their deadline.
    pub expired: Expired,
    /// What happens to a key that is there already.
    pub duplicates: Duplicates,
    /// The longest string that is accepted, in bytes; packed collections are strings, too.
    pub string_limit: u64,
    /// Whether the checksum at the end must be right (one of 0 never is checked). Without it none is computed.
    pub verify_checksum: bool,
    /// Whether a snapshot of a version that is not known here is tried. Records and types that are not known are
    /// refused even then.
    pub all_versions: bool,
    /// Called now and then with what was read so far, for the first time when the header has been checked.
    pub progress: Option<Progress<'a>>,
}

impl ReadOptions<'_> {
    /// What a replica uses: nothing is left out, and nothing may be there twice.
    pub fn new(now: UnixMillis) -> Self {
        ReadOptions {
            now,
            expired: Expired::Keep,
            duplicates: Duplicates::Refuse,
            string_limit: 4 << 30,
            verify_checksum: true,
            all_versions: false,
            progress: None,
        }
    }
}

/// What happens to keys that are past their deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// They are loaded: a replica and the base of an append-only file are told of deletions by what follows.
    Keep,
    /// They are left out, and named with their database in [`Loaded::expired`].
    Drop,
}

/// What happens to a key that is in the keyspace already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// The snapshot is refused.
    Refuse,
    /// The later value stays.
    Replace,
}

/// A snapshot that was read to its end.
#[derive(Debug)]
pub struct Loaded {
    /// The format it was written in.
    pub version: Version,
    /// The facts at its start.
    pub aux: Aux,
    /// Function libraries, each as its source code, to be written again.
    pub functions: Vec<Vec<u8>>,
    /// Keys that are now in the keyspace.
    pub keys_loaded: u64,
    /// Keys left out because they were past their deadline, with their databases.
    pub expired: Vec<(usize, Vec<u8>)>,
    /// Keys left out because their value was empty.
    pub empty_keys_skipped: u64,
    /// Bytes from the magic to the checksum; what follows them was not looked at.
    pub length: u64,
}

impl Loaded {
    pub(crate) fn new(version: Version) -> Loaded {
        Loaded {
            version,
            aux: Aux::default(),
            functions: Vec::new(),
            keys_loaded: 0,
            expired: Vec::new(),
            empty_keys_skipped: 0,
            length: 0,
        }
    }
}

/// Reads a snapshot from `input`, which may be read beyond the snapshot's end, into the fresh keyspace `into`.
pub fn read<R: Read>(input: R, into: &mut Keyspace, options: ReadOptions<'_>) -> Result<Loaded> {
    let ReadOptions { now, duplicates, .. } = options;
    let mut decoder = Decoder::open(input, Shape::of(into), options)?;
    let mut insertion = Insertion::new(into, now, duplicates);
    let mut records = Records::default();
    while decoder.fill(&mut records)? {
        insertion.insert(&mut records)?;
    }
    insertion.insert(&mut records)?;
    while insertion.advance()? {}
    Ok(Loaded { keys_loaded: insertion.keys(), ..decoder.into_loaded() })
}

#[cfg(test)]
mod tests;

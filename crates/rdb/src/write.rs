//! Writing a snapshot for a named reader.
//!
//! Streams: memory does not grow with the data. What the target's format does not have is refused when it is met;
//! [`unsupported_feature`] tells before a byte is written.

use std::io::Write;

use slipstream_keyspace::{Keyspace, Snapshot, SnapshotDatabase, UnixMillis, Value};

use crate::aux::Aux;
use crate::error::WriteError;
use crate::format::{Target, record};
use crate::output::Sink;
use crate::value;

/// How to write a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// The format.
    pub target: Target,
    /// Whether strings beyond 20 bytes are compressed where that pays (`rdbcompression`).
    pub compress: bool,
    /// Whether the checksum is computed; 0 is written otherwise (`rdbchecksum`).
    pub checksum: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions { target: Target::default(), compress: true, checksum: true }
    }
}

/// What a snapshot holds besides the data.
#[derive(Debug, Clone, Default)]
pub struct Preface {
    /// The facts at its start.
    pub aux: Aux,
    /// Function libraries, each as its source code.
    pub functions: Vec<Vec<u8>>,
}

/// Writes the snapshot, giving it up piece by piece, and returns its length in bytes.
pub fn write<W: Write>(
    snapshot: Snapshot,
    preface: &Preface,
    options: WriteOptions,
    output: &mut W,
) -> Result<u64, WriteError> {
    let mut sink = Sink::new(output, options.compress, options.checksum);
    sink.bytes(options.target.magic())?;
    for (name, value) in &preface.aux.pairs {
        sink.byte(record::AUX)?;
        sink.string(name)?;
        sink.string(value)?;
    }
    for code in &preface.functions {
        sink.byte(record::FUNCTION)?;
        sink.string(code)?;
    }
    for (number, database) in snapshot.into_databases().enumerate() {
        write_database(&mut sink, number, database, options.target)?;
    }
    sink.byte(record::END)?;
    Ok(sink.finish()?)
}

fn write_database<W: Write>(
    sink: &mut Sink<'_, W>,
    number: usize,
    database: SnapshotDatabase,
    target: Target,
) -> Result<(), WriteError> {
    if database.is_empty() {
        return Ok(());
    }
    sink.byte(record::SELECT_DATABASE)?;
    sink.length(number)?;
    sink.byte(record::SIZES)?;
    sink.length(database.len())?;
    sink.length(database.expires_len())?;
    for portion in database.into_portions() {
        for (key, value, deadline) in portion.iter() {
            write_key(sink, (key, value, deadline), target)?;
        }
    }
    Ok(())
}

fn write_key<W: Write>(
    sink: &mut Sink<'_, W>,
    (key, value, deadline): (&[u8], Value<'_>, Option<UnixMillis>),
    target: Target,
) -> Result<(), WriteError> {
    if let Some(feature) = value::missing_feature(&value, target) {
        return Err(WriteError::Feature(feature));
    }
    if let Some(UnixMillis(millis)) = deadline {
        sink.byte(record::DEADLINE_MILLIS)?;
        sink.bytes(&millis.to_le_bytes())?;
    }
    value::write(sink, Some(key), &value, target)?;
    Ok(())
}

/// The name of something in the data that the target's format does not have, from what the data counts: takes no time.
pub fn unsupported_in(keyspace: &Keyspace, target: Target) -> Option<&'static str> {
    let has_field_deadlines =
        || (0..keyspace.databases()).any(|db| keyspace.db(db).hashes_with_deadlines() > 0);
    (!target.has_field_expiry() && has_field_deadlines()).then_some(value::FIELD_EXPIRY)
}

/// The name of something in the snapshot that the target's format does not have. Looks at every value.
pub fn unsupported_feature(snapshot: &Snapshot, target: Target) -> Option<&'static str> {
    snapshot
        .databases()
        .flat_map(SnapshotDatabase::iter)
        .find_map(|(_, value, _)| value::missing_feature(&value, target))
}

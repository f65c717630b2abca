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
    write_watched(snapshot, preface, options, output, &mut |_| {})
}

/// The same; `progress` is told now and then how many keys are written.
pub fn write_watched<W: Write>(
    snapshot: Snapshot,
    preface: &Preface,
    options: WriteOptions,
    output: &mut W,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, WriteError> {
    let mut writer = Writer::open(output, options)?;
    for (name, value) in &preface.aux.pairs {
        writer.aux(name, value)?;
    }
    for code in &preface.functions {
        writer.function(code)?;
    }
    let mut keys = 0;
    for (number, database) in snapshot.into_databases().enumerate().filter(|(_, db)| !db.is_empty()) {
        writer.database(number, Some((database.len(), database.expires_len())))?;
        for portion in database.into_portions() {
            for (key, value, deadline) in portion.iter() {
                writer.key(key, &value, deadline)?;
                keys += 1;
            }
            progress(keys);
        }
    }
    writer.finish()
}

/// A snapshot written record by record, by whoever has it in another form than a keyspace.
pub struct Writer<'a, W> {
    sink: Sink<'a, W>,
    target: Target,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Begins with the magic.
    pub fn open(output: &'a mut W, options: WriteOptions) -> Result<Self, WriteError> {
        let mut sink = Sink::new(output, options.compress, options.checksum);
        sink.bytes(options.target.magic())?;
        Ok(Writer { sink, target: options.target })
    }

    /// A fact about the snapshot.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), WriteError> {
        self.sink.byte(record::AUX)?;
        self.sink.string(name)?;
        Ok(self.sink.string(value)?)
    }

    /// A function library as its source code.
    pub fn function(&mut self, code: &[u8]) -> Result<(), WriteError> {
        self.sink.byte(record::FUNCTION)?;
        Ok(self.sink.string(code)?)
    }

    /// The keys that follow belong to this database: so many, and so many with a deadline, if that is known.
    pub fn database(&mut self, number: usize, sizes: Option<(usize, usize)>) -> Result<(), WriteError> {
        self.sink.byte(record::SELECT_DATABASE)?;
        self.sink.length(number)?;
        if let Some((keys, expires)) = sizes {
            self.sink.byte(record::SIZES)?;
            self.sink.length(keys)?;
            self.sink.length(expires)?;
        }
        Ok(())
    }

    /// A key.
    pub fn key(
        &mut self,
        key: &[u8],
        value: &Value<'_>,
        deadline: Option<UnixMillis>,
    ) -> Result<(), WriteError> {
        if let Some(feature) = value::missing_feature(value, self.target) {
            return Err(WriteError::Feature(feature));
        }
        if let Some(UnixMillis(millis)) = deadline {
            self.sink.byte(record::DEADLINE_MILLIS)?;
            self.sink.bytes(&millis.to_le_bytes())?;
        }
        Ok(value::write(&mut self.sink, Some(key), value, self.target)?)
    }

    /// Ends the snapshot; returns its length in bytes.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        self.sink.byte(record::END)?;
        Ok(self.sink.finish()?)
    }
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

//! Bytes of a snapshot into records: everything about reading it but where the data goes.
//!
//! The header is checked before anything else happens; then records follow until the end mark, and the checksum of
//! all of them. Keys and values are gathered into [`Records`] for whoever puts them into a keyspace, here or on
//! another thread. Memory does not grow with the file: a full batch is handed on before more is read.

use std::io::Read;

use slipstream_keyspace::{Encoding, Item, Keyspace, Str, UnixMillis, Value};

use crate::aux::Aux;
use crate::error::{KeyName, ReadError, Reason};
use crate::format::{self, Layout, Version, record};
use crate::input::{Result, Source};
use crate::read::{Expired, Loaded, ReadOptions};
use crate::records::{Attributes, Records};
use crate::value;

/// Strings up to this length travel as bytes of their batch, without an allocation of their own.
const SHORT: usize = 1024;

/// What a keyspace must tell a decoder: how many databases there are, and how its values are encoded.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Databases with a number from here on are refused.
    pub databases: usize,
    /// The thresholds, and the seed of the keyspace's hashes.
    pub encoding: Encoding,
}

impl Shape {
    /// The one of this keyspace.
    pub fn of(keyspace: &Keyspace) -> Shape {
        Shape { databases: keyspace.databases(), encoding: *keyspace.encoding() }
    }
}

/// What one step of reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A pair of facts about the snapshot, the last of [`Decoder::loaded`].
    Aux,
    /// What follows belongs to the database of this number.
    Database(usize),
    /// A key, which is in the batch unless it was left out.
    Key,
    /// Something else between the keys.
    Other,
    /// The end, and all before it was right.
    End,
}

/// A snapshot being read.
pub struct Decoder<'a, R> {
    pub(crate) source: Source<'a, R>,
    shape: Shape,
    now: UnixMillis,
    expired: Expired,
    verifies: bool,
    database: usize,
    next: Attributes,
    name: Vec<u8>,
    text: Vec<u8>,
    loaded: Loaded,
}

impl<'a, R: Read> Decoder<'a, R> {
    /// Reads the header of `input`, which may be read beyond the snapshot's end.
    pub fn open(input: R, shape: Shape, options: ReadOptions<'a>) -> Result<Self> {
        let mut source = Source::new(input, options.string_limit);
        source.sums = options.verify_checksum;
        let magic = source.array()?;
        let version =
            Version::from_magic(magic, options.all_versions).map_err(|reason| source.error(reason))?;
        // Whoever is told of progress knows that the header was right.
        source.watch(options.progress)?;
        Ok(Decoder {
            source,
            shape,
            now: options.now,
            expired: options.expired,
            verifies: options.verify_checksum,
            database: 0,
            next: Attributes::default(),
            name: Vec::new(),
            text: Vec::new(),
            loaded: Loaded::new(version),
        })
    }

    /// Adds records until the batch is full; false when the end of the snapshot has been read and was right.
    pub fn fill(&mut self, records: &mut Records) -> Result<bool> {
        while !records.is_full() {
            if self.step(records)? == Step::End {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads one record.
    pub fn step(&mut self, records: &mut Records) -> Result<Step> {
        let step = self.record(records)?;
        if step == Step::End {
            self.finish()?;
        }
        Ok(step)
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// What was read besides so far.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// What was read besides, once all of it was.
    pub fn into_loaded(self) -> Loaded {
        self.loaded
    }

    fn record(&mut self, records: &mut Records) -> Result<Step> {
        let first = self.source.byte()?;
        match first {
            record::END => return Ok(Step::End),
            record::SELECT_DATABASE => {
                self.select()?;
                return Ok(Step::Database(self.database));
            }
            record::DEADLINE_SECONDS => {
                let seconds = i32::from_le_bytes(self.source.array()?);
                self.next.deadline = Some(UnixMillis(i64::from(seconds) * 1000));
            }
            record::DEADLINE_MILLIS => {
                let millis = i64::from_le_bytes(self.source.array()?);
                // Redis' own mark for a key without a deadline.
                self.next.deadline = (millis != -1).then_some(UnixMillis(millis));
            }
            record::FREQUENCY => self.next.frequency = Some(self.source.byte()?),
            record::IDLE => self.next.idle_seconds = Some(self.source.length()?),
            record::SIZES => {
                let keys = self.source.length()?;
                self.source.expect_keys(keys);
                records.announce(self.database, keys);
                self.skip_lengths(1)?;
            }
            record::SLOT_SIZES => self.skip_lengths(3)?,
            record::AUX => {
                let pair = (self.source.owned_string()?, self.source.owned_string()?);
                if let Some(keys) = Aux::total_keys(&pair) {
                    self.source.expect_all_keys(keys);
                }
                self.loaded.aux.pairs.push(pair);
                return Ok(Step::Aux);
            }
            record::FUNCTION => {
                let code = self.source.owned_string()?;
                self.loaded.functions.push(code);
            }
            record::MODULE_AUX => self.skip_module_aux()?,
            record::FIRST.. => return Err(self.source.error(self.unsupported(first))),
            kind => {
                self.key(kind, records)?;
                return Ok(Step::Key);
            }
        }
        Ok(Step::Other)
    }

    fn unsupported(&self, number: u8) -> Reason {
        let name = match (number, self.loaded.version) {
            (record::COLLISION, Version::Redis(_)) => "key metadata",
            (record::COLLISION, Version::Valkey(_)) => "slot import",
            (record::FUNCTION_BEFORE_RELEASE, _) => "function of a release candidate",
            _ => "unknown",
        };
        Reason::UnsupportedRecord { number, name }
    }

    fn select(&mut self) -> Result<()> {
        let number = self.source.length()?;
        let configured = self.shape.databases;
        self.database = usize::try_from(number)
            .ok()
            .filter(|number| *number < configured)
            .ok_or_else(|| self.source.error(Reason::NoSuchDatabase { configured }))?;
        Ok(())
    }

    fn skip_lengths(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.source.length()?;
        }
        Ok(())
    }

    /// `module id, 2, when`, then tagged values until a tag of 0.
    fn skip_module_aux(&mut self) -> Result<()> {
        self.source.length()?;
        if self.source.length()? != 2 {
            return Err(self.source.corrupt("module data: no mark of when it applies"));
        }
        self.source.length()?;
        let mut scratch = Vec::new();
        loop {
            match self.source.length()? {
                0 => return Ok(()),
                1 | 2 => self.skip_lengths(1)?,
                3 => _ = self.source.array::<4>()?,
                4 => _ = self.source.array::<8>()?,
                5 => _ = self.source.item(&mut scratch)?,
                _ => return Err(self.source.corrupt("module data: unknown tag")),
            }
        }
    }

    fn key(&mut self, kind: u8, records: &mut Records) -> Result<()> {
        let attributes = std::mem::take(&mut self.next);
        let is_kept = self.expired == Expired::Keep || attributes.deadline.is_none();
        if kind == format::kind::STRING
            && is_kept
            && let Some(([name, value], offset)) = self.source.plain_pair(SHORT)
        {
            records.push_short((self.database, offset), name, value, attributes);
            self.source.count_key();
            return Ok(());
        }
        let mut name = std::mem::take(&mut self.name);
        let start = self.source.offset();
        self.source.string(&mut name)?;
        let read = match Layout::of(kind, self.loaded.version) {
            Ok(Layout::String) => self.string(&name, attributes, records),
            Ok(layout) => self.value(layout, &name, attributes, records),
            // The offset is that of the type's byte.
            Err(reason) => Err(ReadError { offset: start - 1, key: None, reason }),
        };
        self.source.count_key();
        match read {
            Ok(()) => self.name = name,
            Err(mut error) => {
                error.key = Some(self.key_name(&name));
                return Err(error);
            }
        }
        Ok(())
    }

    fn key_name(&self, name: &[u8]) -> KeyName {
        let database = u64::try_from(self.database).expect("usize fits in u64");
        KeyName { database, name: name.into() }
    }

    fn string(&mut self, name: &[u8], attributes: Attributes, records: &mut Records) -> Result<()> {
        let value = match self.source.item(&mut self.text)? {
            Item::Bytes(bytes) if bytes.len() <= SHORT => None,
            Item::Bytes(_) => Some(Str::from_vec(std::mem::take(&mut self.text))),
            Item::Int(number) => Some(Str::from_int(number)),
        };
        if self.is_left_out(name, attributes) {
            return Ok(());
        }
        let place = (self.database, self.source.offset());
        match value {
            Some(value) => records.push(place, name, Value::String(value), attributes),
            None => records.push_short(place, name, &self.text, attributes),
        }
        Ok(())
    }

    fn value(
        &mut self,
        layout: Layout,
        name: &[u8],
        attributes: Attributes,
        records: &mut Records,
    ) -> Result<()> {
        match value::read(&mut self.source, layout, &self.shape.encoding)? {
            None => self.loaded.empty_keys_skipped += 1,
            Some(_) if self.is_left_out(name, attributes) => {}
            Some(value) => records.push((self.database, self.source.offset()), name, value, attributes),
        }
        Ok(())
    }

    /// Whether a key is past its deadline and not wanted then.
    fn is_left_out(&mut self, name: &[u8], attributes: Attributes) -> bool {
        let is_due = attributes.deadline.is_some_and(|deadline| deadline < self.now);
        let is_left_out = self.expired == Expired::Drop && is_due;
        if is_left_out {
            self.loaded.expired.push((self.database, name.to_vec()));
        }
        is_left_out
    }

    fn finish(&mut self) -> Result<()> {
        if self.loaded.version.has_checksum() {
            let computed = self.source.checksum();
            let stored = u64::from_le_bytes(self.source.array()?);
            if self.verifies && stored != 0 && stored != computed {
                return Err(self.source.error(Reason::Checksum { stored, computed }));
            }
        }
        self.loaded.length = self.source.offset();
        Ok(())
    }
}

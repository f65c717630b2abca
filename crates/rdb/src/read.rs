//! Reading a snapshot into a keyspace, record by record.
//!
//! The header is checked before anything else happens; then records follow until the end mark, and the checksum of
//! all of them. Memory does not grow with the file beyond the data itself. The caller gives a fresh keyspace and
//! throws it away on an error: what was read until then is in it.

use std::io::Read;
use std::ops::ControlFlow;

use slipstream_keyspace::{Keyspace, UnixMillis, Value};

use crate::aux::Aux;
use crate::error::{KeyName, Reason};
use crate::format::{Layout, Version, record};
use crate::input::{Progress, Result, Source};
use crate::value;

/// How to read a snapshot.
pub struct ReadOptions<'a> {
    /// The wall clock.
    pub now: UnixMillis,
    /// What happens to keys that are past their deadline.
    pub expired: Expired<'a>,
    /// What happens to a key that is there already.
    pub duplicates: Duplicates,
    /// The longest string that is accepted, in bytes; packed collections are strings, too.
    pub string_limit: u64,
    /// Whether the checksum at the end must be right (one of 0 never is checked). Without it none is computed.
    pub verify_checksum: bool,
    /// Called now and then with the bytes read so far.
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
            progress: None,
        }
    }
}

/// What happens to keys that are past their deadline.
pub enum Expired<'a> {
    /// They are loaded: a replica and the base of an append-only file are told of deletions by what follows.
    Keep,
    /// They are left out, and named with their database.
    Drop(&'a mut dyn FnMut(usize, &[u8])),
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
    /// Keys left out because they were past their deadline.
    pub keys_expired: u64,
    /// Keys left out because their value was empty.
    pub empty_keys_skipped: u64,
    /// Bytes from the magic to the checksum; what follows them was not looked at.
    pub length: u64,
}

impl Loaded {
    fn new(version: Version) -> Loaded {
        Loaded {
            version,
            aux: Aux::default(),
            functions: Vec::new(),
            keys_loaded: 0,
            keys_expired: 0,
            empty_keys_skipped: 0,
            length: 0,
        }
    }
}

/// Reads a snapshot from `input`, which may be read beyond the snapshot's end, into the fresh keyspace `into`.
pub fn read<R: Read>(input: R, into: &mut Keyspace, options: ReadOptions<'_>) -> Result<Loaded> {
    let verify = options.verify_checksum;
    let mut reader = Reader::open(input, into, options)?;
    while reader.record()?.is_continue() {}
    reader.finish(verify)?;
    Ok(reader.loaded)
}

struct Reader<'k, 'a, R> {
    source: Source<'a, R>,
    keyspace: &'k mut Keyspace,
    now: UnixMillis,
    expired: Expired<'a>,
    duplicates: Duplicates,
    database: usize,
    next: Attributes,
    name: Vec<u8>,
    loaded: Loaded,
}

/// What records before a key say of it.
#[derive(Default)]
struct Attributes {
    deadline: Option<UnixMillis>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl<'k, 'a, R: Read> Reader<'k, 'a, R> {
    /// Reads the header.
    fn open(input: R, into: &'k mut Keyspace, options: ReadOptions<'a>) -> Result<Self> {
        let mut source = Source::new(input, options.string_limit, options.progress);
        source.sums = options.verify_checksum;
        let magic = source.array()?;
        let version = Version::from_magic(magic).map_err(|reason| source.error(reason))?;
        Ok(Reader {
            source,
            keyspace: into,
            now: options.now,
            expired: options.expired,
            duplicates: options.duplicates,
            database: 0,
            next: Attributes::default(),
            name: Vec::new(),
            loaded: Loaded::new(version),
        })
    }

    fn record(&mut self) -> Result<ControlFlow<()>> {
        let first = self.source.byte()?;
        match first {
            record::END => return Ok(ControlFlow::Break(())),
            record::SELECT_DATABASE => self.select()?,
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
            record::SIZES => self.skip_lengths(2)?,
            record::SLOT_SIZES => self.skip_lengths(3)?,
            record::AUX => {
                let pair = (self.source.owned_string()?, self.source.owned_string()?);
                self.loaded.aux.pairs.push(pair);
            }
            record::FUNCTION => {
                let code = self.source.owned_string()?;
                self.loaded.functions.push(code);
            }
            record::MODULE_AUX => self.skip_module_aux()?,
            record::FIRST.. => return Err(self.source.error(self.unsupported(first))),
            kind => self.key(kind)?,
        }
        Ok(ControlFlow::Continue(()))
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
        let configured = self.keyspace.databases();
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

    fn key(&mut self, kind: u8) -> Result<()> {
        let next = std::mem::take(&mut self.next);
        let mut name = std::mem::take(&mut self.name);
        let start = self.source.offset();
        self.source.string(&mut name)?;
        let version = self.loaded.version;
        let value = match Layout::of(kind, version) {
            Ok(layout) => value::read(&mut self.source, layout, self.keyspace.encoding()),
            // The offset is that of the type's byte.
            Err(reason) => Err(crate::error::ReadError { offset: start - 1, key: None, reason }),
        };
        match value.and_then(|value| self.keep(&name, value, next)) {
            Ok(()) => self.name = name,
            Err(mut error) => {
                let database = u64::try_from(self.database).expect("usize fits in u64");
                error.key = Some(KeyName { database, name: name.into() });
                return Err(error);
            }
        }
        Ok(())
    }

    fn keep(&mut self, name: &[u8], value: Option<Value<'static>>, attributes: Attributes) -> Result<()> {
        let Some(value) = value else {
            self.loaded.empty_keys_skipped += 1;
            return Ok(());
        };
        if let Expired::Drop(dropped) = &mut self.expired
            && attributes.deadline.is_some_and(|deadline| deadline < self.now)
        {
            dropped(self.database, name);
            self.loaded.keys_expired += 1;
            return Ok(());
        }
        let database = self.keyspace.db_mut(self.database);
        let old = database.insert(name, value, attributes.deadline);
        if old.is_some() && self.duplicates == Duplicates::Refuse {
            return Err(self.source.error(Reason::DuplicateKey));
        }
        if let Some(seconds) = attributes.idle_seconds {
            database.set_idle(name, seconds, self.now);
        }
        if let Some(frequency) = attributes.frequency {
            database.set_frequency(name, frequency, self.now);
        }
        self.loaded.keys_loaded += 1;
        Ok(())
    }

    fn finish(&mut self, verify: bool) -> Result<()> {
        if self.loaded.version.has_checksum() {
            let computed = self.source.checksum();
            let stored = u64::from_le_bytes(self.source.array()?);
            if verify && stored != 0 && stored != computed {
                return Err(self.source.error(Reason::Checksum { stored, computed }));
            }
        }
        self.loaded.length = self.source.offset();
        Ok(())
    }
}

#[cfg(test)]
mod tests;

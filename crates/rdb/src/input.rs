//! The reading end: bytes from any `Read`, counted and summed, as the format's primitives.
//!
//! Owns the one buffer between the input and the decoders. A declared length is never believed: what is read grows by
//! a fixed step or by what has already arrived, whichever is more. Every error carries the offset.
//!
//! ```text
//! length  00nnnnnn | 01nnnnnn n | 0x80 u32 | 0x81 u64      big-endian
//! string  length bytes | 0xc0 i8 | 0xc1 i16 | 0xc2 i32 little-endian | 0xc3 length length compressed
//! ```

use std::io::{self, Read};
use std::ops::ControlFlow;

use slipstream_keyspace::Item;

use crate::bytes::{crc64, lzf};
use crate::error::{ReadError, Reason};

/// How far the reading of a snapshot is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Bytes read.
    pub bytes: u64,
    /// Keys read.
    pub keys: u64,
    /// Keys of the whole snapshot if its writer says so, else of the databases whose sizes have come, if any has.
    pub expected_keys: Option<u64>,
}

/// Called now and then with what was read so far; `Break` stops the reading.
pub type Progress<'a> = &'a mut dyn FnMut(Reached) -> ControlFlow<()>;

pub(crate) type Result<T> = std::result::Result<T, ReadError>;

/// Buffer of a stream, and the step by which a declared length is trusted.
const STEP: usize = 64 * 1024;

/// The most that is read past the buffer at once, so that progress is told and the sum finds the bytes in the cache.
const DIRECT: usize = 256 * 1024;

/// A scratch buffer larger than this is given back after its use.
const SCRATCH: usize = 1024 * 1024;

pub(crate) struct Source<'a, R> {
    input: R,
    buffer: Box<[u8]>,
    at: usize,
    end: usize,
    /// Up to where in the buffer `crc` covers.
    summed: usize,
    /// Offset of the buffer's first byte.
    base: u64,
    crc: u64,
    /// Whether `crc` is kept at all.
    pub(crate) sums: bool,
    string_limit: u64,
    progress: Option<Progress<'a>>,
    keys: u64,
    expected: Expected,
    compressed: Vec<u8>,
    /// The largest capacity that was asked for beyond what had arrived.
    #[cfg(test)]
    pub(crate) trusted: usize,
}

/// How many keys there will be.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Unknown,
    /// Those of the databases so far.
    Begun(u64),
    All(u64),
}

enum Length {
    Plain(u64),
    Special(u8),
}

impl<'a, R: Read> Source<'a, R> {
    pub(crate) fn new(input: R, string_limit: u64) -> Source<'a, R> {
        Source::with_buffer(input, STEP, string_limit)
    }

    /// A source that needs no larger buffer than `capacity`, for short inputs.
    pub(crate) fn with_buffer(input: R, capacity: usize, string_limit: u64) -> Source<'a, R> {
        Source {
            input,
            buffer: vec![0; capacity.clamp(16, STEP)].into_boxed_slice(),
            at: 0,
            end: 0,
            summed: 0,
            base: 0,
            crc: 0,
            sums: true,
            string_limit,
            progress: None,
            keys: 0,
            expected: Expected::Unknown,
            compressed: Vec::new(),
            #[cfg(test)]
            trusted: 0,
        }
    }

    /// Tells `progress` how far it is, now and from now on.
    pub(crate) fn watch(&mut self, progress: Option<Progress<'a>>) -> Result<()> {
        self.progress = progress;
        self.report()
    }

    pub(crate) fn count_key(&mut self) {
        self.keys += 1;
    }

    /// A database with so many keys comes.
    pub(crate) fn expect_keys(&mut self, keys: u64) {
        self.expected = match self.expected {
            Expected::Unknown => Expected::Begun(keys),
            Expected::Begun(before) => Expected::Begun(before.saturating_add(keys)),
            Expected::All(all) => Expected::All(all),
        };
    }

    /// So many keys come in all.
    pub(crate) fn expect_all_keys(&mut self, keys: u64) {
        self.expected = Expected::All(keys);
    }

    pub(crate) fn offset(&self) -> u64 {
        self.base + u64::try_from(self.at).expect("usize fits in u64")
    }

    /// The checksum of all that was taken so far.
    pub(crate) fn checksum(&self) -> u64 {
        self.summed_with(&self.buffer[self.summed..self.at])
    }

    fn summed_with(&self, bytes: &[u8]) -> u64 {
        if self.sums { crc64::update(self.crc, bytes) } else { 0 }
    }

    pub(crate) fn error(&self, reason: Reason) -> ReadError {
        ReadError { offset: self.offset(), key: None, reason }
    }

    pub(crate) fn corrupt(&self, what: &'static str) -> ReadError {
        self.error(Reason::Corrupt(what))
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        if self.at == self.end {
            self.refill()?;
        }
        let byte = self.buffer[self.at];
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        if let Some(bytes) = self.buffer[self.at..self.end].first_chunk() {
            self.at += N;
            return Ok(*bytes);
        }
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    pub(crate) fn length(&mut self) -> Result<u64> {
        match self.any_length()? {
            Length::Plain(length) => Ok(length),
            Length::Special(_) => Err(self.corrupt("a string's encoding where a length belongs")),
        }
    }

    fn any_length(&mut self) -> Result<Length> {
        let first = self.byte()?;
        Ok(match first {
            0..=0x3f => Length::Plain(u64::from(first)),
            0x40..=0x7f => Length::Plain(u64::from(u16::from_be_bytes([first & 0x3f, self.byte()?]))),
            0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            0x82..=0xbf => return Err(self.corrupt("unknown encoding of a length")),
            0xc0..=0xff => Length::Special(first & 0x3f),
        })
    }

    /// Takes two strings that have arrived and are written as they are, each of at most `most` bytes;
    /// the offset behind them.
    #[inline]
    pub(crate) fn plain_pair(&mut self, most: usize) -> Option<([&[u8]; 2], u64)> {
        let buffered = &self.buffer[self.at..self.end];
        let (first, rest) = plain_string(buffered)?;
        let (second, rest) = plain_string(rest)?;
        if first.len().max(second.len()) > most {
            return None;
        }
        self.at = self.end - rest.len();
        let offset = self.base + u64::try_from(self.at).expect("usize fits in u64");
        Some(([first, second], offset))
    }

    /// Reads a string, its bytes (if it is not an integer) into `scratch`.
    pub(crate) fn item<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Result<Item<'s>> {
        scratch.clear();
        scratch.shrink_to(SCRATCH);
        let number = match self.any_length()? {
            Length::Plain(length) => {
                self.bytes(length, scratch)?;
                return Ok(Item::Bytes(scratch));
            }
            Length::Special(0) => i64::from(i8::from_le_bytes(self.array()?)),
            Length::Special(1) => i64::from(i16::from_le_bytes(self.array()?)),
            Length::Special(2) => i64::from(i32::from_le_bytes(self.array()?)),
            Length::Special(3) => {
                self.compressed_string(scratch)?;
                return Ok(Item::Bytes(scratch));
            }
            Length::Special(_) => return Err(self.corrupt("unknown encoding of a string")),
        };
        Ok(Item::Int(number))
    }

    /// Reads a string into `scratch`, an integer as its digits.
    pub(crate) fn string<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
        if let Item::Int(number) = self.item(scratch)? {
            scratch.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        Ok(scratch)
    }

    pub(crate) fn owned_string(&mut self) -> Result<Vec<u8>> {
        let mut string = Vec::new();
        self.string(&mut string)?;
        Ok(string)
    }

    fn compressed_string(&mut self, output: &mut Vec<u8>) -> Result<()> {
        let packed = self.length()?;
        let length = self.length()?;
        if length > self.string_limit {
            return Err(self.error(Reason::TooLong { declared: length, limit: self.string_limit }));
        }
        if length > packed.saturating_mul(lzf::EXPANSION) {
            return Err(self.corrupt("compressed string: declares more than its bytes can hold"));
        }
        let start = self.offset();
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        compressed.shrink_to(SCRATCH);
        self.bytes(packed, &mut compressed)?;
        let length =
            usize::try_from(length).map_err(|_| self.corrupt("compressed string: larger than memory"))?;
        lzf::decompress(&compressed, length, output).map_err(|what| ReadError {
            offset: start,
            key: None,
            reason: Reason::Corrupt(what),
        })?;
        self.compressed = compressed;
        Ok(())
    }

    /// Appends `length` bytes to `output`.
    pub(crate) fn bytes(&mut self, length: u64, output: &mut Vec<u8>) -> Result<()> {
        let buffered = &self.buffer[self.at..self.end];
        if let Some(bytes) = usize::try_from(length).ok().and_then(|length| buffered.get(..length)) {
            output.extend_from_slice(bytes);
            self.at += bytes.len();
            return Ok(());
        }
        if length > self.string_limit {
            return Err(self.error(Reason::TooLong { declared: length, limit: self.string_limit }));
        }
        let length = usize::try_from(length).map_err(|_| self.corrupt("a string larger than memory"))?;
        let wanted = output.len() + length;
        while output.len() < wanted {
            self.reserve(output, wanted - output.len());
            let room = (output.capacity() - output.len()).min(wanted - output.len());
            if self.at < self.end || room < self.buffer.len() {
                self.buffered_bytes(room, output)?;
            } else {
                self.direct_bytes(room.min(DIRECT), output)?;
            }
        }
        Ok(())
    }

    /// Makes room for some of `missing` bytes: never much more than have already arrived.
    fn reserve(&mut self, output: &mut Vec<u8>, missing: usize) {
        if output.capacity() == output.len() {
            let more = missing.min(output.len().max(STEP));
            output.reserve_exact(more);
            #[cfg(test)]
            {
                self.trusted = self.trusted.max(more.saturating_sub(output.len()));
            }
        }
    }

    fn buffered_bytes(&mut self, at_most: usize, output: &mut Vec<u8>) -> Result<()> {
        if self.at == self.end {
            self.refill()?;
        }
        let count = at_most.min(self.end - self.at);
        output.extend_from_slice(&self.buffer[self.at..self.at + count]);
        self.at += count;
        Ok(())
    }

    /// Reads past the empty buffer, which saves a copy.
    fn direct_bytes(&mut self, count: usize, output: &mut Vec<u8>) -> Result<()> {
        self.drain_buffer();
        let start = output.len();
        let limit = u64::try_from(count).expect("usize fits in u64");
        let result = (&mut self.input).take(limit).read_to_end(output);
        self.crc = self.summed_with(&output[start..]);
        self.base += u64::try_from(output.len() - start).expect("usize fits in u64");
        match result {
            Err(error) => Err(self.io_error(error)),
            Ok(arrived) if arrived < count => Err(self.error(Reason::Truncated)),
            Ok(_) => self.report(),
        }
    }

    fn refill(&mut self) -> Result<()> {
        self.drain_buffer();
        loop {
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Err(self.error(Reason::Truncated)),
                Ok(count) => {
                    self.end = count;
                    return self.report();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io_error(error)),
            }
        }
    }

    /// Accounts for the buffer, all of which has been taken.
    fn drain_buffer(&mut self) {
        self.crc = self.checksum();
        self.base = self.offset();
        (self.at, self.end, self.summed) = (0, 0, 0);
    }

    fn io_error(&self, error: io::Error) -> ReadError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.error(Reason::Truncated),
            _ => self.error(Reason::Io(error)),
        }
    }

    fn report(&mut self) -> Result<()> {
        let expected_keys = match self.expected {
            Expected::Unknown => None,
            Expected::Begun(keys) | Expected::All(keys) => Some(keys),
        };
        let reached = Reached { bytes: self.offset(), keys: self.keys, expected_keys };
        match self.progress.as_mut().map(|progress| progress(reached)) {
            Some(ControlFlow::Break(())) => Err(self.error(Reason::Interrupted)),
            _ => Ok(()),
        }
    }
}

/// The string at the beginning of `bytes` if its length takes one or two bytes and all of it is
/// there; and what follows it.
#[inline]
fn plain_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes {
        [length @ ..=0x3f, rest @ ..] => (usize::from(*length), rest),
        [high @ 0x40..=0x7f, low, rest @ ..] => (usize::from(u16::from_be_bytes([high & 0x3f, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests;

//! The writing end: the format's primitives into any `Write`, gathered into large runs and summed.
//!
//! Owns the buffer between the encoders and the output; strings beyond it go past it without a copy. Integers in
//! decimal become integers, long strings are compressed when that is asked for and pays.

use std::io::{self, Write};

use slipstream_keyspace::Item;

use crate::bytes::{crc64, lzf::Compressor};

/// What is gathered before it is summed and written.
const RUN: usize = 64 * 1024;

/// Strings up to this length are never compressed.
const COMPRESS_BEYOND: usize = 20;

/// Integers of up to this many digits (and sign) may be written as such.
const INTEGER_DIGITS: usize = 11;

pub(crate) struct Sink<'a, W> {
    output: &'a mut W,
    run: Vec<u8>,
    written: u64,
    crc: Option<u64>,
    compressor: Option<Compressor>,
    compressed: Vec<u8>,
}

impl<'a, W: Write> Sink<'a, W> {
    pub(crate) fn new(output: &'a mut W, compress: bool, checksum: bool) -> Sink<'a, W> {
        Sink {
            output,
            run: Vec::new(),
            written: 0,
            crc: checksum.then_some(0),
            compressor: compress.then(Compressor::new),
            compressed: Vec::new(),
        }
    }

    pub(crate) fn byte(&mut self, byte: u8) -> io::Result<()> {
        if self.run.len() == RUN {
            self.write_run()?;
        }
        self.run.push(byte);
        Ok(())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.run.len() + bytes.len() > RUN {
            self.write_run()?;
            if bytes.len() > RUN / 2 {
                return self.write_through(bytes);
            }
        }
        self.run.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn length(&mut self, length: usize) -> io::Result<()> {
        self.length_u64(u64::try_from(length).expect("usize fits in u64"))
    }

    pub(crate) fn length_u64(&mut self, length: u64) -> io::Result<()> {
        if let Ok(short @ 0..=0x3f) = u8::try_from(length) {
            self.byte(short)
        } else if let Ok(middle @ 0..=0x3fff) = u16::try_from(length) {
            self.bytes(&(0x4000 | middle).to_be_bytes())
        } else if let Ok(long) = u32::try_from(length) {
            self.byte(0x80)?;
            self.bytes(&long.to_be_bytes())
        } else {
            self.byte(0x81)?;
            self.bytes(&length.to_be_bytes())
        }
    }

    pub(crate) fn item(&mut self, item: &Item<'_>) -> io::Result<()> {
        match item {
            Item::Int(number) => self.integer(*number),
            Item::Bytes(bytes) => self.string(bytes),
        }
    }

    pub(crate) fn string(&mut self, string: &[u8]) -> io::Result<()> {
        if let Some(number) = canonical_i32(string) {
            return self.short_integer(number);
        }
        if string.len() > COMPRESS_BEYOND && self.compressed_string(string)? {
            return Ok(());
        }
        self.length(string.len())?;
        self.bytes(string)
    }

    /// A string that holds this integer's digits.
    pub(crate) fn integer(&mut self, number: i64) -> io::Result<()> {
        if let Ok(short) = i32::try_from(number) {
            return self.short_integer(short);
        }
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        self.length(digits.len())?;
        self.bytes(digits)
    }

    fn short_integer(&mut self, number: i32) -> io::Result<()> {
        if let Ok(number) = i8::try_from(number) {
            self.byte(0xc0)?;
            self.bytes(&number.to_le_bytes())
        } else if let Ok(number) = i16::try_from(number) {
            self.byte(0xc1)?;
            self.bytes(&number.to_le_bytes())
        } else {
            self.byte(0xc2)?;
            self.bytes(&number.to_le_bytes())
        }
    }

    fn compressed_string(&mut self, string: &[u8]) -> io::Result<bool> {
        let Some(compressor) = &mut self.compressor else { return Ok(false) };
        let mut compressed = std::mem::take(&mut self.compressed);
        let fits = compressor.compress(string, &mut compressed);
        if fits {
            self.byte(0xc3)?;
            self.length(compressed.len())?;
            self.length(string.len())?;
            self.bytes(&compressed)?;
        }
        compressed.clear();
        compressed.shrink_to(RUN);
        self.compressed = compressed;
        Ok(fits)
    }

    /// Appends the checksum of all before it (0 when it is off) and hands everything to the output. Returns how many
    /// bytes that were in all.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.write_run()?;
        let crc = self.crc.take().unwrap_or(0);
        self.bytes(&crc.to_le_bytes())?;
        self.write_run()?;
        Ok(self.written)
    }

    fn write_run(&mut self) -> io::Result<()> {
        let mut run = std::mem::take(&mut self.run);
        self.write_through(&run)?;
        run.clear();
        self.run = run;
        Ok(())
    }

    fn write_through(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(crc) = &mut self.crc {
            *crc = crc64::update(*crc, bytes);
        }
        self.written += u64::try_from(bytes.len()).expect("usize fits in u64");
        self.output.write_all(bytes)
    }
}

/// The integer that these bytes are the only decimal form of.
fn canonical_i32(bytes: &[u8]) -> Option<i32> {
    if bytes.len() > INTEGER_DIGITS {
        return None;
    }
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let magnitude =
        digits.iter().try_fold(0i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))?;
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Source;

    fn written(compress: bool, write: impl FnOnce(&mut Sink<'_, Vec<u8>>) -> io::Result<()>) -> Vec<u8> {
        let mut output = Vec::new();
        let mut sink = Sink::new(&mut output, compress, true);
        write(&mut sink).unwrap();
        assert_eq!(sink.finish().unwrap(), u64::try_from(output.len()).unwrap());
        let crc = output.split_off(output.len() - 8);
        assert_eq!(crc, crc64::update(0, &output).to_le_bytes());
        output
    }

    #[test]
    fn integers_and_lengths_take_the_shortest_form() {
        let check = |string: &str, expected: &[u8]| {
            assert_eq!(written(true, |sink| sink.string(string.as_bytes())), expected, "{string}");
        };
        check("0", &[0xc0, 0]);
        check("-128", &[0xc0, 0x80]);
        check("128", &[0xc1, 0x80, 0]);
        check("-32769", &[0xc2, 0xff, 0x7f, 0xff, 0xff]);
        check("2147483647", &[0xc2, 0xff, 0xff, 0xff, 0x7f]);
        check("2147483648", b"\x0a2147483648");
        check("-0", b"\x02-0");
        check("007", b"\x03007");
        check("+7", b"\x02+7");
        check("-", b"\x01-");
        check("", b"\x00");
        assert_eq!(written(true, |sink| sink.integer(1 << 40)), b"\x0d1099511627776");
        for length in [0, 63, 64, 16383, 16384, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let bytes = written(false, |sink| sink.length_u64(length));
            assert_eq!(Source::new(&bytes[..], 0).length().unwrap(), length);
        }
    }

    #[test]
    fn strings_of_any_length_come_back() {
        for length in [0, 20, 21, 100, 32_768, 65_535, 65_536, 65_537, 300_000] {
            for compress in [false, true] {
                let string: Vec<u8> = (0..length).map(|i: u32| (i / 7).to_le_bytes()[0]).collect();
                let bytes = written(compress, |sink| (0..3).try_for_each(|_| sink.string(&string)));
                let mut source = Source::new(&bytes[..], u64::MAX);
                for _ in 0..3 {
                    assert!(source.owned_string().unwrap() == string, "length {length}");
                }
                assert!(!compress || length <= 21 || bytes.len() < string.len() * 3);
            }
        }
    }
}

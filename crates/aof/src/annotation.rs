//! Lines that stand between commands: where the stream is, what is sealed, where all is at rest, what time it was.
//!
//! Each is one line of less than [`MAX_LINE`] bytes that begins with `#` and ends with `\r\n`, at the start of a
//! command, since that is what loaders of Redis and Valkey pass over. Ours end with the CRC-32 of all before it in
//! the line, and that of a `SUM` goes on over the bytes it announces, so that no flipped digit is taken for a
//! position. A line that begins like ours and is not whole is [`Damaged`], and never passed over: what it said
//! about the bytes behind it is lost.

use std::fmt;

use slipstream_log::{History, Offset, ReplicationId};

/// No line is longer, in bytes with its end: loaders of Redis and Valkey read so much at once.
pub const MAX_LINE: usize = 1023;

/// What our lines begin with.
const OURS: &[u8] = b"#SLIPSTREAM ";
const TIMESTAMP: &[u8] = b"#TS:";

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotation {
    /// The stream goes on from here.
    At(At),
    /// A batch follows.
    Sum(Sum),
    /// Nobody was told anything behind this offset.
    End(Offset),
    /// What follows was written at this time, in seconds since 1970.
    Timestamp(i64),
    /// A remark of somebody else.
    Other,
}

/// Where what follows begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The offset of the next byte of the stream.
    pub offset: Offset,
    /// Of which history, and where that forked.
    pub history: History,
    /// The database that the stream has selected there.
    pub database: usize,
}

/// What is said about the batch behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Where the batch begins.
    pub offset: Offset,
    /// Its bytes.
    pub length: u64,
    /// Up to where all was known to be on disk when it was written.
    pub durable: Offset,
    /// CRC-32 of the line before it, and of the batch.
    pub(crate) crc: u32,
    /// CRC-32 of the line alone, and how many bytes that is of.
    pub(crate) line_crc: u32,
    pub(crate) line_len: u64,
}

impl Sum {
    /// Whether `batch` is what the line was written for.
    pub(crate) fn is_of(&self, batch: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(batch);
        hasher.finalize() == self.crc
    }

    /// The sum so far: that of the line.
    pub(crate) fn hasher(&self) -> crc32fast::Hasher {
        crc32fast::Hasher::new_with_initial_len(self.line_crc, self.line_len)
    }
}

/// A line of ours that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a damaged annotation")
    }
}

impl std::error::Error for Damaged {}

impl Annotation {
    /// Reads a line, without its end.
    pub fn parse(line: &[u8]) -> Result<Annotation, Damaged> {
        if let Some(seconds) = line.strip_prefix(TIMESTAMP) {
            return Ok(number(seconds).map_or(Annotation::Other, Annotation::Timestamp));
        }
        let Some(rest) = line.strip_prefix(OURS) else { return Ok(Annotation::Other) };
        parse_ours(line, rest).ok_or(Damaged)
    }

    /// Whether a line is one of ours, damaged or not.
    pub(crate) fn is_ours(line: &[u8]) -> bool {
        line.starts_with(OURS)
    }
}

fn parse_ours(line: &[u8], rest: &[u8]) -> Option<Annotation> {
    let words: Vec<&[u8]> = rest.split(|byte| *byte == b' ').collect();
    let digits = *words.last()?;
    let crc = parse_crc(digits)?;
    let before = &line[..line.len() - digits.len()];
    let line_crc = crc32fast::hash(before);
    if let [b"SUM", offset, length, durable, _] = words[..] {
        let (offset, durable) = (Offset(number(offset)?), Offset(number(durable)?));
        let length = number(length)?;
        offset.0.checked_add(length)?;
        return Some(Annotation::Sum(Sum {
            offset,
            length,
            durable,
            crc,
            line_crc,
            line_len: before.len() as u64,
        }));
    }
    if crc != line_crc {
        return None;
    }
    match words[..] {
        [b"END", offset, _] => Some(Annotation::End(Offset(number(offset)?))),
        [b"AT", offset, database, id, _] => {
            let history = History::new(ReplicationId::parse(id)?);
            Some(Annotation::At(At { offset: Offset(number(offset)?), history, database: number(database)? }))
        }
        [b"AT", offset, database, id, previous, fork, _] => {
            let previous = Some((ReplicationId::parse(previous)?, Offset(number(fork)?)));
            let history = History { id: ReplicationId::parse(id)?, previous };
            Some(Annotation::At(At { offset: Offset(number(offset)?), history, database: number(database)? }))
        }
        _ => None,
    }
}

fn number<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Eight lower-case digits, in one form only.
fn parse_crc(digits: &[u8]) -> Option<u32> {
    let is_plain = digits.len() == 8 && digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f'));
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_plain)?, 16).ok()
}

impl At {
    /// Appends the line and the SELECT behind it, which a loader needs that begins each file in database 0.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let At { offset, history, database } = self;
        let mut line = format!("#SLIPSTREAM AT {offset} {database} {}", history.id);
        if let Some((previous, fork)) = history.previous {
            line.push_str(&format!(" {previous} {fork}"));
        }
        close(out, line);
        out.extend_from_slice(&self.select());
    }

    /// The request behind the line.
    pub(crate) fn select(&self) -> Vec<u8> {
        let mut request = Vec::new();
        let database = self.database.to_string();
        slipstream_resp::encode_request(&mut request, [&b"SELECT"[..], database.as_bytes()].into_iter());
        request
    }
}

/// Appends the line of a clean end at `offset`: all before it is on disk, and nobody was told anything behind it.
pub fn encode_end(out: &mut Vec<u8>, offset: Offset) {
    close(out, format!("#SLIPSTREAM END {offset}"));
}

/// Appends the line that says when what follows was written, in seconds since 1970, as Redis does.
pub fn encode_timestamp(out: &mut Vec<u8>, seconds: i64) {
    out.extend_from_slice(format!("#TS:{seconds}\r\n").as_bytes());
}

fn close(out: &mut Vec<u8>, mut line: String) {
    line.push(' ');
    let crc = crc32fast::hash(line.as_bytes());
    out.extend_from_slice(format!("{line}{crc:08x}\r\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: u8) -> ReplicationId {
        ReplicationId::parse(&[digit; 40]).unwrap()
    }

    fn line(encoded: &[u8]) -> &[u8] {
        let end = encoded.windows(2).position(|two| two == b"\r\n").unwrap();
        assert!(end + 2 <= MAX_LINE);
        &encoded[..end]
    }

    #[test]
    fn what_is_written_is_read_again() {
        let plain = At { offset: Offset(77), history: History::new(id(b'a')), database: 12 };
        let forked = At { history: plain.history.forked(id(b'b'), Offset(70)), ..plain };
        let last = At { offset: Offset(u64::MAX), ..forked };
        for at in [plain, forked, last] {
            let mut bytes = Vec::new();
            at.encode(&mut bytes);
            assert_eq!(Annotation::parse(line(&bytes)), Ok(Annotation::At(at)));
            assert_eq!(&bytes[line(&bytes).len() + 2..], b"*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n");
        }
        let mut bytes = Vec::new();
        encode_end(&mut bytes, Offset(5));
        assert_eq!(Annotation::parse(line(&bytes)), Ok(Annotation::End(Offset(5))));
        bytes.clear();
        encode_timestamp(&mut bytes, 1_700_000_000);
        assert_eq!(Annotation::parse(line(&bytes)), Ok(Annotation::Timestamp(1_700_000_000)));
    }

    #[test]
    fn lines_of_others_are_remarks() {
        for text in ["#", "# a remark", "#TS:", "#TS:soon", "#SLIPSTREAM", "#slipstream END 5"] {
            assert_eq!(Annotation::parse(text.as_bytes()), Ok(Annotation::Other), "{text}");
        }
    }

    #[test]
    fn a_line_of_ours_with_one_byte_changed_is_damaged_or_a_remark() {
        let at = At {
            offset: Offset(77),
            history: History::new(id(b'a')).forked(id(b'b'), Offset(7)),
            database: 3,
        };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        at.encode(&mut first);
        encode_end(&mut second, Offset(123));
        for whole in [line(&first), line(&second)] {
            for index in 0..whole.len() {
                for flip in [1u8, 2, 0x10, 0x20, 0x80] {
                    let mut changed = whole.to_vec();
                    changed[index] ^= flip;
                    let read = Annotation::parse(&changed);
                    let expected = if index < OURS.len() { Ok(Annotation::Other) } else { Err(Damaged) };
                    assert_eq!(read, expected, "{}", String::from_utf8_lossy(&changed));
                }
            }
        }
    }

    #[test]
    fn a_word_that_is_not_known_is_damage() {
        for text in ["#SLIPSTREAM ", "#SLIPSTREAM NEW 1 00000000", "#SLIPSTREAM SUM 1 2 00000000"] {
            assert_eq!(Annotation::parse(text.as_bytes()), Err(Damaged), "{text}");
        }
    }
}

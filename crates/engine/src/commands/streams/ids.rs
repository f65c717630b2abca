//! Ids in requests and replies.
//!
//! A number is read as strtoull reads it: spaces and a sign before it and leading zeros pass.

use slipstream_keyspace::StreamId;

use crate::errors::CommandError;

/// What an id leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenId {
    /// `ms-seq`, or `ms` where that means a certain sequence number.
    Whole(StreamId),
    /// `ms-*`.
    Milliseconds(u64),
}

/// The longest text that is looked at.
const LONGEST: usize = 127;

/// An id of two parts; `missing` is the sequence number of one that has none.
pub(super) fn parse(text: &[u8], missing: u64) -> Result<StreamId, CommandError> {
    match parse_given(text, missing, false) {
        Some(GivenId::Whole(id)) => Ok(id),
        _ => Err(CommandError::INVALID_STREAM_ID),
    }
}

/// An id as XADD takes it, where the sequence number may be `*`.
pub(super) fn parse_new(text: &[u8]) -> Result<GivenId, CommandError> {
    parse_given(text, 0, true).ok_or(CommandError::INVALID_STREAM_ID)
}

fn parse_given(text: &[u8], missing: u64, any_seq: bool) -> Option<GivenId> {
    if text.len() > LONGEST || matches!(text, b"-" | b"+") {
        return None;
    }
    // As in C, the text ends at a zero byte.
    let text = text.split(|byte| *byte == 0).next()?;
    let Some(dash) = text.iter().position(|byte| *byte == b'-') else {
        return Some(GivenId::Whole(StreamId::new(number(text)?, missing)));
    };
    let (ms, seq) = (number(&text[..dash])?, &text[dash + 1..]);
    if any_seq && seq == b"*" {
        return Some(GivenId::Milliseconds(ms));
    }
    Some(GivenId::Whole(StreamId::new(ms, number(seq)?)))
}

fn number(text: &[u8]) -> Option<u64> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let text = &text[text.iter().take_while(|byte| is_space(byte)).count()..];
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// One end of a range: `-`, `+`, an id, or `(` and an id that is not in the range itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) id: StreamId,
    pub(super) is_excluded: bool,
}

impl Bound {
    pub(super) fn parse(text: &[u8], missing: u64) -> Result<Bound, CommandError> {
        let bound = |id, is_excluded| Bound { id, is_excluded };
        match text {
            b"-" => Ok(bound(StreamId::MIN, false)),
            b"+" => Ok(bound(StreamId::MAX, false)),
            [b'(', rest @ ..] if !rest.is_empty() => Ok(bound(parse(rest, missing)?, true)),
            _ => Ok(bound(parse(text, missing)?, false)),
        }
    }

    /// The first id of a range that this begins.
    pub(super) fn start(self) -> Result<StreamId, CommandError> {
        match self.is_excluded {
            true => self.id.next().ok_or(CommandError::INVALID_RANGE_START),
            false => Ok(self.id),
        }
    }

    /// The last id of a range that this ends.
    pub(super) fn end(self) -> Result<StreamId, CommandError> {
        match self.is_excluded {
            true => self.id.previous().ok_or(CommandError::INVALID_RANGE_END),
            false => Ok(self.id),
        }
    }
}

/// An id as text.
pub(super) struct IdText {
    bytes: [u8; IdText::LONGEST],
    len: usize,
}

impl IdText {
    /// Two numbers of twenty digits and a dash.
    const LONGEST: usize = 41;

    pub(super) fn new(id: StreamId) -> Self {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut text = IdText { bytes: [0; Self::LONGEST], len: 0 };
        for part in [ms.format(id.ms), "-", seq.format(id.seq)] {
            text.bytes[text.len..text.len + part.len()].copy_from_slice(part.as_bytes());
            text.len += part.len();
        }
        text
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let check = |text: &[u8], expected: Option<(u64, u64)>| {
            let found = parse(text, 9).ok().map(|id| (id.ms, id.seq));
            assert_eq!(found, expected, "{}", text.escape_ascii());
        };
        check(b"5-3", Some((5, 3)));
        check(b"5", Some((5, 9)));
        check(b"+5- 03", Some((5, 3)));
        check(b"18446744073709551615-18446744073709551615", Some((u64::MAX, u64::MAX)));
        check(b"5\0x", Some((5, 9)));
        for bad in [&b""[..], b"-", b"+", b"x", b"5-", b"-3", b"5-3-1", b"5-*", b"5--1", b"5 "] {
            check(bad, None);
        }
        check(b"18446744073709551616", None);
        check(&[b'0'; 127], Some((0, 9)));
        check(&[b'0'; 128], None);
        assert_eq!(parse_new(b"5-*"), Ok(GivenId::Milliseconds(5)));
        assert_eq!(IdText::new(StreamId::MAX).as_bytes(), b"18446744073709551615-18446744073709551615");
    }
}

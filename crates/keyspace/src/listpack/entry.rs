//! One element of a listpack: its encoding, its reading in both directions, and the check of
//! foreign bytes.
//!
//! The readers index without further checks of meaning, so they may only be given bytes that
//! `validate` has accepted or that this crate has written; on others they panic, they never
//! read outside the slice.

use super::{END, HEADER, MANY};
use crate::item::Item;
use crate::number::parse_int;

/// Bytes that `copy_body` copies at least, where there are as many.
pub(super) const COPIED: usize = 16;

/// Why foreign bytes are not a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where in the block the fault was seen.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at offset {} of the block", self.reason, self.offset)
    }
}

impl std::error::Error for Malformed {}

/// An element ready to be written: up to 9 bytes of encoding and integer, the string, and, in a
/// listpack, the length that is read backwards.
pub(crate) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub(crate) fn of(element: &'a [u8]) -> Self {
        match parse_int(element) {
            Some(number) => Encoded::of_int(number),
            None => Encoded::of_string(element),
        }
    }

    pub(crate) fn of_item(item: Item<'a>) -> Self {
        match item {
            Item::Int(number) => Encoded::of_int(number),
            Item::Bytes(bytes) => Encoded::of_string(bytes),
        }
    }

    fn with_head(head: &[u8], data: &'a [u8]) -> Self {
        let mut bytes = [0; 9];
        bytes[..head.len()].copy_from_slice(head);
        Encoded { head: bytes, head_len: head.len(), data }
    }

    pub(crate) fn of_int(number: i64) -> Self {
        let bytes = number.to_le_bytes();
        let [b0, b1, b2, b3, ..] = bytes;
        match number {
            0..=127 => Encoded::with_head(&[b0], &[]),
            -4096..=4095 => Encoded::with_head(&[0xC0 | (b1 & 0x1F), b0], &[]),
            -0x8000..=0x7FFF => Encoded::with_head(&[0xF1, b0, b1], &[]),
            -0x80_0000..=0x7F_FFFF => Encoded::with_head(&[0xF2, b0, b1, b2], &[]),
            -0x8000_0000..=0x7FFF_FFFF => Encoded::with_head(&[0xF3, b0, b1, b2, b3], &[]),
            _ => {
                let [_, _, _, _, b4, b5, b6, b7] = bytes;
                Encoded::with_head(&[0xF4, b0, b1, b2, b3, b4, b5, b6, b7], &[])
            }
        }
    }

    fn of_string(data: &'a [u8]) -> Self {
        let len = u32::try_from(data.len()).expect("callers keep elements under 1 GiB");
        let [b0, b1, b2, b3] = len.to_le_bytes();
        match len {
            0..64 => Encoded::with_head(&[0x80 | b0], data),
            64..4096 => Encoded::with_head(&[0xE0 | b1, b0], data),
            _ => Encoded::with_head(&[0xF0, b0, b1, b2, b3], data),
        }
    }

    /// Bytes of encoding and data.
    pub(crate) fn body_len(&self) -> usize {
        self.head_len + self.data.len()
    }

    /// Writes encoding and data at the start of `out`.
    #[inline]
    pub(crate) fn write_body(&self, out: &mut [u8]) {
        out[..self.head_len].copy_from_slice(&self.head[..self.head_len]);
        out[self.head_len..self.body_len()].copy_from_slice(self.data);
    }

    /// Bytes of the whole element.
    pub(super) fn len(&self) -> usize {
        self.body_len() + back_len_size(self.body_len())
    }

    /// Writes the whole element at the start of `out`.
    pub(super) fn write(&self, out: &mut [u8]) {
        self.write_body(out);
        let (bytes, size) = back_len(self.body_len());
        out[self.body_len()..self.body_len() + size].copy_from_slice(&bytes[..size]);
    }
}

/// The length that is read backwards, and how many of the bytes spell it.
#[inline]
pub(super) fn back_len(body: usize) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let size = back_len_size(body);
    let mut rest = body;
    for place in (0..size).rev() {
        let more = if place == 0 { 0 } else { 0x80 };
        bytes[place] = rest.to_le_bytes()[0] & 0x7F | more;
        rest >>= 7;
    }
    (bytes, size)
}

/// Redis counts 16383 as too long for two bytes, so 16382 is the most they hold.
pub(super) fn back_len_size(body: usize) -> usize {
    match body {
        0..=127 => 1,
        128..16383 => 2,
        16383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// An element as read.
pub(crate) struct Entry<'a> {
    pub(crate) item: Item<'a>,
    /// Bytes of encoding and data.
    pub(crate) body: usize,
}

impl Entry<'_> {
    /// Bytes of the whole element of a listpack.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.body + back_len_size(self.body)
    }
}

/// The element at `at` of valid bytes.
#[inline]
pub(crate) fn entry_at(bytes: &[u8], at: usize) -> Entry<'_> {
    let first = bytes[at];
    let (item, body) = if first & 0x80 == 0 {
        (Item::Int(i64::from(first)), 1)
    } else if first & 0x40 == 0 {
        let len = usize::from(first & 0x3F);
        (Item::Bytes(&bytes[at + 1..at + 1 + len]), 1 + len)
    } else {
        long_entry(bytes, at)
    };
    Entry { item, body }
}

/// How many bytes encoding and data of the element at `at` take.
#[inline]
pub(crate) fn body_at(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        0..0x80 => 1,
        first @ 0x80..0xC0 => 1 + usize::from(first & 0x3F),
        _ => long_entry(bytes, at).1,
    }
}

fn long_entry(bytes: &[u8], at: usize) -> (Item<'_>, usize) {
    let first = bytes[at];
    let rest = &bytes[at + 1..];
    let string = |head: usize, len: usize| (Item::Bytes(&bytes[at + head..at + head + len]), head + len);
    match first {
        0xC0..=0xDF => {
            // Thirteen bits, sign-extended by shifting them to the top of an i16 and back.
            let value = i16::from_le_bytes([rest[0], first & 0x1F]) << 3 >> 3;
            (Item::Int(i64::from(value)), 2)
        }
        0xE0..=0xEF => string(2, usize::from(u16::from_le_bytes([rest[0], first & 0x0F]))),
        0xF0 => string(5, long_len([rest[0], rest[1], rest[2], rest[3]])),
        0xF1 => (Item::Int(i64::from(i16::from_le_bytes([rest[0], rest[1]]))), 3),
        0xF2 => (Item::Int(i64::from(i32::from_le_bytes([0, rest[0], rest[1], rest[2]]) >> 8)), 4),
        0xF3 => (Item::Int(i64::from(i32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]))), 5),
        _ => {
            let number = rest[..8].try_into().expect("eight bytes were sliced");
            (Item::Int(i64::from_le_bytes(number)), 9)
        }
    }
}

fn long_len(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(bytes)).expect("a length of 32 bits fits the address space")
}

/// Copies the first `body` bytes of `from`; short ones in one go of a length that is known, which
/// costs a fraction of what copying so few bytes takes otherwise. What follows them in `out`, of
/// which there are `COPIED` bytes more, may be changed too.
#[inline]
pub(super) fn copy_body(out: &mut [u8], from: &[u8], body: usize) {
    match (out.first_chunk_mut::<COPIED>(), from.first_chunk::<COPIED>()) {
        (Some(out), Some(from)) if body <= COPIED => *out = *from,
        _ => out[..body].copy_from_slice(&from[..body]),
    }
}

/// Where the element that ends just before `end` begins.
#[inline]
pub(super) fn entry_before(bytes: &[u8], end: usize) -> usize {
    let (body, size) = back_len_before(bytes, end);
    end - size - body
}

/// The length that ends just before `end`, and how many bytes spell it.
fn back_len_before(bytes: &[u8], end: usize) -> (usize, usize) {
    let mut body = 0;
    let mut size = 0;
    loop {
        let byte = bytes[end - 1 - size];
        body |= usize::from(byte & 0x7F) << (7 * size);
        size += 1;
        if byte & 0x80 == 0 || size == 5 {
            return (body, size);
        }
    }
}

/// How many bytes of `bytes` from `at` on the element's encoding and data claim, or None when
/// the block ends before that is known or the first byte means nothing.
fn claimed(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    Some(match *rest.first()? {
        0..0x80 => 1,
        first @ 0x80..=0xBF => 1 + usize::from(first & 0x3F),
        0xC0..=0xDF => 2,
        first @ 0xE0..=0xEF => 2 + usize::from(u16::from_le_bytes([*rest.get(1)?, first & 0x0F])),
        0xF0 => 5usize.checked_add(long_len(rest.get(1..5)?.try_into().ok()?))?,
        0xF1 => 3,
        0xF2 => 4,
        0xF3 => 5,
        0xF4 => 9,
        _ => return None,
    })
}

/// Checks a foreign block element by element and returns how many there are.
pub(super) fn validate(bytes: &[u8]) -> Result<usize, Malformed> {
    let fault = |offset, reason| Err(Malformed { offset, reason });
    if bytes.len() <= HEADER {
        return fault(0, "listpack shorter than its header");
    }
    if long_len([bytes[0], bytes[1], bytes[2], bytes[3]]) != bytes.len() {
        return fault(0, "listpack of another length than it says");
    }
    let mut at = HEADER;
    let mut count = 0;
    while bytes[at] != END {
        let Some(body) = claimed(bytes, at) else { return fault(at, "bad element encoding") };
        let Some(end) = at.checked_add(body + back_len_size(body)).filter(|end| *end < bytes.len()) else {
            return fault(at, "element longer than its listpack");
        };
        if back_len_before(bytes, end) != (body, back_len_size(body)) {
            return fault(end, "backward length differs from the element's");
        }
        at = end;
        count += 1;
    }
    if at + 1 != bytes.len() {
        return fault(at, "end of listpack before its last byte");
    }
    let stored = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    if stored != MANY && stored != count {
        return fault(4, "listpack of another count than it says");
    }
    Ok(count)
}

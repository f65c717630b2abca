//! Field names and values as bytes: short integers are integers, strings have a short length.
//!
//! ```text
//! 0xxxxxxx                  integer 0 to 127
//! 10xxxxxx +1               integer 128 + 14 bits, big-endian
//! 110xxxxx +2               integer 16512 + 21 bits, big-endian
//! 0xE0 to 0xF6              string of 0 to 22 bytes
//! 0xF7 +1                   string of 23 + u8 bytes
//! 0xF8 varint               longer string
//! 0xF9 +1                   integer -1 - u8
//! 0xFA +2                   integer -257 - u16, big-endian
//! 0xFB +4  0xFC +6  0xFD +8 any other integer of 32, 48, 64 bits, little-endian
//! varint: seven bits per byte, the lowest first, the top bit set if more follow
//! ```
//! An item never takes more bytes than in a listpack. Reading is for bytes that this file wrote:
//! on others it panics.

use crate::item::Item;
use crate::number::parse_int;

const TWO_BYTES_FROM: i64 = 1 << 7;
const THREE_BYTES_FROM: i64 = TWO_BYTES_FROM + (1 << 14);
const THREE_BYTES_TO: i64 = THREE_BYTES_FROM + (1 << 21) - 1;

const STRING: u8 = 0xE0;
const LONGEST_IN_TAG: usize = 22;
const STRING_U8: u8 = 0xF7;
const STRING_LONG: u8 = 0xF8;
const NEGATIVE_U8: u8 = 0xF9;
const NEGATIVE_U16: u8 = 0xFA;
const INT_32: u8 = 0xFB;
const INT_48: u8 = 0xFC;
const INT_64: u8 = 0xFD;

/// Appends an item; bytes that spell an integer become one.
pub(super) fn put_item(out: &mut Vec<u8>, item: Item<'_>) {
    match item {
        Item::Int(number) => put_int(out, number),
        Item::Bytes(bytes) => match parse_int(bytes) {
            Some(number) => put_int(out, number),
            None => put_string(out, bytes),
        },
    }
}

fn put_int(out: &mut Vec<u8>, number: i64) {
    let [b0, b1, b2, ..] = number.to_le_bytes();
    match number {
        0..TWO_BYTES_FROM => out.push(b0),
        TWO_BYTES_FROM..THREE_BYTES_FROM => {
            let [b0, b1, ..] = (number - TWO_BYTES_FROM).to_le_bytes();
            out.extend_from_slice(&[0x80 | b1, b0]);
        }
        THREE_BYTES_FROM..=THREE_BYTES_TO => {
            let [b0, b1, b2, ..] = (number - THREE_BYTES_FROM).to_le_bytes();
            out.extend_from_slice(&[0xC0 | b2, b1, b0]);
        }
        -0x100..=-1 => out.extend_from_slice(&[NEGATIVE_U8, !b0]),
        -0x1_0100..=-0x101 => {
            let [b0, b1, ..] = (-0x101 - number).to_le_bytes();
            out.extend_from_slice(&[NEGATIVE_U16, b1, b0]);
        }
        -0x8000_0000..=0x7FFF_FFFF => {
            out.extend_from_slice(&[INT_32, b0, b1, b2, number.to_le_bytes()[3]]);
        }
        -0x8000_0000_0000..=0x7FFF_FFFF_FFFF => {
            out.push(INT_48);
            out.extend_from_slice(&number.to_le_bytes()[..6]);
        }
        _ => {
            out.push(INT_64);
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = bytes.len();
    match u8::try_from(len) {
        Ok(short) if len <= LONGEST_IN_TAG => out.push(STRING + short),
        _ => match u8::try_from(len - LONGEST_IN_TAG - 1) {
            Ok(more) => out.extend_from_slice(&[STRING_U8, more]),
            Err(_) => {
                out.push(STRING_LONG);
                put_varint(out, u64::try_from(len).expect("usize fits in u64"));
            }
        },
    }
    out.extend_from_slice(bytes);
}

/// Takes an item off the front of `rest`.
#[inline]
pub(super) fn take_item<'a>(rest: &mut &'a [u8]) -> Item<'a> {
    let (tag, after) = split_first(rest);
    *rest = after;
    match tag {
        0..0x80 => Item::Int(i64::from(tag)),
        0x80..0xC0 => {
            Item::Int(TWO_BYTES_FROM + i64::from(u16::from_be_bytes([tag & 0x3F, take_byte(rest)])))
        }
        0xC0..0xE0 => {
            let (high, low) = (take_byte(rest), take_byte(rest));
            Item::Int(THREE_BYTES_FROM + i64::from(u32::from_be_bytes([0, tag & 0x1F, high, low])))
        }
        STRING..STRING_U8 => take_string(rest, usize::from(tag - STRING)),
        STRING_U8 => {
            let len = LONGEST_IN_TAG + 1 + usize::from(take_byte(rest));
            take_string(rest, len)
        }
        STRING_LONG => {
            let len = usize::try_from(take_varint(rest)).expect("only lengths of slices are written");
            take_string(rest, len)
        }
        NEGATIVE_U8 => Item::Int(-1 - i64::from(take_byte(rest))),
        NEGATIVE_U16 => {
            let (high, low) = (take_byte(rest), take_byte(rest));
            Item::Int(-0x101 - i64::from(u16::from_be_bytes([high, low])))
        }
        INT_32 => Item::Int(take_le(rest, 4)),
        INT_48 => Item::Int(take_le(rest, 6)),
        INT_64 => Item::Int(take_le(rest, 8)),
        _ => unreachable!("no such tag is written"),
    }
}

fn split_first(rest: &[u8]) -> (u8, &[u8]) {
    let (first, after) = rest.split_first().expect("items are whole");
    (*first, after)
}

pub(super) fn take_byte(rest: &mut &[u8]) -> u8 {
    let (first, after) = split_first(rest);
    *rest = after;
    first
}

fn take_string<'a>(rest: &mut &'a [u8], len: usize) -> Item<'a> {
    let (bytes, after) = rest.split_at(len);
    *rest = after;
    Item::Bytes(bytes)
}

/// A signed integer of `width` bytes.
fn take_le(rest: &mut &[u8], width: usize) -> i64 {
    let (bytes, after) = rest.split_at(width);
    *rest = after;
    let mut wide = [0; 8];
    wide[8 - width..].copy_from_slice(bytes);
    i64::from_le_bytes(wide) >> (8 * (8 - width))
}

/// Appends a number in groups of seven bits.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(0x80 | (number.to_le_bytes()[0] & 0x7F));
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Takes such a number off the front of `rest`.
pub(super) fn take_varint(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let byte = take_byte(rest);
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return number;
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listpack;

    fn check(item: Item<'_>, bytes: usize) {
        let mut out = Vec::new();
        put_item(&mut out, item);
        assert!(out.len() <= listpack::element_len(item), "{item:?} is longer than in a listpack");
        assert_eq!(out.len(), bytes, "{item:?}");
        out.extend_from_slice(b"rest");
        let mut rest = out.as_slice();
        assert_eq!(take_item(&mut rest), item);
        assert_eq!(rest, b"rest");
    }

    #[test]
    fn every_item_reads_back_and_takes_no_more_than_in_a_listpack() {
        for (number, bytes) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (16511, 2),
            (16512, 3),
            (2_113_663, 3),
            (2_113_664, 5),
            (-1, 2),
            (-256, 2),
            (-257, 3),
            (-65_792, 3),
            (-65_793, 5),
            (i64::from(i32::MAX), 5),
            (i64::from(i32::MIN), 5),
            (i64::from(i32::MAX) + 1, 7),
            (1_700_000_000_000, 7),
            (-0x8000_0000_0000, 7),
            (0x8000_0000_0000, 9),
            (i64::MAX, 9),
            (i64::MIN, 9),
        ] {
            check(Item::Int(number), bytes);
            check(Item::Bytes(number.to_string().as_bytes()), bytes);
        }
        for (len, more) in [(0, 1), (22, 1), (23, 2), (278, 2), (279, 3), (70_000, 4)] {
            check(Item::Bytes(&vec![b'x'; len]), len + more);
        }
        check(Item::Bytes(b"007"), 4);
    }

    #[test]
    fn integers_of_middling_size_are_no_longer_than_in_a_listpack() {
        for bits in 0..63 {
            for number in [1i64 << bits, -(1i64 << bits), (1i64 << bits) - 1] {
                let mut out = Vec::new();
                put_item(&mut out, Item::Int(number));
                assert!(out.len() <= listpack::element_len(Item::Int(number)), "{number}");
                assert_eq!(take_item(&mut out.as_slice()), Item::Int(number));
            }
        }
    }

    #[test]
    fn varints_read_back() {
        for number in [0, 127, 128, 16_383, 16_384, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            let mut rest = out.as_slice();
            assert_eq!((take_varint(&mut rest), rest.len()), (number, 0));
        }
    }
}

//! One element of a collection, as it is stored.
//!
//! Packed collections keep integers in binary; `Item` hands such an element to its reader
//! without printing digits that the reader may not need.

use crate::number::parse_int;

/// An element of a list, set, hash or sorted set: bytes, or an integer that stands for its
/// canonical decimal digits.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// Stands for the number's decimal digits.
    Int(i64),
    /// The bytes themselves.
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// The element's bytes; `scratch` holds the digits of an integer.
    pub fn bytes<'b>(&'b self, scratch: &'b mut itoa::Buffer) -> &'b [u8] {
        match self {
            Item::Int(number) => scratch.format(*number).as_bytes(),
            Item::Bytes(bytes) => bytes,
        }
    }

    /// The element's bytes, owned.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut itoa::Buffer::new()).to_vec()
    }

    /// The integer that these bytes are the canonical spelling of.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Item::Int(number) => Some(*number),
            Item::Bytes(bytes) => parse_int(bytes),
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Item::Int(number) => crate::number::decimal_len(*number),
            Item::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether this is the empty string.
    pub fn is_empty(&self) -> bool {
        matches!(self, Item::Bytes([]))
    }

    /// Whether the element's bytes are `other`.
    pub fn is(&self, other: &[u8]) -> bool {
        match self {
            Item::Int(number) => parse_int(other) == Some(*number),
            Item::Bytes(bytes) => *bytes == other,
        }
    }
}

impl PartialEq for Item<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Item::Int(a), Item::Int(b)) => a == b,
            (Item::Bytes(a), other) | (other, Item::Bytes(a)) => other.is(a),
        }
    }
}

impl Eq for Item<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_equals_its_digits_only() {
        assert_eq!(Item::Int(-12), Item::Bytes(b"-12"));
        assert_eq!(Item::Bytes(b"12"), Item::Int(12));
        assert_ne!(Item::Int(12), Item::Bytes(b"012"));
        assert_eq!(Item::Int(-120).len(), 4);
        assert_eq!(Item::Int(i64::MIN).to_vec(), b"-9223372036854775808");
        assert_eq!(Item::Bytes(b"1x").as_int(), None);
    }
}

/// Bytes that are looked for among many elements: whether they spell an integer is found out once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needle<'a> {
    bytes: &'a [u8],
    number: Option<i64>,
}

impl<'a> Needle<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Needle<'a> {
        Needle { bytes, number: parse_int(bytes) }
    }

    /// Whether `item` is what is looked for.
    #[inline]
    pub(crate) fn is(&self, item: Item<'_>) -> bool {
        match item {
            Item::Int(number) => self.number == Some(number),
            Item::Bytes(bytes) => bytes == self.bytes,
        }
    }
}

//! String values.
//!
//! An integer is kept in binary, up to 22 bytes in place, up to 1 KiB in a box that belongs to
//! this value alone, and anything bigger, or anything that was edited in place, behind a shared
//! pointer with room to grow. So copying a segment for a snapshot never copies a big string, and
//! a long run of APPENDs does not reallocate each time.
//! Invariant: `Repr::Shared` is the only form that reports "raw" below 45 bytes.

use std::sync::Arc;

use crate::item::Item;
use crate::number::parse_int;
use crate::short_bytes::ShortBytes;

/// Redis stores strings up to this length next to their header.
const EMBEDDED: usize = 44;
/// Longer strings are shared between snapshots rather than copied with their segment.
const BOXED: usize = 1024;

/// A string value.
#[derive(Clone, Debug)]
pub struct Str(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Int(i64),
    Short(ShortBytes),
    Shared(Arc<Vec<u8>>),
}

impl Str {
    /// A value as SET stores it: an integer where the bytes are the canonical spelling of one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match parse_int(bytes) {
            Some(number) => Str::from_int(number),
            None => Str::plain(bytes),
        }
    }

    /// A value that stays text even where it looks like an integer (INCRBYFLOAT's result).
    pub fn plain(bytes: &[u8]) -> Self {
        if bytes.len() <= BOXED {
            Str(Repr::Short(ShortBytes::new(bytes)))
        } else {
            Str(Repr::Shared(Arc::new(bytes.to_vec())))
        }
    }

    /// A value from bytes that the caller owns; like `from_bytes` without the copy of a big one.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.len() <= BOXED { Str::from_bytes(&bytes) } else { Str(Repr::Shared(Arc::new(bytes))) }
    }

    /// An integer.
    pub fn from_int(number: i64) -> Self {
        Str(Repr::Int(number))
    }

    /// Bytes that were edited in place: the encoding is always "raw".
    pub fn raw(bytes: Vec<u8>) -> Self {
        Str(Repr::Shared(Arc::new(bytes)))
    }

    /// The value as an element.
    pub fn item(&self) -> Item<'_> {
        match &self.0 {
            Repr::Int(number) => Item::Int(*number),
            Repr::Short(bytes) => Item::Bytes(bytes.as_slice()),
            Repr::Shared(bytes) => Item::Bytes(bytes),
        }
    }

    /// The value's bytes; `scratch` holds the digits of an integer.
    pub fn bytes<'a>(&'a self, scratch: &'a mut itoa::Buffer) -> &'a [u8] {
        match &self.0 {
            Repr::Int(number) => scratch.format(*number).as_bytes(),
            Repr::Short(bytes) => bytes.as_slice(),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// The value as owned bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.item().to_vec()
    }

    /// The integer that the value spells, if it does so canonically.
    pub fn as_int(&self) -> Option<i64> {
        self.item().as_int()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.item().len()
    }

    /// Whether this is the empty string.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores an integer in place.
    pub fn set_int(&mut self, number: i64) {
        self.0 = Repr::Int(number);
    }

    /// Stores what SET would store, reusing the allocation where the length is the same.
    pub fn assign(&mut self, bytes: &[u8]) {
        match (&mut self.0, parse_int(bytes)) {
            (_, Some(number)) => self.0 = Repr::Int(number),
            (Repr::Short(old), None) if bytes.len() <= BOXED => old.assign(bytes),
            (_, None) => *self = Str::plain(bytes),
        }
    }

    /// Adds bytes at the end and returns the new length.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let value = self.make_raw();
        value.extend_from_slice(bytes);
        value.len()
    }

    /// Overwrites from `offset` on, filling a gap with zero bytes, and returns the new length.
    /// The caller has checked the sum against its limit.
    pub fn set_range(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let value = self.make_raw();
        let end = offset + bytes.len();
        if value.len() < end {
            value.resize(end, 0);
        }
        value[offset..end].copy_from_slice(bytes);
        value.len()
    }

    /// The bytes for editing in place; the value is "raw" from here on.
    pub fn make_raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, Repr::Shared(_)) {
            self.0 = Repr::Shared(Arc::new(self.to_vec()));
        }
        match &mut self.0 {
            Repr::Shared(bytes) => Arc::make_mut(bytes),
            _ => unreachable!("made shared above"),
        }
    }

    /// What OBJECT ENCODING says: "int", "embstr" or "raw".
    pub fn encoding_name(&self) -> &'static str {
        match &self.0 {
            Repr::Int(_) => "int",
            Repr::Short(bytes) if bytes.as_slice().len() <= EMBEDDED => "embstr",
            _ => "raw",
        }
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        match &self.0 {
            Repr::Int(_) => 0,
            Repr::Short(bytes) => bytes.heap_size(),
            Repr::Shared(bytes) => bytes.capacity() + size_of::<Vec<u8>>() + 16,
        }
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.item() == other.item()
    }
}

impl Eq for Str {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &Str, bytes: &[u8], encoding: &str) {
        assert_eq!(value.to_vec(), bytes);
        assert_eq!(value.len(), bytes.len());
        assert_eq!(value.encoding_name(), encoding);
        assert_eq!(value.bytes(&mut itoa::Buffer::new()), bytes);
    }

    #[test]
    fn the_encoding_follows_the_bytes() {
        check(&Str::from_bytes(b"12"), b"12", "int");
        check(&Str::from_bytes(b"012"), b"012", "embstr");
        check(&Str::from_bytes(&[b'x'; 22]), &[b'x'; 22], "embstr");
        check(&Str::from_bytes(&[b'x'; 44]), &[b'x'; 44], "embstr");
        check(&Str::from_bytes(&[b'x'; 45]), &[b'x'; 45], "raw");
        check(&Str::from_bytes(&[b'x'; 5000]), &[b'x'; 5000], "raw");
        check(&Str::plain(b"12"), b"12", "embstr");
        check(&Str::from_vec(vec![b'1'; 3]), b"111", "int");
    }

    #[test]
    fn an_edit_in_place_leaves_raw() {
        let mut value = Str::from_bytes(b"12");
        assert_eq!(value.append(b"3"), 3);
        check(&value, b"123", "raw");
        assert_eq!(value.as_int(), Some(123));
        let mut value = Str::from_bytes(b"ab");
        assert_eq!(value.set_range(4, b"x"), 5);
        check(&value, b"ab\0\0x", "raw");
        assert_eq!(value.set_range(0, b"A"), 5);
        check(&value, b"Ab\0\0x", "raw");
    }

    #[test]
    fn an_edit_leaves_clones_alone() {
        let mut value = Str::raw(b"shared".to_vec());
        let clone = value.clone();
        value.append(b"!");
        check(&clone, b"shared", "raw");
        value.assign(b"abc");
        check(&value, b"abc", "embstr");
        value.assign(b"77");
        check(&value, b"77", "int");
    }
}

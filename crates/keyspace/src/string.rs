//! String values.
//!
//! An integer is kept in binary. Up to 1 KiB are borrowed from where they are stored, or owned: up
//! to 22 bytes in place, else in a box that belongs to this value alone. Anything bigger, and
//! anything that is being edited in place, is behind a shared pointer with room to grow. So a
//! snapshot never copies a big string, and a long run of APPENDs does not reallocate each time.
//! Invariant: `Repr::Edited` and `Repr::Shared` are the only forms that report "raw" below 45 bytes.

use triomphe::Arc;

use crate::item::Item;
use crate::number::parse_int;
use crate::short_bytes::ShortBytes;
use crate::size_class::ARC_HEADER;

/// Redis stores strings up to this length next to their header.
const EMBEDDED: usize = 44;
/// Longer strings are shared between snapshots rather than copied with their segment.
const SMALL: usize = 1024;

/// A string value.
#[derive(Clone, Debug)]
pub struct Str<'a>(Repr<'a>);

#[derive(Clone, Debug)]
enum Repr<'a> {
    Int(i64),
    /// As stored.
    Plain(&'a [u8]),
    /// As stored after an edit in place.
    Edited(&'a [u8]),
    Short(ShortBytes),
    Shared(Arc<Vec<u8>>),
}

/// A string that is small enough to be stored as its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SmallStr<'a> {
    Int(i64),
    Plain(&'a [u8]),
    /// Reports "raw" whatever its length.
    Edited(&'a [u8]),
}

impl Str<'static> {
    /// A value as SET stores it: an integer where the bytes are the canonical spelling of one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match parse_int(bytes) {
            Some(number) => Str::from_int(number),
            None => Str::plain(bytes),
        }
    }

    /// A value that stays text even where it looks like an integer (INCRBYFLOAT's result).
    pub fn plain(bytes: &[u8]) -> Self {
        if bytes.len() <= SMALL {
            Str(Repr::Short(ShortBytes::new(bytes)))
        } else {
            Str(Repr::Shared(Arc::new(bytes.to_vec())))
        }
    }

    /// A value from bytes that the caller owns; like `from_bytes` without the copy of a big one.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.len() <= SMALL { Str::from_bytes(&bytes) } else { Str(Repr::Shared(Arc::new(bytes))) }
    }

    /// An integer.
    pub fn from_int(number: i64) -> Self {
        Str(Repr::Int(number))
    }

    /// Bytes that were edited in place: the encoding is always "raw".
    pub fn raw(bytes: Vec<u8>) -> Self {
        Str(Repr::Shared(Arc::new(bytes)))
    }
}

impl<'a> Str<'a> {
    /// The string that `small` gave.
    pub(crate) fn of_small(small: SmallStr<'a>) -> Self {
        Str(match small {
            SmallStr::Int(number) => Repr::Int(number),
            SmallStr::Plain(bytes) => Repr::Plain(bytes),
            SmallStr::Edited(bytes) => Repr::Edited(bytes),
        })
    }

    /// What to store of a string of up to 1 KiB; none of a bigger one.
    pub(crate) fn small(&self) -> Option<SmallStr<'_>> {
        match &self.0 {
            Repr::Int(number) => Some(SmallStr::Int(*number)),
            Repr::Plain(bytes) => Some(SmallStr::Plain(bytes)),
            Repr::Edited(bytes) => Some(SmallStr::Edited(bytes)),
            Repr::Short(bytes) => Some(SmallStr::Plain(bytes.as_slice())),
            Repr::Shared(bytes) => (bytes.len() <= SMALL).then_some(SmallStr::Edited(bytes)),
        }
    }

    /// The same string; a small one is borrowed, a big one shared.
    #[inline]
    pub fn view(&self) -> Str<'_> {
        Str(match &self.0 {
            Repr::Int(number) => Repr::Int(*number),
            Repr::Plain(bytes) => Repr::Plain(bytes),
            Repr::Edited(bytes) => Repr::Edited(bytes),
            Repr::Short(bytes) => Repr::Plain(bytes.as_slice()),
            Repr::Shared(bytes) => Repr::Shared(Arc::clone(bytes)),
        })
    }

    /// The same string, owned.
    pub fn into_owned(self) -> Str<'static> {
        match self.0 {
            Repr::Int(number) => Str(Repr::Int(number)),
            Repr::Plain(bytes) => Str::plain(bytes),
            Repr::Edited(bytes) => Str::raw(bytes.to_vec()),
            Repr::Short(bytes) => Str(Repr::Short(bytes)),
            Repr::Shared(bytes) => Str(Repr::Shared(bytes)),
        }
    }

    /// The value as an element.
    pub fn item(&self) -> Item<'_> {
        match &self.0 {
            Repr::Int(number) => Item::Int(*number),
            Repr::Plain(bytes) | Repr::Edited(bytes) => Item::Bytes(bytes),
            Repr::Short(bytes) => Item::Bytes(bytes.as_slice()),
            Repr::Shared(bytes) => Item::Bytes(bytes),
        }
    }

    /// The value's bytes; `scratch` holds the digits of an integer.
    pub fn bytes<'b>(&'b self, scratch: &'b mut itoa::Buffer) -> &'b [u8] {
        match &self.0 {
            Repr::Int(number) => scratch.format(*number).as_bytes(),
            Repr::Plain(bytes) | Repr::Edited(bytes) => bytes,
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
            (Repr::Short(old), None) if bytes.len() <= SMALL => old.assign(bytes),
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
            Repr::Plain(bytes) if bytes.len() <= EMBEDDED => "embstr",
            Repr::Short(bytes) if bytes.as_slice().len() <= EMBEDDED => "embstr",
            _ => "raw",
        }
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        match &self.0 {
            Repr::Int(_) | Repr::Plain(_) | Repr::Edited(_) => 0,
            Repr::Short(bytes) => bytes.heap_size(),
            Repr::Shared(bytes) => bytes.capacity() + size_of::<Vec<u8>>() + ARC_HEADER,
        }
    }
}

impl PartialEq for Str<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.item() == other.item()
    }
}

impl Eq for Str<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &Str<'_>, bytes: &[u8], encoding: &str) {
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

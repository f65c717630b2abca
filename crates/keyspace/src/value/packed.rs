//! How a small value lies in a page: a kind and the bytes that stand for it.
//!
//! Owns the choice of those bytes and the way back, which copies nothing: what `unpack` gives
//! borrows them. The bytes are this crate's own and are not checked again.
//! Invariant: a value that was packed and unpacked is equal in every respect that can be seen, its
//! encoding included; whatever `pack` has no bytes for is kept beside the page.
//!
//! ```text
//! Int                    0 to 8 bytes, little-endian, as few as keep the sign
//! Plain, Edited          the string
//! Ints                   the intset as Redis stores it
//! List, Set, Hash, Zset  the elements in turn, in less than a listpack takes (`items.rs`)
//! ```

use super::Value;
use crate::hash::Hash;
use crate::intset::Intset;
use crate::items::Items;
use crate::list::List;
use crate::number::parse_int;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::string::{SmallStr, Str};

/// What a page writes in place of a kind for a value that is kept beside it.
pub(crate) const BESIDE: u8 = 0;

/// What the bytes of a small value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A string that is an integer.
    Int = 1,
    /// A string.
    Plain = 2,
    /// A string that was edited in place, and so reports "raw" whatever its length.
    Edited = 3,
    /// A list.
    List = 4,
    /// A set of integers.
    Ints = 5,
    /// A set.
    Set = 6,
    /// A hash.
    Hash = 7,
    /// A sorted set.
    SortedSet = 8,
}

impl Kind {
    /// The kind that was written as `self as u8`; none for `BESIDE`.
    #[inline]
    pub(crate) fn from_code(code: u8) -> Option<Kind> {
        Some(match code {
            1 => Kind::Int,
            2 => Kind::Plain,
            3 => Kind::Edited,
            4 => Kind::List,
            5 => Kind::Ints,
            6 => Kind::Set,
            7 => Kind::Hash,
            8 => Kind::SortedSet,
            _ => return None,
        })
    }
}

/// The bytes that stand for a small value; none for one that is to be kept beside the page.
/// `scratch` holds those of an integer.
#[inline]
pub(crate) fn pack<'v>(value: &'v Value<'_>, scratch: &'v mut [u8; 8]) -> Option<(Kind, &'v [u8])> {
    Some(match value {
        Value::String(string) => match string.small()? {
            SmallStr::Int(number) => (Kind::Int, int_bytes(number, scratch)),
            SmallStr::Plain(bytes) => (Kind::Plain, bytes),
            SmallStr::Edited(bytes) => (Kind::Edited, bytes),
        },
        Value::List(list) => (Kind::List, list.items()?.bytes()),
        Value::Set(set) => match set.ints() {
            Some(ints) => (Kind::Ints, ints.bytes()),
            None => (Kind::Set, set.items()?.bytes()),
        },
        Value::Hash(hash) if hash.has_deadlines() => return None,
        Value::Hash(hash) => (Kind::Hash, hash.items()?.bytes()),
        Value::SortedSet(set) => (Kind::SortedSet, set.items()?.bytes()),
        Value::Stream(_) => return None,
    })
}

/// The kind and the bytes of the string that SET stores for `bytes`.
#[inline]
pub(crate) fn packed_string<'v>(bytes: &'v [u8], scratch: &'v mut [u8; 8]) -> (Kind, &'v [u8]) {
    match parse_int(bytes) {
        Some(number) => (Kind::Int, int_bytes(number, scratch)),
        None => (Kind::Plain, bytes),
    }
}

/// The value that `pack` gave this kind and these bytes for.
#[inline]
pub(crate) fn unpack(kind: Kind, bytes: &[u8]) -> Value<'_> {
    match kind {
        Kind::Int => Value::String(Str::of_small(SmallStr::Int(int_of(bytes)))),
        Kind::Plain => Value::String(Str::of_small(SmallStr::Plain(bytes))),
        Kind::Edited => Value::String(Str::of_small(SmallStr::Edited(bytes))),
        Kind::List => Value::List(List::of_items(Items::of_block(bytes))),
        Kind::Ints => Value::Set(Set::of_ints(Intset::of_block(bytes))),
        Kind::Set => Value::Set(Set::of_items(Items::of_block(bytes))),
        Kind::Hash => Value::Hash(Hash::of_items(Items::of_block(bytes))),
        Kind::SortedSet => Value::SortedSet(SortedSet::of_items(Items::of_block(bytes))),
    }
}

fn int_bytes(number: i64, scratch: &mut [u8; 8]) -> &[u8] {
    // One bit for the sign beside those of the number; zero has neither.
    let bits = if number == 0 { 0 } else { 65 - (number ^ (number >> 63)).leading_zeros() };
    *scratch = number.to_le_bytes();
    &scratch[..usize::try_from(bits.div_ceil(8)).expect("at most 8")]
}

fn int_of(bytes: &[u8]) -> i64 {
    let sign = bytes.last().is_some_and(|last| *last >= 0x80);
    let mut wide = if sign { [0xFF; 8] } else { [0; 8] };
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, ScoreFormat, UnixMillis, value_digest};

    /// Packs, unpacks, and packs what came out; gives the kind and the number of bytes.
    fn check(value: Value<'static>) -> (Kind, usize) {
        let mut scratch = [0; 8];
        let (kind, bytes) = pack(&value, &mut scratch).unwrap();
        let view = unpack(Kind::from_code(kind as u8).unwrap(), bytes);
        assert_eq!(view.type_name(), value.type_name());
        assert_eq!(view.encoding_name(), value.encoding_name());
        assert_eq!(view.len(), value.len());
        let digest = |value| value_digest(value, None, ScoreFormat::Shortest);
        assert_eq!(digest(&view), digest(&value));
        let len = bytes.len();
        for again in [view.view(), view.clone().into_owned()] {
            assert_eq!(again.encoding_name(), value.encoding_name());
            assert_eq!(pack(&again, &mut [0; 8]), Some((kind, bytes)));
        }
        (kind, len)
    }

    fn numbers(list: &mut List<'_>, count: i64) {
        (0..count).for_each(|number| list.push_front(number.to_string().as_bytes(), &Encoding::default()));
    }

    #[test]
    fn strings_come_back() {
        for (number, len) in [
            (0, 0),
            (1, 1),
            (-1, 1),
            (127, 1),
            (-128, 1),
            (128, 2),
            (-129, 2),
            (1 << 40, 6),
            (i64::MAX, 8),
            (i64::MIN, 8),
        ] {
            let value = Str::from_int(number);
            assert_eq!(check(value.clone().into()), (Kind::Int, len), "{number}");
            assert_eq!(Str::of_small(value.small().unwrap()).as_int(), Some(number));
        }
        for len in [0, 22, 23, 44, 45, 1024] {
            assert_eq!(check(Str::plain(&vec![b'x'; len]).into()), (Kind::Plain, len));
            assert_eq!(check(Str::raw(vec![b'x'; len]).into()), (Kind::Edited, len));
        }
        assert!(pack(&Str::plain(&[b'x'; 1025]).into(), &mut [0; 8]).is_none());
    }

    #[test]
    fn packed_collections_come_back() {
        let encoding = Encoding::default();
        let (mut list, mut set, mut hash, mut zset) =
            (List::new(), Set::new(), Hash::new(), SortedSet::new());
        for round in 0..100i32 {
            let text = format!("{round}");
            list.push_front(text.as_bytes(), &encoding);
            set.insert(text.as_bytes(), &encoding);
            hash.insert(text.as_bytes(), b"value", &encoding);
            zset.insert(text.as_bytes(), f64::from(round) / 3.0, &encoding);
            assert_eq!(check(list.clone().into()).0, Kind::List);
            assert_eq!(check(set.clone().into()).0, Kind::Ints);
            assert_eq!(check(hash.clone().into()).0, Kind::Hash);
            assert_eq!(check(zset.clone().into()).0, Kind::SortedSet);
        }
        set.insert(b"text", &encoding);
        assert_eq!(check(set.into()).0, Kind::Set);
    }

    #[test]
    fn big_values_have_no_bytes() {
        let encoding = Encoding {
            hash_max_listpack_entries: 0,
            set_max_intset_entries: 0,
            set_max_listpack_entries: 0,
            zset_max_listpack_entries: 0,
            list_max_listpack_size: 1,
            ..Encoding::default()
        };
        let (mut list, mut set, mut hash, mut zset) =
            (List::new(), Set::new(), Hash::new(), SortedSet::new());
        (0..2).for_each(|_| list.push_back(b"a", &encoding));
        set.insert(b"a", &encoding);
        hash.insert(b"a", b"b", &encoding);
        zset.insert(b"a", 1.0, &encoding);
        let mut timed = Hash::new();
        timed.insert(b"a", b"b", &Encoding::default());
        timed.set_deadline(b"a", UnixMillis(1), &Encoding::default());
        for value in [list.into(), set.into(), hash.into(), zset.into(), timed.into()] {
            assert!(pack(&value, &mut [0; 8]).is_none(), "{}", value.type_name());
        }
        assert_eq!(Kind::from_code(BESIDE), None);
    }

    #[test]
    fn a_change_of_a_view_leaves_the_bytes_alone() {
        let mut list = List::new();
        numbers(&mut list, 10);
        let block = list.items().unwrap().bytes().to_vec();
        let mut view = List::of_items(Items::of_block(&block));
        numbers(&mut view, 5);
        assert_eq!((view.len(), list.len()), (15, 10));
        assert_eq!(list.items().unwrap().bytes(), block);
        let changes: [fn(&mut List<'_>, &Encoding) -> bool; 5] = [
            |list, encoding| list.pop_front(encoding).is_some(),
            |list, encoding| list.pop_back(encoding).is_some(),
            |list, encoding| list.set(3, b"longer than it was", encoding),
            |list, encoding| list.remove_equal(b"5", 1, false, encoding) == 1,
            |list, encoding| list.remove_range(2, 3, encoding) == 3,
        ];
        for change in changes {
            let (mut owned, mut view) = (list.clone(), List::of_items(Items::of_block(&block)));
            assert!(change(&mut owned, &Encoding::default()));
            assert!(change(&mut view, &Encoding::default()));
            assert!(view.iter().eq(owned.iter()));
            assert_eq!(list.items().unwrap().bytes(), block);
        }
    }
}

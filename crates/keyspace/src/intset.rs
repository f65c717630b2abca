//! Intset: a sorted array of integers of one width, exactly as Redis lays it out in memory and
//! in RDB files.
//!
//! Owns searching, inserting, removing and the check of foreign bytes. The width grows to what
//! the widest member needs and never shrinks. The bytes may be borrowed from where they are stored,
//! until the first change copies them.
//!
//! ```text
//! width u32 LE (2, 4 or 8) | members u32 LE | member, sorted, LE …
//! ```

use std::borrow::Cow;

use crate::listpack::Malformed;

const HEADER: usize = 8;

/// A sorted set of integers, borrowed or owned.
#[derive(Clone, Debug)]
pub struct Intset<'a> {
    bytes: Cow<'a, [u8]>,
}

impl Default for Intset<'_> {
    fn default() -> Self {
        Intset::new()
    }
}

impl Intset<'static> {
    /// An empty set.
    pub fn new() -> Self {
        Intset { bytes: Cow::Owned(vec![2, 0, 0, 0, 0, 0, 0, 0]) }
    }

    /// Takes foreign bytes after checking that they are sorted and without duplicates.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let fault = |offset, reason| Err(Malformed { offset, reason });
        if bytes.len() < HEADER {
            return fault(0, "intset shorter than its header");
        }
        if !matches!(bytes[..4], [2 | 4 | 8, 0, 0, 0]) {
            return fault(0, "bad width of an intset");
        }
        let set = Intset { bytes: Cow::Owned(bytes.to_vec()) };
        let [c0, c1, c2, c3] = [bytes[4], bytes[5], bytes[6], bytes[7]];
        let count = usize::try_from(u32::from_le_bytes([c0, c1, c2, c3])).unwrap_or(usize::MAX);
        if !(bytes.len() - HEADER).is_multiple_of(set.width()) || count != set.len() {
            return fault(4, "intset of another count than it says");
        }
        for index in 1..set.len() {
            if set.at(index - 1) >= set.at(index) {
                return fault(HEADER + index * set.width(), "intset not in order");
            }
        }
        Ok(set)
    }
}

impl<'a> Intset<'a> {
    /// The set that `block` was taken from with `bytes`.
    pub(crate) fn of_block(block: &'a [u8]) -> Self {
        Intset { bytes: Cow::Borrowed(block) }
    }

    /// The same members, borrowed.
    pub fn view(&self) -> Intset<'_> {
        Intset { bytes: Cow::Borrowed(&self.bytes) }
    }

    /// The same members, owned.
    pub fn into_owned(self) -> Intset<'static> {
        Intset { bytes: Cow::Owned(self.bytes.into_owned()) }
    }

    /// The block, as Redis stores it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        (self.bytes.len() - HEADER) / self.width()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER
    }

    /// Member `index` in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The smallest member.
    pub fn min(&self) -> Option<i64> {
        self.get(0)
    }

    /// The greatest member.
    pub fn max(&self) -> Option<i64> {
        self.get(self.len().wrapping_sub(1))
    }

    /// Whether `number` is a member.
    pub fn contains(&self, number: i64) -> bool {
        self.search(number).is_ok()
    }

    /// Adds `number`; false when it was a member.
    pub fn insert(&mut self, number: i64) -> bool {
        let Err(index) = self.search(number) else { return false };
        let width = width_of(number);
        if width > self.width() {
            self.widen(width);
        }
        let width = self.width();
        let at = HEADER + index * width;
        let bytes = self.bytes.to_mut();
        let end = bytes.len();
        if bytes.capacity() - end < width {
            bytes.reserve_exact(width + end / 8);
        }
        bytes.resize(end + width, 0);
        bytes.copy_within(at..end, at + width);
        bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
        self.write_count();
        true
    }

    /// Removes `number`; false when it was no member.
    pub fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = self.search(number) else { return false };
        let width = self.width();
        let at = HEADER + index * width;
        self.bytes.to_mut().drain(at..at + width);
        self.write_count();
        true
    }

    /// The members in ascending order.
    pub fn iter(&self) -> IntsetIter<'_> {
        IntsetIter { set: self, next: 0 }
    }

    /// Bytes allocated beside the value itself.
    pub fn heap_size(&self) -> usize {
        match &self.bytes {
            Cow::Borrowed(_) => 0,
            Cow::Owned(bytes) => bytes.capacity(),
        }
    }

    fn width(&self) -> usize {
        usize::from(self.bytes[0])
    }

    fn at(&self, index: usize) -> i64 {
        let at = HEADER + index * self.width();
        match &self.bytes[at..at + self.width()] {
            &[b0, b1] => i64::from(i16::from_le_bytes([b0, b1])),
            &[b0, b1, b2, b3] => i64::from(i32::from_le_bytes([b0, b1, b2, b3])),
            wide => i64::from_le_bytes(wide.try_into().expect("the width is 2, 4 or 8")),
        }
    }

    /// The index of `number`, or where it would be.
    fn search(&self, number: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle).cmp(&number) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn widen(&mut self, width: usize) {
        let mut bytes = Vec::with_capacity(HEADER + (self.len() + 1) * width);
        bytes.extend_from_slice(&self.bytes[..HEADER]);
        bytes[0] = width.to_le_bytes()[0];
        for number in self.iter() {
            bytes.extend_from_slice(&number.to_le_bytes()[..width]);
        }
        self.bytes = Cow::Owned(bytes);
    }

    fn write_count(&mut self) {
        let count = u32::try_from(self.len()).expect("insertion is limited to 2^30 members");
        self.bytes.to_mut()[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }
}

fn width_of(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

/// The members of an intset in ascending order.
#[derive(Clone, Debug)]
pub struct IntsetIter<'a> {
    set: &'a Intset<'a>,
    next: usize,
}

impl Iterator for IntsetIter<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let number = self.set.get(self.next)?;
        self.next += 1;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn members_match_a_sorted_set_through_every_width() {
        let mut rng = fastrand::Rng::with_seed(2);
        let mut set = Intset::new();
        let mut model = BTreeSet::new();
        for round in 0..6000u32 {
            let number = match round {
                0..2000 => i64::from(rng.i16(-500..500)),
                2000..4000 => i64::from(rng.i32(..)),
                _ => rng.i64(..),
            };
            assert_eq!(set.insert(number), model.insert(number));
            if rng.bool() {
                let number = *rng.choice(&model.iter().copied().collect::<Vec<_>>()).unwrap();
                assert_eq!(set.remove(number), model.remove(&number));
            }
            assert_eq!(set.contains(number), model.contains(&number));
        }
        assert!(set.iter().eq(model.iter().copied()));
        assert_eq!((set.min(), set.max()), (model.first().copied(), model.last().copied()));
        assert!(Intset::from_bytes(set.bytes()).unwrap().iter().eq(model));
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut set = Intset::new();
        for number in [3, -1, 2] {
            set.insert(number);
        }
        assert_eq!(set.bytes(), [2, 0, 0, 0, 3, 0, 0, 0, 0xFF, 0xFF, 2, 0, 3, 0]);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = [2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0];
        assert_eq!(Intset::from_bytes(&good).unwrap().len(), 2);
        for (at, byte) in [(0, 3), (1, 1), (4, 3), (8, 2), (10, 0)] {
            let mut bytes = good;
            bytes[at] = byte;
            assert!(Intset::from_bytes(&bytes).is_err(), "{at}");
        }
        assert!(Intset::from_bytes(&good[..7]).is_err());
        assert!(Intset::from_bytes(&good[..11]).is_err());
    }
}

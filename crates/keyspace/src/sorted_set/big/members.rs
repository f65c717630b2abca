//! The members of a big sorted set: its leaves by number, and the index from a member's hash to
//! the number of its leaf.
//!
//! Owns both and keeps them in step; knows nothing of the order among leaves. A leaf keeps its
//! number as long as it lives, so only members that change leaves are noted anew.
//! Invariant: every member of every leaf in use is in the index once, and nothing else.

use ahash::RandomState;
use std::hash::{BuildHasher, Hasher};

use super::index::Index;
use super::leaf::{Leaf, New};
use crate::pages::Pages;

/// Members whose places in the index are read ahead together.
const AHEAD: usize = 8;

/// The number of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeafId(u32);

/// Where a member was found.
pub(super) struct Found {
    pub(super) leaf: LeafId,
    pub(super) at: usize,
    pub(super) score: f64,
}

#[derive(Clone)]
enum Place {
    Leaf(Leaf),
    /// Not in use; the number of the next such place.
    Free(Option<LeafId>),
}

impl Default for Place {
    fn default() -> Self {
        Place::Free(None)
    }
}

/// Leaves and index.
#[derive(Clone)]
pub(super) struct Members {
    hasher: RandomState,
    leaves: Pages<Place>,
    free: Option<LeafId>,
    index: Index,
    /// How many leaves are in use, and the bytes allocated for them.
    used: usize,
    bytes: usize,
}

impl Members {
    pub(super) fn new(seed: [u64; 4]) -> Self {
        let [k0, k1, k2, k3] = seed;
        Members {
            hasher: RandomState::with_seeds(k0, k1, k2, k3),
            leaves: Pages::new(),
            free: None,
            index: Index::new(),
            used: 0,
            bytes: 0,
        }
    }

    /// The part of a member's hash that index and leaves go by.
    #[inline]
    pub(super) fn hash(&self, member: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(member);
        u32::try_from(hasher.finish() >> 32).expect("32 bits are left")
    }

    /// Where `member` is, whose hash is given.
    #[inline]
    pub(super) fn find(&self, hash: u32, member: &[u8]) -> Option<Found> {
        self.index.leaves(hash).find_map(|number| {
            let leaf = self.leaf(LeafId(number));
            let (at, score) = leaf.find(hash, member)?;
            Some(Found { leaf: LeafId(number), at, score })
        })
    }

    #[inline]
    pub(super) fn leaf(&self, id: LeafId) -> &Leaf {
        match self.leaves.at(id.index()) {
            Place::Leaf(leaf) => leaf,
            Place::Free(_) => unreachable!("the tree and the index name leaves in use"),
        }
    }

    /// Changes a leaf, which stays in use.
    #[inline]
    pub(super) fn change<R>(&mut self, id: LeafId, change: impl FnOnce(&mut Leaf) -> R) -> R {
        let Place::Leaf(leaf) = self.leaves.at_mut(id.index()) else {
            unreachable!("the tree and the index name leaves in use")
        };
        let before = leaf.heap_size();
        let result = change(leaf);
        self.bytes = self.bytes - before + leaf.heap_size();
        result
    }

    /// Puts a member before entry `at` of a leaf that has room.
    pub(super) fn insert(&mut self, id: LeafId, at: usize, new: New<'_>) {
        self.change(id, |leaf| leaf.insert(at, new));
        self.note(new, id);
    }

    /// A new leaf with one member.
    pub(super) fn add(&mut self, new: New<'_>) -> LeafId {
        let id = self.take_in(Leaf::of(new));
        self.note(new, id);
        id
    }

    fn note(&mut self, new: New<'_>, id: LeafId) {
        match new.noted {
            Some(before) => self.index.rename(new.hash, before.0, id.0),
            None => self.index.insert(new.hash, id.0),
        }
    }

    /// Removes a member from the index that was in a leaf.
    pub(super) fn forget(&mut self, hash: u32, id: LeafId) {
        self.index.remove(hash, id.0);
    }

    /// Removes the entries of a range of a leaf.
    pub(super) fn cut(&mut self, id: LeafId, range: std::ops::Range<usize>) {
        self.read_ahead(id, &range);
        self.forget_range(id, range.clone());
        self.change(id, |leaf| leaf.cut(range));
    }

    /// One member that is taken from an end is followed by others, as a rule: what the index is going to be asked for
    /// is read for some of them at a time, so that the processor does not wait for one place after the other.
    fn read_ahead(&self, id: LeafId, range: &std::ops::Range<usize>) {
        let leaf = self.leaf(id);
        let count = leaf.len();
        if range.len() != 1 || !count.is_multiple_of(AHEAD) {
            return;
        }
        let next = match (range.start, range.end) {
            (0, _) => 0..AHEAD,
            (_, end) if end == count => count - AHEAD..count,
            _ => return,
        };
        let seen = next.map(|at| self.index.touch(self.hash(leaf.key(at).1)));
        std::hint::black_box(seen.fold(0, |all, seen| all ^ seen));
    }

    /// Removes a leaf with all its entries.
    pub(super) fn drop_leaf(&mut self, id: LeafId) {
        self.forget_range(id, 0..self.leaf(id).len());
        self.release(id);
    }

    /// Moves the upper half of a leaf of several entries to a new one.
    pub(super) fn split(&mut self, id: LeafId) -> LeafId {
        let right = self.change(id, |leaf| leaf.split_off(leaf.middle()));
        let to = self.take_in(right);
        self.rename(to, id, to);
        to
    }

    /// Moves entries between two neighbours until both have about the same bytes, and returns
    /// whether that is possible.
    pub(super) fn even_out(&mut self, left: LeafId, right: LeafId) -> bool {
        let Some((new_left, new_right)) = self.leaf(left).evened_out(self.leaf(right)) else { return false };
        let before = self.leaf(left).len();
        if new_left.len() < before {
            self.rename_range(left, new_left.len()..before, right);
        } else {
            self.rename_range(right, 0..new_left.len() - before, left);
        }
        self.change(left, |leaf| *leaf = new_left);
        self.change(right, |leaf| *leaf = new_right);
        true
    }

    /// Notes that the members of a range of leaf `from` are in `to` now.
    fn rename_range(&mut self, from: LeafId, range: std::ops::Range<usize>, to: LeafId) {
        let leaf = self.leaf(from).clone();
        for at in range {
            self.index.rename(self.hash(leaf.key(at).1), from.0, to.0);
        }
    }

    /// Merges two neighbours into one leaf and returns its number, if they are small enough.
    pub(super) fn merge(&mut self, left: LeafId, right: LeafId) -> Option<LeafId> {
        let merged = self.leaf(left).merged_with(self.leaf(right))?;
        // Fewer members change their leaf.
        let (kept, lost) =
            if self.leaf(left).len() < self.leaf(right).len() { (right, left) } else { (left, right) };
        self.rename(lost, lost, kept);
        self.change(kept, |leaf| *leaf = merged);
        self.release(lost);
        Some(kept)
    }

    /// One step of a scan in the order of hashes, see `Index::scan`.
    pub(super) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.index.scan(cursor, count, |hash, number| {
            let leaf = self.leaf(LeafId(number));
            for at in leaf.tagged(hash) {
                let (score, member) = leaf.key(at);
                if self.hash(member) == hash {
                    visit(member, score);
                }
            }
        })
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// How many leaves there are.
    pub(super) fn leaves(&self) -> usize {
        self.used
    }

    /// Bytes allocated.
    pub(super) fn heap_size(&self) -> usize {
        self.index.heap_size() + self.leaves.heap_size() + self.bytes
    }

    fn forget_range(&mut self, id: LeafId, range: std::ops::Range<usize>) {
        for at in range {
            let hash = self.hash(self.leaf(id).key(at).1);
            self.index.remove(hash, id.0);
        }
    }

    /// Notes that the members of leaf `of` are no longer in `from` but in `to`.
    fn rename(&mut self, of: LeafId, from: LeafId, to: LeafId) {
        let leaf = self.leaf(of).clone();
        for at in 0..leaf.len() {
            self.index.rename(self.hash(leaf.key(at).1), from.0, to.0);
        }
    }

    fn take_in(&mut self, leaf: Leaf) -> LeafId {
        self.used += 1;
        self.bytes += leaf.heap_size();
        let Some(id) = self.free else {
            let number = u32::try_from(self.leaves.len()).expect("fewer than 2^32 leaves fit memory");
            self.leaves.push(Place::Leaf(leaf));
            return LeafId(number);
        };
        let place = std::mem::replace(self.leaves.at_mut(id.index()), Place::Leaf(leaf));
        let Place::Free(next) = place else { unreachable!("only free places are in the list") };
        self.free = next;
        id
    }

    fn release(&mut self, id: LeafId) {
        self.used -= 1;
        self.bytes -= self.leaf(id).heap_size();
        *self.leaves.at_mut(id.index()) = Place::Free(self.free);
        self.free = Some(id);
    }
}

impl LeafId {
    #[inline]
    fn index(self) -> usize {
        usize::try_from(self.0).expect("addresses have at least 32 bits")
    }
}

#[cfg(test)]
impl Members {
    /// Checks that leaves and index name the same `count` members and that bytes are counted.
    pub(super) fn check(&self, count: usize) {
        let (mut used, mut bytes, mut members) = (0, 0, 0);
        for (number, place) in self.leaves.iter().enumerate() {
            let Place::Leaf(leaf) = place else { continue };
            used += 1;
            bytes += leaf.heap_size();
            members += leaf.len();
            for at in 0..leaf.len() {
                let hash = self.hash(leaf.key(at).1);
                assert!(self.index.leaves(hash).any(|found| LeafId(found).index() == number));
            }
        }
        assert_eq!((used, bytes, members), (self.used, self.bytes, count));
        assert_eq!(self.index.fill().iter().sum::<usize>(), count);
    }
}

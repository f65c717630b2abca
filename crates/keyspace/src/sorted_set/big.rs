//! The big form of a sorted set: a counted tree of packed leaves in order, and an index from a
//! member's hash to the leaf that it is in.
//!
//! ```text
//! order (nodes, copied on write)        members
//!   bound, weight, leaf number  ──►  leaves by number: packed score and member, 1 KiB at most
//!                                       ▲
//!                                    index: hash (32 bits), leaf number (32 bits)
//! ```
//!
//! The bytes of a member are stored once. An index of hash and score would do for lookups, but
//! ZSCAN must find the members of a range of hashes, and among a million members of one score a
//! score does not say where. So the index names the leaf, in which some bits of the hash find
//! the member; in turn, members that change leaves when one splits are noted anew, which is about
//! one write to the index per insertion.
//! Nearly all leaves are of one size, which keeps the allocator's memory without holes; a full
//! one shares with a neighbour before it is split, which keeps them full.
//! Invariant: order and index name the same leaves; no score is NaN.

mod index;
mod iter;
mod leaf;
mod members;
mod order;
#[cfg(test)]
mod tests;

pub(super) use iter::{Iter, RevIter};
use leaf::New;
use members::Members;
use order::Node;

use crate::encoding::Encoding;
use crate::item::Item;
use crate::table::Fill;

/// A sorted set above the thresholds of the packed form.
#[derive(Clone)]
pub(crate) struct BigSortedSet {
    order: Node,
    members: Members,
}

impl BigSortedSet {
    pub(crate) fn new(encoding: &Encoding) -> Self {
        BigSortedSet { order: Node::default(), members: Members::new(encoding.seed) }
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The score of `member`.
    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        Some(self.members.find(self.members.hash(member), member)?.score)
    }

    /// How many members come before `member`.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<usize> {
        let found = self.members.find(self.members.hash(member), member)?;
        let key = (found.score, member);
        let (leaf, rank) = self.order.leaf_of(|other| super::bound::order(other, key).is_le())?;
        assert_eq!(leaf, found.leaf, "the order leads to the leaf that the index names");
        Some(rank + found.at)
    }

    /// How many leading members `before` holds for; it holds for none after the first it does
    /// not hold for.
    pub(crate) fn count_while(&self, before: impl Fn((f64, &[u8])) -> bool) -> usize {
        let found = self.order.leaf_of(&before);
        found.map_or(0, |(leaf, rank)| rank + self.members.leaf(leaf).partition_point(before))
    }

    /// Members and scores in order, from `rank` to the last.
    pub(crate) fn iter_from_rank(&self, rank: usize) -> Iter<'_> {
        Iter::new(self, rank)
    }

    /// Members and scores in reverse order, from `rank` to the first.
    pub(crate) fn iter_rev_from_rank(&self, rank: usize) -> RevIter<'_> {
        RevIter::new(self, rank)
    }

    /// A member chosen fairly, and its score.
    pub(crate) fn random(&self, rng: &mut fastrand::Rng) -> Option<(Item<'_>, f64)> {
        if self.len() == 0 {
            return None;
        }
        self.iter_from_rank(rng.usize(..self.len())).next()
    }

    /// One step of ZSCAN: visits members in the order of their hashes from `cursor` on, about
    /// `count` of them, and returns the next cursor, 0 at the end. What is present during a whole
    /// scan is visited, whatever else comes and goes.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, f64)) -> u64 {
        self.members.scan(cursor, count, |member, score| visit(Item::Bytes(member), score))
    }

    /// How the members fill the blocks of the index.
    pub(crate) fn fill(&self) -> Fill {
        Fill { entries: self.members.index().fill(), capacity: index::BLOCK }
    }

    /// About how many allocations there are.
    pub(crate) fn block_count(&self) -> usize {
        self.members.leaves() + self.members.index().blocks()
    }

    /// Bytes allocated beside the value itself.
    pub(crate) fn heap_size(&self) -> usize {
        self.members.heap_size() + self.order.heap_size()
    }

    /// Adds a member or gives it another score, which is never NaN, and returns its old score.
    pub(crate) fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let hash = self.members.hash(member);
        let Some(found) = self.members.find(hash, member) else {
            self.order.insert(New { score, member, hash, noted: None }, &mut self.members);
            return None;
        };
        if found.score != score {
            let new = New { score, member, hash, noted: Some(found.leaf) };
            if !self.members.change(found.leaf, |leaf| leaf.change_score(found.at, new)) {
                self.order.take((found.score, member), &found, &mut self.members);
                self.order.insert(new, &mut self.members);
            }
        }
        Some(found.score)
    }

    /// Removes a member and returns its score.
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.members.hash(member);
        let found = self.members.find(hash, member)?;
        self.order.take((found.score, member), &found, &mut self.members);
        self.members.forget(hash, found.leaf);
        Some(found.score)
    }

    /// Removes `count` members, which exist, from rank `start` on.
    pub(crate) fn remove_ranks(&mut self, start: usize, count: usize) {
        self.order.remove_ranks(start, count, &mut self.members);
    }
}

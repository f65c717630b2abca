//! The big form of a sorted set: a table from member to score and a counted tree ordered by
//! score, then member, so that a rank or the edge of a score range is found in O(log n).
//!
//! Invariant: table and tree hold the same pairs; no score is NaN.

mod iter;
mod leaf;

pub(super) use iter::{Iter, RevIter};
use leaf::{Key, Leaf};

use super::bound::order;
use crate::encoding::Encoding;
use crate::item::Item;
use crate::short_bytes::ShortBytes;
use crate::table::{Entry, Fill, Table};
use crate::tree::Tree;

/// A sorted set above the thresholds of the packed form.
#[derive(Clone)]
pub(crate) struct BigSortedSet {
    scores: Table<Scored>,
    order: Tree<Leaf>,
}

/// A member, found by name.
#[derive(Clone)]
struct Scored {
    member: ShortBytes,
    score: f64,
}

impl Entry for Scored {
    fn key(&self) -> &[u8] {
        self.member.as_slice()
    }
}

impl BigSortedSet {
    pub(crate) fn new(encoding: &Encoding) -> Self {
        BigSortedSet { scores: Table::new(encoding.seed), order: Tree::new() }
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    /// The score of `member`.
    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).map(|scored| scored.score)
    }

    /// How many members come before `member`.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.count_while(|other| order(other, (score, member)).is_lt()))
    }

    /// How many leading members `before` holds for; it holds for none after the first it does
    /// not hold for.
    pub(crate) fn count_while(&self, before: impl Fn((f64, &[u8])) -> bool) -> usize {
        let found = self.order.chunk_before(|bound: &Key| !before(bound.borrow()));
        found.map_or(0, |(leaf, rank)| rank + leaf.partition_point(before))
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
        self.scores.random(rng).map(|scored| (Item::Bytes(scored.key()), scored.score))
    }

    /// One step of ZSCAN, as `Table::scan`.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item<'_>, f64)) -> u64 {
        self.scores.scan(cursor, count, |scored: &Scored| visit(Item::Bytes(scored.key()), scored.score))
    }

    /// How the elements fill the segments of the table.
    pub(crate) fn fill(&self) -> Fill {
        self.scores.fill()
    }

    /// About how many allocations there are.
    pub(crate) fn block_count(&self) -> usize {
        self.scores.segments() + self.order.chunks()
    }

    /// Bytes allocated beside the value itself, from a sample of `samples` members (0: all).
    pub(crate) fn heap_size(&self, samples: usize) -> usize {
        let members = self.scores.sampled(samples, |scored| scored.member.heap_size());
        self.scores.heap_size() + 2 * members + self.order.heap_size(samples)
    }

    /// Adds a member or gives it another score, which is never NaN, and returns its old score.
    pub(crate) fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        match self.scores.find(member) {
            Ok(place) => {
                let old = self.scores.at(place).score;
                if old != score {
                    self.scores.at_mut(place).score = score;
                    self.move_in_order(member, old, score);
                }
                Some(old)
            }
            Err(hash) => {
                let name = ShortBytes::new(member);
                self.scores.insert_new(hash, Scored { member: name.clone(), score });
                self.insert_in_order(Key { score, member: name });
                None
            }
        }
    }

    /// Removes a member and returns its score.
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let scored = self.scores.remove(member)?;
        self.remove_in_order(member, scored.score);
        Some(scored.score)
    }

    /// Removes `count` members, which exist, from rank `start` on.
    pub(crate) fn remove_ranks(&mut self, start: usize, count: usize) {
        let mut rank = start;
        while rank < start + count {
            let Some((leaf, local)) = self.order.chunk_at(rank) else { break };
            let taken = (leaf.len() - local).min(start + count - rank);
            for member in &leaf.members()[local..local + taken] {
                self.scores.remove(member.as_slice());
            }
            rank += taken;
        }
        self.order.remove_range(start, count, Leaf::cut);
    }

    fn insert_in_order(&mut self, key: Key) {
        let (score, member) = (key.score, key.member.clone());
        let past = |bound: &Key| order(bound.borrow(), (score, member.as_slice())).is_gt();
        self.order.edit_before(past, |leaf, added| leaf.insert(key, added));
    }

    fn remove_in_order(&mut self, member: &[u8], score: f64) -> Key {
        let past = |bound: &Key| order(bound.borrow(), (score, member)).is_gt();
        self.order.edit_before(past, |leaf, _| leaf.remove((score, member)))
    }

    fn move_in_order(&mut self, member: &[u8], old: f64, new: f64) {
        let past = |bound: &Key| order(bound.borrow(), (old, member)).is_gt();
        let moved = self.order.edit_before(past, |leaf, _| leaf.move_within((old, member), new));
        if !moved {
            let mut key = self.remove_in_order(member, old);
            key.score = new;
            self.insert_in_order(key);
        }
    }
}

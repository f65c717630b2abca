//! Walking a sorted set in both directions, from any rank.
//!
//! A big set is walked leaf by leaf; the next leaf is looked up by its rank, which needs no stack.

use super::Body;
use super::leaf::Leaf;
use super::packed::known_score;
use crate::item::Item;
use crate::listpack;

/// Members and scores in ascending order.
#[derive(Clone)]
pub struct SortedSetIter<'a> {
    body: &'a Body,
    packed: Option<listpack::Iter<'a>>,
    leaf: Option<(&'a Leaf, std::ops::Range<usize>)>,
    /// Rank of the first member after the leaf.
    next: usize,
}

impl<'a> SortedSetIter<'a> {
    pub(super) fn new(body: &'a Body, rank: usize) -> Self {
        let packed = match body {
            Body::Packed(block) => {
                block.seek(rank.saturating_mul(2)).map(|position| block.iter_from(position))
            }
            Body::Big(_) => None,
        };
        SortedSetIter { body, packed, leaf: None, next: rank }
    }
}

impl<'a> Iterator for SortedSetIter<'a> {
    type Item = (Item<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(packed) = &mut self.packed {
            return Some((packed.next()?, known_score(packed.next()?)));
        }
        loop {
            if let Some((leaf, rest)) = &mut self.leaf
                && let Some(at) = rest.next()
            {
                return Some(pair(leaf, at));
            }
            let Body::Big(big) = self.body else { return None };
            let (leaf, local) = big.order.chunk_at(self.next)?;
            self.leaf = Some((leaf, local..leaf.len()));
            self.next += leaf.len() - local;
        }
    }
}

/// Members and scores in descending order.
#[derive(Clone)]
pub struct SortedSetRevIter<'a> {
    body: &'a Body,
    packed: Option<listpack::RevIter<'a>>,
    leaf: Option<(&'a Leaf, std::ops::Range<usize>)>,
    /// How many members precede the leaf.
    before: usize,
}

impl<'a> SortedSetRevIter<'a> {
    pub(super) fn new(body: &'a Body, rank: usize) -> Self {
        let (packed, before) = match body {
            Body::Packed(block) => {
                let score = block.seek(rank.saturating_mul(2).saturating_add(1));
                (score.map(|position| block.iter_rev_from(position)), 0)
            }
            Body::Big(big) => (None, if rank < big.order.len() { rank + 1 } else { 0 }),
        };
        SortedSetRevIter { body, packed, leaf: None, before }
    }
}

impl<'a> Iterator for SortedSetRevIter<'a> {
    type Item = (Item<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(packed) = &mut self.packed {
            let score = known_score(packed.next()?);
            return Some((packed.next()?, score));
        }
        loop {
            if let Some((leaf, rest)) = &mut self.leaf
                && let Some(at) = rest.next_back()
            {
                return Some(pair(leaf, at));
            }
            let Body::Big(big) = self.body else { return None };
            let (leaf, local) = big.order.chunk_at(self.before.checked_sub(1)?)?;
            self.leaf = Some((leaf, 0..local + 1));
            self.before -= local + 1;
        }
    }
}

fn pair(leaf: &Leaf, at: usize) -> (Item<'_>, f64) {
    (Item::Bytes(leaf.members()[at].as_slice()), leaf.scores()[at])
}

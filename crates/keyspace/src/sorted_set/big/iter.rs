//! Walking a big sorted set leaf by leaf.
//!
//! The next leaf is looked up by its rank, which costs O(log n) once per leaf and needs no stack.

use super::BigSortedSet;
use super::leaf::Leaf;
use crate::item::Item;

/// Members and scores in ascending order.
#[derive(Clone)]
pub(in crate::sorted_set) struct Iter<'a> {
    set: &'a BigSortedSet,
    leaf: Option<(&'a Leaf, std::ops::Range<usize>)>,
    /// Rank of the first member after the leaf.
    next: usize,
}

impl<'a> Iter<'a> {
    pub(super) fn new(set: &'a BigSortedSet, rank: usize) -> Self {
        Iter { set, leaf: None, next: rank }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Item<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((leaf, rest)) = &mut self.leaf
                && let Some(at) = rest.next()
            {
                return Some(pair(leaf, at));
            }
            let (leaf, local) = self.set.order.leaf_at(self.next)?;
            let leaf = self.set.members.leaf(leaf);
            self.leaf = Some((leaf, local..leaf.len()));
            self.next += leaf.len() - local;
        }
    }
}

/// Members and scores in descending order.
#[derive(Clone)]
pub(in crate::sorted_set) struct RevIter<'a> {
    set: &'a BigSortedSet,
    leaf: Option<(&'a Leaf, std::ops::Range<usize>)>,
    /// How many members precede the leaf.
    before: usize,
}

impl<'a> RevIter<'a> {
    pub(super) fn new(set: &'a BigSortedSet, rank: usize) -> Self {
        RevIter { set, leaf: None, before: if rank < set.len() { rank + 1 } else { 0 } }
    }
}

impl<'a> Iterator for RevIter<'a> {
    type Item = (Item<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((leaf, rest)) = &mut self.leaf
                && let Some(at) = rest.next_back()
            {
                return Some(pair(leaf, at));
            }
            let (leaf, local) = self.set.order.leaf_at(self.before.checked_sub(1)?)?;
            let leaf = self.set.members.leaf(leaf);
            self.leaf = Some((leaf, 0..local + 1));
            self.before -= local + 1;
        }
    }
}

fn pair(leaf: &Leaf, at: usize) -> (Item<'_>, f64) {
    let (score, member) = leaf.key(at);
    (Item::Bytes(member), score)
}

//! Walking a sorted set in both directions, from any rank.
//!
//! Borrows the set: an iterator never outlives the call that asked for it.

use super::packed::known_score;
use super::{Body, big};
use crate::item::Item;
use crate::items;

/// Members and scores in ascending order.
#[derive(Clone)]
pub struct SortedSetIter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    /// None where the walk starts behind the last member.
    Packed(Option<items::Iter<'a>>),
    Tree(big::Iter<'a>),
}

impl<'a> SortedSetIter<'a> {
    pub(super) fn new(body: &'a Body<'_>, rank: usize) -> Self {
        SortedSetIter(match body {
            Body::Packed(block) => {
                let position = block.seek(rank.saturating_mul(2));
                Walk::Packed(position.map(|position| block.iter_from(position)))
            }
            Body::Tree(big) => Walk::Tree(big.iter_from_rank(rank)),
        })
    }
}

impl<'a> Iterator for SortedSetIter<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Packed(block) => {
                let block = block.as_mut()?;
                Some((block.next()?, known_score(block.next()?)))
            }
            Walk::Tree(tree) => tree.next(),
        }
    }
}

/// Members and scores in descending order.
#[derive(Clone)]
pub struct SortedSetRevIter<'a>(RevWalk<'a>);

#[derive(Clone)]
enum RevWalk<'a> {
    Packed(items::RevIter<'a>),
    Tree(big::RevIter<'a>),
}

impl<'a> SortedSetRevIter<'a> {
    pub(super) fn new(body: &'a Body<'_>, rank: usize) -> Self {
        SortedSetRevIter(match body {
            Body::Packed(block) => {
                RevWalk::Packed(block.iter_rev_from(rank.saturating_mul(2).saturating_add(1)))
            }
            Body::Tree(big) => RevWalk::Tree(big.iter_rev_from_rank(rank)),
        })
    }
}

impl<'a> Iterator for SortedSetRevIter<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            RevWalk::Packed(block) => {
                let score = known_score(block.next()?);
                Some((block.next()?, score))
            }
            RevWalk::Tree(tree) => tree.next(),
        }
    }
}

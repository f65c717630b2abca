//! Walking a list in both directions.
//!
//! Borrows the list: an iterator never outlives the call that asked for it.

use super::{Body, big};
use crate::item::Item;
use crate::items;
use crate::listpack;

/// Elements towards the tail.
#[derive(Clone)]
pub struct ListIter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    /// None where the walk starts behind the last element.
    Short(Option<items::Iter<'a>>),
    Packed(Option<listpack::Iter<'a>>),
    Chunks(big::Iter<'a>),
}

impl<'a> ListIter<'a> {
    pub(super) fn new(body: &'a Body<'_>, index: usize) -> Self {
        ListIter(match body {
            Body::Short(items) => Walk::Short(items.seek(index).map(|position| items.iter_from(position))),
            Body::Packed(packed) => {
                Walk::Packed(packed.seek(index).map(|position| packed.iter_from(position)))
            }
            Body::Chunks(big) => Walk::Chunks(big.iter_from(index)),
        })
    }
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match &mut self.0 {
            Walk::Short(block) => block.as_mut()?.next(),
            Walk::Packed(block) => block.as_mut()?.next(),
            Walk::Chunks(big) => big.next(),
        }
    }
}

/// Elements towards the head.
#[derive(Clone)]
pub struct ListRevIter<'a>(RevWalk<'a>);

#[derive(Clone)]
enum RevWalk<'a> {
    Short(items::RevIter<'a>),
    Packed(Option<listpack::RevIter<'a>>),
    Chunks(big::RevIter<'a>),
}

impl<'a> ListRevIter<'a> {
    pub(super) fn new(body: &'a Body<'_>, index: usize) -> Self {
        ListRevIter(match body {
            Body::Short(items) => RevWalk::Short(items.iter_rev_from(index)),
            Body::Packed(packed) => {
                RevWalk::Packed(packed.seek(index).map(|position| packed.iter_rev_from(position)))
            }
            Body::Chunks(big) => RevWalk::Chunks(big.iter_rev_from(index)),
        })
    }
}

impl<'a> Iterator for ListRevIter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match &mut self.0 {
            RevWalk::Short(block) => block.next(),
            RevWalk::Packed(block) => block.as_mut()?.next(),
            RevWalk::Chunks(big) => big.next(),
        }
    }
}

//! Walking a set in any of its encodings.
//!
//! Borrows the set: an iterator never outlives the call that asked for it.

use super::{Body, Members, member};
use crate::intset::IntsetIter;
use crate::item::Item;
use crate::items;
use crate::table::TableIter;

/// All members of a set.
#[derive(Clone)]
pub struct SetIter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Ints(IntsetIter<'a>),
    Packed(items::Iter<'a>),
    Table(TableIter<'a, Members>),
}

impl<'a> SetIter<'a> {
    pub(super) fn new(body: &'a Body<'_>) -> Self {
        SetIter(match body {
            Body::Ints(ints) => Walk::Ints(ints.iter()),
            Body::Packed(packed) => Walk::Packed(packed.iter()),
            Body::Table(table) => Walk::Table(table.iter()),
        })
    }
}

impl<'a> Iterator for SetIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        match &mut self.0 {
            Walk::Ints(ints) => ints.next().map(Item::Int),
            Walk::Packed(packed) => packed.next(),
            Walk::Table(table) => table.next().map(member),
        }
    }
}

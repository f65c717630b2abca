//! Walking a hash in either encoding.
//!
//! Borrows the hash: an iterator never outlives the call that asked for it.

use super::Fields;
use super::table::FieldIter;
use crate::item::Item;
use crate::items;

/// All fields of a hash and their values.
#[derive(Clone)]
pub struct HashIter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Packed(items::Iter<'a>),
    Table(FieldIter<'a>),
}

impl<'a> HashIter<'a> {
    pub(super) fn new(fields: &'a Fields<'_>) -> Self {
        HashIter(match fields {
            Fields::Packed(packed) => Walk::Packed(packed.iter()),
            Fields::Table(table) => Walk::Table(table.iter()),
        })
    }
}

impl<'a> Iterator for HashIter<'a> {
    type Item = (Item<'a>, Item<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Packed(packed) => Some((packed.next()?, packed.next()?)),
            Walk::Table(table) => table.next(),
        }
    }
}

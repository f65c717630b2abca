//! Walking a big list in both directions.
//!
//! A walk holds a place in one block and looks up the next block by its element index, which
//! costs O(log n) once per block and needs no stack.

use super::BigList;
use crate::item::Item;
use crate::listpack;

/// Elements towards the tail.
#[derive(Clone)]
pub(in crate::list) struct Iter<'a> {
    list: &'a BigList,
    block: Option<listpack::Iter<'a>>,
    /// Index of the first element after the block.
    next: usize,
}

impl<'a> Iter<'a> {
    pub(super) fn new(list: &'a BigList, index: usize) -> Self {
        Iter { list, block: None, next: index }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(item) = self.block.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let (chunk, local) = self.list.tree.chunk_at(self.next)?;
            let packed = chunk.packed();
            self.block = packed.seek(local).map(|position| packed.iter_from(position));
            self.next += packed.len() - local;
        }
    }
}

/// Elements towards the head.
#[derive(Clone)]
pub(in crate::list) struct RevIter<'a> {
    list: &'a BigList,
    block: Option<listpack::RevIter<'a>>,
    /// How many elements precede the block.
    before: usize,
}

impl<'a> RevIter<'a> {
    pub(super) fn new(list: &'a BigList, index: usize) -> Self {
        RevIter { list, block: None, before: if index < list.len() { index + 1 } else { 0 } }
    }
}

impl<'a> Iterator for RevIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(item) = self.block.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let (chunk, local) = self.list.tree.chunk_at(self.before.checked_sub(1)?)?;
            let packed = chunk.packed();
            self.block = packed.seek(local).map(|position| packed.iter_rev_from(position));
            self.before -= local + 1;
        }
    }
}

//! Walking a list in both directions.
//!
//! A walk holds a place in one block and looks up the next block by its element index, which
//! costs O(log n) once per block and needs no stack.

use super::Body;
use crate::item::Item;
use crate::listpack::{Iter, RevIter};

/// Elements towards the tail.
#[derive(Clone)]
pub struct ListIter<'a> {
    body: &'a Body,
    block: Option<Iter<'a>>,
    /// Index of the first element after the block.
    next: usize,
}

impl<'a> ListIter<'a> {
    pub(super) fn new(body: &'a Body, index: usize) -> Self {
        match body {
            Body::Packed(packed) => {
                let block = packed.seek(index).map(|position| packed.iter_from(position));
                ListIter { body, block, next: packed.len() }
            }
            Body::Chunks(_) => ListIter { body, block: None, next: index },
        }
    }
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(item) = self.block.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let Body::Chunks(tree) = self.body else { return None };
            let (chunk, local) = tree.chunk_at(self.next)?;
            let packed = chunk.packed();
            self.block = packed.seek(local).map(|position| packed.iter_from(position));
            self.next += packed.len() - local;
        }
    }
}

/// Elements towards the head.
#[derive(Clone)]
pub struct ListRevIter<'a> {
    body: &'a Body,
    block: Option<RevIter<'a>>,
    /// How many elements precede the block.
    before: usize,
}

impl<'a> ListRevIter<'a> {
    pub(super) fn new(body: &'a Body, index: usize) -> Self {
        match body {
            Body::Packed(packed) => {
                let block = packed.seek(index).map(|position| packed.iter_rev_from(position));
                ListRevIter { body, block, before: 0 }
            }
            Body::Chunks(tree) => {
                let before = if index < tree.len() { index + 1 } else { 0 };
                ListRevIter { body, block: None, before }
            }
        }
    }
}

impl<'a> Iterator for ListRevIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(item) = self.block.as_mut().and_then(Iterator::next) {
                return Some(item);
            }
            let Body::Chunks(tree) = self.body else { return None };
            let (chunk, local) = tree.chunk_at(self.before.checked_sub(1)?)?;
            let packed = chunk.packed();
            self.block = packed.seek(local).map(|position| packed.iter_rev_from(position));
            self.before -= local + 1;
        }
    }
}

//! The big form of a list: a counted tree of listpacks of at most `list-max-listpack-size` each,
//! so that index, insertion and trimming cost O(log n) plus one chunk.
//!
//! Invariant: no chunk is empty, and a chunk above the limit holds a single element.

mod chunk;
mod iter;

use chunk::ListChunk;
pub(super) use chunk::exceeds;
pub(super) use iter::{Iter, RevIter};

use crate::encoding::Encoding;
use crate::item::Item;
use crate::listpack::Listpack;
use crate::tree::Tree;

/// A list of chunks.
#[derive(Clone)]
pub(crate) struct BigList {
    tree: Tree<ListChunk>,
}

impl BigList {
    pub(crate) fn new() -> Self {
        BigList { tree: Tree::new() }
    }

    /// A list whose first chunk is a packed list.
    pub(crate) fn from_packed(packed: Listpack<'static>) -> Self {
        BigList { tree: Tree::from_chunk(ListChunk::new(packed)) }
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        self.tree.len()
    }

    /// Adds an element at the head.
    pub(crate) fn push_front(&mut self, element: &[u8], encoding: &Encoding) {
        self.tree.edit_at(0, |chunk, _, added| chunk.push_front(element, encoding, added));
    }

    /// Adds an element at the tail.
    pub(crate) fn push_back(&mut self, element: &[u8], encoding: &Encoding) {
        let end = self.len();
        self.tree.edit_at(end, |chunk, _, added| chunk.push_back(element, encoding, added));
    }

    /// Adds all elements of a block that fits one chunk at the tail.
    pub(crate) fn push_back_packed(&mut self, block: &Listpack<'_>, encoding: &Encoding) {
        let end = self.len();
        self.tree.edit_at(end, |chunk, _, added| chunk.push_back_packed(block, encoding, added));
    }

    /// Removes and returns element `index`, which exists.
    pub(crate) fn take(&mut self, index: usize) -> Vec<u8> {
        self.tree.edit_at(index, |chunk, local, _| chunk.take(local))
    }

    /// Element `index`.
    pub(crate) fn get(&self, index: usize) -> Option<Item<'_>> {
        let (chunk, local) = self.tree.chunk_at(index)?;
        chunk.packed().get(local)
    }

    /// Replaces element `index`, which exists.
    pub(crate) fn set(&mut self, index: usize, element: &[u8], encoding: &Encoding) {
        self.tree.edit_at(index, |chunk, local, added| chunk.set(local, element, encoding, added));
    }

    /// Puts an element before element `index`, which exists.
    pub(crate) fn insert(&mut self, index: usize, element: &[u8], encoding: &Encoding) {
        self.tree.edit_at(index, |chunk, local, added| chunk.insert(local, element, encoding, added));
    }

    /// Removes the elements of a range, which all exist.
    pub(crate) fn remove_range(&mut self, start: usize, count: usize) {
        self.tree.remove_range(start, count, ListChunk::cut);
    }

    /// The elements from `index` to the tail.
    pub(super) fn iter_from(&self, index: usize) -> Iter<'_> {
        Iter::new(self, index)
    }

    /// The elements from `index` back to the head.
    pub(super) fn iter_rev_from(&self, index: usize) -> RevIter<'_> {
        RevIter::new(self, index)
    }

    /// The block that holds element `index`.
    pub(crate) fn block_at(&self, index: usize) -> Option<&Listpack<'static>> {
        self.tree.chunk_at(index).map(|(chunk, _)| chunk.packed())
    }

    /// How many blocks there are.
    pub(crate) fn block_count(&self) -> usize {
        self.tree.chunks()
    }

    /// Bytes allocated beside the value itself, from a sample of `samples` chunks (0: all).
    pub(crate) fn heap_size(&self, samples: usize) -> usize {
        self.tree.heap_size(samples)
    }

    /// The whole list as one listpack, when it is a single chunk with no more than half its
    /// limit, or empty.
    pub(crate) fn as_small(&self, encoding: &Encoding) -> Option<Listpack<'static>> {
        match self.tree.only_chunk() {
            Some(chunk) if chunk.is_under_half(encoding) => Some(chunk.packed().clone()),
            None if self.len() == 0 => Some(Listpack::new()),
            _ => None,
        }
    }
}

//! Walking a range of a stream's entries, oldest or newest first.
//!
//! Entries lie packed one behind the other, so the walk backwards reads each block forwards
//! first and keeps where its entries are.

use super::block::{Block, Entries};
use super::fields::Fields;
use super::id::StreamId;
use crate::tree::{Chunk, Tree};

/// One entry.
#[derive(Clone, Copy, Debug)]
pub struct StreamEntry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its fields.
    pub fields: Fields<'a>,
}

/// Entries of a range, oldest first.
#[derive(Clone)]
pub struct StreamIter<'a> {
    blocks: &'a Tree<Block>,
    entries: Entries<'a>,
    /// Index, deleted entries counted, of the first entry of the next block.
    next: usize,
    start: StreamId,
    end: StreamId,
}

impl<'a> StreamIter<'a> {
    pub(super) fn new(blocks: &'a Tree<Block>, start: StreamId, end: StreamId) -> Self {
        let (entries, next) = match blocks.chunk_before(|first| *first > start) {
            Some((block, before)) => (block.entries(), before + block.weight()),
            None => (Entries::default(), 0),
        };
        StreamIter { blocks, entries, next, start, end }
    }
}

impl<'a> Iterator for StreamIter<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            for entry in self.entries.by_ref() {
                if entry.id > self.end {
                    return None;
                }
                if !entry.is_deleted && entry.id >= self.start {
                    return Some(StreamEntry { id: entry.id, fields: entry.fields });
                }
            }
            let (block, _) =
                self.blocks.chunk_at(self.next).filter(|(block, _)| block.first() <= self.end)?;
            self.entries = block.entries();
            self.next += block.weight();
        }
    }
}

/// Entries of a range, newest first.
pub struct StreamRevIter<'a> {
    blocks: &'a Tree<Block>,
    /// Entries of one block, the newest last.
    entries: Vec<StreamEntry<'a>>,
    /// Index, deleted entries counted, of the first entry of that block.
    index: usize,
    start: StreamId,
    end: StreamId,
}

impl<'a> StreamRevIter<'a> {
    pub(super) fn new(blocks: &'a Tree<Block>, start: StreamId, end: StreamId) -> Self {
        let mut iter = StreamRevIter { blocks, entries: Vec::new(), index: 0, start, end };
        if let Some((block, before)) = blocks.chunk_before(|first| *first > end) {
            iter.enter(block, before);
        }
        iter
    }

    fn enter(&mut self, block: &'a Block, before: usize) {
        let (start, end) = (self.start, self.end);
        self.index = before;
        self.entries.extend(
            block
                .entries()
                .filter(|entry| !entry.is_deleted && (start..=end).contains(&entry.id))
                .map(|entry| StreamEntry { id: entry.id, fields: entry.fields }),
        );
    }
}

impl<'a> Iterator for StreamRevIter<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            if let Some(entry) = self.entries.pop() {
                return Some(entry);
            }
            let (block, local) = self.blocks.chunk_at(self.index.checked_sub(1)?)?;
            let before = self.index - 1 - local;
            if block.last() < self.start {
                return None;
            }
            self.enter(block, before);
        }
    }
}

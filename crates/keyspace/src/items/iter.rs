//! Walking items forwards, and backwards after a walk forwards.
//!
//! Neither looks past the block's ends; nothing remembers places between two walks.

use crate::item::Item;
use crate::listpack::entry::{body_at, entry_at};

/// Elements in order.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a> {
    block: &'a [u8],
    at: usize,
}

impl<'a> Iter<'a> {
    #[inline]
    pub(super) fn new(block: &'a [u8], at: usize) -> Self {
        Iter { block, at }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.at >= self.block.len() {
            return None;
        }
        let entry = entry_at(self.block, self.at);
        self.at += entry.body;
        Some(entry.item)
    }
}

/// Elements in reverse order.
#[derive(Clone, Debug)]
pub(crate) struct RevIter<'a> {
    block: &'a [u8],
    /// Where the elements begin that are still to come.
    starts: Vec<usize>,
}

impl<'a> RevIter<'a> {
    /// From the last of the `count` elements from `at` on.
    pub(super) fn new(block: &'a [u8], mut at: usize, count: usize) -> Self {
        let mut starts = Vec::with_capacity(count);
        for _ in 0..count {
            starts.push(at);
            at += body_at(block, at);
        }
        RevIter { block, starts }
    }
}

impl<'a> Iterator for RevIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.starts.pop().map(|at| entry_at(self.block, at).item)
    }
}

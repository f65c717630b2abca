//! Walking a listpack forwards and backwards.
//!
//! Both walks read one element per step and never look past the block's ends.

use super::entry::{entry_at, entry_before};
use super::{END, HEADER};
use crate::item::Item;

/// Elements in order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iter<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Iter { bytes, at }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.bytes[self.at] == END {
            return None;
        }
        let entry = entry_at(self.bytes, self.at);
        self.at += entry.size();
        Some(entry.item)
    }
}

/// Elements in reverse order.
#[derive(Clone, Debug)]
pub struct RevIter<'a> {
    bytes: &'a [u8],
    end: usize,
}

impl<'a> RevIter<'a> {
    pub(super) fn new(bytes: &'a [u8], end: usize) -> Self {
        RevIter { bytes, end }
    }
}

impl<'a> Iterator for RevIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.end == HEADER {
            return None;
        }
        self.end = entry_before(self.bytes, self.end);
        Some(entry_at(self.bytes, self.end).item)
    }
}

//! The fields of one entry: names and values in the order in which they were given.
//!
//! Names that the whole block shares come from the block, the others lie beside their values.

use super::packing::take_item;
use crate::item::Item;

/// An entry's names and values in turn.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Names of the block, if the entry has none of its own.
    names: Option<&'a [u8]>,
    items: &'a [u8],
    left: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(names: &'a [u8], values: &'a [u8], count: usize) -> Self {
        Fields { names: Some(names), items: values, left: count }
    }

    pub(super) fn with_own_names(items: &'a [u8], count: usize) -> Self {
        Fields { names: None, items, left: count }
    }

    /// Whether the names lie with the entry.
    pub(super) fn has_own_names(&self) -> bool {
        self.names.is_none()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Item<'a>, Item<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => take_item(names),
            None => take_item(&mut self.items),
        };
        Some((name, take_item(&mut self.items)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

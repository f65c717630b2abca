//! Walking all entries of a table, segment by segment.
//!
//! Sees the table as it was borrowed; a scan that goes on between calls is the table's `scan`.

use triomphe::Arc;

use super::fan::Child;
use super::region::{Region, Spot};
use super::segment::Lane;
use super::{EntryRef, Layout, Page, Table};

/// Some neighbours of a table that is given up piece by piece.
pub(crate) struct Portion<L: Layout>(Arc<Region<L>>);

impl<L: Layout> Portion<L> {
    /// The portion's entries.
    pub(crate) fn iter(&self) -> impl Iterator<Item = EntryRef<'_, L::Beside>> {
        (0..self.0.fan().len()).flat_map(|segment| self.0.entries(segment))
    }
}

impl<L: Layout> Table<L> {
    /// All entries in portions. Whoever shares the table may change what lies in a portion without
    /// a copy once the portion is dropped.
    pub(crate) fn into_portions(self) -> impl Iterator<Item = Portion<L>> {
        self.pages.into_nodes().flat_map(|page| Arc::unwrap_or_clone(page).into_nodes()).map(Portion)
    }
}

/// All entries of a table, each once.
pub(crate) struct TableIter<'a, L: Layout> {
    pages: std::slice::Iter<'a, Child<Page<L>>>,
    regions: std::slice::Iter<'a, Child<Region<L>>>,
    region: Option<&'a Region<L>>,
    segment: usize,
    lanes: Vec<Lane>,
}

impl<L: Layout> Clone for TableIter<'_, L> {
    fn clone(&self) -> Self {
        TableIter {
            pages: self.pages.clone(),
            regions: self.regions.clone(),
            lanes: self.lanes.clone(),
            ..*self
        }
    }
}

impl<'a, L: Layout> TableIter<'a, L> {
    pub(super) fn new(table: &'a Table<L>) -> Self {
        TableIter {
            pages: table.pages.children().iter(),
            regions: [].iter(),
            region: None,
            segment: 0,
            lanes: Vec::new(),
        }
    }

    /// Goes to the next segment; false at the end.
    fn advance(&mut self) -> bool {
        self.segment += 1;
        if self.region.is_none_or(|region| self.segment == region.fan().len()) {
            self.region = self.next_region();
            self.segment = 0;
        }
        let Some(region) = self.region else { return false };
        self.lanes.extend(region.fan().node(self.segment).lanes());
        true
    }

    fn next_region(&mut self) -> Option<&'a Region<L>> {
        loop {
            if let Some(region) = self.regions.next() {
                return Some(&region.node);
            }
            self.regions = self.pages.next()?.node.children().iter();
        }
    }
}

impl<'a, L: Layout> Iterator for TableIter<'a, L> {
    type Item = EntryRef<'a, L::Beside>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let (Some(lane), Some(region)) = (self.lanes.pop(), self.region) {
                return Some(region.entry(Spot { segment: self.segment, lane }));
            }
            if !self.advance() {
                return None;
            }
        }
    }
}

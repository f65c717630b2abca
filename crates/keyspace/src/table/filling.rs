//! Adding many entries: what an entry needs besides its bytes is done for many at a time.
//!
//! Entries that come in the order of their hashes go to one region in a row. [`Filling`] is that
//! region: what leads there is looked for once, and copied for a snapshot at most once. It adds
//! what needs nothing else; a region that is full, or a key that is there already, is for whoever
//! holds the table. [`Table::make_room`] splits what is going to be split, while little has to be
//! moved for it.
//! Invariant: a table that was made ready and filled is as big as one that grew.

use super::block::packable;
use super::region::{MOST_SEGMENTS, Region};
use super::{Layout, NewEntry, Table, end_of, hash_bytes, segment, start_of};

/// Entries on average at which nearly all segments have split by themselves.
const SURELY_SPLIT: usize = segment::CAPACITY + segment::CAPACITY / 6;

/// A region that entries are added to.
pub(crate) struct Filling<'t, L: Layout> {
    region: &'t mut Region<L>,
    /// Above the region, and above its page.
    earliest: [&'t mut i64; 2],
    len: &'t mut usize,
    first: u64,
}

impl<L: Layout> Filling<'_, L> {
    /// Whether an entry with this hash belongs here.
    #[inline]
    pub(crate) fn covers(&self, hash: u64) -> bool {
        start_of(hash, self.region.fan().depth()) == self.first
    }

    /// Adds an entry with this deadline that belongs here; false, and nothing has changed, if it
    /// takes more than that.
    #[inline]
    pub(crate) fn add(&mut self, new: &NewEntry<'_, L::Beside>, deadline: i64) -> bool {
        if !self.region.add(new, deadline) {
            return false;
        }
        *self.len += 1;
        for earliest in &mut self.earliest {
            **earliest = deadline.min(**earliest);
        }
        true
    }
}

impl<L: Layout> Table<L> {
    /// The region that entries with this hash are added to.
    pub(crate) fn filling(&mut self, hash: u64) -> Filling<'_, L> {
        let page = self.pages.find(hash);
        let (page, above_page) = self.pages.child_mut(page);
        let region = page.find(hash);
        let (region, above) = page.child_mut(region);
        let first = start_of(hash, region.fan().depth());
        Filling { region, earliest: [above, above_page], len: &mut self.len, first }
    }

    /// Splits what `entries` of the sizes of those that are here would split.
    pub(crate) fn make_room(&mut self, entries: usize) {
        let bytes: usize = self.regions().map(Region::live).sum();
        let each = bytes / self.len.max(1);
        let segment_depth = depth(entries, SURELY_SPLIT);
        let for_segments = segment_depth.saturating_sub(MOST_SEGMENTS.ilog2());
        let region_depth = depth(entries.saturating_mul(each), packable(each)).max(for_segments);
        let mut at = Some(0);
        while let Some(hash) = at {
            while self.segment_of(hash).0.fan().depth() < region_depth {
                self.split_region(hash);
            }
            let hasher = &self.hasher;
            let page = self.pages.node_mut(self.pages.find(hash));
            let region = page.node_mut(page.find(hash));
            region.deepen(hash, segment_depth, &|key| hash_bytes(hasher, key));
            at = end_of(hash, region.fan().depth());
        }
    }
}

/// How many bits of a hash lead to shares of `all` that are not more than `most` on average.
fn depth(all: usize, most: usize) -> u32 {
    let mut depth = 0;
    while all >> depth > most {
        depth += 1;
    }
    depth
}

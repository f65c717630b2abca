//! Reading ahead: what many look-ups will read is read once before the first of them.
//!
//! A look-up in a big table is a chain of reads that each miss the cache, and each needs the one
//! before. One key's chain cannot be hurried, but chains of different keys do not depend on each
//! other: this file walks those of a batch level by level, so that the processor waits for many
//! lines at a time. These are plain reads without a branch that depends on what they bring: a
//! wrong guess would end the overlap.
//! Invariant: nothing changes, and a table that is read ahead in vain is only warmer.

use super::block::Address;
use super::region::Region;
use super::segment::Segment;
use super::{Layout, Table};

/// Hashes of the keys that a table is about to be asked for. More than its capacity is left out:
/// the lines that the look-ups need are to be in the nearest cache still when their turn comes.
#[derive(Clone, Debug)]
pub struct Batch {
    hashes: [u64; Batch::CAPACITY],
    len: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Batch { hashes: [0; Batch::CAPACITY], len: 0 }
    }
}

impl Batch {
    /// The most keys that are read ahead at a time.
    pub const CAPACITY: usize = 32;

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.len == Batch::CAPACITY
    }

    /// Forgets its keys.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds a key by [`Database::order_hint`](crate::Database::order_hint), unless there are enough.
    #[inline]
    pub fn push(&mut self, hash: u64) {
        if let Some(free) = self.hashes.get_mut(self.len) {
            *free = hash;
            self.len += 1;
        }
    }

    fn hashes(&self) -> &[u64] {
        &self.hashes[..self.len]
    }
}

/// Where the look-up of one hash has come to.
struct Step<'a, L: Layout> {
    hash: u64,
    region: &'a Region<L>,
    segment: &'a Segment<L::Beside>,
    address: Address,
}

impl<L: Layout> Table<L> {
    /// Reads what looking up the keys of `batch` will read.
    pub(crate) fn prefetch(&self, batch: &Batch) {
        let first = self.step(0);
        let mut steps: [Step<'_, L>; Batch::CAPACITY] = std::array::from_fn(|_| Step { ..first });
        let steps = &mut steps[..batch.len];
        let mut seen = 0;
        for (step, hash) in steps.iter_mut().zip(batch.hashes()) {
            step.hash = *hash;
            let page = self.pages.node(self.pages.find(*hash));
            step.region = page.node(page.find(*hash));
            seen ^= step.region.touch();
        }
        for step in &mut *steps {
            let fan = step.region.fan();
            step.segment = fan.node(fan.find(step.hash));
        }
        for step in &mut *steps {
            step.address = step.segment.likely(step.hash);
        }
        for step in &*steps {
            seen ^= step.region.touch_entry(step.address);
        }
        // What is read must look used.
        std::hint::black_box(seen);
    }

    /// Reads what writing the keys of `batch` will read: their entries, or where those that are new
    /// are going to be added. Keys of one region should stand together.
    pub(crate) fn prefetch_writes(&self, batch: &Batch) {
        let first = self.step(0).region;
        let mut regions = [first; Batch::CAPACITY];
        let regions = &mut regions[..batch.len];
        let mut seen = 0;
        for (region, hash) in regions.iter_mut().zip(batch.hashes()) {
            let page = self.pages.node(self.pages.find(*hash));
            let child = page.find(*hash);
            *region = page.node(child);
            seen ^= page.touch_counter(child) ^ region.touch();
        }
        let (mut last, mut before) = (first, 0);
        for (region, hash) in regions.iter().zip(batch.hashes()) {
            before = if std::ptr::eq(*region, last) { before + 1 } else { 0 };
            last = region;
            let child = region.fan().find(*hash);
            let segment = region.fan().node(child);
            seen ^= region.fan().touch_counter(child) ^ segment.touch(*hash);
            // As a rule all keys are new, or none is, so that this is guessed rightly.
            seen ^= match segment.find(*hash, |_| true) {
                Some(lane) => region.touch_entry(segment.address(lane)),
                None => region.touch_room(before),
            };
        }
        std::hint::black_box(seen);
    }

    fn step(&self, hash: u64) -> Step<'_, L> {
        let (region, segment, _) = self.segment_of(hash);
        let segment = region.fan().node(segment);
        Step { hash, region, segment, address: segment.likely(hash) }
    }
}

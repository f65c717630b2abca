//! The hash table behind databases, hashes, sets and sorted sets: extendible hashing over
//! shared segments.
//!
//! The top bits of an entry's keyed hash pick a directory slot, the slot names a segment of at
//! most 112 entries. A full segment splits in two and nothing else moves, so growth never
//! pauses; underfull buddies merge. Cloning a table clones one pointer per segment, and the first
//! change of a segment that a clone still holds copies that segment alone.
//! Invariant: the segments' hash ranges are disjoint and cover the whole space; a segment of
//! depth d covers the 2^(64-d) hashes from its start, and no depth is above the directory's.
//!
//! ```text
//! hash  | directory index (depth bits) | …………… | group (3 bits) | tag (8 bits) |
//! ```

mod iter;
mod segment;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

pub use crate::packed::Fill;
use ahash::RandomState;
pub use iter::TableIter;
use segment::Segment;

/// What a table holds: an entry that knows its key.
pub trait Entry: Clone {
    /// The bytes that the entry is found by.
    fn key(&self) -> &[u8];

    /// When the entry is due, in milliseconds since 1970; `i64::MAX` for never.
    fn deadline(&self) -> i64 {
        i64::MAX
    }
}

/// A directory of 2^40 slots is never reached: the hash is keyed, so no input can aim at it.
const MAX_DEPTH: u32 = 40;
/// Cursors name a hash by its top 48 bits.
const CURSOR_SHIFT: u32 = 16;
/// A segment with fewer entries looks at its buddy when one is removed.
const MERGE_BELOW: usize = 28;
/// Buddies merge when together they hold no more: half of what makes a segment split.
const MERGED_AT_MOST: usize = 56;

/// Where an entry was found. Valid until the table is changed in any way but through `at_mut`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    hash: u64,
    slot: usize,
    lane: segment::Lane,
}

#[derive(Clone)]
struct Slot<E> {
    segment: Arc<Segment<E>>,
    /// No entry of the segment is due earlier; entries may have moved to later since.
    earliest: i64,
}

/// An extendible hash table, copy-on-write by segment.
#[derive(Clone)]
pub struct Table<E> {
    hasher: RandomState,
    /// Indexes of `slots`, one for each value of the hash's top `depth` bits.
    directory: Vec<u32>,
    slots: Vec<Slot<E>>,
    depth: u32,
    /// How many segments have each depth; the directory halves when nobody needs its last bit.
    census: Vec<u32>,
    len: usize,
}

impl<E: Entry> Table<E> {
    /// An empty table whose hash is keyed by `seed`.
    pub fn new(seed: [u64; 4]) -> Self {
        let [k0, k1, k2, k3] = seed;
        Table {
            hasher: RandomState::with_seeds(k0, k1, k2, k3),
            directory: vec![0],
            slots: vec![Slot { segment: Arc::new(Segment::new(0, 0)), earliest: i64::MAX }],
            depth: 0,
            census: vec![1],
            len: 0,
        }
    }

    /// An empty table with the same key of its hash.
    pub(crate) fn emptied(&self) -> Self {
        Table { hasher: self.hasher.clone(), ..Table::new([0; 4]) }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.slots.len()
    }

    /// The entry of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&E> {
        self.find(key).ok().map(|place| self.at(place))
    }

    /// The entry of `key`, to be changed; its key must stay.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut E> {
        let place = self.find(key).ok()?;
        Some(self.at_mut(place))
    }

    /// Adds an entry; the one that had the same key is returned.
    pub fn insert(&mut self, entry: E) -> Option<E> {
        match self.find(entry.key()) {
            Ok(place) => Some(std::mem::replace(self.at_mut(place), entry)),
            Err(hash) => {
                self.insert_new(hash, entry);
                None
            }
        }
    }

    /// The entry of `key`, made by `make` when there is none, and whether it was made.
    pub fn get_or_insert_with(&mut self, key: &[u8], make: impl FnOnce() -> E) -> (&mut E, bool) {
        match self.find(key) {
            Ok(place) => (self.at_mut(place), false),
            Err(hash) => (self.insert_new(hash, make()), true),
        }
    }

    /// Removes and returns the entry of `key`.
    pub fn remove(&mut self, key: &[u8]) -> Option<E> {
        let place = self.find(key).ok()?;
        Some(self.remove_at(place))
    }

    /// An entry chosen fairly.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<&E> {
        if self.len == 0 {
            return None;
        }
        if let [only] = self.slots.as_slice() {
            return rng.choice(only.segment.entries());
        }
        // Each try hits each entry with the same chance, whatever its segment's fill.
        loop {
            let slot = &self.slots[rng.usize(..self.slots.len())];
            if let Some(entry) = slot.segment.entries().get(rng.usize(..segment::CAPACITY)) {
                return Some(entry);
            }
        }
    }

    /// All entries, from one chosen by chance on, and round: the rest of its segment last. Segments that have
    /// no entry with a deadline are passed over if only such are wanted.
    pub(crate) fn round_from_random(
        &self,
        rng: &mut fastrand::Rng,
        deadlines_only: bool,
    ) -> impl Iterator<Item = &E> {
        let first = rng.usize(..self.slots.len());
        let entries = self.slots[first].segment.entries();
        let (before, from) = entries.split_at(rng.usize(..entries.len().max(1)).min(entries.len()));
        let (earlier, later) = (&self.slots[..first], &self.slots[first + 1..]);
        let others = later.iter().chain(earlier);
        let others = others.filter(move |slot| !deadlines_only || slot.earliest != i64::MAX);
        from.iter().chain(others.flat_map(|slot| slot.segment.entries())).chain(before)
    }

    /// Visits whole segments in hash order from `cursor` on until at least `count` entries were
    /// seen, and returns the cursor to go on with, 0 at the end. Whatever is present from the
    /// first call to the last is seen exactly once, whatever splits or merges in between.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&E)) -> u64 {
        let mut from = cursor << CURSOR_SHIFT;
        let mut seen = 0;
        loop {
            let segment = &self.slots[self.slot_of(from)].segment;
            // A merge since the last call may have put entries that were seen before the cursor.
            let partly_seen = segment.start() < from;
            for entry in segment.entries() {
                if !partly_seen || self.hash(entry.key()) >= from {
                    visit(entry);
                    seen += 1;
                }
            }
            match segment.end() {
                None => return 0,
                Some(end) if seen >= count => return end >> CURSOR_SHIFT,
                Some(end) => from = end,
            }
        }
    }

    /// All entries, in an order that depends on the operations so far alone.
    pub fn iter(&self) -> TableIter<'_, E> {
        TableIter::new(&self.slots)
    }

    /// How the entries fill the segments.
    pub fn fill(&self) -> Fill {
        let entries = self.slots.iter().map(|slot| slot.segment.len()).collect();
        Fill { entries, capacity: segment::CAPACITY }
    }

    /// Bytes that the table takes beside its entries' own allocations.
    pub fn heap_size(&self) -> usize {
        let segments: usize = self.slots.iter().map(|slot| slot.segment.heap_size()).sum();
        segments + self.slots.capacity() * size_of::<Slot<E>>() + self.directory.capacity() * 4
    }

    /// The sum of `size` over all entries, estimated from the first `samples` of them (0: all).
    pub(crate) fn sampled(&self, samples: usize, size: impl Fn(&E) -> usize) -> usize {
        if self.len == 0 {
            return 0;
        }
        let seen = if samples == 0 { self.len } else { samples.min(self.len) };
        crate::tree::scale(self.iter().take(seen).map(size).sum(), self.len, seen)
    }

    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        hash_bytes(&self.hasher, key)
    }

    /// The place of `key`, or its hash when it is absent.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Result<Place, u64> {
        let hash = self.hash(key);
        let slot = self.slot_of(hash);
        match self.slots[slot].segment.find(hash, key) {
            Some(lane) => Ok(Place { hash, slot, lane }),
            None => Err(hash),
        }
    }

    #[inline]
    pub(crate) fn at(&self, place: Place) -> &E {
        self.slots[place.slot].segment.at(place.lane)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut E {
        Arc::make_mut(&mut self.slots[place.slot].segment).at_mut(place.lane)
    }

    /// Keeps the segment's earliest deadline true after an entry got this one.
    pub(crate) fn note_deadline(&mut self, place: Place, deadline: i64) {
        let earliest = &mut self.slots[place.slot].earliest;
        *earliest = deadline.min(*earliest);
    }

    /// Adds an entry that is known to be absent.
    pub(crate) fn insert_new(&mut self, hash: u64, entry: E) -> &mut E {
        let mut slot = self.slot_of(hash);
        while self.slots[slot].segment.is_full() {
            self.split(slot);
            slot = self.slot_of(hash);
        }
        self.len += 1;
        let slot = &mut self.slots[slot];
        slot.earliest = slot.earliest.min(entry.deadline());
        Arc::make_mut(&mut slot.segment).insert(hash, entry)
    }

    pub(crate) fn remove_at(&mut self, place: Place) -> E {
        let segment = Arc::make_mut(&mut self.slots[place.slot].segment);
        let entry = segment.remove(place.hash, place.lane);
        self.len -= 1;
        if segment.len() < MERGE_BELOW {
            self.merge(place.slot);
        }
        entry
    }

    /// The keys of up to `limit` entries that were due before `now`, found by walking segments
    /// from `*resume` on (any value will do), which is left at the place to go on from. The
    /// caller removes them.
    pub(crate) fn due(&mut self, now: i64, limit: usize, resume: &mut usize) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        for _ in 0..self.slots.len() {
            if *resume >= self.slots.len() {
                *resume = 0;
            }
            let slot = &mut self.slots[*resume];
            if slot.earliest < now {
                let mut earliest = i64::MAX;
                for entry in slot.segment.entries() {
                    if entry.deadline() >= now {
                        earliest = earliest.min(entry.deadline());
                    } else if due.len() < limit {
                        due.push(entry.key().to_vec());
                    } else {
                        return due;
                    }
                }
                slot.earliest = earliest;
            }
            *resume += 1;
        }
        due
    }

    #[inline]
    fn slot_of(&self, hash: u64) -> usize {
        // Two shifts, since a shift by all 64 bits at depth 0 is not one.
        let index = hash >> 1 >> (63 - self.depth);
        widen(self.directory[usize::try_from(index).expect("the directory is indexed by it")])
    }

    /// Directory slots that name the segment starting at `start`.
    fn range_of(&self, start: u64, depth: u32) -> std::ops::Range<usize> {
        let first = usize::try_from(start >> 1 >> (63 - self.depth)).expect("below 2^MAX_DEPTH");
        first..first + (1 << (self.depth - depth))
    }

    fn split(&mut self, slot: usize) {
        let depth = self.slots[slot].segment.depth();
        assert!(depth < MAX_DEPTH, "a keyed hash never gathers this many entries in one place");
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|index| [*index, *index]).collect();
            self.depth += 1;
            self.census.push(0);
        }
        let hasher = &self.hasher;
        let segment = Arc::make_mut(&mut self.slots[slot].segment);
        let upper = segment.split(|key| hash_bytes(hasher, key));
        self.slots[slot].earliest = self.slots[slot].segment.earliest();
        self.count_depth(depth, -1);
        self.count_depth(depth + 1, 2);
        let range = self.range_of(upper.start(), depth + 1);
        let added = u32::try_from(self.slots.len()).expect("under 2^32 segments");
        self.directory[range].fill(added);
        self.slots.push(Slot { earliest: upper.earliest(), segment: Arc::new(upper) });
    }

    /// Merges the segment in `slot` with its buddy when both are underfull, as often as it can.
    fn merge(&mut self, mut slot: usize) {
        loop {
            let segment = &self.slots[slot].segment;
            let depth = segment.depth();
            if depth == 0 {
                return;
            }
            let buddy = self.slot_of(segment.start() ^ (1 << (64 - depth)));
            let other = &self.slots[buddy].segment;
            if other.depth() != depth || segment.len() + other.len() > MERGED_AT_MOST {
                return;
            }
            slot = self.join(slot, buddy, depth);
            self.halve_directory();
        }
    }

    /// Puts two buddies of one depth together and returns the slot of the result.
    fn join(&mut self, a: usize, b: usize, depth: u32) -> usize {
        let (keep, gone) =
            if self.slots[a].segment.start() < self.slots[b].segment.start() { (a, b) } else { (b, a) };
        let upper = self.slots[gone].segment.clone();
        let earliest = self.slots[gone].earliest.min(self.slots[keep].earliest);
        self.slots[keep].earliest = earliest;
        let hashes: Vec<u64> = upper.entries().iter().map(|entry| self.hash(entry.key())).collect();
        Arc::make_mut(&mut self.slots[keep].segment).absorb(&upper, &hashes);
        self.count_depth(depth, -2);
        self.count_depth(depth - 1, 1);
        let range = self.range_of(upper.start(), depth);
        self.directory[range].fill(narrow(keep));
        self.slots.swap_remove(gone);
        let moved = self.slots.len();
        if gone < moved {
            let segment = &self.slots[gone].segment;
            let range = self.range_of(segment.start(), segment.depth());
            self.directory[range].fill(narrow(gone));
        }
        if keep == moved { gone } else { keep }
    }

    /// Gives up the directory's last bits once no segment has needed the last two.
    fn halve_directory(&mut self) {
        while self.depth > 1 && self.census[widen(self.depth)] == 0 && self.census[widen(self.depth - 1)] == 0
        {
            self.directory = self.directory.iter().step_by(2).copied().collect();
            self.census.pop();
            self.depth -= 1;
        }
    }

    fn count_depth(&mut self, depth: u32, change: i32) {
        let count = &mut self.census[widen(depth)];
        *count = count.checked_add_signed(change).expect("each segment is counted once");
    }
}

#[inline]
fn hash_bytes(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

fn widen(index: u32) -> usize {
    usize::try_from(index).expect("addresses have at least 32 bits")
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("under 2^32 segments")
}

//! The hash table behind databases, hashes and sets: extendible hashing over packed, shared
//! regions.
//!
//! The top bits of a key's keyed hash lead through two levels of directory (`fan.rs`) to a region
//! of some 50 KiB (`region.rs`): segments of at most 128 entries (`segment.rs`) and the blocks that
//! the entries' bytes lie in (`block.rs`, `entry.rs`). A full segment splits in two without moving
//! an entry; a full region is cut in two; nothing else moves, so growth never pauses. Underfull
//! buddies merge. Cloning a table clones one pointer per 64 regions; the first change afterwards
//! copies a directory page, and each first change of a segment or block copies that alone.
//! Invariant: what a clone holds never changes.
//!
//! ```text
//! hash | directory | page | region: 6 bits or less | …………… | group (3 bits) | tag (8 bits) |
//!
//! Table ─ page ┬ region ┬ segment: 8 × (16 tags, 16 addresses), slots for what lies beside
//!              │        ├ segment
//!              │        └ blocks of 4 KiB: entry entry entry …
//!              └ region …
//! ```

mod block;
mod entry;
mod fan;
mod filling;
mod iter;
mod prefetch;
mod region;
mod segment;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use fan::Fan;
pub(crate) use iter::{Portion, TableIter};
pub use prefetch::Batch;
use region::{Region, Spot};

use crate::size_class::ARC_HEADER;

/// Bytes that key and rest may have together; what is longer lies beside.
pub(crate) const INLINE: usize = block::LONGEST_ENTRY - 8;
/// Cursors name a hash by its top 48 bits; no segment is that deep, for the hash is keyed.
const CURSOR_SHIFT: u32 = 16;
const DEEPEST: u32 = 47;
/// Bytes of a tag and an address.
const LANE: usize = 3;
const MOST_REGIONS: usize = 64;
/// How often a hash is drawn before entries are counted instead.
const DRAWS: usize = 1000;
/// Segments, regions or pages that one walk over due entries looks at: some 100 µs at worst.
const WALK: usize = 32;
/// Pages merge when together they have no more regions.
const JOINED_REGIONS: usize = 16;

/// What a table's entries mean to its owner.
pub(crate) trait Layout: Clone {
    /// What lies beside an entry that has it.
    type Beside: Clone;
    /// Whether an entry is more than its key.
    const REST: bool = true;

    /// When the entry is due, in milliseconds since 1970; `i64::MAX` for never. It stands in the
    /// first part of the rest of a [`NewEntry`].
    fn deadline(_entry: &EntryRef<'_, Self::Beside>) -> i64 {
        i64::MAX
    }
}

/// An entry where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryRef<'a, B> {
    /// What the entry is found by.
    pub(crate) key: &'a [u8],
    /// What else it holds, in the owner's layout.
    pub(crate) rest: &'a [u8],
    /// What it holds outside of the block.
    pub(crate) beside: Option<&'a B>,
}

/// An entry to be added.
pub(crate) struct NewEntry<'a, B> {
    /// The table's hash of the key.
    pub(crate) hash: u64,
    pub(crate) key: &'a [u8],
    /// The rest in two parts, for owners that put a header first. With the key (if that is not
    /// itself too long) at most `INLINE` bytes.
    pub(crate) rest: [&'a [u8]; 2],
    pub(crate) beside: Option<B>,
}

/// Where an entry was found. Valid until an entry is added, removed or replaced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    hash: u64,
    page: usize,
    region: usize,
    spot: Spot,
}

/// How the entries of a table fill its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Entries of each segment.
    pub entries: Vec<usize>,
    /// The most that one takes.
    pub capacity: usize,
}

type Page<L> = Fan<Region<L>>;

/// An extendible hash table of packed entries, copied on write by small pieces.
#[derive(Clone)]
pub(crate) struct Table<L: Layout> {
    hasher: RandomState,
    pages: Fan<Page<L>>,
    len: usize,
    /// Bytes of entries that are gone, in blocks that have not been packed since.
    dead: usize,
}

impl<L: Layout> Table<L> {
    /// An empty table whose hash is keyed by `seed`.
    pub(crate) fn new(seed: [u64; 4]) -> Self {
        let [k0, k1, k2, k3] = seed;
        Table::keyed(RandomState::with_seeds(k0, k1, k2, k3))
    }

    /// An empty table with the same key of its hash.
    pub(crate) fn emptied(&self) -> Self {
        Table::keyed(self.hasher.clone())
    }

    fn keyed(hasher: RandomState) -> Self {
        let page = Fan::new(0, Region::new(0), i64::MAX);
        Table { hasher, pages: Fan::new(0, page, i64::MAX), len: 0, dead: 0 }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> usize {
        self.regions().map(|region| region.fan().len()).sum()
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        hash_bytes(&self.hasher, key)
    }

    /// The place of `key`, or its hash when it is absent.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Result<Place, u64> {
        let hash = self.hash(key);
        let page = self.pages.find(hash);
        let regions = self.pages.node(page);
        let region = regions.find(hash);
        match regions.node(region).find(hash, key) {
            Some(spot) => Ok(Place { hash, page, region, spot }),
            None => Err(hash),
        }
    }

    /// The entry of `key`.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<EntryRef<'_, L::Beside>> {
        self.find(key).ok().map(|place| self.at(place))
    }

    #[inline]
    pub(crate) fn at(&self, place: Place) -> EntryRef<'_, L::Beside> {
        self.pages.node(place.page).node(place.region).entry(place.spot)
    }

    /// The rest of an entry, to be changed at the same length. A deadline in it may only get
    /// later, unless `note_deadline` is called.
    #[inline]
    pub(crate) fn rest_mut(&mut self, place: Place) -> &mut [u8] {
        self.pages.node_mut(place.page).node_mut(place.region).rest_mut(place.spot)
    }

    /// The same, if that needs no copy for a snapshot.
    #[inline]
    pub(crate) fn rest_mut_if_unshared(&mut self, place: Place) -> Option<&mut [u8]> {
        let page = self.pages.node_mut_if_unshared(place.page)?;
        page.node_mut_if_unshared(place.region)?.rest_mut_if_unshared(place.spot)
    }

    /// What an entry holds beside, to be changed.
    pub(crate) fn beside_mut(&mut self, place: Place) -> Option<&mut L::Beside> {
        self.pages.node_mut(place.page).node_mut(place.region).beside_mut(place.spot)
    }

    /// Keeps the deadlines above an entry true after the entry got another.
    pub(crate) fn note_deadline(&mut self, place: Place) {
        let deadline = L::deadline(&self.at(place));
        if deadline == i64::MAX {
            return;
        }
        self.pages.note_deadline(place.page, deadline);
        let page = self.pages.node_mut(place.page);
        page.note_deadline(place.region, deadline);
        page.node_mut(place.region).fan_mut().note_deadline(place.spot.segment, deadline);
    }

    /// Adds an entry that is known to be absent.
    pub(crate) fn insert_new(&mut self, mut new: NewEntry<'_, L::Beside>) -> Place {
        let hash = new.hash;
        let deadline =
            L::deadline(&EntryRef { key: new.key, rest: new.rest[0], beside: new.beside.as_ref() });
        loop {
            let page = self.pages.find(hash);
            let (regions, above_page) = self.pages.child_mut(page);
            let region = regions.find(hash);
            let (node, above_region) = regions.child_mut(region);
            self.dead -= node.dead();
            let inserted = node.insert(new, deadline, &|key| hash_bytes(&self.hasher, key));
            self.dead += node.dead();
            match inserted {
                Ok(spot) => {
                    self.len += 1;
                    *above_page = deadline.min(*above_page);
                    *above_region = deadline.min(*above_region);
                    return Place { hash, page, region, spot };
                }
                Err(back) => new = back,
            }
            self.split_region(hash);
        }
    }

    /// Gives the entry at `place` another rest and another value beside, and returns the latter's
    /// predecessor. The place may be another afterwards.
    pub(crate) fn replace(
        &mut self,
        mut place: Place,
        rest: [&[u8]; 2],
        mut beside: Option<L::Beside>,
    ) -> (Place, Option<L::Beside>) {
        loop {
            let region = self.pages.node_mut(place.page).node_mut(place.region);
            self.dead -= region.dead();
            let replaced = region.replace(place.spot, rest, beside);
            self.dead += region.dead();
            match replaced {
                Ok(old) => {
                    self.note_deadline(place);
                    return (place, old);
                }
                Err(back) => beside = back,
            }
            let key = self.at(place).key.to_vec();
            self.split_region(place.hash);
            place = self.find(&key).expect("splitting loses nothing");
        }
    }

    /// Removes an entry and returns what it held beside.
    pub(crate) fn remove_at(&mut self, place: Place) -> Option<L::Beside> {
        let hasher = &self.hasher;
        let region = self.pages.node_mut(place.page).node_mut(place.region);
        self.dead -= region.dead();
        let beside = region.remove(place.hash, place.spot, &|key| hash_bytes(hasher, key));
        self.dead += region.dead();
        self.len -= 1;
        if region.is_small() {
            self.merge_regions(place.hash);
        }
        beside
    }

    /// Bytes of entries that are gone and whose room has not been used again.
    pub(crate) fn dead(&self) -> usize {
        self.dead
    }

    /// Packs the entries around `hash` anew if that sets enough free.
    pub(crate) fn compact(&mut self, hash: u64) {
        let page = self.pages.find(hash);
        let index = self.pages.node(page).find(hash);
        if self.pages.node(page).node(index).wastes() {
            let region = self.pages.node_mut(page).node_mut(index);
            self.dead -= region.dead();
            region.pack();
            self.dead += region.dead();
        }
    }

    /// An entry chosen fairly.
    pub(crate) fn random(&self, rng: &mut fastrand::Rng) -> Option<EntryRef<'_, L::Beside>> {
        if self.len == 0 {
            return None;
        }
        // A hash hits a segment in proportion to the segment's share of all hashes; taking it in
        // proportion to its entries per share makes up for that. Twice the average is the bound.
        for _ in 0..DRAWS {
            let (region, segment, depth) = self.segment_of(rng.u64(..));
            let entries = region.fan().node(segment).len();
            let density = entries << depth;
            if entries > 0 && rng.usize(..2 * self.len) < density {
                let lane = region.fan().node(segment).nth(rng.usize(..entries))?;
                return Some(region.entry(Spot { segment, lane }));
            }
        }
        // All entries lie in a small part of all hashes: whoever removes in the order of a scan ends there.
        self.nth(rng.usize(..self.len))
    }

    /// Entry number `index`, in an order that depends on the operations so far alone.
    fn nth(&self, mut index: usize) -> Option<EntryRef<'_, L::Beside>> {
        for region in self.regions() {
            for (segment, child) in region.fan().children().iter().enumerate() {
                let entries = child.node.len();
                if index < entries {
                    return child.node.nth(index).map(|lane| region.entry(Spot { segment, lane }));
                }
                index -= entries;
            }
        }
        None
    }

    /// Bytes that `key` takes of the `INLINE` ones.
    #[inline]
    pub(crate) fn key_share(key: &[u8]) -> usize {
        if key.len() > entry::LONGEST_KEY { 1 } else { key.len() }
    }

    /// Bytes that an entry takes: in its block, in its lane, and of a key that lies beside.
    pub(crate) fn size_of(entry: &EntryRef<'_, L::Beside>) -> usize {
        let beside = if entry.key.len() > entry::LONGEST_KEY { entry.key.len() + ARC_HEADER } else { 0 };
        let slot = entry.beside.map_or(0, |_| 2);
        let length = 1 + usize::from(entry.rest.len() >= 240);
        1 + length + slot + Self::key_share(entry.key) + entry.rest.len() + LANE + beside
    }

    /// All entries in hash order from one chosen by chance on and round to it, none twice; without
    /// segments in which nothing has a deadline, if that is asked for.
    pub(crate) fn round_from_random(
        &self,
        rng: &mut fastrand::Rng,
        with_deadlines: bool,
    ) -> impl Iterator<Item = EntryRef<'_, L::Beside>> {
        let start = rng.u64(..);
        let (region, segment, _) = self.segment_of(start);
        let first = rng.usize(..region.fan().node(segment).len().max(1));
        let others =
            self.segments_after(start, with_deadlines).flat_map(|(region, segment)| region.entries(segment));
        region.entries(segment).skip(first).chain(others).chain(region.entries(segment).take(first))
    }

    /// The segments after that of `hash`, in hash order round to it; without those in which nothing
    /// has a deadline, if that is asked for.
    fn segments_after(&self, hash: u64, with_deadlines: bool) -> impl Iterator<Item = (&Region<L>, usize)> {
        let depth = self.segment_of(hash).2;
        let (start, mut at) = (start_of(hash, depth), end_of(hash, depth).unwrap_or(0));
        std::iter::from_fn(move || {
            while at != start {
                if with_deadlines && let Some(depth) = self.depth_without_deadlines(at) {
                    let end = end_of(at, depth);
                    let is_round = at < start && end.is_none_or(|end| end > start);
                    at = if is_round { start } else { end.unwrap_or(0) };
                    continue;
                }
                let (region, segment, depth) = self.segment_of(at);
                at = end_of(at, depth).unwrap_or(0);
                return Some((region, segment));
            }
            None
        })
    }

    /// How many bits lead to the page, region or segment of `hash` if nothing in it has a deadline.
    fn depth_without_deadlines(&self, hash: u64) -> Option<u32> {
        let child = self.pages.find(hash);
        if self.pages.children()[child].earliest == i64::MAX {
            return Some(self.pages.depth_of(child));
        }
        let page = self.pages.node(child);
        let child = page.find(hash);
        if page.children()[child].earliest == i64::MAX {
            return Some(page.depth_of(child));
        }
        let fan = page.node(child).fan();
        let child = fan.find(hash);
        (fan.children()[child].earliest == i64::MAX).then(|| fan.depth_of(child))
    }

    /// Visits whole segments in hash order from `cursor` on until at least `count` entries were
    /// seen, and returns the cursor to go on with, 0 at the end. Whatever is present from the
    /// first call to the last is seen exactly once, whatever splits or merges in between.
    pub(crate) fn scan(
        &self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(EntryRef<'_, L::Beside>),
    ) -> u64 {
        let mut from = cursor << CURSOR_SHIFT;
        let mut seen = 0;
        loop {
            let (region, segment, depth) = self.segment_of(from);
            // A merge since the last call may have put entries that were seen before the cursor.
            let partly_seen = start_of(from, depth) < from;
            for entry in region.entries(segment) {
                if !partly_seen || self.hash(entry.key) >= from {
                    visit(entry);
                    seen += 1;
                }
            }
            match end_of(from, depth) {
                None => return 0,
                Some(end) if seen >= count => return end >> CURSOR_SHIFT,
                Some(end) => from = end,
            }
        }
    }

    /// All entries, in an order that depends on the operations so far alone.
    pub(crate) fn iter(&self) -> TableIter<'_, L> {
        TableIter::new(self)
    }

    /// The keys of up to `limit` entries that were due before `now`, found by walking segments in
    /// hash order from `*resume` on (any value will do), which is left at the place to go on from.
    /// The caller removes them. The walk is bounded too; `may_be_due` says whether to go on.
    pub(crate) fn due(&mut self, now: i64, limit: usize, resume: &mut u64) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        let (start, mut wrapped) = (*resume, false);
        for _ in 0..WALK {
            let (end, is_done) = self.due_at(*resume, now, limit, &mut due);
            if !is_done || due.len() == limit {
                break;
            }
            *resume = end.unwrap_or(0);
            if wrapped && (end.is_none() || *resume > start) {
                break;
            }
            wrapped |= end.is_none();
        }
        due
    }

    /// Whether entries may have been due before `now`: deadlines that were put off or went count
    /// until the walk of `due` has been there.
    pub(crate) fn may_be_due(&self, now: i64) -> bool {
        self.pages.earliest() < now
    }

    /// Collects what is due in the segment of `hash`, or finds that nothing is in its region or
    /// page: the end of the range that was looked at, and whether all of it was.
    fn due_at(&mut self, hash: u64, now: i64, limit: usize, due: &mut Vec<Vec<u8>>) -> (Option<u64>, bool) {
        let page_index = self.pages.find(hash);
        if self.pages.children()[page_index].earliest >= now {
            return (end_of(hash, self.pages.depth_of(page_index)), true);
        }
        let page = self.pages.node_mut(page_index);
        let region_index = page.find(hash);
        let (end, is_done) = if page.children()[region_index].earliest >= now {
            (end_of(hash, page.depth_of(region_index)), true)
        } else {
            let found = due_in::<L>(page.node_mut(region_index), hash, (now, limit), due);
            page.children_mut()[region_index].earliest = page.node(region_index).fan().earliest();
            found
        };
        // What is above was a lower bound: with what went or was put off it may be one no longer.
        let earliest = page.earliest();
        self.pages.children_mut()[page_index].earliest = earliest;
        (end, is_done)
    }

    /// How the entries fill the segments.
    pub(crate) fn fill(&self) -> Fill {
        let segments = self.regions().flat_map(|region| region.fan().children());
        Fill { entries: segments.map(|child| child.node.len()).collect(), capacity: segment::CAPACITY }
    }

    /// Bytes allocated for the table, without what values beside own themselves.
    pub(crate) fn heap_size(&self) -> usize {
        let pages: usize = self.pages.children().iter().map(|page| page.node.heap_size()).sum();
        self.pages.heap_size() + pages + self.regions().map(Region::heap_size).sum::<usize>()
    }

    /// The sum of `size` over all values that lie beside.
    pub(crate) fn beside_sum(&self, size: impl Fn(&L::Beside) -> usize) -> usize {
        let segments = self.regions().flat_map(|region| region.fan().children());
        segments.flat_map(|child| child.node.values()).map(size).sum()
    }

    fn regions(&self) -> impl Iterator<Item = &Region<L>> {
        self.pages.children().iter().flat_map(|page| page.node.children()).map(|region| &*region.node)
    }

    /// The segment that `hash` belongs to, with its region and the bits that its hashes share.
    fn segment_of(&self, hash: u64) -> (&Region<L>, usize, u32) {
        let page = self.pages.node(self.pages.find(hash));
        let region = page.node(page.find(hash));
        let segment = region.fan().find(hash);
        (region, segment, region.fan().depth_of(segment))
    }

    fn split_region(&mut self, hash: u64) {
        let hasher = &self.hasher;
        let page_index = self.pages.find(hash);
        let page = self.pages.node_mut(page_index);
        let index = page.find(hash);
        let region = std::mem::replace(page.node_mut(index), Region::new(0));
        self.dead -= region.dead();
        let [lower, upper] = region.into_halves(hash, &|key| hash_bytes(hasher, key));
        let earliest = [lower.fan().earliest(), upper.fan().earliest()];
        *page.node_mut(index) = lower;
        page.split(hash, upper, earliest);
        if page.len() > MOST_REGIONS {
            let whole = std::mem::replace(page, Fan::new(0, Region::new(0), i64::MAX));
            let [lower, upper] = whole.into_halves();
            let earliest = [lower.earliest(), upper.earliest()];
            *page = lower;
            self.pages.split(hash, upper, earliest);
        }
    }

    /// Merges the region of `hash` with its buddy, and pages likewise, while both are small.
    fn merge_regions(&mut self, hash: u64) {
        loop {
            self.merge_pages(hash);
            let page = self.pages.node(self.pages.find(hash));
            let Some(buddy) = page.buddy(hash) else { return };
            let index = page.find(hash);
            if !page.node(index).can_join(page.node(buddy)) {
                return;
            }
            let page_index = self.pages.find(hash);
            self.join_regions(page_index, hash, buddy);
        }
    }

    fn join_regions(&mut self, page: usize, hash: u64, buddy: usize) {
        let hasher = &self.hasher;
        let page = self.pages.node_mut(page);
        let gone = triomphe::Arc::unwrap_or_clone(page.join(page.find(hash), buddy));
        let index = page.find(hash);
        let kept = std::mem::replace(page.node_mut(index), Region::new(0));
        self.dead -= gone.dead() + kept.dead();
        let depth = kept.fan().depth();
        let is_upper = hash >> (64 - depth) & 1 == 1;
        let halves = if is_upper { [gone, kept] } else { [kept, gone] };
        *page.node_mut(index) = Region::from_halves(halves, hash, &|key| hash_bytes(hasher, key));
    }

    fn merge_pages(&mut self, hash: u64) {
        while let Some(buddy) = self.pages.buddy(hash) {
            let index = self.pages.find(hash);
            if self.pages.node(index).len() + self.pages.node(buddy).len() > JOINED_REGIONS {
                return;
            }
            let gone = triomphe::Arc::unwrap_or_clone(self.pages.join(index, buddy));
            let index = self.pages.find(hash);
            let kept = std::mem::replace(self.pages.node_mut(index), Fan::new(0, Region::new(0), i64::MAX));
            let is_upper = hash >> (64 - kept.depth()) & 1 == 1;
            let halves = if is_upper { [gone, kept] } else { [kept, gone] };
            *self.pages.node_mut(index) = Fan::from_halves(halves);
        }
    }
}

/// The first hash that has the same `depth` top bits.
fn start_of(hash: u64, depth: u32) -> u64 {
    if depth == 0 { 0 } else { hash >> (64 - depth) << (64 - depth) }
}

/// Collects what was due before a time in the segment of `hash`, up to a limit: see `Table::due_at`.
fn due_in<L: Layout>(
    region: &mut Region<L>,
    hash: u64,
    (now, limit): (i64, usize),
    due: &mut Vec<Vec<u8>>,
) -> (Option<u64>, bool) {
    let segment = region.fan().find(hash);
    let end = end_of(hash, region.fan().depth_of(segment));
    if region.fan().children()[segment].earliest >= now {
        return (end, true);
    }
    let mut earliest = i64::MAX;
    for entry in region.entries(segment) {
        let deadline = L::deadline(&entry);
        if deadline >= now {
            earliest = earliest.min(deadline);
        } else if due.len() < limit {
            due.push(entry.key.to_vec());
        } else {
            return (end, false);
        }
    }
    region.fan_mut().children_mut()[segment].earliest = earliest;
    (end, true)
}

/// The first hash after those that have the same `depth` top bits, None at the end of the space.
fn end_of(hash: u64, depth: u32) -> Option<u64> {
    if depth == 0 {
        return None;
    }
    start_of(hash, depth).checked_add(1 << (64 - depth))
}

#[inline]
fn hash_bytes(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

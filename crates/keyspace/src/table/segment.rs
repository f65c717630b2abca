//! One segment: up to 112 entries, found by comparing 16 one-byte tags at a time.
//!
//! Entries lie densely in insertion order; eight groups of 16 lanes name them by a tag of their
//! hash and their index. An entry's home is the group its hash picks; when that is full it goes to
//! the next one with room, and every full group on the way counts it, so that a search knows
//! whether to go on and a removal leaves no tombstone.
//! Invariant: a lane's tag is 0 exactly when the lane is empty, and every entry has one lane.
//!
//! ```text
//! group: tags [16 bytes] | indexes into entries [16 bytes]      × 8, then 8 overflow counters
//! ```

use super::Entry;

const GROUPS: usize = 8;
const LANES: usize = 16;
/// Entries at which a segment is full: seven of eight lanes, so that searches stay short.
pub(super) const CAPACITY: usize = 112;
const VACANT: u8 = u8::MAX;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Which lane names an entry, and where the entry lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    group: u8,
    lane: u8,
    index: u8,
}

#[derive(Clone, Copy)]
struct Group {
    tags: [u8; LANES],
    indexes: [u8; LANES],
}

const EMPTY: Group = Group { tags: [0; LANES], indexes: [VACANT; LANES] };

#[derive(Clone)]
pub(super) struct Segment<E> {
    groups: [Group; GROUPS],
    /// For each group, the entries that found it full and live further on.
    passed: [u8; GROUPS],
    start: u64,
    depth: u32,
    entries: Vec<E>,
}

/// The lanes of `tags` that hold `tag`, as bytes' high bits of two words. Lanes above a true
/// match may be reported falsely, never below one; a match is checked against the key anyway.
#[inline]
fn matches(tags: &[u8; LANES], tag: u8) -> [u64; 2] {
    let (low, high) = tags.split_at(LANES / 2);
    [low, high].map(|half| {
        let word = u64::from_le_bytes(half.try_into().expect("half of 16 lanes"));
        let difference = word ^ (LOW_BITS * u64::from(tag));
        difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS
    })
}

#[inline]
fn tag_and_home(hash: u64) -> (u8, usize) {
    let [tag, home, ..] = hash.to_le_bytes();
    (tag.max(1), usize::from(home) % GROUPS)
}

impl<E: Entry> Segment<E> {
    pub(super) fn new(start: u64, depth: u32) -> Self {
        Segment { groups: [EMPTY; GROUPS], passed: [0; GROUPS], start, depth, entries: Vec::new() }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// The first hash after this segment's, None at the end of the space.
    pub(super) fn end(&self) -> Option<u64> {
        if self.depth == 0 {
            return None;
        }
        self.start.checked_add(1 << (64 - self.depth))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= CAPACITY
    }

    pub(super) fn entries(&self) -> &[E] {
        &self.entries
    }

    pub(super) fn earliest(&self) -> i64 {
        self.entries.iter().map(Entry::deadline).min().unwrap_or(i64::MAX)
    }

    pub(super) fn heap_size(&self) -> usize {
        size_of::<Self>() + 16 + self.entries.capacity() * size_of::<E>()
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Lane> {
        let (tag, home) = tag_and_home(hash);
        let mut at = home;
        for _ in 0..GROUPS {
            let group = &self.groups[at];
            for (half, mut found) in matches(&group.tags, tag).into_iter().enumerate() {
                while found != 0 {
                    let lane = half * LANES / 2 + bit_to_lane(found);
                    let index = group.indexes[lane];
                    if self.entries.get(usize::from(index)).is_some_and(|entry| entry.key() == key) {
                        return Some(Lane { group: small(at), lane: small(lane), index });
                    }
                    found &= found - 1;
                }
            }
            if self.passed[at] == 0 {
                return None;
            }
            at = (at + 1) % GROUPS;
        }
        None
    }

    #[inline]
    pub(super) fn at(&self, lane: Lane) -> &E {
        &self.entries[usize::from(lane.index)]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, lane: Lane) -> &mut E {
        &mut self.entries[usize::from(lane.index)]
    }

    /// Adds an entry that is known to be absent, to a segment that is not full.
    pub(super) fn insert(&mut self, hash: u64, entry: E) -> &mut E {
        let index = small(self.entries.len());
        self.link(hash, index);
        if self.entries.len() == self.entries.capacity() {
            // Segments are many and half full on average: doubling would waste what it grows.
            self.entries.reserve_exact(if self.entries.len() < LANES { 4 } else { LANES });
        }
        self.entries.push(entry);
        self.entries.last_mut().expect("just pushed")
    }

    fn link(&mut self, hash: u64, index: u8) {
        let (tag, mut at) = tag_and_home(hash);
        loop {
            let group = &mut self.groups[at];
            if let Some(lane) = first_lane(matches(&group.tags, 0)) {
                group.tags[lane] = tag;
                group.indexes[lane] = index;
                return;
            }
            self.passed[at] += 1;
            at = (at + 1) % GROUPS;
        }
    }

    pub(super) fn remove(&mut self, hash: u64, lane: Lane) -> E {
        let group = usize::from(lane.group);
        let (_, mut at) = tag_and_home(hash);
        while at != group {
            self.passed[at] -= 1;
            at = (at + 1) % GROUPS;
        }
        self.groups[group].tags[usize::from(lane.lane)] = 0;
        self.groups[group].indexes[usize::from(lane.lane)] = VACANT;
        let removed = self.entries.swap_remove(usize::from(lane.index));
        let moved = small(self.entries.len());
        if lane.index != moved {
            self.rename(moved, lane.index);
        }
        if self.entries.capacity() > 2 * LANES + self.entries.len() {
            self.entries.shrink_to(self.entries.len() + LANES);
        }
        removed
    }

    /// Points the lane of the entry that was at index `from` to index `to`.
    fn rename(&mut self, from: u8, to: u8) {
        let index = self
            .groups
            .iter_mut()
            .flat_map(|group| &mut group.indexes)
            .find(|index| **index == from)
            .expect("every entry has a lane");
        *index = to;
    }

    /// Keeps the lower half of the hash range and returns the upper one.
    pub(super) fn split(&mut self, hash: impl Fn(&[u8]) -> u64) -> Segment<E> {
        let depth = self.depth + 1;
        let bit = 1 << (64 - depth);
        let mut lower = Segment::new(self.start, depth);
        let mut upper = Segment::new(self.start | bit, depth);
        lower.entries.reserve_exact(CAPACITY / 2 + LANES);
        upper.entries.reserve_exact(CAPACITY / 2 + LANES);
        for entry in std::mem::take(&mut self.entries) {
            let hash = hash(entry.key());
            let half = if hash & bit == 0 { &mut lower } else { &mut upper };
            half.insert(hash, entry);
        }
        *self = lower;
        upper
    }

    /// Takes in the buddy's entries and covers its half of the hash range as well.
    pub(super) fn absorb(&mut self, upper: &Segment<E>, hashes: &[u64]) {
        self.depth -= 1;
        for (entry, hash) in upper.entries.iter().zip(hashes) {
            self.insert(*hash, entry.clone());
        }
    }
}

#[inline]
fn bit_to_lane(found: u64) -> usize {
    usize::try_from(found.trailing_zeros() / 8).expect("below 8")
}

fn first_lane([low, high]: [u64; 2]) -> Option<usize> {
    match (low, high) {
        (0, 0) => None,
        (0, high) => Some(LANES / 2 + bit_to_lane(high)),
        (low, _) => Some(bit_to_lane(low)),
    }
}

/// Indexes, lanes and groups are all below 128.
#[inline]
fn small(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

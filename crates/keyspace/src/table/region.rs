//! A region: up to 32 neighbouring segments and the blocks that all their entries lie in.
//!
//! Many segments share the blocks, so that what the last block leaves unused is divided by
//! thousands of entries rather than by a hundred. A region that has no room left is cut into
//! halves by the next bit of the hash; entries are copied, their keys are not hashed again. Dead
//! bytes go when the region is packed anew.
//! Invariant: every lane of every segment names the start of an entry in these blocks, and every
//! slot that is not free belongs to exactly one entry of its segment.

use triomphe::Arc;

use super::block::{Address, Blocks, LONGEST_ENTRY};
use super::entry::{Draft, Key, LONGEST_KEY, Parsed, parse};
use super::fan::Fan;
use super::segment::{Beside, Lane, Segment};
use super::{EntryRef, Layout, NewEntry, end_of};
use crate::size_class::ARC_HEADER;

pub(super) const MOST_SEGMENTS: usize = 32;
/// A segment with fewer entries looks at its buddy when one is removed.
const MERGE_BELOW: usize = 28;
/// Buddies merge when together they hold no more: half of what makes a segment split.
const MERGED_AT_MOST: usize = 56;
/// Regions merge when together their entries take no more bytes and no more segments.
const JOINED_BYTES: usize = 20 << 10;
const JOINED_SEGMENTS: usize = 16;
/// Dead bytes that are worth packing for even if nothing is added any more.
const MUCH_DEAD: usize = 8 << 10;
/// Dead bytes that are worth packing for where memory is short.
const MUCH_WASTE: usize = 2 << 10;

#[derive(Clone)]
pub(super) struct Region<L: Layout> {
    fan: Fan<Segment<L::Beside>>,
    blocks: Blocks,
}

/// Where in a region an entry was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) segment: usize,
    pub(super) lane: Lane,
}

impl<L: Layout> Region<L> {
    /// An empty region for the hashes that begin with `depth` given bits.
    pub(super) fn new(depth: u32) -> Self {
        Region { fan: Fan::new(depth, Segment::new(), i64::MAX), blocks: Blocks::default() }
    }

    pub(super) fn fan(&self) -> &Fan<Segment<L::Beside>> {
        &self.fan
    }

    pub(super) fn fan_mut(&mut self) -> &mut Fan<Segment<L::Beside>> {
        &mut self.fan
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Spot> {
        self.find_in(self.fan.find(hash), hash, key)
    }

    #[inline]
    fn find_in(&self, segment: usize, hash: u64, key: &[u8]) -> Option<Spot> {
        let node = self.fan.node(segment);
        let lane = node.find(hash, |address| match parse_entry::<L>(self.blocks.at(address)).key {
            Key::Here(found) => found == key,
            Key::Beside(slot) => key_beside(node, slot) == key,
        })?;
        Some(Spot { segment, lane })
    }

    #[inline]
    pub(super) fn entry(&self, spot: Spot) -> EntryRef<'_, L::Beside> {
        let segment = self.fan.node(spot.segment);
        let bytes = self.blocks.at(segment.address(spot.lane));
        let parsed = parse_entry::<L>(bytes);
        let key = match parsed.key {
            Key::Here(key) => key,
            Key::Beside(slot) => key_beside(segment, slot),
        };
        EntryRef {
            key,
            rest: &bytes[parsed.rest_at..parsed.size],
            beside: parsed.slot.and_then(|slot| value_beside(segment, slot)),
        }
    }

    /// Reads the lines of the region itself, and returns something of each.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        u64::from(self.fan.depth()) ^ self.blocks.touch()
    }

    /// Reads where entry number `next` from now on is likely to be added, and returns something of it.
    #[inline]
    pub(super) fn touch_room(&self, next: usize) -> u64 {
        self.blocks.touch_room(next)
    }

    /// Reads the entry at `address`, which need not be one, and returns something of its lines.
    #[inline]
    pub(super) fn touch_entry(&self, address: Address) -> u64 {
        self.blocks.touch_at(address)
    }

    /// Adds an entry with this deadline that is known to be absent; given back when the region has no
    /// room for it.
    pub(super) fn insert<'a>(
        &mut self,
        new: NewEntry<'a, L::Beside>,
        deadline: i64,
        hash_of: &impl Fn(&[u8]) -> u64,
    ) -> Result<Spot, NewEntry<'a, L::Beside>> {
        while self.fan.node(self.fan.find(new.hash)).is_full() {
            if self.fan.len() >= MOST_SEGMENTS {
                return Err(new);
            }
            self.split_segment(new.hash, hash_of);
        }
        let is_long = new.key.len() > LONGEST_KEY;
        let provisional = Draft {
            key: if is_long { Key::Beside(0) } else { Key::Here(new.key) },
            slot: new.beside.as_ref().map(|_| 0),
            rest: new.rest,
        };
        let Some(address) = self.room_for(draft_size::<L>(&provisional)) else { return Err(new) };
        let child = self.fan.find(new.hash);
        let segment = self.fan.node_mut(child);
        let key = if is_long {
            Key::Beside(segment.put_beside(Beside::Key(Arc::from(new.key))))
        } else {
            provisional.key
        };
        let slot = new.beside.map(|value| segment.put_beside(Beside::Value(value)));
        let lane = segment.link(new.hash, address);
        write_entry::<L>(&Draft { key, slot, rest: new.rest }, self.blocks.at_mut(address));
        self.fan.note_deadline(child, deadline);
        Ok(Spot { segment: child, lane })
    }

    /// Adds an entry that lies in the blocks alone, unless its key is there already or there is no
    /// room as things are.
    #[inline]
    pub(super) fn add(&mut self, new: &NewEntry<'_, L::Beside>, deadline: i64) -> bool {
        if new.key.len() > LONGEST_KEY || new.beside.is_some() {
            return false;
        }
        let child = self.fan.find(new.hash);
        if self.fan.node(child).is_full() || self.find_in(child, new.hash, new.key).is_some() {
            return false;
        }
        let draft = Draft { key: Key::Here(new.key), slot: None, rest: new.rest };
        let Some(address) = self.blocks.allocate(draft_size::<L>(&draft)) else { return false };
        self.fan.node_mut(child).link(new.hash, address);
        write_entry::<L>(&draft, self.blocks.at_mut(address));
        self.fan.note_deadline(child, deadline);
        true
    }

    /// Splits segments until each is at least `depth` bits deep, or there are as many as a region
    /// has. `first` is the first of the region's hashes.
    pub(super) fn deepen(&mut self, first: u64, depth: u32, hash_of: &impl Fn(&[u8]) -> u64) {
        let end = end_of(first, self.fan.depth());
        let mut at = Some(first);
        while let Some(hash) = at.filter(|_| at != end) {
            while self.fan.depth_of(self.fan.find(hash)) < depth && self.fan.len() < MOST_SEGMENTS {
                self.split_segment(hash, hash_of);
            }
            at = end_of(hash, self.fan.depth_of(self.fan.find(hash)));
        }
    }

    /// Bytes of entries that are present.
    pub(super) fn live(&self) -> usize {
        self.blocks.live()
    }

    /// Room for `size` bytes, after packing anew if that makes some.
    fn room_for(&mut self, size: usize) -> Option<Address> {
        assert!(size <= LONGEST_ENTRY, "bigger values lie beside");
        if let Some(address) = self.blocks.allocate(size) {
            return Some(address);
        }
        if !self.blocks.is_sparse() {
            return None;
        }
        self.pack();
        self.blocks.allocate(size)
    }

    /// The rest of an entry, to be changed at the same length.
    #[inline]
    pub(super) fn rest_mut(&mut self, spot: Spot) -> &mut [u8] {
        let address = self.fan.node(spot.segment).address(spot.lane);
        let bytes = self.blocks.at_mut(address);
        let parsed = parse_entry::<L>(bytes);
        let range = parsed.rest_at..parsed.size;
        &mut bytes[range]
    }

    /// The same, if no snapshot holds the block.
    pub(super) fn rest_mut_if_unshared(&mut self, spot: Spot) -> Option<&mut [u8]> {
        let address = self.fan.node(spot.segment).address(spot.lane);
        let bytes = self.blocks.at_mut_if_unshared(address)?;
        let parsed = parse_entry::<L>(bytes);
        let range = parsed.rest_at..parsed.size;
        Some(&mut bytes[range])
    }

    /// What the entry holds beside, to be changed.
    pub(super) fn beside_mut(&mut self, spot: Spot) -> Option<&mut L::Beside> {
        let segment = self.fan.node(spot.segment);
        let slot = parse_entry::<L>(self.blocks.at(segment.address(spot.lane))).slot?;
        match self.fan.node_mut(spot.segment).beside_mut(slot) {
            Beside::Value(value) => Some(value),
            Beside::Free | Beside::Key(_) => unreachable!("the entry names a value's slot"),
        }
    }

    /// Gives the entry at `spot` another rest and another value beside, and returns the value it
    /// had; `beside` comes back when the region has no room.
    pub(super) fn replace(
        &mut self,
        spot: Spot,
        rest: [&[u8]; 2],
        beside: Option<L::Beside>,
    ) -> Result<Option<L::Beside>, Option<L::Beside>> {
        let mut copy = [0; LONGEST_KEY];
        let segment = self.fan.node(spot.segment);
        let old = parse_entry::<L>(self.blocks.at(segment.address(spot.lane)));
        let (old_size, old_slot) = (old.size, old.slot);
        let key = match old.key {
            Key::Here(key) => {
                copy[..key.len()].copy_from_slice(key);
                Key::Here(&copy[..key.len()])
            }
            Key::Beside(slot) => Key::Beside(slot),
        };
        let mut draft = Draft { key, slot: beside.as_ref().map(|_| 0), rest };
        let size = draft_size::<L>(&draft);
        if size != old_size {
            let Some(address) = self.room_for(size) else { return Err(beside) };
            // Packing may have moved the old bytes.
            let segment = self.fan.node_mut(spot.segment);
            let old = segment.address(spot.lane);
            segment.readdress(spot.lane, address);
            self.blocks.release(old, old_size);
        }
        let mut taken = None;
        if old_slot.is_some() || beside.is_some() {
            let segment = self.fan.node_mut(spot.segment);
            taken = old_slot.map(|slot| segment.take_beside(slot));
            draft.slot = beside.map(|value| segment.put_beside(Beside::Value(value)));
        }
        let address = self.fan.node(spot.segment).address(spot.lane);
        write_entry::<L>(&draft, self.blocks.at_mut(address));
        self.fan.note_deadline(spot.segment, L::deadline(&self.entry(spot)));
        Ok(taken.and_then(Beside::into_value))
    }

    /// Removes an entry and returns what it held beside.
    pub(super) fn remove(
        &mut self,
        hash: u64,
        spot: Spot,
        hash_of: &impl Fn(&[u8]) -> u64,
    ) -> Option<L::Beside> {
        let segment = self.fan.node_mut(spot.segment);
        let address = segment.address(spot.lane);
        let parsed = parse_entry::<L>(self.blocks.at(address));
        segment.unlink(hash, spot.lane);
        if let Key::Beside(slot) = parsed.key {
            drop(segment.take_beside(slot));
        }
        let taken = parsed.slot.map(|slot| segment.take_beside(slot));
        let is_small = segment.len() < MERGE_BELOW;
        let size = parsed.size;
        self.blocks.release(address, size);
        if is_small {
            self.merge_segments(hash, hash_of);
        }
        if self.blocks.dead() > MUCH_DEAD.max(self.blocks.live()) || self.blocks.live() == 0 {
            self.pack();
        }
        taken.and_then(Beside::into_value)
    }

    /// The earliest deadline in `segment`.
    pub(super) fn earliest_in(&self, segment: usize) -> i64 {
        let lanes = self.fan.node(segment).lanes();
        lanes.map(|lane| L::deadline(&self.entry(Spot { segment, lane }))).min().unwrap_or(i64::MAX)
    }

    /// All entries of `segment`.
    pub(super) fn entries(&self, segment: usize) -> impl Iterator<Item = EntryRef<'_, L::Beside>> {
        self.fan.node(segment).lanes().map(move |lane| self.entry(Spot { segment, lane }))
    }

    /// Cuts the region in two by the next bit of the hash.
    pub(super) fn into_halves(mut self, hash: u64, hash_of: &impl Fn(&[u8]) -> u64) -> [Region<L>; 2] {
        if self.fan.len() == 1 {
            self.split_segment(hash, hash_of);
        }
        let blocks = self.blocks;
        self.fan.into_halves().map(|fan| {
            let mut half = Region { fan, blocks: Blocks::default() };
            half.adopt_from(&blocks);
            half
        })
    }

    /// Whether this region and its buddy are little enough to be one.
    pub(super) fn can_join(&self, buddy: &Region<L>) -> bool {
        self.blocks.live() + buddy.blocks.live() <= JOINED_BYTES
            && self.fan.len() + buddy.fan.len() <= JOINED_SEGMENTS
    }

    /// Bytes of entries that are gone.
    pub(super) fn dead(&self) -> usize {
        self.blocks.dead()
    }

    /// Whether packing anew would give a noteworthy share back.
    pub(super) fn wastes(&self) -> bool {
        self.blocks.dead() >= MUCH_WASTE && self.blocks.dead() * 8 > self.blocks.live()
    }

    /// Whether it is worth looking at the buddy.
    pub(super) fn is_small(&self) -> bool {
        self.blocks.live() <= JOINED_BYTES / 2
    }

    /// Puts two halves of one range together.
    pub(super) fn from_halves(halves: [Region<L>; 2], hash: u64, hash_of: &impl Fn(&[u8]) -> u64) -> Self {
        let live = halves.iter().map(|half| half.blocks.live()).sum();
        let mut blocks = Blocks::sized(live);
        let fans = halves.map(|mut half| {
            move_entries::<L>(&mut half.fan, &half.blocks, &mut blocks);
            half.fan
        });
        let mut joined = Region { fan: Fan::from_halves(fans), blocks };
        joined.merge_segments(hash, hash_of);
        joined
    }

    /// Bytes allocated for the region.
    pub(super) fn heap_size(&self) -> usize {
        let segments = self
            .fan
            .children()
            .iter()
            .map(|child| size_of::<Segment<L::Beside>>() + ARC_HEADER + child.node.heap_size());
        size_of::<Self>()
            + ARC_HEADER
            + self.fan.heap_size()
            + self.blocks.heap_size()
            + segments.sum::<usize>()
    }

    /// Copies all entries into new blocks, without the dead bytes.
    pub(super) fn pack(&mut self) {
        let old = std::mem::take(&mut self.blocks);
        self.adopt_from(&old);
    }

    fn adopt_from(&mut self, old: &Blocks) {
        let live = self.live_in(old);
        self.blocks = Blocks::sized(live);
        move_entries::<L>(&mut self.fan, old, &mut self.blocks);
    }

    fn live_in(&self, blocks: &Blocks) -> usize {
        if blocks.live() >= 2 * super::block::BLOCK {
            return super::block::BLOCK;
        }
        let segments = self.fan.children().iter();
        let sizes = segments.flat_map(|child| {
            child.node.lanes().map(|lane| parse_entry::<L>(blocks.at(child.node.address(lane))).size)
        });
        sizes.sum()
    }

    /// Splits the segment that `hash` belongs to.
    fn split_segment(&mut self, hash: u64, hash_of: &impl Fn(&[u8]) -> u64) {
        let child = self.fan.find(hash);
        let depth = self.fan.depth_of(child);
        assert!(depth < super::DEEPEST, "a keyed hash never gathers this many entries in one place");
        let bit = 1 << (63 - depth);
        let old = self.fan.node_mut(child);
        let mut whole = std::mem::replace(old, Segment::new());
        let (mut lower, mut upper) = (Segment::new(), Segment::new());
        let lanes: Vec<Lane> = whole.lanes().collect();
        // So that the processor waits for many of them at a time.
        let touch = |lane: &Lane| self.blocks.at(whole.address(*lane))[0];
        std::hint::black_box(lanes.iter().fold(0, |seen, lane| seen ^ touch(lane)));
        for lane in lanes {
            let address = whole.address(lane);
            let parsed = parse_entry::<L>(self.blocks.at(address));
            let hash = match parsed.key {
                Key::Here(key) => hash_of(key),
                Key::Beside(slot) => hash_of(key_beside(&whole, slot)),
            };
            let half = if hash & bit == 0 { &mut lower } else { &mut upper };
            if let Key::Beside(slot) = parsed.key {
                whole.move_beside(slot, half);
            }
            if let Some(slot) = parsed.slot {
                whole.move_beside(slot, half);
            }
            half.link(hash, address);
        }
        *self.fan.node_mut(child) = lower;
        let earliest = self.fan.children()[child].earliest;
        self.fan.split(hash, upper, [earliest; 2]);
        if earliest == i64::MAX {
            return;
        }
        for half in [child, self.fan.len() - 1] {
            self.fan.children_mut()[half].earliest = self.earliest_in(half);
        }
    }

    /// Merges the segment of `hash` with its buddy while both are underfull.
    fn merge_segments(&mut self, hash: u64, hash_of: &impl Fn(&[u8]) -> u64) {
        while let Some(buddy) = self.fan.buddy(hash) {
            let child = self.fan.find(hash);
            if self.fan.node(child).len() + self.fan.node(buddy).len() > MERGED_AT_MOST {
                return;
            }
            let from = Arc::unwrap_or_clone(self.fan.join(child, buddy));
            self.absorb(hash, from, hash_of);
        }
    }

    /// Takes the entries of `from` into the segment of `hash`; their slots get other numbers.
    fn absorb(&mut self, hash: u64, mut from: Segment<L::Beside>, hash_of: &impl Fn(&[u8]) -> u64) {
        let child = self.fan.find(hash);
        let into = self.fan.node_mut(child);
        let lanes: Vec<Lane> = from.lanes().collect();
        for lane in lanes {
            let address = from.address(lane);
            let parsed = parse_entry::<L>(self.blocks.at(address));
            let hash = match parsed.key {
                Key::Here(key) => hash_of(key),
                Key::Beside(slot) => hash_of(key_beside(&from, slot)),
            };
            let key_slot = match parsed.key {
                Key::Here(_) => None,
                Key::Beside(slot) => Some(into.put_beside(from.take_beside(slot))),
            };
            let slot = parsed.slot.map(|slot| into.put_beside(from.take_beside(slot)));
            into.link(hash, address);
            if key_slot.is_some() || slot.is_some() {
                super::entry::renumber(self.blocks.at_mut(address), key_slot, slot);
            }
        }
    }
}

/// Copies all entries from blocks to blocks.
fn move_entries<L: Layout>(fan: &mut Fan<Segment<L::Beside>>, from: &Blocks, to: &mut Blocks) {
    from.read_ahead();
    for child in 0..fan.len() {
        let segment = fan.node_mut(child);
        let lanes: Vec<Lane> = segment.lanes().collect();
        for lane in lanes {
            let bytes = from.at(segment.address(lane));
            let size = parse_entry::<L>(bytes).size;
            segment.readdress(lane, to.adopt(&bytes[..size]));
        }
    }
}

#[inline]
fn parse_entry<L: Layout>(bytes: &[u8]) -> Parsed<'_> {
    if L::REST { parse::<true>(bytes) } else { parse::<false>(bytes) }
}

fn draft_size<L: Layout>(draft: &Draft<'_>) -> usize {
    if L::REST { draft.size::<true>() } else { draft.size::<false>() }
}

fn write_entry<L: Layout>(draft: &Draft<'_>, bytes: &mut [u8]) {
    if L::REST { draft.write::<true>(bytes) } else { draft.write::<false>(bytes) }
}

fn key_beside<S>(segment: &Segment<S>, slot: u8) -> &[u8] {
    match segment.beside(slot) {
        Beside::Key(key) => key,
        Beside::Free | Beside::Value(_) => unreachable!("the entry names its key's slot"),
    }
}

fn value_beside<S>(segment: &Segment<S>, slot: u8) -> Option<&S> {
    match segment.beside(slot) {
        Beside::Value(value) => Some(value),
        Beside::Free | Beside::Key(_) => unreachable!("the entry names a value's slot"),
    }
}

//! One segment: up to 128 entries of a region, found by comparing 16 one-byte tags at a time.
//!
//! Eight groups of 16 lanes name entries by a tag of their hash and their address in the region's
//! blocks. An entry's home is the group its hash picks; when that is full it goes to the next one
//! with room, and every full group on the way counts it, so that a search knows whether to go on
//! and a removal leaves no tombstone. What does not fit a block (long keys, big values) lies
//! beside, in the segment's slots.
//! Invariant: a lane's tag is 0 exactly when the lane is empty, and every entry has one lane.
//!
//! ```text
//! group: tags [16 × 1 byte] | addresses [16 × 2 bytes]      × 8, then 8 overflow counters
//! ```

use triomphe::Arc;

use super::block::Address;
use crate::size_class::ARC_HEADER;

const GROUPS: usize = 8;
const LANES: usize = 16;
/// Entries at which a segment is full.
pub(super) const CAPACITY: usize = GROUPS * LANES;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Which lane names an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    group: u8,
    lane: u8,
}

#[derive(Clone, Copy)]
struct Group {
    tags: [u8; LANES],
    addresses: [u16; LANES],
}

const EMPTY: Group = Group { tags: [0; LANES], addresses: [0; LANES] };

/// What an entry holds outside of the blocks.
#[derive(Clone)]
pub(super) enum Beside<S> {
    /// Nothing any more: the slot is free.
    Free,
    Key(Arc<[u8]>),
    Value(S),
}

impl<S> Beside<S> {
    pub(super) fn into_value(self) -> Option<S> {
        match self {
            Beside::Value(value) => Some(value),
            Beside::Free | Beside::Key(_) => None,
        }
    }
}

#[derive(Clone)]
pub(super) struct Segment<S> {
    groups: [Group; GROUPS],
    /// For each group, the entries that found it full and live further on.
    passed: [u8; GROUPS],
    len: u8,
    /// At most 256: a key and a value for each entry.
    beside: Vec<Beside<S>>,
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

impl<S> Segment<S> {
    pub(super) fn new() -> Self {
        Segment { groups: [EMPTY; GROUPS], passed: [0; GROUPS], len: 0, beside: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= CAPACITY
    }

    /// The lane of the entry with this hash that `is_it` confirms by its address.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(Address) -> bool) -> Option<Lane> {
        let (tag, home) = tag_and_home(hash);
        let mut at = home;
        for _ in 0..GROUPS {
            let group = &self.groups[at];
            for (half, mut found) in matches(&group.tags, tag).into_iter().enumerate() {
                while found != 0 {
                    let lane = half * LANES / 2 + bit_to_lane(found);
                    if group.tags[lane] == tag && is_it(Address(group.addresses[lane])) {
                        return Some(Lane { group: small(at), lane: small(lane) });
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

    /// Where the entry with this hash lies, if its home has it and no other lane with its tag comes
    /// first; else anywhere.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Address {
        let (tag, home) = tag_and_home(hash);
        let group = &self.groups[home];
        let [low, high] = matches(&group.tags, tag);
        // No match in the lower half makes this 8, and only then the higher half counts.
        let low = low.trailing_zeros() / 8;
        let lane = low + ((high.trailing_zeros() / 8) & (low / 8).wrapping_neg());
        Address(group.addresses[usize::from(lane.to_le_bytes()[0]) % LANES])
    }

    /// Reads what adding an entry with this hash will read, and returns something of it.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u64 {
        let (_, home) = tag_and_home(hash);
        u64::from(self.groups[home].tags[0] ^ self.passed[home])
    }

    #[inline]
    pub(super) fn address(&self, lane: Lane) -> Address {
        Address(self.groups[usize::from(lane.group)].addresses[usize::from(lane.lane)])
    }

    /// Points `lane` to another address.
    pub(super) fn readdress(&mut self, lane: Lane, address: Address) {
        self.groups[usize::from(lane.group)].addresses[usize::from(lane.lane)] = address.0;
    }

    /// Names an entry with this hash, in a segment that is not full.
    pub(super) fn link(&mut self, hash: u64, address: Address) -> Lane {
        let (tag, mut at) = tag_and_home(hash);
        loop {
            let group = &mut self.groups[at];
            if let Some(lane) = first_lane(matches(&group.tags, 0)) {
                group.tags[lane] = tag;
                group.addresses[lane] = address.0;
                self.len += 1;
                return Lane { group: small(at), lane: small(lane) };
            }
            self.passed[at] += 1;
            at = (at + 1) % GROUPS;
        }
    }

    /// Forgets the entry that `lane` names.
    pub(super) fn unlink(&mut self, hash: u64, lane: Lane) {
        let group = usize::from(lane.group);
        let (_, mut at) = tag_and_home(hash);
        while at != group {
            self.passed[at] -= 1;
            at = (at + 1) % GROUPS;
        }
        self.groups[group].tags[usize::from(lane.lane)] = 0;
        self.len -= 1;
    }

    /// The lanes of all entries.
    pub(super) fn lanes(&self) -> impl Iterator<Item = Lane> + use<'_, S> {
        self.groups.iter().enumerate().flat_map(|(group, lanes)| {
            let taken = lanes.tags.iter().enumerate().filter(|(_, tag)| **tag != 0);
            taken.map(move |(lane, _)| Lane { group: small(group), lane: small(lane) })
        })
    }

    /// Entry number `index`, in the order of the lanes.
    pub(super) fn nth(&self, index: usize) -> Option<Lane> {
        self.lanes().nth(index)
    }

    #[inline]
    pub(super) fn beside(&self, slot: u8) -> &Beside<S> {
        &self.beside[usize::from(slot)]
    }

    pub(super) fn beside_mut(&mut self, slot: u8) -> &mut Beside<S> {
        &mut self.beside[usize::from(slot)]
    }

    /// Keeps something beside and returns its slot.
    pub(super) fn put_beside(&mut self, what: Beside<S>) -> u8 {
        let slot = match self.beside.iter().position(|slot| matches!(slot, Beside::Free)) {
            Some(free) => {
                self.beside[free] = what;
                free
            }
            None => {
                self.beside.reserve_exact(1 + self.beside.len() / 8);
                self.beside.push(what);
                self.beside.len() - 1
            }
        };
        u8::try_from(slot).expect("an entry has two slots at most")
    }

    /// All values that lie beside.
    pub(super) fn values(&self) -> impl Iterator<Item = &S> {
        self.beside.iter().filter_map(|beside| match beside {
            Beside::Value(value) => Some(value),
            Beside::Free | Beside::Key(_) => None,
        })
    }

    /// Empties a slot.
    pub(super) fn take_beside(&mut self, slot: u8) -> Beside<S> {
        let taken = std::mem::replace(&mut self.beside[usize::from(slot)], Beside::Free);
        while matches!(self.beside.last(), Some(Beside::Free)) {
            self.beside.pop();
        }
        taken
    }

    /// Cuts off the slots of entries that go to another segment: both keep the numbers that the
    /// entries name them by.
    pub(super) fn move_beside(&mut self, slot: u8, to: &mut Segment<S>) {
        let index = usize::from(slot);
        while to.beside.len() <= index {
            to.beside.push(Beside::Free);
        }
        to.beside[index] = self.take_beside(slot);
    }

    /// Bytes allocated for slots, and for keys in them.
    pub(super) fn heap_size(&self) -> usize {
        let keys = self.beside.iter().map(|beside| match beside {
            Beside::Key(key) => key.len() + ARC_HEADER,
            Beside::Free | Beside::Value(_) => 0,
        });
        self.beside.capacity() * size_of::<Beside<S>>() + keys.sum::<usize>()
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

/// Lanes and groups are below 16.
#[inline]
fn small(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

//! A leaf of a big sorted set: members and scores in order, packed into one allocation.
//!
//! The slots are in order by score, then member; the entries behind them lie as they came, so
//! that an insertion moves two bytes per member and no entry. A slot also has some bits of its
//! member's hash, by which a member whose score is unknown is found without reading the others.
//! Scores lose their trailing zero bytes: whole numbers take two to four bytes, and all come back
//! bit for bit.
//! Invariant: strictly ascending by score, then member; a leaf above the limit has one entry.
//!
//! ```text
//! bytes of entries u32 | count u16 | slot u16 … |  free  | … entry | 7 bytes of padding
//! slot:  tag (6 bits) | offset (10 bits) of the entry's start, counted from the padding backwards
//! entry: score bytes - 1 (3 bits), length (5 bits) | score, big endian | [more length] | member
//! more length, if those 5 bits are 31: one byte for 31 to 285, or 0xFF and u32
//! ```

use std::ops::Range;
use triomphe::Arc;

use super::super::bound::order;
use super::members::LeafId;
use crate::shared::{slice_mut, zeroed};
use crate::size_class::ARC_HEADER;

const HEADER: usize = 6;
const SLOT: usize = 2;
/// A score is read as eight bytes even where fewer are stored.
const PADDING: usize = 7;
const OFFSET_BITS: u32 = 10;
const OFFSET_MASK: u16 = (1 << OFFSET_BITS) - 1;
/// Bytes of a leaf with several entries: with the `Arc`'s header it is an allocator's class, and
/// every offset fits its bits.
const LIMIT: usize = 1024 - ARC_HEADER;
/// A leaf that needs fewer bytes is merged with a neighbour that has room.
const SPARSE: usize = LIMIT / 4;
const MERGED_AT_MOST: usize = LIMIT * 3 / 4;
/// A leaf that needs no more bytes takes a part of a full neighbour.
const SHARES_UP_TO: usize = LIMIT * 7 / 8;
/// From this length on a member's length takes more than the five bits.
const LONG: usize = 31;
const LONGER: usize = LONG + 0xFF;

/// A member to be stored, with the part of its hash that everything here goes by.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) score: f64,
    pub(super) member: &'a [u8],
    pub(super) hash: u32,
    /// The leaf where the index believes it to be, for a member that only moves.
    pub(super) noted: Option<LeafId>,
}

impl<'a> New<'a> {
    pub(super) fn key(&self) -> (f64, &'a [u8]) {
        (self.score, self.member)
    }
}

/// A packed leaf; cloning it copies a pointer.
#[derive(Clone)]
pub(super) struct Leaf(Arc<[u8]>);

/// Bytes of a score: those up to the last that is not zero, but one at least.
fn score_len(score: f64) -> usize {
    let zeros = score.to_bits().trailing_zeros() / 8;
    8 - usize::try_from(zeros).expect("at most 8").min(7)
}

fn entry_len(score: f64, member: &[u8]) -> usize {
    let more = match member.len() {
        0..LONG => 0,
        LONG..LONGER => 1,
        _ => 5,
    };
    1 + score_len(score) + more + member.len()
}

fn tag_bits(hash: u32) -> u16 {
    let [low, ..] = hash.to_le_bytes();
    u16::from(low) << OFFSET_BITS
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("callers keep it below 256")
}

/// Writes an entry into exactly the bytes that it takes.
fn write_entry(out: &mut [u8], score: f64, member: &[u8]) {
    let score_bytes = score_len(score);
    let head = byte(score_bytes - 1) << 5;
    out[1..=score_bytes].copy_from_slice(&score.to_bits().to_be_bytes()[..score_bytes]);
    let rest = &mut out[1 + score_bytes..];
    let (low, from) = match member.len() {
        short @ 0..LONG => (byte(short), 0),
        long @ LONG..LONGER => {
            rest[0] = byte(long - LONG);
            (byte(LONG), 1)
        }
        longer => {
            let len = u32::try_from(longer).expect("members are shorter than 4 GiB");
            rest[0] = 0xFF;
            rest[1..5].copy_from_slice(&len.to_le_bytes());
            (byte(LONG), 5)
        }
    };
    rest[from..].copy_from_slice(member);
    out[0] = head | low;
}

impl Leaf {
    /// A leaf with one entry.
    pub(super) fn of(new: New<'_>) -> Self {
        let mut leaf = Leaf(zeroed(HEADER + PADDING));
        leaf.insert(0, new);
        leaf
    }

    /// A leaf with copies of some entries of others, which are in order.
    fn of_parts(parts: [(&Leaf, Range<usize>); 2]) -> Self {
        let entries = || parts.iter().flat_map(|(leaf, range)| range.clone().map(move |at| (leaf, at)));
        let bytes = entries().map(|(leaf, at)| SLOT + leaf.entry(at).len()).sum::<usize>();
        let mut block = zeroed(capacity_for(HEADER + bytes + PADDING));
        let out = Arc::get_mut(&mut block).expect("nobody else has it yet");
        let end = out.len() - PADDING;
        let (mut used, mut count) = (0, 0);
        for (leaf, at) in entries() {
            let entry = leaf.entry(at);
            used += entry.len();
            out[end - used..][..entry.len()].copy_from_slice(entry);
            put_slot(out, count, leaf.slot(at) & !OFFSET_MASK | offset(used));
            count += 1;
        }
        put_header(out, used, count);
        Leaf(block)
    }

    /// How many entries there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[4], self.0[5]]))
    }

    /// Bytes of all entries.
    #[inline]
    fn used(&self) -> usize {
        used(&self.0)
    }

    /// Bytes that the content takes, without the free ones.
    fn needed(&self) -> usize {
        HEADER + self.len() * SLOT + self.used() + PADDING
    }

    /// Bytes allocated.
    pub(super) fn heap_size(&self) -> usize {
        ARC_HEADER + self.0.len()
    }

    #[inline]
    fn slot(&self, at: usize) -> u16 {
        slot(&self.0, at)
    }

    /// Where entry `at` starts.
    #[inline]
    fn start(&self, at: usize) -> usize {
        // The only entry of a leaf above the limit starts farther away than a slot can say.
        let back = if self.0.len() > LIMIT { self.used() } else { usize::from(self.slot(at) & OFFSET_MASK) };
        self.0.len() - PADDING - back
    }

    /// The score of entry `at`, and where its member is.
    #[inline]
    fn parse(&self, at: usize) -> (f64, Range<usize>) {
        let start = self.start(at);
        let head = self.0[start];
        let score_bytes = usize::from(head >> 5) + 1;
        let word = self.0[start + 1..start + 9].try_into().expect("eight bytes were sliced");
        let bits = u64::from_be_bytes(word) & u64::MAX << (64 - 8 * score_bytes);
        let from = start + 1 + score_bytes;
        let short = usize::from(head & 0x1F);
        let member = if short < LONG { from..from + short } else { self.long_member(from) };
        (f64::from_bits(bits), member)
    }

    #[cold]
    fn long_member(&self, from: usize) -> Range<usize> {
        match self.0[from] {
            0xFF => {
                let len = self.0[from + 1..from + 5].try_into().expect("four bytes were sliced");
                let len = usize::try_from(u32::from_le_bytes(len)).expect("32 bits fit");
                from + 5..from + 5 + len
            }
            more => from + 1..from + 1 + LONG + usize::from(more),
        }
    }

    /// Score and member of entry `at`.
    #[inline]
    pub(super) fn key(&self, at: usize) -> (f64, &[u8]) {
        let (score, member) = self.parse(at);
        (score, &self.0[member])
    }

    /// Score and member of the last entry.
    pub(super) fn last(&self) -> (f64, &[u8]) {
        self.key(self.len() - 1)
    }

    /// The bytes of entry `at`.
    fn entry(&self, at: usize) -> &[u8] {
        let (_, member) = self.parse(at);
        &self.0[self.start(at)..member.end]
    }

    /// How many leading entries `before` holds for.
    #[inline]
    pub(super) fn partition_point(&self, before: impl Fn((f64, &[u8])) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if before(self.key(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// How many entries are below `key`.
    pub(super) fn rank(&self, key: (f64, &[u8])) -> usize {
        self.warm_up();
        self.partition_point(|other| order(other, key).is_lt())
    }

    /// The entry of `member`, whose hash is given, and its score.
    #[inline]
    pub(super) fn find(&self, hash: u32, member: &[u8]) -> Option<(usize, f64)> {
        let is_member = |at: usize| {
            let (score, found) = self.parse(at);
            (self.0[found] == *member).then_some((at, score))
        };
        match self.0[HEADER..].first_chunk::<BLOCK>() {
            Some(block) if self.len() <= LANES => {
                Lanes::up_to(self.len(), matches(block, tag_bits(hash))).find_map(is_member)
            }
            _ => self.tagged(hash).find_map(is_member),
        }
    }

    /// The entries whose members may have this hash.
    #[inline]
    pub(super) fn tagged(&self, hash: u32) -> impl Iterator<Item = usize> {
        let wanted = tag_bits(hash);
        let slots = &self.0[HEADER..];
        let count = self.len();
        (0..count).step_by(LANES).flat_map(move |first| {
            let slots = &slots[SLOT * first..];
            let matches = match slots.first_chunk::<BLOCK>() {
                Some(block) => matches(block, wanted),
                None => {
                    let mut block = [0; BLOCK];
                    block[..slots.len()].copy_from_slice(slots);
                    matches(&block, wanted)
                }
            };
            Lanes::up_to(count - first, matches).map(move |lane| first + lane)
        })
    }

    /// Reads a byte of every cache line: a search would wait for one line after the other, this
    /// waits for all of them at once.
    #[inline]
    pub(super) fn warm_up(&self) {
        std::hint::black_box(self.0.iter().step_by(64).fold(0, |all, byte| all ^ byte));
    }

    /// Whether another entry may come in.
    pub(super) fn has_room(&self, new: New<'_>) -> bool {
        self.needed() + SLOT + entry_len(new.score, new.member) <= LIMIT
    }

    /// Puts an entry before entry `at`. Without room the leaf must be empty.
    pub(super) fn insert(&mut self, at: usize, new: New<'_>) {
        let size = entry_len(new.score, new.member);
        let needed = self.needed() + SLOT + size;
        if needed > self.0.len() {
            self.resize(capacity_for(needed));
        }
        let block = slice_mut(&mut self.0);
        let (used, count) = (used(block) + size, count(block));
        let start = block.len() - PADDING - used;
        write_entry(&mut block[start..start + size], new.score, new.member);
        let place = HEADER + SLOT * at;
        block.copy_within(place..HEADER + SLOT * count, place + SLOT);
        put_slot(block, at, tag_bits(new.hash) | offset(used));
        put_header(block, used, count + 1);
    }

    /// Removes entry `at`.
    pub(super) fn remove(&mut self, at: usize) {
        let size = self.entry(at).len();
        let start = self.start(at);
        let block = slice_mut(&mut self.0);
        let (used, count) = (used(block), count(block));
        let back = block.len() - PADDING - start;
        let first = block.len() - PADDING - used;
        block.copy_within(first..start, first + size);
        let place = HEADER + SLOT * at;
        block.copy_within(place + SLOT..HEADER + SLOT * count, place);
        let size_in_slots = offset(size);
        for slot in block[HEADER..HEADER + SLOT * (count - 1)].chunks_exact_mut(SLOT) {
            let old = u16::from_le_bytes([slot[0], slot[1]]);
            let moved = if usize::from(old & OFFSET_MASK) > back { old - size_in_slots } else { old };
            slot.copy_from_slice(&moved.to_le_bytes());
        }
        put_header(block, used - size, count - 1);
        self.shrink();
    }

    /// Gives entry `at` another score if it keeps its place and the leaf has room for it.
    pub(super) fn change_score(&mut self, at: usize, new: New<'_>) -> bool {
        let (score, old) = (new.score, self.key(at).0);
        let above = if at > 0 { order(self.key(at - 1), new.key()).is_lt() } else { score > old };
        let below =
            if at + 1 < self.len() { order(new.key(), self.key(at + 1)).is_lt() } else { score < old };
        let (old_len, new_len) = (score_len(old), score_len(score));
        let fits = self.needed() + new_len <= LIMIT + old_len;
        if !(above && below && fits) {
            return false;
        }
        if new_len == old_len {
            let place = self.start(at) + 1;
            let bytes = &score.to_bits().to_be_bytes()[..new_len];
            slice_mut(&mut self.0)[place..place + new_len].copy_from_slice(bytes);
        } else {
            self.remove(at);
            self.insert(at, new);
        }
        true
    }

    /// Removes the entries of a range.
    pub(super) fn cut(&mut self, range: Range<usize>) {
        if range.len() == 1 {
            return self.remove(range.start);
        }
        *self = Leaf::of_parts([(self, 0..range.start), (self, range.end..self.len())]);
    }

    /// The entry at which a leaf of several splits into halves of about the same bytes.
    pub(super) fn middle(&self) -> usize {
        let half = self.used() / 2;
        let mut sum = 0;
        let within = |at: &usize| {
            sum += self.entry(*at).len();
            sum < half
        };
        (1 + (0..self.len()).take_while(within).count()).min(self.len() - 1)
    }

    /// Moves the entries from `at` on into a leaf of their own.
    pub(super) fn split_off(&mut self, at: usize) -> Leaf {
        let right = Leaf::of_parts([(self, at..self.len()), (self, 0..0)]);
        *self = Leaf::of_parts([(self, 0..at), (self, 0..0)]);
        right
    }

    /// Whether a full neighbour may move entries here, to make room for one like this.
    pub(super) fn can_take_part(&self, new: New<'_>) -> bool {
        self.needed() <= SHARES_UP_TO && entry_len(new.score, new.member) < LIMIT / 8
    }

    /// This leaf and the one that follows with about the same bytes in each. None if a long
    /// member stands in the way: where the halves meet, it would have to go where it has no room.
    pub(super) fn evened_out(&self, next: &Leaf) -> Option<(Leaf, Leaf)> {
        let half = usize::midpoint(self.used(), next.used());
        let mut sum = 0;
        let mut within = |size: usize| {
            sum += size;
            sum <= half
        };
        let here = (0..self.len()).take_while(|at| within(self.entry(*at).len())).count();
        let (left, right) = if here < self.len() {
            let here = here.max(1);
            (
                Leaf::of_parts([(self, 0..here), (self, 0..0)]),
                Leaf::of_parts([(self, here..self.len()), (next, 0..next.len())]),
            )
        } else {
            let moved = (0..next.len() - 1).take_while(|at| within(next.entry(*at).len())).count();
            (
                Leaf::of_parts([(self, 0..self.len()), (next, 0..moved)]),
                Leaf::of_parts([(next, moved..next.len()), (next, 0..0)]),
            )
        };
        (left.needed() <= LIMIT && right.needed() <= LIMIT).then_some((left, right))
    }

    /// Whether the leaf should be merged with a neighbour.
    pub(super) fn is_sparse(&self) -> bool {
        self.needed() < SPARSE
    }

    /// This leaf and the one that follows as one, if they are together well below the limit.
    pub(super) fn merged_with(&self, next: &Leaf) -> Option<Leaf> {
        let bytes = self.needed() + next.needed() - HEADER - PADDING;
        (bytes <= MERGED_AT_MOST).then(|| Leaf::of_parts([(self, 0..self.len()), (next, 0..next.len())]))
    }

    /// Moves the content into a block of `len` bytes.
    fn resize(&mut self, len: usize) {
        let front = HEADER + SLOT * self.len();
        let back = self.used() + PADDING;
        let mut block = zeroed(len);
        let out = Arc::get_mut(&mut block).expect("nobody else has it yet");
        out[..front].copy_from_slice(&self.0[..front]);
        out[len - back..].copy_from_slice(&self.0[self.0.len() - back..]);
        self.0 = block;
    }

    /// Moves to a smaller block when a quarter is free.
    fn shrink(&mut self) {
        let needed = self.needed();
        if needed + needed / 3 < self.0.len() && self.len() > 0 {
            self.resize(capacity_for(needed + needed / 16));
        }
    }
}

/// Slots that are compared at once, without a branch for each.
const LANES: usize = 64;
const BLOCK: usize = LANES * SLOT;

/// One bit for each slot of a block with this tag.
#[inline]
fn matches(block: &[u8; BLOCK], wanted: u16) -> u64 {
    // One byte for each slot first, which the compiler does for many slots at a time; then the
    // lowest bits of eight bytes are multiplied to where they are neighbours.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (slots, _) = block.as_chunks::<SLOT>();
    let mut same = [0; LANES];
    for (same, slot) in same.iter_mut().zip(slots) {
        let differs = (u16::from_le_bytes(*slot) ^ wanted) & !OFFSET_MASK;
        *same = u8::from(differs == 0);
    }
    let (words, _) = same.as_chunks::<8>();
    let mut found = [0; LANES / 8];
    for (found, word) in found.iter_mut().zip(words) {
        [.., *found] = u64::from_le_bytes(*word).wrapping_mul(GATHER).to_le_bytes();
    }
    u64::from_le_bytes(found)
}

/// The places of the bits that are set.
struct Lanes(u64);

impl Lanes {
    /// Those of the first `count` places: what lies behind the last slot is no slot.
    #[inline]
    fn up_to(count: usize, matches: u64) -> Self {
        let beyond = LANES.saturating_sub(count);
        Lanes(matches << beyond >> beyond)
    }
}

impl Iterator for Lanes {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lane = self.0.trailing_zeros();
        self.0 &= self.0.checked_sub(1)?;
        usize::try_from(lane).ok()
    }
}

/// Bytes of a block with `needed` bytes of content. Leaves have few sizes: were they to grow by
/// each of the allocator's classes, every class would keep the holes of those that left it. A
/// block above the limit never grows.
fn capacity_for(needed: usize) -> usize {
    if needed > LIMIT { needed } else { (needed + ARC_HEADER).next_power_of_two().max(128) - ARC_HEADER }
}

/// Wrong for the only entry of a leaf above the limit, where it is not used.
#[inline]
fn offset(back: usize) -> u16 {
    u16::from_le_bytes([back.to_le_bytes()[0], back.to_le_bytes()[1]]) & OFFSET_MASK
}

#[inline]
fn used(block: &[u8]) -> usize {
    let used = u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    usize::try_from(used).expect("32 bits fit")
}

#[inline]
fn count(block: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([block[4], block[5]]))
}

#[inline]
fn slot(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[HEADER + SLOT * at], block[HEADER + SLOT * at + 1]])
}

#[inline]
fn put_slot(block: &mut [u8], at: usize, slot: u16) {
    block[HEADER + SLOT * at..][..SLOT].copy_from_slice(&slot.to_le_bytes());
}

fn put_header(block: &mut [u8], used: usize, count: usize) {
    let used = u32::try_from(used).expect("members are shorter than 4 GiB");
    let count = u16::try_from(count).expect("an entry takes four bytes of a small leaf at least");
    block[..4].copy_from_slice(&used.to_le_bytes());
    block[4..HEADER].copy_from_slice(&count.to_le_bytes());
}

//! A run: pairs of hash and leaf in ascending order, in blocks of one size.
//!
//! A bucket that were one allocation would pass through the allocator's classes as it fills, in
//! step with all others, and leave holes in each. Nearly all blocks here are of the same size,
//! which is that of a sorted set's leaves too. Before a block is added, the pairs around a full
//! one are spread over the room that its neighbours have.
//! Invariant: no block is empty, unless it is the only one, and only that one grows.

use std::ops::Range;
use triomphe::Arc;

use super::{hash_of, pair, widen};
use crate::shared::slice_mut;
use crate::size_class::ARC_HEADER;

const PAIR: usize = size_of::<u64>();
/// Bytes that a cache reads at a time.
const LINE: usize = 64;
/// Pairs of a block of full size: with the `Arc`'s header it is an allocator's class.
pub(super) const CAPACITY: usize = (1024 - ARC_HEADER) / PAIR;
const SMALLEST: usize = (128 - ARC_HEADER) / PAIR;
/// Neighbouring blocks whose pairs are spread together.
const TOGETHER: usize = 6;
/// Free pairs per block, below which spreading pairs evenly is not worth it.
const SLACK: usize = 10;
/// A block with fewer pairs is given to its neighbours if they have room.
const SPARSE: usize = CAPACITY / 2;
/// Pairs per block of what was spread after removals, at most.
const MERGED_AT_MOST: usize = CAPACITY * 3 / 4;
/// Pairs that a search looks at without a branch for each.
const NEIGHBOURS: usize = 24;
/// Blocks likewise.
const NEAR: usize = 8;

/// Pairs of hash (upper half) and leaf (lower half).
#[derive(Clone)]
struct Block {
    pairs: Arc<[u64]>,
    count: usize,
}

/// Pairs in ascending order; cloning it copies a pointer per block.
#[derive(Clone)]
pub(super) struct Run {
    /// Where each block begins: hashes up to the next one's are in it.
    firsts: Vec<u32>,
    blocks: Vec<Block>,
    /// How many upper bits all hashes that belong here share.
    bits: u32,
}

/// Where a pair is, or would be: a block, and a place in it that may be its end.
type Place = (usize, usize);

impl Run {
    pub(super) fn new() -> Self {
        Run { firsts: vec![0], blocks: vec![Block::of(&[], SMALLEST)], bits: 0 }
    }

    /// How many pairs each block holds.
    pub(super) fn fill(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(|block| block.count)
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes allocated.
    pub(super) fn heap_size(&self) -> usize {
        let blocks = self.blocks.iter().map(|block| ARC_HEADER + block.pairs.len() * PAIR);
        self.firsts.capacity() * size_of::<u32>()
            + self.blocks.capacity() * size_of::<Block>()
            + blocks.sum::<usize>()
    }

    /// The pairs from the first with at least this hash on.
    #[inline]
    pub(super) fn pairs_from(&self, hash: u32) -> impl Iterator<Item = u64> {
        let (block, at) = self.lower_bound(hash);
        let rest = self.blocks[block + 1..].iter().flat_map(|block| block.pairs());
        self.blocks[block].pairs()[at..].iter().chain(rest).copied()
    }

    /// Reads the lines of the block that a hash belongs to, and returns something of each.
    #[inline]
    pub(super) fn touch(&self, hash: u32) -> u64 {
        let pairs = self.blocks[self.block_of(hash)].pairs();
        pairs.iter().step_by(LINE / PAIR).fold(0, |all, pair| all ^ pair)
    }

    /// Adds a pair.
    pub(super) fn insert(&mut self, pair: u64) {
        let (mut block, mut at) = self.place_of(pair);
        if self.blocks[block].is_full() {
            self.make_room(block);
            (block, at) = self.place_of(pair);
        }
        self.blocks[block].insert(at, pair);
        self.note_first(block);
    }

    /// Removes a pair, which is there.
    pub(super) fn remove(&mut self, pair: u64) {
        let (block, at) = self.position(pair);
        self.blocks[block].remove(at);
        self.settle(block);
    }

    /// Puts a pair in the place of another with the same hash, which is there.
    pub(super) fn rename(&mut self, from: u64, to: u64) {
        let (block, at) = self.position(from);
        let pairs = self.blocks[block].pairs();
        // Only pairs with the same hash can be passed.
        let above = at.checked_sub(1).is_some_and(|before| pairs[before] < to);
        let below = pairs.get(at + 1).is_some_and(|after| to < *after);
        if above && below {
            self.blocks[block].set(at, to);
        } else {
            self.remove(from);
            self.insert(to);
        }
    }

    /// Moves the upper half of the hashes, those from `hash` on, to a run of their own.
    pub(super) fn split_off(&mut self, hash: u32) -> Run {
        let (block, at) = self.lower_bound(hash);
        let cut = Block::of(&self.blocks[block].pairs()[at..], CAPACITY);
        self.blocks[block].truncate(at);
        let rest = self.blocks.drain(block + 1..);
        let blocks: Vec<Block> = std::iter::once(cut).chain(rest).collect();
        let firsts = blocks.iter().map(Block::first).collect();
        self.bits += 1;
        let mut right = Run { firsts, blocks, bits: self.bits };
        self.firsts.truncate(block + 1);
        self.shrink();
        self.settle(block);
        right.settle(0);
        right
    }

    /// Takes all pairs of a run that was split off this one.
    pub(super) fn append(&mut self, right: &Run) {
        let seam = self.blocks.len();
        self.blocks.extend_from_slice(&right.blocks);
        self.firsts.extend_from_slice(&right.firsts);
        self.bits -= 1;
        self.settle(seam);
        self.settle((seam - 1).min(self.blocks.len() - 1));
    }

    /// The place of the first pair with at least this hash.
    #[inline]
    fn lower_bound(&self, hash: u32) -> Place {
        let block = self.block_of(hash);
        let end = self.firsts.get(block + 1).copied().unwrap_or(hash | u32::MAX >> self.bits);
        (block, self.blocks[block].lower_bound(hash, self.firsts[block]..end))
    }

    /// The last block that begins with a hash below this one, or the first. Hashes are spread
    /// evenly over blocks that are filled evenly, so that it is next to where the hash says.
    #[inline]
    fn block_of(&self, hash: u32) -> usize {
        let rest = &self.firsts[1..];
        let fraction = u64::from(hash << self.bits);
        let count = u64::try_from(rest.len()).expect("64 bits hold a length");
        let guess = usize::try_from((fraction * count) >> 32).expect("below the length");
        let from = guess.saturating_sub(NEAR / 2).min(rest.len().saturating_sub(NEAR));
        if let Some(near) = rest[from..].first_chunk::<NEAR>() {
            let below = widen(near.iter().map(|first| u32::from(*first < hash)).sum::<u32>());
            if (0 < below || from == 0) && (below < NEAR || from + NEAR == rest.len()) {
                return from + below;
            }
        }
        rest.partition_point(|first| *first < hash)
    }

    /// The place of a pair, or where it would be.
    fn place_of(&self, pair: u64) -> Place {
        let (mut block, mut at) = self.lower_bound(hash_of(pair));
        loop {
            let pairs = self.blocks[block].pairs();
            at += pairs[at..].iter().take_while(|other| **other < pair).count();
            let goes_on =
                at == pairs.len() && self.blocks.get(block + 1).is_some_and(|next| next.pairs()[0] <= pair);
            if !goes_on {
                return (block, at);
            }
            (block, at) = (block + 1, 0);
        }
    }

    fn position(&self, pair: u64) -> Place {
        let (block, at) = self.place_of(pair);
        let found = self.blocks[block].pairs().get(at);
        assert_eq!(found, Some(&pair), "the index holds every member of every leaf");
        (block, at)
    }

    /// Makes room in a full block or next to it.
    fn make_room(&mut self, block: usize) {
        if self.blocks.len() == 1 && self.blocks[0].pairs.len() < CAPACITY {
            let larger = &self.blocks[0];
            self.blocks[0] = Block::of(larger.pairs(), larger.count + 1);
            return;
        }
        let around = self.around(block);
        let (blocks, pairs) = (around.len(), self.count(around.clone()));
        let fits = pairs + blocks * SLACK <= blocks * CAPACITY;
        self.spread(around, if fits { blocks } else { blocks + 1 });
    }

    /// After a removal from a block: drops it when it is empty, and gives its pairs to its
    /// neighbours when there are few.
    fn settle(&mut self, block: usize) {
        if self.blocks.len() == 1 {
            let only = &self.blocks[0];
            if 4 * only.count < only.pairs.len() && only.pairs.len() > SMALLEST {
                self.blocks[0] = Block::of(only.pairs(), 2 * only.count);
            }
        } else if self.blocks[block].count < SPARSE {
            let around = self.around(block);
            let pairs = self.count(around.clone());
            let blocks = pairs.div_ceil(MERGED_AT_MOST);
            if blocks < around.len() {
                let least = usize::from(self.blocks.len() == around.len());
                self.spread(around, blocks.max(least));
                self.shrink();
                return;
            }
            if self.blocks[block].count == 0 {
                self.blocks.remove(block);
                self.firsts.remove(block);
                return;
            }
        }
        self.note_first(block);
    }

    fn note_first(&mut self, block: usize) {
        self.firsts[block] = self.blocks[block].first();
    }

    fn around(&self, block: usize) -> Range<usize> {
        let start = block.saturating_sub(TOGETHER / 2).min(self.blocks.len().saturating_sub(TOGETHER));
        start..(start + TOGETHER).min(self.blocks.len())
    }

    fn count(&self, blocks: Range<usize>) -> usize {
        self.blocks[blocks].iter().map(|block| block.count).sum()
    }

    /// Spreads the pairs of some blocks evenly over `number` new ones.
    fn spread(&mut self, blocks: Range<usize>, number: usize) {
        let pairs: Vec<u64> = self.blocks[blocks.clone()].iter().flat_map(Block::pairs).copied().collect();
        let cut = |at: usize| at * pairs.len() / number;
        let spread: Vec<Block> =
            (0..number).map(|at| Block::of(&pairs[cut(at)..cut(at + 1)], CAPACITY)).collect();
        self.firsts.splice(blocks.clone(), spread.iter().map(Block::first));
        self.blocks.splice(blocks, spread);
    }

    fn shrink(&mut self) {
        self.blocks.shrink_to(self.blocks.len() + TOGETHER);
        self.firsts.shrink_to(self.firsts.len() + TOGETHER);
    }
}

impl Block {
    /// A block with these pairs and room for `wanted` at least.
    fn of(pairs: &[u64], wanted: usize) -> Self {
        let bytes = (wanted.clamp(SMALLEST, CAPACITY) * PAIR + ARC_HEADER).next_power_of_two();
        let vacant = (bytes - ARC_HEADER) / PAIR - pairs.len();
        let pairs_and_room = pairs.iter().copied().chain(std::iter::repeat_n(0, vacant));
        Block { pairs: pairs_and_room.collect(), count: pairs.len() }
    }

    #[inline]
    fn pairs(&self) -> &[u64] {
        &self.pairs[..self.count]
    }

    fn is_full(&self) -> bool {
        self.count == self.pairs.len()
    }

    fn first(&self) -> u32 {
        self.pairs().first().map_or(0, |pair| hash_of(*pair))
    }

    fn insert(&mut self, at: usize, pair: u64) {
        let pairs = slice_mut(&mut self.pairs);
        pairs.copy_within(at..self.count, at + 1);
        pairs[at] = pair;
        self.count += 1;
    }

    fn remove(&mut self, at: usize) {
        slice_mut(&mut self.pairs).copy_within(at + 1..self.count, at);
        self.count -= 1;
    }

    fn truncate(&mut self, count: usize) {
        self.count = count;
    }

    fn set(&mut self, at: usize, pair: u64) {
        slice_mut(&mut self.pairs)[at] = pair;
    }

    /// How many pairs have a hash below this one, where all are in `range`. Hashes are spread
    /// evenly, so that nearly always it is enough to count those among the neighbours of where
    /// the hash says.
    #[inline]
    fn lower_bound(&self, hash: u32, range: Range<u32>) -> usize {
        let pairs = self.pairs();
        let (above, all) = (hash.saturating_sub(range.start), (range.end - range.start).max(1));
        let guess = widen(above) * pairs.len() / widen(all);
        let from = guess.saturating_sub(NEIGHBOURS / 2).min(pairs.len().saturating_sub(NEIGHBOURS));
        if let Some(near) = pairs[from..].first_chunk::<NEIGHBOURS>() {
            // Without a comparison of 64 bits, which plain vector instructions do not have.
            let wanted = pair(hash, 0) >> 1;
            let below = near.iter().map(|pair| (pair >> 1).wrapping_sub(wanted) >> 63).sum::<u64>();
            let below = usize::try_from(below).expect("at most as many as there are neighbours");
            if (0 < below || from == 0) && (below < NEIGHBOURS || from + NEIGHBOURS == pairs.len()) {
                return from + below;
            }
        }
        pairs.partition_point(|pair| hash_of(*pair) < hash)
    }
}

#[cfg(test)]
impl Run {
    /// Checks the invariants and returns all pairs.
    pub(super) fn check(&self) -> Vec<u64> {
        assert_eq!(self.firsts, self.blocks.iter().map(Block::first).collect::<Vec<_>>());
        assert!(self.blocks.len() == 1 || self.blocks.iter().all(|block| block.count > 0));
        let pairs: Vec<u64> = self.blocks.iter().flat_map(|block| block.pairs()).copied().collect();
        assert!(pairs.is_sorted());
        let last = self.firsts[0] | u32::MAX >> self.bits;
        assert!(pairs.iter().all(|pair| hash_of(*pair) <= last));
        pairs
    }
}

//! Which leaf a member is in, by its hash: eight bytes per member, and no bytes of the member.
//!
//! Linear hashing over sorted buckets. A bucket holds the pairs of one range of hashes in order,
//! so that splitting it is cutting it in two and a pair is found next to where its hash says.
//! When the average bucket is too full, the next one in turn is split and nothing else moves:
//! there is no directory to double and no pause. A hash is the upper 32 bits of a member's;
//! members that share it are told apart by whoever holds their bytes.
//! Invariant: bucket b of n covers the hashes whose upper bits, read backwards, are b: as many
//! bits as n needs, one less while the bucket was not split in this round.

use std::ops::Range;
use std::sync::Arc;

use crate::pages::Pages;
use crate::size_class::{ARC_HEADER, arc_capacity};

/// Pairs per bucket on average: at most this many, and no less than a quarter of it.
const LOAD: usize = 80;
/// What a bucket holds before its turn to be split comes, on average.
pub(super) const MAX_LOAD: usize = 2 * LOAD;
/// Pairs that a search looks at without a branch for each.
const NEIGHBOURS: usize = 24;
const PAIR: usize = size_of::<u64>();

/// Pairs of hash (upper half) and leaf (lower half), in ascending order.
#[derive(Clone)]
struct Bucket {
    pairs: Arc<[u64]>,
    count: usize,
}

/// Where the leaf of a member is found by the member's hash.
#[derive(Clone)]
pub(super) struct Index {
    buckets: Pages<Bucket>,
    len: usize,
    /// Bytes allocated for the buckets' pairs.
    bytes: usize,
}

fn pair(hash: u32, leaf: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(leaf)
}

fn hash_of(pair: u64) -> u32 {
    u32::try_from(pair >> 32).expect("32 bits are left")
}

fn leaf_of(pair: u64) -> u32 {
    u32::try_from(pair & u64::from(u32::MAX)).expect("masked to 32 bits")
}

fn widen(number: u32) -> usize {
    usize::try_from(number).expect("addresses have at least 32 bits")
}

impl Index {
    pub(super) fn new() -> Self {
        let mut buckets = Pages::new();
        let first = Bucket::of(&[]);
        let bytes = first.heap_size();
        buckets.push(first);
        Index { buckets, len: 0, bytes }
    }

    /// The leaves of the members with this hash, one for each of them.
    #[inline]
    pub(super) fn leaves(&self, hash: u32) -> impl Iterator<Item = u32> {
        let (number, bits) = self.bucket_of(hash);
        let pairs = self.buckets.at(number).pairs();
        let from = first_of(pairs, hash, bits);
        pairs[from..].iter().take_while(move |pair| hash_of(**pair) == hash).map(|pair| leaf_of(*pair))
    }

    /// Adds a member that is in `leaf`.
    pub(super) fn insert(&mut self, hash: u32, leaf: u32) {
        let (number, bits) = self.bucket_of(hash);
        let bucket = self.buckets.at_mut(number);
        self.bytes -= bucket.heap_size();
        bucket.insert(pair(hash, leaf), bits);
        self.bytes += bucket.heap_size();
        self.len += 1;
        if self.len > LOAD * self.buckets.len() {
            self.split();
        }
    }

    /// Removes a member that is in `leaf`.
    pub(super) fn remove(&mut self, hash: u32, leaf: u32) {
        let (number, bits) = self.bucket_of(hash);
        let bucket = self.buckets.at_mut(number);
        self.bytes -= bucket.heap_size();
        bucket.remove(pair(hash, leaf), bits);
        self.bytes += bucket.heap_size();
        self.len -= 1;
        if self.buckets.len() > 1 && 4 * self.len < LOAD * self.buckets.len() {
            self.merge();
        }
    }

    /// Notes that a member moved from one leaf to another.
    pub(super) fn rename(&mut self, hash: u32, from: u32, to: u32) {
        let (number, bits) = self.bucket_of(hash);
        self.buckets.at_mut(number).rename(pair(hash, from), pair(hash, to), bits);
    }

    /// Visits the pairs of hash and leaf from `cursor` on, bucket by bucket until `count` are
    /// visited, and returns the next cursor, 0 at the end. Pairs that are equal are visited once.
    pub(super) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(u32, u32)) -> u64 {
        let Ok(mut start) = u32::try_from(cursor) else { return 0 };
        let mut visited = 0;
        loop {
            let (number, bits) = self.bucket_of(start);
            let pairs = self.buckets.at(number).pairs();
            let from = first_of(pairs, start, bits);
            let mut last = None;
            for found in &pairs[from..] {
                if last.replace(*found) != Some(*found) {
                    visit(hash_of(*found), leaf_of(*found));
                }
                visited += 1;
            }
            let end = hashes_of(number, bits).end;
            match u32::try_from(end) {
                Ok(next) if visited < count => start = next,
                Ok(_) => return end,
                Err(_) => return 0,
            }
        }
    }

    /// How many pairs each bucket holds.
    pub(super) fn fill(&self) -> Vec<usize> {
        self.buckets.iter().map(|bucket| bucket.count).collect()
    }

    /// How many buckets there are.
    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Bytes allocated.
    pub(super) fn heap_size(&self) -> usize {
        self.buckets.heap_size() + self.bytes
    }

    /// How many upper bits of a hash choose a bucket, at least.
    fn level(&self) -> u32 {
        self.buckets.len().ilog2()
    }

    /// The bucket of a hash, and how many upper bits its hashes share.
    #[inline]
    fn bucket_of(&self, hash: u32) -> (usize, u32) {
        let backwards = widen(hash.reverse_bits());
        let level = self.level();
        let number = backwards & ((1 << level) - 1);
        if number < self.buckets.len() - (1 << level) {
            return (backwards & ((2 << level) - 1), level + 1);
        }
        (number, level)
    }

    /// Splits the bucket whose turn it is.
    fn split(&mut self) {
        let level = self.level();
        let number = self.buckets.len() - (1 << level);
        let upper = hashes_of(self.buckets.len(), level + 1).start << 32;
        let bucket = self.buckets.at_mut(number);
        self.bytes -= bucket.heap_size();
        let cut = bucket.pairs().partition_point(|found| *found < upper);
        let right = Bucket::of(&bucket.pairs()[cut..]);
        *bucket = Bucket::of(&bucket.pairs()[..cut]);
        self.bytes += bucket.heap_size() + right.heap_size();
        self.buckets.push(right);
    }

    /// Merges the last bucket into the one that it was split from.
    fn merge(&mut self) {
        let Some(right) = self.buckets.pop() else { return };
        let number = self.buckets.len() - (1 << self.level());
        let bucket = self.buckets.at_mut(number);
        let merged = Bucket::of(&[bucket.pairs(), right.pairs()].concat());
        self.bytes += merged.heap_size();
        self.bytes -= bucket.heap_size() + right.heap_size();
        *bucket = merged;
    }
}

/// The hashes whose `bits` upper bits, read backwards, are `number`.
fn hashes_of(number: usize, bits: u32) -> Range<u64> {
    let number = u32::try_from(number).expect("there are fewer buckets than hashes");
    let start = u64::from(number.reverse_bits());
    start..start + (1 << (32 - bits))
}

/// How many pairs have a hash below this one. Hashes are spread evenly, so that nearly always it
/// is enough to count those among the neighbours of where the hash says.
#[inline]
fn first_of(pairs: &[u64], hash: u32, bits: u32) -> usize {
    let fraction = (u64::from(hash) << bits) & u64::from(u32::MAX);
    let count = u64::try_from(pairs.len()).expect("64 bits hold a length");
    let guess = usize::try_from((fraction * count) >> 32).expect("below the length");
    let from = guess.saturating_sub(NEIGHBOURS / 2).min(pairs.len().saturating_sub(NEIGHBOURS));
    if let Some(near) = pairs[from..].first_chunk::<NEIGHBOURS>() {
        let below = near.iter().map(|pair| u32::from(hash_of(*pair) < hash)).sum::<u32>();
        if 0 < below && widen(below) < NEIGHBOURS {
            return from + widen(below);
        }
    }
    pairs.partition_point(|pair| hash_of(*pair) < hash)
}

/// How many pairs are below `wanted`.
fn lower_bound(pairs: &[u64], wanted: u64, bits: u32) -> usize {
    let from = first_of(pairs, hash_of(wanted), bits);
    from + pairs[from..].iter().take_while(|pair| **pair < wanted).count()
}

impl Bucket {
    /// A bucket with these pairs and some room.
    fn of(pairs: &[u64]) -> Self {
        let bytes = arc_capacity((pairs.len() + 1) * PAIR);
        let vacant = std::iter::repeat_n(0, bytes / PAIR - pairs.len());
        Bucket { pairs: pairs.iter().copied().chain(vacant).collect(), count: pairs.len() }
    }

    #[inline]
    fn pairs(&self) -> &[u64] {
        &self.pairs[..self.count]
    }

    fn heap_size(&self) -> usize {
        ARC_HEADER + self.pairs.len() * PAIR
    }

    fn insert(&mut self, pair: u64, bits: u32) {
        if self.count == self.pairs.len() {
            *self = Bucket::of(self.pairs());
        }
        let at = lower_bound(self.pairs(), pair, bits);
        let pairs = Arc::make_mut(&mut self.pairs);
        pairs.copy_within(at..self.count, at + 1);
        pairs[at] = pair;
        self.count += 1;
    }

    fn position(&self, pair: u64, bits: u32) -> usize {
        let at = lower_bound(self.pairs(), pair, bits);
        assert_eq!(self.pairs().get(at), Some(&pair), "the index holds every member of every leaf");
        at
    }

    fn remove(&mut self, pair: u64, bits: u32) {
        let at = self.position(pair, bits);
        Arc::make_mut(&mut self.pairs).copy_within(at + 1..self.count, at);
        self.count -= 1;
        let vacant = self.pairs.len() - self.count;
        if vacant > 4 + self.count / 2 {
            *self = Bucket::of(self.pairs());
        }
    }

    fn rename(&mut self, from: u64, to: u64, bits: u32) {
        let mut at = self.position(from, bits);
        let count = self.count;
        let pairs = &mut Arc::make_mut(&mut self.pairs)[..count];
        // Only pairs with the same hash can be passed.
        while at + 1 < count && pairs[at + 1] < to {
            pairs[at] = pairs[at + 1];
            at += 1;
        }
        while at > 0 && pairs[at - 1] > to {
            pairs[at] = pairs[at - 1];
            at -= 1;
        }
        pairs[at] = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few distinct hashes, so that many members share one.
    fn hash(rng: &mut fastrand::Rng, spread: u32) -> u32 {
        rng.u32(..spread).wrapping_mul(0x9E37_79B9)
    }

    fn check(index: &Index, model: &[u64]) {
        let mut buckets: Vec<_> = index.buckets.iter().flat_map(|bucket| bucket.pairs().to_vec()).collect();
        buckets.sort_unstable();
        assert_eq!(buckets, model);
        assert_eq!(index.bytes, index.buckets.iter().map(Bucket::heap_size).sum::<usize>());
        let mut scanned = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = index.scan(cursor, 10, |hash, leaf| scanned.push(pair(hash, leaf)));
            if cursor == 0 {
                break;
            }
        }
        let mut distinct = model.to_vec();
        distinct.dedup();
        assert_eq!(scanned, distinct);
    }

    fn operations_match(spread: u32, rounds: usize) {
        let mut rng = fastrand::Rng::with_seed(u64::from(spread));
        let mut index = Index::new();
        let mut model: Vec<u64> = Vec::new();
        let mut snapshot = (index.clone(), model.clone());
        for round in 0..rounds {
            let found = if model.is_empty() { None } else { Some(rng.usize(..model.len())) };
            let new = pair(hash(&mut rng, spread), rng.u32(..50));
            match (rng.u8(..10), found) {
                (0..3, Some(at)) => {
                    let old = model.remove(at);
                    let leaf = rng.u32(..50);
                    index.rename(hash_of(old), leaf_of(old), leaf);
                    let moved = pair(hash_of(old), leaf);
                    model.insert(model.partition_point(|other| *other < moved), moved);
                }
                (choice, Some(at)) if (choice < 5) ^ (round > rounds / 2) => {
                    let old = model.remove(at);
                    index.remove(hash_of(old), leaf_of(old));
                }
                _ => {
                    index.insert(hash_of(new), leaf_of(new));
                    model.insert(model.partition_point(|other| *other < new), new);
                }
            }
            let all = |wanted: u32| {
                let same = model.iter().filter(move |found| hash_of(**found) == wanted);
                same.map(|found| leaf_of(*found)).collect::<Vec<_>>()
            };
            assert_eq!(index.leaves(hash_of(new)).collect::<Vec<_>>(), all(hash_of(new)));
            if round % 500 == 0 {
                check(&index, &model);
                check(&snapshot.0, &snapshot.1);
                snapshot = (index.clone(), model.clone());
            }
        }
        check(&index, &model);
    }

    #[test]
    fn operations_from_a_seed_match_a_sorted_vector() {
        for spread in [1, 7, 500, u32::MAX] {
            operations_match(spread, 6000);
        }
    }

    #[test]
    fn buckets_follow_the_number_of_members_in_both_directions() {
        let mut rng = fastrand::Rng::with_seed(3);
        let pairs: Vec<(u32, u32)> = (0..20_000).map(|_| (rng.u32(..), rng.u32(..9))).collect();
        let mut index = Index::new();
        for (number, (hash, leaf)) in pairs.iter().enumerate() {
            index.insert(*hash, *leaf);
            assert_eq!(index.buckets(), (number + 1).div_ceil(LOAD), "{number}");
        }
        assert!(index.fill().iter().all(|count| *count < 3 * LOAD));
        for (hash, leaf) in pairs {
            index.remove(hash, leaf);
        }
        assert_eq!((index.len, index.buckets()), (0, 1));
    }

    #[test]
    fn a_scan_sees_what_stays_through_splits_and_merges() {
        let mut rng = fastrand::Rng::with_seed(4);
        for growing in [true, false] {
            let mut index = Index::new();
            let stay: Vec<u32> = (0..1000).map(|_| rng.u32(..)).collect();
            let mut come_and_go: Vec<u32> =
                (0..if growing { 0 } else { 5000 }).map(|_| rng.u32(..)).collect();
            stay.iter().for_each(|hash| index.insert(*hash, 1));
            come_and_go.iter().for_each(|hash| index.insert(*hash, 2));
            let mut seen = Vec::new();
            let mut cursor = 0;
            loop {
                cursor = index.scan(cursor, 20, |hash, leaf| seen.push((hash, leaf)));
                for _ in 0..100 {
                    if growing {
                        index.insert(rng.u32(..), 2);
                    } else if let Some(hash) = come_and_go.pop() {
                        index.remove(hash, 2);
                    }
                }
                if cursor == 0 {
                    break;
                }
            }
            seen.sort_unstable();
            assert!(stay.iter().all(|hash| seen.binary_search(&(*hash, 1)).is_ok()), "growing: {growing}");
        }
    }
}

//! Which leaf a member is in, by its hash: eight bytes per member, and no bytes of the member.
//!
//! Linear hashing over sorted runs. A run holds the pairs of one range of hashes in order, in
//! blocks of one size, so that splitting it is cutting it in two and a pair is found next to
//! where its hash says. When the average run is too long, the next one in turn is split and
//! nothing else moves: there is no directory to double and no pause. A hash is the upper 32 bits
//! of a member's; members that share it are told apart by whoever holds their bytes.
//! Invariant: run r of n covers the hashes whose upper bits, read backwards, are r: as many bits
//! as n needs, one less while the run was not split in this round.

mod run;

use std::ops::Range;
use triomphe::Arc;

use crate::size_class::ARC_HEADER;
use run::Run;

/// Pairs per run on average: at most this many, and no less than a quarter of it.
const LOAD: usize = 32 * run::CAPACITY;
/// What a block of a run holds at most.
pub(super) const BLOCK: usize = run::CAPACITY;

/// Where the leaf of a member is found by the member's hash.
#[derive(Clone)]
pub(super) struct Index {
    runs: Vec<Arc<Run>>,
    len: usize,
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
        Index { runs: vec![Arc::new(Run::new())], len: 0 }
    }

    /// The leaves of the members with this hash, one for each of them.
    #[inline]
    pub(super) fn leaves(&self, hash: u32) -> impl Iterator<Item = u32> {
        let (number, _) = self.run_of(hash);
        let pairs = self.runs[number].pairs_from(hash);
        pairs.take_while(move |pair| hash_of(*pair) == hash).map(leaf_of)
    }

    /// Reads what removing a member with this hash will read, and returns something of it.
    #[inline]
    pub(super) fn touch(&self, hash: u32) -> u64 {
        self.runs[self.run_of(hash).0].touch(hash)
    }

    /// Adds a member that is in `leaf`.
    pub(super) fn insert(&mut self, hash: u32, leaf: u32) {
        self.run_mut(hash).insert(pair(hash, leaf));
        self.len += 1;
        if self.len > LOAD * self.runs.len() {
            self.split();
        }
    }

    /// Removes a member that is in `leaf`.
    pub(super) fn remove(&mut self, hash: u32, leaf: u32) {
        self.run_mut(hash).remove(pair(hash, leaf));
        self.len -= 1;
        if self.runs.len() > 1 && 4 * self.len < LOAD * self.runs.len() {
            self.merge();
        }
    }

    /// Notes that a member moved from one leaf to another.
    pub(super) fn rename(&mut self, hash: u32, from: u32, to: u32) {
        self.run_mut(hash).rename(pair(hash, from), pair(hash, to));
    }

    /// Visits the pairs of hash and leaf from `cursor` on until `count` are visited, and returns
    /// the next cursor, 0 at the end. Pairs that are equal are visited once.
    pub(super) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(u32, u32)) -> u64 {
        let Ok(mut start) = u32::try_from(cursor) else { return 0 };
        let (mut visited, mut last) = (0, None);
        loop {
            let (number, bits) = self.run_of(start);
            for found in self.runs[number].pairs_from(start) {
                let hash = hash_of(found);
                if visited >= count.max(1) && last.map(hash_of) != Some(hash) {
                    return u64::from(hash);
                }
                if last.replace(found) != Some(found) {
                    visit(hash, leaf_of(found));
                }
                visited += 1;
            }
            match u32::try_from(hashes_of(number, bits).end) {
                Ok(next) => start = next,
                Err(_) => return 0,
            }
        }
    }

    /// How many pairs each block holds.
    pub(super) fn fill(&self) -> Vec<usize> {
        self.runs.iter().flat_map(|run| run.fill()).collect()
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> usize {
        self.runs.iter().map(|run| run.blocks()).sum()
    }

    /// Bytes allocated.
    pub(super) fn heap_size(&self) -> usize {
        let runs = self.runs.iter().map(|run| ARC_HEADER + size_of::<Run>() + run.heap_size());
        self.runs.capacity() * size_of::<Arc<Run>>() + runs.sum::<usize>()
    }

    /// How many upper bits of a hash choose a run, at least.
    fn level(&self) -> u32 {
        self.runs.len().ilog2()
    }

    /// The run of a hash, and how many upper bits its hashes share.
    #[inline]
    fn run_of(&self, hash: u32) -> (usize, u32) {
        let backwards = widen(hash.reverse_bits());
        let level = self.level();
        let number = backwards & ((1 << level) - 1);
        if number < self.runs.len() - (1 << level) {
            return (backwards & ((2 << level) - 1), level + 1);
        }
        (number, level)
    }

    fn run_mut(&mut self, hash: u32) -> &mut Run {
        let (number, _) = self.run_of(hash);
        Arc::make_mut(&mut self.runs[number])
    }

    /// Splits the run whose turn it is.
    fn split(&mut self) {
        let level = self.level();
        let number = self.runs.len() - (1 << level);
        let upper = hashes_of(self.runs.len(), level + 1).start;
        let upper = u32::try_from(upper).expect("a range of hashes starts at one");
        let right = Arc::make_mut(&mut self.runs[number]).split_off(upper);
        self.runs.push(Arc::new(right));
    }

    /// Merges the last run into the one that it was split from.
    fn merge(&mut self) {
        let Some(right) = self.runs.pop() else { return };
        let number = self.runs.len() - (1 << self.level());
        Arc::make_mut(&mut self.runs[number]).append(&right);
    }
}

/// The hashes whose `bits` upper bits, read backwards, are `number`.
fn hashes_of(number: usize, bits: u32) -> Range<u64> {
    let number = u32::try_from(number).expect("there are fewer runs than hashes");
    let start = u64::from(number.reverse_bits());
    start..start + (1 << (32 - bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few distinct hashes, so that many members share one.
    fn hash(rng: &mut fastrand::Rng, spread: u32) -> u32 {
        rng.u32(..spread).wrapping_mul(0x9E37_79B9)
    }

    fn check(index: &Index, model: &[u64]) {
        let mut pairs: Vec<_> = index.runs.iter().flat_map(|run| run.check()).collect();
        pairs.sort_unstable();
        assert_eq!(pairs, model);
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
    fn runs_follow_the_number_of_members_in_both_directions() {
        let mut rng = fastrand::Rng::with_seed(3);
        let pairs: Vec<(u32, u32)> = (0..60_000).map(|_| (rng.u32(..), rng.u32(..9))).collect();
        let mut index = Index::new();
        for (number, (hash, leaf)) in pairs.iter().enumerate() {
            index.insert(*hash, *leaf);
            assert_eq!(index.runs.len(), (number + 1).div_ceil(LOAD), "{number}");
        }
        assert!(index.heap_size() < 60_000 * 10, "{} bytes", index.heap_size());
        for (hash, leaf) in pairs {
            index.remove(hash, leaf);
        }
        assert_eq!((index.len, index.runs.len(), index.blocks()), (0, 1, 1));
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

//! A leaf of a big sorted set: up to 64 members with their scores, in order.
//!
//! Invariant: strictly ascending by score, then member.

use super::super::bound::order;
use crate::short_bytes::ShortBytes;
use crate::tree::Chunk;

const CAPACITY: usize = 64;
const MERGED_AT_MOST: usize = 32;
const GROWTH: usize = 16;

/// A member with its score, as the order sees it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) score: f64,
    pub(super) member: ShortBytes,
}

impl Key {
    pub(super) fn borrow(&self) -> (f64, &[u8]) {
        (self.score, self.member.as_slice())
    }
}

/// Scores lie apart from members: a search reads all of them at once instead of jumping from
/// member to member.
#[derive(Clone)]
pub(super) struct Leaf {
    scores: [f64; CAPACITY],
    members: Vec<ShortBytes>,
}

impl Default for Leaf {
    fn default() -> Self {
        Leaf { scores: [0.0; CAPACITY], members: Vec::new() }
    }
}

impl Leaf {
    fn of(key: Key) -> Self {
        let mut leaf = Leaf::default();
        leaf.insert_at(0, key);
        leaf
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn members(&self) -> &[ShortBytes] {
        &self.members
    }

    pub(super) fn scores(&self) -> &[f64] {
        &self.scores[..self.members.len()]
    }

    fn key(&self, at: usize) -> (f64, &[u8]) {
        (self.scores[at], self.members[at].as_slice())
    }

    pub(super) fn partition_point(&self, before: impl Fn((f64, &[u8])) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if before(self.key(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn search(&self, (score, member): (f64, &[u8])) -> Result<usize, usize> {
        // Counting reads a few cache lines side by side, a binary search one after the other.
        let below = self.scores().iter().filter(|other| **other < score).count();
        let equal = self.scores()[below..].iter().take_while(|other| **other == score).count();
        self.members[below..below + equal]
            .binary_search_by(|other| other.as_slice().cmp(member))
            .map(|at| below + at)
            .map_err(|at| below + at)
    }

    /// Adds an absent key. A full leaf is left alone when the key goes to one of its ends, so
    /// that members arriving in order fill their leaves; otherwise it is split in half.
    pub(super) fn insert(&mut self, key: Key, added: &mut Vec<Leaf>) {
        let at = self.search(key.borrow()).expect_err("the table had no such member");
        if self.len() < CAPACITY {
            return self.insert_at(at, key);
        }
        if at == CAPACITY {
            added.push(Leaf::of(key));
        } else if at == 0 {
            added.push(std::mem::replace(self, Leaf::of(key)));
        } else {
            let mut right = self.split();
            if at <= CAPACITY / 2 {
                self.insert_at(at, key);
            } else {
                right.insert_at(at - CAPACITY / 2, key);
            }
            added.push(right);
        }
    }

    fn split(&mut self) -> Leaf {
        let mut right = Leaf { members: self.members.split_off(CAPACITY / 2), ..Leaf::default() };
        right.scores[..CAPACITY / 2].copy_from_slice(&self.scores[CAPACITY / 2..]);
        right
    }

    fn insert_at(&mut self, at: usize, key: Key) {
        let len = self.len();
        self.scores.copy_within(at..len, at + 1);
        self.scores[at] = key.score;
        if len == self.members.capacity() {
            self.members.reserve_exact(GROWTH);
        }
        self.members.insert(at, key.member);
    }

    pub(super) fn remove(&mut self, wanted: (f64, &[u8])) -> Key {
        let at = self.search(wanted).expect("the order holds what the table holds");
        let score = self.scores[at];
        self.scores.copy_within(at + 1.., at);
        Key { score, member: self.members.remove(at) }
    }

    /// Changes a score in place if the key keeps its place between its neighbours here.
    pub(super) fn move_within(&mut self, old: (f64, &[u8]), score: f64) -> bool {
        let at = self.search(old).expect("the order holds what the table holds");
        let new = (score, old.1);
        let above = at > 0 && order(self.key(at - 1), new).is_lt();
        let below = at + 1 < self.len() && order(new, self.key(at + 1)).is_lt();
        if above && below {
            self.scores[at] = score;
        }
        above && below
    }

    pub(super) fn cut(&mut self, start: usize, count: usize) {
        self.scores.copy_within(start + count.., start);
        self.members.drain(start..start + count);
    }
}

impl Chunk for Leaf {
    type Bound = Key;

    fn weight(&self) -> usize {
        self.len()
    }

    fn bound(&self) -> Key {
        match self.members.first() {
            Some(member) => Key { score: self.scores[0], member: member.clone() },
            None => Key { score: f64::NEG_INFINITY, member: ShortBytes::new(b"") },
        }
    }

    fn is_sparse(&self) -> bool {
        self.len() < MERGED_AT_MOST / 2
    }

    fn can_absorb(&self, next: &Self) -> bool {
        self.len() + next.len() <= MERGED_AT_MOST
    }

    fn absorb(&mut self, next: &Self) {
        let len = self.len();
        self.scores[len..len + next.len()].copy_from_slice(next.scores());
        self.members.extend_from_slice(&next.members);
    }

    fn heap_size(&self) -> usize {
        self.members.capacity() * size_of::<ShortBytes>()
    }
}

//! A leaf of a big sorted set: up to 64 members with their scores, in order.
//!
//! Invariant: strictly ascending by score, then member.

use std::cmp::Ordering;

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

/// By score, then member; minus zero equals zero.
pub(super) fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).expect("no score is NaN").then_with(|| a.1.cmp(b.1))
}

#[derive(Clone, Default)]
pub(super) struct Leaf(Vec<Key>);

impl Leaf {
    pub(super) fn keys(&self) -> &[Key] {
        &self.0
    }

    pub(super) fn partition_point(&self, before: impl Fn((f64, &[u8])) -> bool) -> usize {
        self.0.partition_point(|key| before(key.borrow()))
    }

    fn search(&self, wanted: (f64, &[u8])) -> Result<usize, usize> {
        self.0.binary_search_by(|key| order(key.borrow(), wanted))
    }

    /// Adds an absent key. A full leaf is left alone when the key goes to one of its ends, so
    /// that members arriving in order fill their leaves; otherwise it is split in half.
    pub(super) fn insert(&mut self, key: Key, added: &mut Vec<Leaf>) {
        let at = self.search(key.borrow()).expect_err("the table had no such member");
        if self.0.len() < CAPACITY {
            return self.insert_at(at, key);
        }
        if at == CAPACITY {
            added.push(Leaf(vec![key]));
        } else if at == 0 {
            added.push(std::mem::replace(self, Leaf(vec![key])));
        } else {
            let mut right = Leaf(self.0.split_off(CAPACITY / 2));
            if at <= CAPACITY / 2 {
                self.insert_at(at, key);
            } else {
                right.insert_at(at - CAPACITY / 2, key);
            }
            added.push(right);
        }
    }

    fn insert_at(&mut self, at: usize, key: Key) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(GROWTH);
        }
        self.0.insert(at, key);
    }

    pub(super) fn remove(&mut self, wanted: (f64, &[u8])) -> Key {
        let at = self.search(wanted).expect("the order holds what the table holds");
        self.0.remove(at)
    }

    /// Changes a score in place if the key keeps its place between its neighbours here.
    pub(super) fn move_within(&mut self, old: (f64, &[u8]), score: f64) -> bool {
        let at = self.search(old).expect("the order holds what the table holds");
        let new = (score, old.1);
        let above = at > 0 && order(self.0[at - 1].borrow(), new).is_lt();
        let below = self.0.get(at + 1).is_some_and(|next| order(new, next.borrow()).is_lt());
        if above && below {
            self.0[at].score = score;
        }
        above && below
    }

    pub(super) fn cut(&mut self, start: usize, count: usize) {
        self.0.drain(start..start + count);
    }
}

impl Chunk for Leaf {
    type Bound = Key;

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn bound(&self) -> Key {
        let nothing = || Key { score: f64::NEG_INFINITY, member: ShortBytes::new(b"") };
        self.0.first().cloned().unwrap_or_else(nothing)
    }

    fn can_absorb(&self, next: &Self) -> bool {
        self.0.len() + next.0.len() <= MERGED_AT_MOST
    }

    fn absorb(&mut self, next: &Self) {
        self.0.extend_from_slice(&next.0);
    }

    fn heap_size(&self) -> usize {
        self.0.capacity() * size_of::<Key>()
    }
}

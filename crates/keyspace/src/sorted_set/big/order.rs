//! The order of a big sorted set's leaves: a counted, copy-on-write B+tree over their numbers.
//!
//! Owns the branches: finding a leaf by rank or by key, and where a full or a sparse leaf's
//! members go. A slot's bound is the shortest key that separates its members from those before:
//! a score alone where scores differ, else the beginning of a member.
//! Invariant: a node's weight is the sum of its slots' weights, no slot of a settled tree is
//! empty, all leaves are equally deep. The bound of every slot but a node's first is at most
//! every key under it and above every key before it.

use std::cmp::Ordering;
use triomphe::Arc;

use super::super::bound::order;
use super::leaf::New;
use super::members::{Found, LeafId, Members};

const FANOUT: usize = 64;
/// After a removal a node with fewer slots is merged with a neighbour that has room.
const SPARSE: usize = 16;
const MERGED_AT_MOST: usize = 48;
/// Slots by which a node's memory grows.
const GROWTH: usize = 8;

#[derive(Clone)]
enum Child {
    Leaf(LeafId),
    Node(Arc<Node>),
}

#[derive(Clone)]
struct Slot {
    score: f64,
    member: Box<[u8]>,
    weight: usize,
    child: Child,
}

/// A branch; the tree is its root.
#[derive(Clone, Default)]
pub(super) struct Node {
    weight: usize,
    slots: Vec<Slot>,
}

type Key<'a> = (f64, &'a [u8]);

/// The shortest key that is above `low` and at most `high`.
fn separator<'a>(low: Key<'_>, high: Key<'a>) -> Key<'a> {
    if low.0 != high.0 {
        return (high.0, &[]);
    }
    let common = low.1.iter().zip(high.1).take_while(|(a, b)| a == b).count();
    (high.0, &high.1[..common + 1])
}

impl Slot {
    fn of_leaf(leaf: LeafId, bound: Key<'_>, members: &Members) -> Self {
        let weight = members.leaf(leaf).len();
        Slot { score: bound.0, member: bound.1.into(), weight, child: Child::Leaf(leaf) }
    }

    fn of_node(node: Node) -> Self {
        let Slot { score, member, .. } = node.slots[0].clone();
        Slot { score, member, weight: node.weight, child: Child::Node(Arc::new(node)) }
    }

    fn bound(&self) -> Key<'_> {
        (self.score, &self.member)
    }

    fn set_bound(&mut self, bound: Key<'_>) {
        self.score = bound.0;
        self.member = bound.1.into();
    }

    fn leaf(&self) -> LeafId {
        match &self.child {
            Child::Leaf(leaf) => *leaf,
            Child::Node(_) => unreachable!("all leaves are equally deep"),
        }
    }

    /// Removes all members under the slot.
    fn drop_all(&self, members: &mut Members) {
        match &self.child {
            Child::Leaf(leaf) => members.drop_leaf(*leaf),
            Child::Node(node) => node.slots.iter().for_each(|slot| slot.drop_all(members)),
        }
    }
}

impl Node {
    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.weight
    }

    /// The leaf that holds the member of `rank`, and the member's place in it.
    pub(super) fn leaf_at(&self, rank: usize) -> Option<(LeafId, usize)> {
        if rank >= self.weight {
            return None;
        }
        let mut node = self;
        let mut local = rank;
        loop {
            let at = node.slots.iter().position(|slot| {
                let here = local < slot.weight;
                local -= if here { 0 } else { slot.weight };
                here
            });
            match &node.slots[at.expect("the weights add up")].child {
                Child::Leaf(leaf) => return Some((*leaf, local)),
                Child::Node(child) => node = child,
            }
        }
    }

    /// The leaf in which `before` stops to hold, and how many members precede the leaf.
    pub(super) fn leaf_of(&self, before: impl Fn(Key<'_>) -> bool) -> Option<(LeafId, usize)> {
        let mut node = self;
        let mut rank = 0;
        loop {
            let at = node.slot_of(&before);
            rank += node.slots.iter().take(at).map(|slot| slot.weight).sum::<usize>();
            match &node.slots.get(at)?.child {
                Child::Leaf(leaf) => return Some((*leaf, rank)),
                Child::Node(child) => node = child,
            }
        }
    }

    /// Adds a member that is new.
    pub(super) fn insert(&mut self, new: New<'_>, members: &mut Members) {
        if self.slots.is_empty() {
            let leaf = members.add(new);
            self.add_slot(0, Slot::of_leaf(leaf, new.key(), members));
            self.weight = 1;
            return;
        }
        if let Some(right) = self.insert_below(new, members) {
            let left = std::mem::take(self);
            self.weight = left.weight + right.weight;
            self.slots = vec![Slot::of_node(left), Slot::of_node(right)];
        }
    }

    /// Takes the entry of a member out of its leaf, which the index goes on naming.
    pub(super) fn take(&mut self, key: Key<'_>, found: &Found, members: &mut Members) {
        self.take_below(key, found, members);
        self.settle_root();
    }

    /// Removes the members of a range of ranks.
    pub(super) fn remove_ranks(&mut self, start: usize, count: usize, members: &mut Members) {
        self.remove_ranks_below(start, count, members);
        self.settle_root();
    }

    fn settle_root(&mut self) {
        while let [Slot { child: Child::Node(child), .. }] = self.slots.as_mut_slice() {
            let child = std::mem::take(child);
            *self = Arc::unwrap_or_clone(child);
        }
    }

    fn slot_of(&self, before: &impl Fn(Key<'_>) -> bool) -> usize {
        // The first slot is not asked: smaller keys than its bound may have come in since.
        self.slots.get(1..).map_or(0, |rest| rest.partition_point(|slot| before(slot.bound())))
    }

    fn slot_of_key(&self, key: Key<'_>) -> usize {
        self.slot_of(&|bound: Key<'_>| order(bound, key) != Ordering::Greater)
    }

    /// Adds a member; the upper half of the slots is handed back when there are too many.
    fn insert_below(&mut self, new: New<'_>, members: &mut Members) -> Option<Node> {
        self.weight += 1;
        let at = self.slot_of_key(new.key());
        let slot = &mut self.slots[at];
        match &mut slot.child {
            Child::Leaf(_) => self.insert_into_leaf(at, new, members),
            Child::Node(node) => {
                let right = Arc::make_mut(node).insert_below(new, members);
                slot.weight = node.weight;
                if let Some(right) = right {
                    self.add_slot(at + 1, Slot::of_node(right));
                }
            }
        }
        (self.slots.len() > FANOUT).then(|| self.split())
    }

    /// Adds a member to the leaf of slot `at`, or next to it when it is full. At the ends of a
    /// full leaf the neighbours are asked and then a leaf of its own is made, so that members
    /// that arrive in order fill their leaves; in between a neighbour with room takes a part, and
    /// only when there is none the leaf is split.
    fn insert_into_leaf(&mut self, at: usize, new: New<'_>, members: &mut Members) {
        let id = self.slots[at].leaf();
        let leaf = members.leaf(id);
        let place = leaf.rank(new.key());
        if leaf.has_room(new) {
            members.insert(id, place, new);
            self.slots[at].weight += 1;
        } else if place == leaf.len() {
            self.insert_after(at, new, members);
        } else if place == 0 {
            self.insert_in_front(at, new, members);
        } else if let Some(left) = self.neighbour_with_room(at, new, members)
            && self.even_out(left, members)
        {
            self.insert_or_split(self.slot_of_key(new.key()), new, members);
        } else {
            self.insert_or_split(at, new, members);
        }
    }

    /// The left one of two slots, one of them `at`, the other of which can take a part.
    fn neighbour_with_room(&self, at: usize, new: New<'_>, members: &Members) -> Option<usize> {
        let has_room = |at: &usize| {
            let slot = self.slots.get(*at);
            slot.is_some_and(|slot| members.leaf(slot.leaf()).can_take_part(new))
        };
        let left = at.checked_sub(1).filter(has_room);
        left.or_else(|| has_room(&(at + 1)).then_some(at))
    }

    /// Spreads the members of slot `at` and the next one over both, if that is possible.
    fn even_out(&mut self, at: usize, members: &mut Members) -> bool {
        let (left, right) = (self.slots[at].leaf(), self.slots[at + 1].leaf());
        if !members.even_out(left, right) {
            return false;
        }
        let (left, right) = (members.leaf(left), members.leaf(right));
        self.slots[at].weight = left.len();
        self.slots[at + 1].weight = right.len();
        self.slots[at + 1].set_bound(separator(left.last(), right.key(0)));
        true
    }

    /// Adds a member to the leaf of slot `at`, or to one of its halves.
    fn insert_or_split(&mut self, at: usize, new: New<'_>, members: &mut Members) {
        let id = self.slots[at].leaf();
        let leaf = members.leaf(id);
        let place = leaf.rank(new.key());
        if leaf.has_room(new) {
            members.insert(id, place, new);
            self.slots[at].weight += 1;
        } else if place == leaf.len() {
            self.insert_after(at, new, members);
        } else if place == 0 {
            self.insert_in_front(at, new, members);
        } else {
            let right = members.split(id);
            let left = members.leaf(id);
            let bound = separator(left.last(), members.leaf(right).key(0));
            let goes_left = order(new.key(), bound).is_lt();
            let right = Slot::of_leaf(right, bound, members);
            self.slots[at].weight = left.len();
            self.add_slot(at + 1, right);
            self.insert_or_split(if goes_left { at } else { at + 1 }, new, members);
        }
    }

    /// Adds a member behind all those of the full leaf of slot `at`.
    fn insert_after(&mut self, at: usize, new: New<'_>, members: &mut Members) {
        let next = self.slots.get(at + 1).map(Slot::leaf).filter(|next| members.leaf(*next).has_room(new));
        match next {
            Some(next) => {
                members.insert(next, 0, new);
                self.slots[at + 1].weight += 1;
            }
            None => {
                let next = members.add(new);
                self.add_slot(at + 1, Slot::of_leaf(next, (0.0, &[]), members));
            }
        }
        let last = members.leaf(self.slots[at].leaf()).last();
        self.slots[at + 1].set_bound(separator(last, new.key()));
    }

    /// Adds a member in front of all those of the full leaf of slot `at`.
    fn insert_in_front(&mut self, at: usize, new: New<'_>, members: &mut Members) {
        let id = self.slots[at].leaf();
        let first = members.leaf(id).key(0);
        let bound = separator(new.key(), first);
        let previous = at.checked_sub(1).map(|at| self.slots[at].leaf());
        match previous.filter(|previous| members.leaf(*previous).has_room(new)) {
            Some(previous) => {
                self.slots[at].set_bound(bound);
                self.slots[at - 1].weight += 1;
                members.insert(previous, members.leaf(previous).len(), new);
            }
            None => {
                let moved = Slot::of_leaf(id, bound, members);
                self.slots[at].child = Child::Leaf(members.add(new));
                self.slots[at].weight = 1;
                self.add_slot(at + 1, moved);
            }
        }
    }

    fn add_slot(&mut self, at: usize, slot: Slot) {
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(GROWTH);
        }
        self.slots.insert(at, slot);
    }

    /// Moves the upper half of the slots to a node of their own.
    fn split(&mut self) -> Node {
        let slots = self.slots.split_off(self.slots.len() / 2);
        self.slots.shrink_to(self.slots.len() + GROWTH);
        let weight = slots.iter().map(|slot| slot.weight).sum();
        self.weight -= weight;
        Node { weight, slots }
    }

    fn take_below(&mut self, key: Key<'_>, found: &Found, members: &mut Members) {
        self.weight -= 1;
        let at = self.slot_of_key(key);
        let slot = &mut self.slots[at];
        slot.weight -= 1;
        match &mut slot.child {
            Child::Leaf(leaf) => {
                assert_eq!(*leaf, found.leaf, "the order leads to the leaf that the index names");
                members.change(*leaf, |leaf| leaf.remove(found.at));
            }
            Child::Node(node) => Arc::make_mut(node).take_below(key, found, members),
        }
        self.settle(at, members);
    }

    /// After a removal under slot `at`: drops it if nothing is left, or merges it with a
    /// neighbour if both together are small.
    fn settle(&mut self, at: usize, members: &mut Members) {
        let slot = &self.slots[at];
        if slot.weight == 0 {
            self.slots.remove(at).drop_all(members);
            return;
        }
        let is_sparse = match &slot.child {
            Child::Leaf(leaf) => members.leaf(*leaf).is_sparse(),
            Child::Node(node) => node.slots.len() < SPARSE,
        };
        if is_sparse && !self.merge_with_next(at, members) && at > 0 {
            self.merge_with_next(at - 1, members);
        }
    }

    fn merge_with_next(&mut self, at: usize, members: &mut Members) -> bool {
        let [slot, next, ..] = &mut self.slots[at..] else { return false };
        let merged = match (&mut slot.child, &next.child) {
            (Child::Leaf(leaf), Child::Leaf(next)) => {
                let merged = members.merge(*leaf, *next);
                *leaf = merged.unwrap_or(*leaf);
                merged.is_some()
            }
            (Child::Node(node), Child::Node(child)) => absorb(node, child, next.bound()),
            _ => unreachable!("all leaves are equally deep"),
        };
        if merged {
            slot.weight += next.weight;
            self.slots.remove(at + 1);
        }
        merged
    }

    fn remove_ranks_below(&mut self, start: usize, count: usize, members: &mut Members) {
        let end = start + count;
        let mut offset = 0;
        let (mut seam, mut emptied) = (None, false);
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if offset >= end {
                break;
            }
            let (low, high) = (start.max(offset), end.min(offset + slot.weight));
            let (local, taken) = (low.saturating_sub(offset), high.saturating_sub(low));
            offset += slot.weight;
            if taken == 0 {
                continue;
            }
            seam = seam.or(Some(at));
            if taken < slot.weight {
                match &mut slot.child {
                    Child::Leaf(leaf) => members.cut(*leaf, local..local + taken),
                    Child::Node(node) => Arc::make_mut(node).remove_ranks_below(local, taken, members),
                }
            } else {
                slot.drop_all(members);
                emptied = true;
            }
            slot.weight -= taken;
        }
        self.weight -= count;
        if emptied {
            self.slots.retain(|slot| slot.weight > 0);
        }
        if let Some(at) = seam.filter(|at| *at < self.slots.len()) {
            self.settle(at, members);
        }
    }

    /// Bytes allocated for the nodes below this one, itself included.
    pub(super) fn heap_size(&self) -> usize {
        let below = |slot: &Slot| match &slot.child {
            Child::Leaf(_) => slot.member.len(),
            Child::Node(node) => {
                slot.member.len() + size_of::<Node>() + crate::size_class::ARC_HEADER + node.heap_size()
            }
        };
        self.slots.capacity() * size_of::<Slot>() + self.slots.iter().map(below).sum::<usize>()
    }
}

/// Inside `next` the first slot's bound may be stale; `bound`, which its parent kept, is not.
fn absorb(node: &mut Arc<Node>, next: &Node, bound: Key<'_>) -> bool {
    if node.slots.len() + next.slots.len() > MERGED_AT_MOST {
        return false;
    }
    let node = Arc::make_mut(node);
    let seam = node.slots.len();
    node.slots.extend_from_slice(&next.slots);
    node.slots[seam].set_bound(bound);
    node.weight += next.weight;
    true
}

#[cfg(test)]
impl Node {
    /// Checks the invariants, for keys within the bounds, and returns how deep the leaves are.
    pub(super) fn check(&self, low: Option<Key<'_>>, high: Option<Key<'_>>, members: &Members) -> usize {
        assert_eq!(self.weight, self.slots.iter().map(|slot| slot.weight).sum::<usize>());
        let mut depth = None;
        for (at, slot) in self.slots.iter().enumerate() {
            let low = if at == 0 { low } else { Some(slot.bound()) };
            let high = self.slots.get(at + 1).map(Slot::bound).or(high);
            assert!(slot.weight > 0);
            let below = match &slot.child {
                Child::Node(node) => {
                    assert_eq!(node.weight, slot.weight);
                    1 + node.check(low, high, members)
                }
                Child::Leaf(leaf) => {
                    let leaf = members.leaf(*leaf);
                    assert_eq!(leaf.len(), slot.weight);
                    let keys: Vec<_> = (0..leaf.len()).map(|at| leaf.key(at)).collect();
                    assert!(keys.windows(2).all(|pair| order(pair[0], pair[1]).is_lt()));
                    assert!(low.is_none_or(|low| order(low, keys[0]).is_le()));
                    assert!(high.is_none_or(|high| order(leaf.last(), high).is_lt()));
                    1
                }
            };
            assert_eq!(*depth.get_or_insert(below), below);
        }
        depth.unwrap_or(0)
    }
}

//! One level of the directory: a small extendible hash table whose entries are shared nodes.
//!
//! A fan stands for all hashes that begin with the same `depth` bits. The next `bits` bits pick a
//! slot of its map, and the slot names a child; a child of relative depth d has 2^(bits-d)
//! neighbouring slots. Splitting a child, joining two buddies, and cutting the whole fan into
//! halves move slots of the map only.
//! Invariant: the children's slots are disjoint and cover the map, and `earliest` is not later
//! than any deadline below the child.
//!
//! ```text
//! hash | depth bits led here | bits pick a slot | …
//! map  [ 0 0 0 0 | 2 2 | 1 | 3 ]      children 0 (d=1), 2 (d=2), 1 and 3 (d=3)
//! ```

use triomphe::Arc;

/// A node of the directory tree, shared between the table and its snapshots.
#[derive(Clone)]
pub(super) struct Child<T> {
    pub(super) node: Arc<T>,
    /// No entry below is due earlier; entries may have moved to later since.
    pub(super) earliest: i64,
    /// How many of the fan's bits lead to this child.
    bits: u32,
}

#[derive(Clone)]
pub(super) struct Fan<T> {
    depth: u32,
    bits: u32,
    map: Vec<u32>,
    children: Vec<Child<T>>,
}

impl<T> Fan<T> {
    /// A fan of one child for the hashes that begin with `depth` given bits.
    pub(super) fn new(depth: u32, node: T, earliest: i64) -> Self {
        let only = Child { node: Arc::new(node), earliest, bits: 0 };
        Fan { depth, bits: 0, map: vec![0], children: vec![only] }
    }

    /// How many bits led here.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    pub(super) fn children(&self) -> &[Child<T>] {
        &self.children
    }

    pub(super) fn children_mut(&mut self) -> &mut [Child<T>] {
        &mut self.children
    }

    /// All children, by themselves.
    pub(super) fn into_nodes(self) -> impl Iterator<Item = Arc<T>> {
        self.children.into_iter().map(|child| child.node)
    }

    /// The index of the child that `hash` belongs to.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> usize {
        widen(self.map[self.slot(hash)])
    }

    #[inline]
    pub(super) fn node(&self, child: usize) -> &T {
        &self.children[child].node
    }

    /// Reads whether anybody else holds the node of `child`, which is asked before it is changed; returns something
    /// of the line that says so.
    #[inline]
    pub(super) fn touch_counter(&self, child: usize) -> u64 {
        u64::from(self.children[child].node.is_unique())
    }

    /// The deepest hash prefix that all entries of `child` share, in bits.
    pub(super) fn depth_of(&self, child: usize) -> u32 {
        self.depth + self.children[child].bits
    }

    /// The child that has the other half of the range which the child of `hash` has one half of,
    /// if one child has that all.
    pub(super) fn buddy(&self, hash: u64) -> Option<usize> {
        let child = &self.children[self.find(hash)];
        if child.bits == 0 {
            return None;
        }
        let span = 1 << (self.bits - child.bits);
        let buddy = widen(self.map[(self.slot(hash) & !(span - 1)) ^ span]);
        (self.children[buddy].bits == child.bits).then_some(buddy)
    }

    /// The earliest deadline of any child.
    pub(super) fn earliest(&self) -> i64 {
        self.children.iter().map(|child| child.earliest).min().unwrap_or(i64::MAX)
    }

    /// Gives the upper half of the range of `hash`'s child to a new child.
    pub(super) fn split(&mut self, hash: u64, upper: T, earliest: [i64; 2]) {
        let child = self.find(hash);
        if self.children[child].bits == self.bits {
            self.map = self.map.iter().flat_map(|child| [*child, *child]).collect();
            self.bits += 1;
        }
        let bits = self.children[child].bits + 1;
        self.children[child].bits = bits;
        self.children[child].earliest = earliest[0];
        let span = 1 << (self.bits - bits);
        let upper_half = (self.slot(hash) & !(2 * span - 1)) + span;
        let added = narrow(self.children.len());
        self.children.push(Child { node: Arc::new(upper), earliest: earliest[1], bits });
        self.map[upper_half..upper_half + span].fill(added);
    }

    /// Gives the range of `gone`, the buddy of `kept`, to `kept`. Indexes of children change.
    pub(super) fn join(&mut self, kept: usize, gone: usize) -> Arc<T> {
        let last = self.children.len() - 1;
        for slot in &mut self.map {
            if widen(*slot) == gone {
                *slot = narrow(kept);
            }
        }
        for slot in &mut self.map {
            if widen(*slot) == last {
                *slot = narrow(gone);
            }
        }
        let earliest = self.children[gone].earliest.min(self.children[kept].earliest);
        self.children[kept].bits -= 1;
        self.children[kept].earliest = earliest;
        let gone = self.children.swap_remove(gone);
        self.halve_map();
        gone.node
    }

    /// Cuts the fan in two, by the first of its bits; every child is on one side.
    pub(super) fn into_halves(self) -> [Fan<T>; 2] {
        assert!(self.bits > 0, "one child alone is split first");
        let (lower, upper) = self.map.split_at(self.map.len() / 2);
        let mut children: Vec<Option<Child<T>>> = self.children.into_iter().map(Some).collect();
        [lower, upper].map(|map| {
            let mut fan =
                Fan { depth: self.depth + 1, bits: self.bits - 1, map: map.to_vec(), children: Vec::new() };
            let mut from = 0;
            while from < map.len() {
                let mut child = children[widen(map[from])].take().expect("a child's slots are neighbours");
                child.bits -= 1;
                let span = 1 << (fan.bits - child.bits);
                fan.map[from..from + span].fill(narrow(fan.children.len()));
                fan.children.push(child);
                from += span;
            }
            fan.halve_map();
            fan
        })
    }

    /// Puts two halves of one range together: what `into_halves` undoes.
    pub(super) fn from_halves(halves: [Fan<T>; 2]) -> Self {
        let bits = halves[0].bits.max(halves[1].bits);
        let mut joined =
            Fan { depth: halves[0].depth - 1, bits: bits + 1, map: Vec::new(), children: Vec::new() };
        for half in halves {
            let (offset, repeat) = (narrow(joined.children.len()), 1 << (bits - half.bits));
            joined.map.extend(half.map.iter().flat_map(|child| std::iter::repeat_n(child + offset, repeat)));
            joined
                .children
                .extend(half.children.into_iter().map(|child| Child { bits: child.bits + 1, ..child }));
        }
        joined
    }

    /// Gives up the map's last bit while no child needs it.
    fn halve_map(&mut self) {
        while self.bits > 0 && self.children.iter().all(|child| child.bits < self.bits) {
            self.map = self.map.iter().step_by(2).copied().collect();
            self.bits -= 1;
        }
    }

    #[inline]
    fn slot(&self, hash: u64) -> usize {
        // Two shifts, since a shift by all 64 bits is not one.
        let slot = hash << self.depth >> 1 >> (63 - self.bits);
        usize::try_from(slot).expect("the map is indexed by it")
    }

    /// Bytes allocated for the fan itself.
    pub(super) fn heap_size(&self) -> usize {
        self.map.capacity() * size_of::<u32>() + self.children.capacity() * size_of::<Child<T>>()
    }
}

impl<T: Clone> Fan<T> {
    /// The node of `child`, to be changed; copied first if a snapshot holds it.
    #[inline]
    pub(super) fn node_mut(&mut self, child: usize) -> &mut T {
        Arc::make_mut(&mut self.children[child].node)
    }

    /// The node of `child` and the deadline above it, both to be changed.
    #[inline]
    pub(super) fn child_mut(&mut self, child: usize) -> (&mut T, &mut i64) {
        let child = &mut self.children[child];
        (Arc::make_mut(&mut child.node), &mut child.earliest)
    }

    /// The node of `child`, to be changed, if nobody else holds it.
    #[inline]
    pub(super) fn node_mut_if_unshared(&mut self, child: usize) -> Option<&mut T> {
        Arc::get_mut(&mut self.children[child].node)
    }

    /// Keeps `earliest` true after something below `child` got this deadline.
    #[inline]
    pub(super) fn note_deadline(&mut self, child: usize, deadline: i64) {
        let child = &mut self.children[child];
        child.earliest = child.earliest.min(deadline);
    }
}

#[inline]
fn widen(child: u32) -> usize {
    usize::try_from(child).expect("addresses have at least 32 bits")
}

fn narrow(child: usize) -> u32 {
    u32::try_from(child).expect("under 2^32 children")
}

//! A sequence of chunks as a counted tree: lists and sorted sets that are too big to be packed.
//!
//! Owns the branches: finding a chunk by element index or by a lower bound, editing one chunk,
//! cutting a range out. What is in a chunk is the chunk's own business. Every node and chunk sits
//! behind a shared pointer, so cloning a tree copies its root and an edit copies one path.
//! Invariant: a node's weight is the sum of its slots' weights, no slot of a settled tree is
//! empty, all chunks are equally deep. The bound of every slot but a node's first is at most
//! every element under it and above every element before it.

use triomphe::Arc;

use crate::size_class::ARC_HEADER;

/// The leaves of a tree.
pub(crate) trait Chunk: Clone + Default {
    /// What a search compares with; `()` for sequences that are never searched.
    type Bound: Clone;

    /// How many elements there are.
    fn weight(&self) -> usize;
    /// A lower bound of the chunk's elements, above all elements before it.
    fn bound(&self) -> Self::Bound;
    /// Whether the chunk is so small that it should be merged with a neighbour.
    fn is_sparse(&self) -> bool;
    /// Whether this and the chunk that follows are together well below a chunk's limit.
    fn can_absorb(&self, next: &Self) -> bool;
    /// Takes in the chunk that follows.
    fn absorb(&mut self, next: &Self);
    /// Bytes allocated for the chunk.
    fn heap_size(&self) -> usize;
}

const FANOUT: usize = 64;
/// After a removal a node with fewer slots is merged with a neighbour that has room.
const SPARSE: usize = 16;
const MERGED_AT_MOST: usize = 48;

#[derive(Clone)]
enum Child<C: Chunk> {
    Chunk(Arc<C>),
    Node(Arc<Node<C>>),
}

#[derive(Clone)]
struct Slot<C: Chunk> {
    bound: C::Bound,
    weight: usize,
    child: Child<C>,
}

#[derive(Clone)]
struct Node<C: Chunk> {
    weight: usize,
    slots: Vec<Slot<C>>,
}

/// A counted, copy-on-write tree of chunks.
#[derive(Clone)]
pub(crate) struct Tree<C: Chunk> {
    root: Node<C>,
}

impl<C: Chunk> Default for Tree<C> {
    fn default() -> Self {
        Tree::new()
    }
}

impl<C: Chunk> Tree<C> {
    pub(crate) fn new() -> Self {
        Tree { root: Node { weight: 0, slots: Vec::new() } }
    }

    pub(crate) fn from_chunk(chunk: C) -> Self {
        let mut tree = Tree::new();
        if chunk.weight() > 0 {
            tree.root.weight = chunk.weight();
            tree.root.slots.push(Slot::of_chunk(chunk));
        }
        tree
    }

    /// How many elements there are in all chunks.
    pub(crate) fn len(&self) -> usize {
        self.root.weight
    }

    /// The chunk, when there is exactly one.
    pub(crate) fn only_chunk(&self) -> Option<&C> {
        match self.root.slots.as_slice() {
            [Slot { child: Child::Chunk(chunk), .. }] => Some(chunk),
            _ => None,
        }
    }

    /// The chunk that holds element `index`, and the element's index in it.
    pub(crate) fn chunk_at(&self, index: usize) -> Option<(&C, usize)> {
        if index >= self.len() {
            return None;
        }
        let mut node = &self.root;
        let mut local = index;
        loop {
            match &node.slots[slot_at(&node.slots, &mut local)].child {
                Child::Chunk(chunk) => return Some((chunk, local)),
                Child::Node(child) => node = child,
            }
        }
    }

    /// The last chunk whose bound is not `past` the wanted one (the first chunk if all are), and
    /// how many elements precede the chunk.
    pub(crate) fn chunk_before(&self, past: impl Fn(&C::Bound) -> bool) -> Option<(&C, usize)> {
        let mut node = &self.root;
        let mut before = 0;
        loop {
            let at = slot_before(&node.slots, &past);
            before += node.slots.iter().take(at).map(|slot| slot.weight).sum::<usize>();
            match &node.slots.get(at)?.child {
                Child::Chunk(chunk) => return Some((chunk, before)),
                Child::Node(child) => node = child,
            }
        }
    }

    /// Edits the chunk that holds element `index`, or the last one when `index` is the length.
    /// `edit` gets the index within the chunk and may hand in chunks that are to follow it.
    pub(crate) fn edit_at<R>(
        &mut self,
        index: usize,
        edit: impl FnOnce(&mut C, usize, &mut Vec<C>) -> R,
    ) -> R {
        if index >= self.len() {
            return self.edit(|slots| (slots.len() - 1, slots.last().map_or(0, |slot| slot.weight)), edit);
        }
        let mut local = index;
        self.edit(|slots| (slot_at(slots, &mut local), local), edit)
    }

    /// Edits the chunk that `chunk_before` would find.
    pub(crate) fn edit_before<R>(
        &mut self,
        past: impl Fn(&C::Bound) -> bool,
        edit: impl FnOnce(&mut C, &mut Vec<C>) -> R,
    ) -> R {
        self.edit(|slots| (slot_before(slots, &past), 0), |chunk, _, added| edit(chunk, added))
    }

    /// Removes the elements of a range: chunks that are covered whole vanish, `cut` removes
    /// `count` elements from `start` on in the chunks at the edges.
    pub(crate) fn remove_range(
        &mut self,
        start: usize,
        count: usize,
        mut cut: impl FnMut(&mut C, usize, usize),
    ) {
        self.root.remove_range(start, count, &mut cut);
        self.settle_root();
    }

    /// Bytes allocated for nodes and chunks, from a sample of `samples` chunks (0: all).
    pub(crate) fn heap_size(&self, samples: usize) -> usize {
        let mut seen = 0;
        let mut size = 0;
        let mut index = 0;
        while let Some((chunk, _)) = self.chunk_at(index) {
            if samples > 0 && seen >= samples {
                break;
            }
            size += chunk.heap_size() + size_of::<C>() + size_of::<Slot<C>>() + ARC_HEADER;
            index += chunk.weight();
            seen += 1;
        }
        if index == 0 { 0 } else { scale(size, self.len(), index) }
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.root.chunks()
    }

    fn edit<R>(
        &mut self,
        mut pick: impl FnMut(&[Slot<C>]) -> (usize, usize),
        edit: impl FnOnce(&mut C, usize, &mut Vec<C>) -> R,
    ) -> R {
        if self.root.slots.is_empty() {
            // Exactly one: most trees that stay small have one chunk.
            self.root.slots = vec![Slot::of_chunk(C::default())];
        }
        let result = self.root.edit(&mut pick, edit);
        self.settle_root();
        result
    }

    fn settle_root(&mut self) {
        if self.root.slots.len() > FANOUT {
            let right = self.root.split();
            let left = std::mem::replace(&mut self.root, Node { weight: 0, slots: Vec::new() });
            self.root.weight = left.weight + right.weight;
            self.root.slots = vec![Slot::of_node(left), Slot::of_node(right)];
        }
        while let [Slot { child: Child::Node(child), .. }] = self.root.slots.as_mut_slice() {
            let child = std::mem::replace(child, Arc::new(Node { weight: 0, slots: Vec::new() }));
            self.root = Arc::unwrap_or_clone(child);
        }
    }
}

/// `size` for `seen` elements, scaled to `all` of them.
pub(crate) fn scale(size: usize, all: usize, seen: usize) -> usize {
    (size / seen).saturating_mul(all) + (size % seen).saturating_mul(all) / seen
}

/// The slot that holds element `local`, which becomes relative to it.
fn slot_at<C: Chunk>(slots: &[Slot<C>], local: &mut usize) -> usize {
    for (at, slot) in slots.iter().enumerate() {
        if *local < slot.weight {
            return at;
        }
        *local -= slot.weight;
    }
    unreachable!("callers ask for elements that exist")
}

fn slot_before<C: Chunk>(slots: &[Slot<C>], past: &impl Fn(&C::Bound) -> bool) -> usize {
    // The first slot is not asked: smaller elements than its bound may have come in since.
    slots.get(1..).map_or(0, |rest| rest.partition_point(|slot| !past(&slot.bound)))
}

impl<C: Chunk> Slot<C> {
    fn of_chunk(chunk: C) -> Self {
        Slot { bound: chunk.bound(), weight: chunk.weight(), child: Child::Chunk(Arc::new(chunk)) }
    }

    fn is_sparse(&self) -> bool {
        match &self.child {
            Child::Chunk(chunk) => chunk.is_sparse(),
            Child::Node(node) => node.slots.len() < SPARSE,
        }
    }

    fn of_node(node: Node<C>) -> Self {
        let bound = node.slots[0].bound.clone();
        Slot { bound, weight: node.weight, child: Child::Node(Arc::new(node)) }
    }
}

impl<C: Chunk> Node<C> {
    fn chunks(&self) -> usize {
        let below = |slot: &Slot<C>| match &slot.child {
            Child::Chunk(_) => 1,
            Child::Node(node) => node.chunks(),
        };
        self.slots.iter().map(below).sum()
    }

    fn edit<R>(
        &mut self,
        pick: &mut impl FnMut(&[Slot<C>]) -> (usize, usize),
        edit: impl FnOnce(&mut C, usize, &mut Vec<C>) -> R,
    ) -> R {
        let (at, local) = pick(&self.slots);
        let slot = &mut self.slots[at];
        let before = slot.weight;
        let mut added = Vec::new();
        let result = match &mut slot.child {
            Child::Chunk(chunk) => {
                let chunk = Arc::make_mut(chunk);
                let mut chunks = Vec::new();
                let result = edit(chunk, local, &mut chunks);
                slot.weight = chunk.weight();
                if !chunks.is_empty() {
                    added = chunks.into_iter().map(Slot::of_chunk).collect();
                }
                result
            }
            Child::Node(node) => {
                let node = Arc::make_mut(node);
                let result = node.edit(pick, edit);
                if node.slots.len() > FANOUT {
                    added.push(Slot::of_node(node.split()));
                }
                slot.weight = node.weight;
                result
            }
        };
        let after = slot.weight + added.iter().map(|slot| slot.weight).sum::<usize>();
        self.weight = self.weight - before + after;
        if !added.is_empty() {
            self.slots.splice(at + 1..at + 1, added);
        }
        if after < before {
            self.settle(at);
        }
        result
    }

    /// Moves the upper half of the slots to a node of their own.
    fn split(&mut self) -> Node<C> {
        let slots = self.slots.split_off(self.slots.len() / 2);
        self.slots.shrink_to_fit();
        let weight = slots.iter().map(|slot| slot.weight).sum();
        self.weight -= weight;
        Node { weight, slots }
    }

    /// After a removal under slot `at`: drops it if nothing is left, or merges it with a
    /// neighbour if both together are small.
    fn settle(&mut self, at: usize) {
        if self.slots[at].weight == 0 {
            self.slots.remove(at);
        } else if self.slots[at].is_sparse() && !self.merge_with_next(at) && at > 0 {
            self.merge_with_next(at - 1);
        }
    }

    fn merge_with_next(&mut self, at: usize) -> bool {
        // Two chunks stay two: a list that Redis keeps in two nodes is a quicklist, not a listpack.
        let can_be_one = self.slots.len() > 2;
        let [slot, next, ..] = &mut self.slots[at..] else { return false };
        let merged = match (&mut slot.child, &next.child) {
            (Child::Chunk(chunk), Child::Chunk(next)) => can_be_one && absorb_chunk(chunk, next),
            (Child::Node(node), Child::Node(child)) => absorb_node(node, child, &next.bound),
            _ => unreachable!("all chunks are equally deep"),
        };
        if merged {
            slot.weight += next.weight;
            self.slots.remove(at + 1);
        }
        merged
    }

    fn remove_range(&mut self, start: usize, count: usize, cut: &mut impl FnMut(&mut C, usize, usize)) {
        let end = start + count;
        let mut offset = 0;
        let mut seam = None;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let (low, high) = (start.max(offset), end.min(offset + slot.weight));
            if low < high {
                seam = seam.or(Some(at));
                if high - low < slot.weight {
                    match &mut slot.child {
                        Child::Chunk(chunk) => cut(Arc::make_mut(chunk), low - offset, high - low),
                        Child::Node(node) => Arc::make_mut(node).remove_range(low - offset, high - low, cut),
                    }
                }
                offset += slot.weight;
                slot.weight -= high - low;
            } else {
                offset += slot.weight;
            }
        }
        self.weight -= count;
        self.slots.retain(|slot| slot.weight > 0);
        if let Some(at) = seam.filter(|at| *at < self.slots.len()) {
            self.settle(at);
        }
    }
}

fn absorb_chunk<C: Chunk>(chunk: &mut Arc<C>, next: &C) -> bool {
    let small = chunk.can_absorb(next);
    if small {
        Arc::make_mut(chunk).absorb(next);
    }
    small
}

/// Inside `next` the first slot's bound may be stale; `bound`, which its parent kept, is not.
fn absorb_node<C: Chunk>(node: &mut Arc<Node<C>>, next: &Node<C>, bound: &C::Bound) -> bool {
    if node.slots.len() + next.slots.len() > MERGED_AT_MOST {
        return false;
    }
    let node = Arc::make_mut(node);
    let seam = node.slots.len();
    node.slots.extend_from_slice(&next.slots);
    node.slots[seam].bound = bound.clone();
    node.weight += next.weight;
    true
}

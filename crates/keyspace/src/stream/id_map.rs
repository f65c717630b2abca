//! A map from entry ids to something small: what of a stream is pending, and to whom.
//!
//! Sorted runs of at most 64 pairs are the leaves of a counted, copy-on-write tree: ids are
//! mostly added at the end and taken from anywhere.

use super::id::StreamId;
use crate::tree::{Chunk, Tree};

const FULL: usize = 64;
const SPARSE: usize = 16;
const MERGED_AT_MOST: usize = 48;

/// Ids, each with a `V`, in order.
#[derive(Clone)]
pub struct IdMap<V: Copy> {
    runs: Tree<Run<V>>,
}

#[derive(Clone)]
struct Run<V>(Vec<(StreamId, V)>);

impl<V: Copy> Default for IdMap<V> {
    fn default() -> Self {
        IdMap { runs: Tree::new() }
    }
}

impl<V: Copy> IdMap<V> {
    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `id` has.
    pub fn get(&self, id: StreamId) -> Option<V> {
        let (run, _) = self.runs.chunk_before(|first| *first > id)?;
        run.0.binary_search_by_key(&id, |pair| pair.0).ok().map(|at| run.0[at].1)
    }

    /// Gives `id` a value and returns the one it had.
    pub fn insert(&mut self, id: StreamId, value: V) -> Option<V> {
        self.runs.edit_before(|first| *first > id, |run, added| run.insert(id, value, added))
    }

    /// Removes `id` and returns what it had.
    pub fn remove(&mut self, id: StreamId) -> Option<V> {
        self.get(id)?;
        self.runs.edit_before(
            |first| *first > id,
            |run, _| {
                let at = run.0.binary_search_by_key(&id, |pair| pair.0).ok()?;
                Some(run.0.remove(at).1)
            },
        )
    }

    /// The ids from `start` on.
    pub fn iter_from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, V)> {
        let mut next = match self.runs.chunk_before(|first| *first > start) {
            Some((run, before)) => before + run.0.partition_point(|pair| pair.0 < start),
            None => 0,
        };
        let runs = std::iter::from_fn(move || {
            let (run, local) = self.runs.chunk_at(next)?;
            next += run.0.len() - local;
            Some(&run.0[local..])
        });
        runs.flatten().copied()
    }

    /// The lowest id that is not below `start`.
    pub fn first_from(&self, start: StreamId) -> Option<(StreamId, V)> {
        self.iter_from(start).next()
    }

    /// The highest id.
    pub fn last(&self) -> Option<(StreamId, V)> {
        let (run, _) = self.runs.chunk_at(self.len().checked_sub(1)?)?;
        run.0.last().copied()
    }

    /// All ids.
    pub fn iter(&self) -> impl Iterator<Item = (StreamId, V)> {
        self.iter_from(StreamId::MIN)
    }

    pub(super) fn heap_size(&self, samples: usize) -> usize {
        self.runs.heap_size(samples)
    }
}

impl<V> Default for Run<V> {
    fn default() -> Self {
        Run(Vec::new())
    }
}

impl<V: Copy> Run<V> {
    fn insert(&mut self, id: StreamId, value: V, added: &mut Vec<Run<V>>) -> Option<V> {
        match self.0.binary_search_by_key(&id, |pair| pair.0) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(FULL) => {
                added.push(Run(vec![(id, value)]));
                None
            }
            Err(at) => {
                if self.0.len() == FULL {
                    added.push(Run(self.0.split_off(FULL / 2)));
                    self.0.shrink_to_fit();
                }
                match added.first_mut().filter(|_| at > self.0.len()) {
                    Some(right) => right.0.insert(at - self.0.len(), (id, value)),
                    None => self.0.insert(at, (id, value)),
                }
                None
            }
        }
    }
}

impl<V: Copy> Chunk for Run<V> {
    type Bound = StreamId;

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn bound(&self) -> StreamId {
        self.0.first().map_or(StreamId::MIN, |pair| pair.0)
    }

    fn is_sparse(&self) -> bool {
        self.0.len() < SPARSE
    }

    fn can_absorb(&self, next: &Self) -> bool {
        self.0.len() + next.0.len() <= MERGED_AT_MOST
    }

    fn absorb(&mut self, next: &Self) {
        self.0.extend_from_slice(&next.0);
    }

    fn heap_size(&self) -> usize {
        self.0.capacity() * size_of::<(StreamId, V)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn edits_from_a_seed_match_a_tree_map() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut map = IdMap::default();
        let mut model = BTreeMap::new();
        for step in 0..6000u32 {
            let id = StreamId::new(rng.u64(..40), rng.u64(..40));
            let top = StreamId::new(100 + u64::from(step), 0);
            match rng.u8(..if step < 3000 { 4 } else { 8 }) {
                0 | 1 => assert_eq!(map.insert(id, step), model.insert(id, step)),
                2 => assert_eq!(map.insert(top, step), model.insert(top, step)),
                3 => assert_eq!(map.get(id), model.get(&id).copied()),
                _ => {
                    let nth = model.keys().nth(rng.usize(..model.len().max(1))).copied().unwrap_or(id);
                    assert_eq!(map.remove(nth), model.remove(&nth));
                }
            }
            assert_eq!(map.len(), model.len());
            assert_eq!(map.last(), model.last_key_value().map(|(id, value)| (*id, *value)));
            if step % 97 == 0 {
                assert!(map.iter_from(id).eq(model.range(id..).map(|(id, value)| (*id, *value))));
            }
        }
        assert!(map.iter().eq(model));
        assert_eq!(map.remove(StreamId::MAX), None);
    }
}

//! Names in the order in which they are due.
//!
//! A sorted set of them whose scores are the moments: packed while they are few, else copied on
//! write by small chunks, and everything is O(log n). A hash keeps its fields' deadlines so, and
//! does without while no field has one.
//! Invariant: `first` is the least score.

use triomphe::Arc;

use crate::encoding::Encoding;
use crate::item::Item;
use crate::sorted_set::{ScoreBound, SortedSet};
use crate::time::UnixMillis;

/// Scores are exact up to here, 285,000 years from now. A later deadline counts as this one.
const LATEST: i64 = 1 << 53;

/// Names and when they are due. Not empty but for a moment.
#[derive(Clone)]
pub(crate) struct Deadlines {
    names: SortedSet<'static>,
    first: UnixMillis,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { names: SortedSet::new(), first: UnixMillis(i64::MAX) }
    }
}

/// Takes the deadline of `name` away.
pub(super) fn clear(deadlines: &mut Option<Arc<Deadlines>>, name: &[u8]) {
    let Some(some) = deadlines.as_mut().filter(|some| some.get(name).is_some()) else { return };
    Arc::make_mut(some).remove(name);
    if some.len() == 0 {
        *deadlines = None;
    }
}

impl Deadlines {
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<UnixMillis> {
        self.names.score(name).map(moment)
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> UnixMillis {
        self.first
    }

    pub(crate) fn set(&mut self, name: &[u8], deadline: UnixMillis, encoding: &Encoding) {
        let old = self.names.insert(name, score(deadline), encoding);
        if old.map(moment) == Some(self.first) {
            self.find_first();
        } else {
            self.first = self.first.min(moment(score(deadline)));
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        if self.names.remove(name).map(moment) == Some(self.first) {
            self.find_first();
        }
    }

    fn find_first(&mut self) {
        self.first = self.names.iter().next().map_or(UnixMillis(i64::MAX), |(_, score)| moment(score));
    }

    /// How many are due.
    pub(crate) fn due_len(&self, now: UnixMillis) -> usize {
        self.names.rank_of_first_score(ScoreBound::Inclusive(score(now)))
    }

    /// The first `limit` names that are due, earliest first.
    pub(crate) fn due(&self, now: UnixMillis, limit: usize) -> Vec<Vec<u8>> {
        let due = self.names.iter().take(limit).take_while(|(_, score)| moment(*score) < now);
        due.map(|(name, _)| Item::to_vec(&name)).collect()
    }

    pub(crate) fn heap_size(&self) -> usize {
        size_of::<Deadlines>() + self.names.heap_size()
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to LATEST")]
fn score(deadline: UnixMillis) -> f64 {
    deadline.0.clamp(-LATEST, LATEST) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "made of an integer")]
fn moment(score: f64) -> UnixMillis {
    UnixMillis(score as i64)
}

//! The sessions that the shell is to look at: each once, in the order they connected.
//!
//! Marking is on the way of every request, so it is an append. Repeats are sorted out when the list is taken, and
//! before it grows: it never holds more than twice as many as there are different ones.

use crate::session::SessionId;

/// Sessions noted since the list was last taken.
#[derive(Debug, Default)]
pub(crate) struct Marked(Vec<SessionId>);

/// A list as short as this is not worth sorting out.
const SHORT: usize = 64;

impl Marked {
    /// Notes one.
    #[inline]
    pub(crate) fn insert(&mut self, id: SessionId) {
        if self.0.last() == Some(&id) {
            return;
        }
        if self.0.len() == self.0.capacity() {
            self.make_room();
        }
        self.0.push(id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cold]
    fn make_room(&mut self) {
        self.sort_out();
        self.0.reserve(self.0.len().max(SHORT));
    }

    fn sort_out(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// All of them; the next list begins empty.
    pub(crate) fn take(&mut self) -> Vec<SessionId> {
        if self.0.is_empty() {
            return Vec::new();
        }
        self.sort_out();
        let next = Vec::with_capacity(self.0.len().max(SHORT));
        std::mem::replace(&mut self.0, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_in_its_order() {
        let mut marked = Marked::default();
        [3, 1, 3, 3, 2, 1].into_iter().for_each(|id| marked.insert(SessionId(id)));
        assert_eq!(marked.take(), [1, 2, 3].map(SessionId));
        assert_eq!(marked.take(), []);
    }

    #[test]
    fn however_often_they_are_noted_the_list_stays_short() {
        let mut marked = Marked::default();
        for round in 0..10_000 {
            (0..100).for_each(|id| marked.insert(SessionId(id + round % 2)));
        }
        assert!(marked.0.capacity() <= 512, "{}", marked.0.capacity());
        assert_eq!(marked.take().len(), 101);
    }
}

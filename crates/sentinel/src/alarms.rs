//! When each of many is to be looked at: who is due is found without looking at the others.
//!
//! Each name has one moment; a new one takes the place of the old.

use std::collections::{BTreeMap, BTreeSet};

use slipstream_replication::Moment;

/// Moments by name, and names by moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms {
    by_name: BTreeMap<String, Moment>,
    by_moment: BTreeSet<(Moment, String)>,
}

impl Alarms {
    /// Looks at `name` then, and not before or after.
    pub(crate) fn set(&mut self, name: &str, at: Moment) {
        match self.by_name.get_mut(name) {
            Some(before) if *before == at => return,
            Some(before) => {
                self.by_moment.remove(&(*before, name.to_owned()));
                *before = at;
            }
            None => {
                self.by_name.insert(name.to_owned(), at);
            }
        }
        self.by_moment.insert((at, name.to_owned()));
    }

    /// Looks at `name` then, or before if that is said.
    pub(crate) fn bring_forward(&mut self, name: &str, at: Moment) {
        if self.by_name.get(name).is_none_or(|before| *before > at) {
            self.set(name, at);
        }
    }

    /// Takes the next whose moment has come.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<String> {
        self.by_moment.first().filter(|(at, _)| *at <= now)?;
        let (_, name) = self.by_moment.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }

    /// The earliest moment.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.by_moment.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_due_is_taken_once_and_in_order() {
        let mut alarms = Alarms::default();
        for (name, at) in [("a", 5), ("b", 3), ("c", 9), ("a", 2), ("b", 3)] {
            alarms.set(name, Moment(at));
        }
        assert_eq!(alarms.earliest(), Some(Moment(2)));
        let due: Vec<String> = std::iter::from_fn(|| alarms.take_due(Moment(5))).collect();
        assert_eq!(due, ["a", "b"]);
        assert_eq!(alarms.earliest(), Some(Moment(9)));
        for (name, at, earliest) in [("c", 10, 9), ("c", 8, 8), ("d", 8, 8), ("d", 7, 7)] {
            alarms.bring_forward(name, Moment(at));
            assert_eq!(alarms.earliest(), Some(Moment(earliest)), "{name} {at}");
        }
    }
}

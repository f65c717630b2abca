//! What happened to a link of late, for whoever asks why a replica is not where it should be.
//!
//! Bounded: the newest few of each peer, and of the peers that something happened to most recently.

use std::collections::{BTreeMap, VecDeque};

use crate::Moment;

/// Events kept of one link.
const KEPT: usize = 16;

/// Peers whose events are kept.
const PEERS: usize = 32;

/// Something that happened to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// What, and why; one line.
    pub text: String,
}

/// The newest events of one link, oldest first.
#[derive(Debug, Default)]
pub struct Events(VecDeque<Event>);

impl Events {
    /// Notes one.
    pub(crate) fn note(&mut self, at: Moment, text: impl Into<String>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Event { at, text: text.into() });
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter()
    }
}

/// The newest events of many links, by the names of their other ends: they outlast connections.
#[derive(Debug, Default)]
pub(crate) struct Journal(BTreeMap<String, Events>);

impl Journal {
    pub(crate) fn note(&mut self, at: Moment, peer: String, text: impl Into<String>) {
        self.0.entry(peer).or_default().note(at, text);
        if self.0.len() > PEERS {
            let last = |events: &Events| events.0.back().map(|event| event.at);
            let oldest = self.0.iter().min_by_key(|(_, events)| last(events)).map(|(peer, _)| peer.clone());
            self.0.retain(|peer, _| Some(peer) != oldest.as_ref());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Events)> {
        self.0.iter().map(|(peer, events)| (peer.as_str(), events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_events_are_kept() {
        let mut events = Events::default();
        (0..20).for_each(|number| events.note(Moment(number), number.to_string()));
        let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
        assert_eq!((texts.len(), texts[0], texts[15]), (16, "4", "19"));
    }

    #[test]
    fn the_peer_that_nothing_happened_to_for_longest_is_forgotten() {
        let mut journal = Journal::default();
        for number in 0..33 {
            journal.note(Moment(number), format!("peer{number}"), "attached");
            journal.note(Moment(number), "busy".into(), "attached");
        }
        let peers: Vec<&str> = journal.iter().map(|(peer, _)| peer).collect();
        assert_eq!(peers.len(), 32);
        assert!(peers.contains(&"busy") && peers.contains(&"peer32") && !peers.contains(&"peer0"));
    }
}

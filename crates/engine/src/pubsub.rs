//! Who listens to which channels, and the way of a message to them.
//!
//! A message goes to the subscribers of its channel in the order in which they
//! subscribed, then to those of each pattern that matches. Channels and shard
//! channels are names apart. Both sides are kept here: a session's
//! [`Subscriptions`] and, in [`PubSub`], the sessions by name; whatever changes
//! one changes the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::delivery::Push;
use crate::glob::{self, Case};
use crate::node::Core;
use crate::session::{Session, SessionId};

/// What a subscription is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A channel.
    Channel,
    /// All channels whose names match.
    Pattern,
    /// A shard channel.
    Shard,
}

/// What one session listens to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: BTreeSet<Arc<[u8]>>,
    patterns: BTreeSet<Arc<[u8]>>,
    shards: BTreeSet<Arc<[u8]>>,
    /// Bytes of all names.
    names: usize,
}

/// What a subscription takes beside the bytes of its name, on both sides.
const SIZE: usize = 96;

impl Subscriptions {
    /// How many of a kind there are.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.of(kind).len()
    }

    /// The names of a kind.
    pub(crate) fn names(&self, kind: Kind) -> Vec<Arc<[u8]>> {
        self.of(kind).iter().cloned().collect()
    }

    /// What they take in memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        let count = self.channels.len() + self.patterns.len() + self.shards.len();
        size_of::<Subscriptions>() + self.names + count * SIZE
    }

    fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }

    fn of(&self, kind: Kind) -> &BTreeSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut BTreeSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }
}

type Listeners = BTreeMap<Arc<[u8]>, Vec<SessionId>>;

/// The sessions by what they listen to.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: Listeners,
    patterns: Listeners,
    shards: Listeners,
    /// Sessions that listen to anything.
    clients: usize,
}

impl PubSub {
    /// How many names of a kind somebody listens to.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.of(kind).len()
    }

    /// How many sessions listen to anything.
    pub(crate) fn clients(&self) -> usize {
        self.clients
    }

    /// The names of a kind that somebody listens to.
    pub(crate) fn names(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.of(kind).keys().map(|name| &**name)
    }

    /// How many sessions listen to a name.
    pub(crate) fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        self.of(kind).get(name).map_or(0, Vec::len)
    }

    /// `session` listens to `name` from now on.
    pub(crate) fn subscribe(&mut self, session: &mut Session, kind: Kind, name: &[u8]) {
        if session.subscriptions.is_none() {
            self.clients += 1;
        }
        let own = session.subscriptions.get_or_insert_default();
        if own.of(kind).contains(name) {
            return;
        }
        let listeners = self.of_mut(kind);
        let name = listeners.get_key_value(name).map_or_else(|| Arc::from(name), |(known, _)| known.clone());
        own.names += name.len();
        own.of_mut(kind).insert(name.clone());
        listeners.entry(name).or_default().push(session.id);
    }

    /// `session` listens to `name` no more.
    pub(crate) fn unsubscribe(&mut self, session: &mut Session, kind: Kind, name: &[u8]) {
        let Some(own) = &mut session.subscriptions else { return };
        if !own.of_mut(kind).remove(name) {
            return;
        }
        own.names -= name.len();
        let listeners = self.of_mut(kind);
        if let Some(sessions) = listeners.get_mut(name) {
            sessions.retain(|known| *known != session.id);
            if sessions.is_empty() {
                listeners.remove(name);
            }
        }
        if own.is_empty() {
            session.subscriptions = None;
            self.clients -= 1;
        }
    }

    /// `session` listens to nothing any more.
    pub(crate) fn leave(&mut self, session: &mut Session) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            let names = session.subscriptions.as_ref().map(|own| own.names(kind)).unwrap_or_default();
            names.iter().for_each(|name| self.unsubscribe(session, kind, name));
        }
    }

    fn of(&self, kind: Kind) -> &Listeners {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Listeners {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }
}

impl Session {
    /// Whether it listens to anything.
    #[inline]
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscriptions.is_some()
    }

    /// How many names of a kind it listens to.
    pub(crate) fn subscribed(&self, kind: Kind) -> usize {
        self.subscriptions.as_ref().map_or(0, |own| own.count(kind))
    }
}

impl Core {
    /// Sends a message to whoever listens here; how many that were. Nothing of it goes into the log.
    pub(crate) fn publish(&mut self, kind: Kind, channel: &[u8], message: &[u8]) -> usize {
        let word: &[u8] = if kind == Kind::Shard { b"smessage" } else { b"message" };
        // Nobody subscribes or leaves while a message is on its way.
        let listeners = std::mem::take(self.pubsub.of_mut(kind));
        let mut reached = 0;
        if let Some(sessions) = listeners.get(channel) {
            let push = Push::bulks(&[word, channel, message]);
            sessions.iter().for_each(|id| self.deliver(*id, &push));
            reached = sessions.len();
        }
        *self.pubsub.of_mut(kind) = listeners;
        if kind == Kind::Channel && !self.pubsub.patterns.is_empty() {
            reached += self.publish_by_pattern(channel, message);
        }
        reached
    }

    fn publish_by_pattern(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let patterns = std::mem::take(&mut self.pubsub.patterns);
        let mut reached = 0;
        let matching = |pattern: &&Arc<[u8]>| glob::matches(pattern, channel, Case::Sensitive);
        for pattern in patterns.keys().filter(matching) {
            let push = Push::bulks(&[b"pmessage", pattern, channel, message]);
            let sessions = &patterns[pattern];
            sessions.iter().for_each(|id| self.deliver(*id, &push));
            reached += sessions.len();
        }
        self.pubsub.patterns = patterns;
        reached
    }
}

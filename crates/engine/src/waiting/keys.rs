//! Commands that wait for their keys, and the queue of each key.
//!
//! Who waits has one place in the queue of each of its keys, in the order in which clients began to wait, and keeps
//! it until it is answered or gone: also where its command is tried again in vain. A queue without anybody is no
//! more. What happens when a key changes is in [`super::ready`].

use std::collections::{BTreeMap, VecDeque};

use slipstream_keyspace::Value;
use slipstream_replication::Moment;
use slipstream_resp::OwnedRequest;

use super::Waiter;
use crate::call::Call;
use crate::session::{Flow, SessionId, Wait};
use crate::table::Entry;
use crate::touched::Observers;

/// What a key must hold before a command that waits for it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A list.
    List,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
}

impl Kind {
    /// The kind of a value that somebody may wait for.
    pub(super) fn of(value: &Value<'_>) -> Option<Kind> {
        match value {
            Value::List(_) => Some(Kind::List),
            Value::SortedSet(_) => Some(Kind::SortedSet),
            Value::Stream(_) => Some(Kind::Stream),
            Value::String(_) | Value::Hash(_) | Value::Set(_) => None,
        }
    }
}

/// How a command waits for keys.
#[derive(Debug)]
pub(crate) struct Awaited {
    /// What one of them must hold.
    pub(crate) kind: Kind,
    /// When it is given up, from [`Call::until_seconds`] or [`Call::until_millis`].
    pub(crate) until: Option<Moment>,
    /// Whether it is tried again, too, when one of them is gone or holds something else: what it waits for will not
    /// come then, as with the group of XREADGROUP.
    pub(crate) ends_without_key: bool,
    /// What is tried again, if that is not the request as it came: where `$` means the end of a stream of now.
    pub(crate) request: Option<OwnedRequest>,
}

/// A command that waits.
#[derive(Debug)]
pub(super) struct KeyWait {
    pub(super) request: OwnedRequest,
    pub(super) entry: Entry,
    /// Time that its tries took, in microseconds.
    pub(super) spent: u64,
    pub(super) kind: Kind,
    pub(super) ends_without_key: bool,
}

/// Where a waiting command stands.
#[derive(Debug)]
pub(super) struct Places {
    db: usize,
    kind: Kind,
    /// Each once.
    keys: Vec<Box<[u8]>>,
    ticket: u64,
    ends_without_key: bool,
}

impl Places {
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.keys.iter().map(|key| (self.db, &**key))
    }
}

/// The queues of all keys that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct KeyQueues {
    databases: BTreeMap<usize, BTreeMap<Box<[u8]>, Queue>>,
    /// Keys that were touched since those who wait for them were last served, in this order. Some may be of no
    /// interest any more.
    pub(super) ready: VecDeque<(usize, Box<[u8]>)>,
    last_ticket: u64,
    /// How many keys are waited for, and how many of them by somebody who is tried again when they are gone.
    counts: (usize, usize),
}

/// Who waits for one key, by the tickets that they drew when they began.
#[derive(Debug, Default)]
struct Queue {
    waiters: BTreeMap<u64, SessionId>,
    /// How many wait for a value of each kind.
    kinds: [usize; 3],
    /// How many of them are tried again when the key is gone.
    ending_without_key: usize,
    is_ready: bool,
}

/// What a place in a queue takes beside the key's bytes: here, and in the list of its waiter.
const PLACE_SIZE: usize = 128;

impl KeyQueues {
    fn enter(
        &mut self,
        id: SessionId,
        (db, mut keys): (usize, Vec<Box<[u8]>>),
        (kind, ends_without_key): (Kind, bool),
    ) -> Places {
        keys.sort_unstable();
        keys.dedup();
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let queues = self.databases.entry(db).or_default();
        for key in &keys {
            let queue = queues.entry(key.clone()).or_default();
            self.counts.0 += usize::from(queue.waiters.is_empty());
            self.counts.1 += usize::from(ends_without_key && queue.ending_without_key == 0);
            queue.waiters.insert(ticket, id);
            queue.kinds[kind as usize] += 1;
            queue.ending_without_key += usize::from(ends_without_key);
        }
        Places { db, kind, keys, ticket, ends_without_key }
    }

    pub(super) fn leave(&mut self, places: &Places) {
        let Some(queues) = self.databases.get_mut(&places.db) else { return };
        for key in &places.keys {
            let Some(queue) = queues.get_mut(key) else { continue };
            queue.waiters.remove(&places.ticket);
            queue.kinds[places.kind as usize] -= 1;
            queue.ending_without_key -= usize::from(places.ends_without_key);
            self.counts.0 -= usize::from(queue.waiters.is_empty());
            self.counts.1 -= usize::from(places.ends_without_key && queue.ending_without_key == 0);
            if queue.waiters.is_empty() {
                queues.remove(key);
            }
        }
        if queues.is_empty() {
            self.databases.remove(&places.db);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.databases.is_empty()
    }

    /// A key was touched: if somebody waits for it, it is looked at soon.
    pub(super) fn touched(&mut self, db: usize, key: &[u8]) {
        if let Some(queue) = self.databases.get_mut(&db).and_then(|queues| queues.get_mut(key))
            && !queue.is_ready
        {
            queue.is_ready = true;
            self.ready.push_back((db, key.into()));
        }
    }

    /// The next key that was touched.
    pub(super) fn next_ready(&mut self) -> Option<(usize, Box<[u8]>)> {
        let (db, key) = self.ready.pop_front()?;
        if let Some(queue) = self.databases.get_mut(&db).and_then(|queues| queues.get_mut(&key)) {
            queue.is_ready = false;
        }
        Some((db, key))
    }

    fn queue(&self, (db, key): (usize, &[u8])) -> Option<&Queue> {
        self.databases.get(&db)?.get(key)
    }

    /// Who is the first to wait for a key with a ticket behind this one.
    pub(super) fn behind(&self, place: (usize, &[u8]), ticket: u64) -> Option<(u64, SessionId)> {
        let mut behind = self.queue(place)?.waiters.range(ticket + 1..);
        behind.next().map(|(ticket, id)| (*ticket, *id))
    }

    /// Whether somebody is tried again when a key is gone, or holds something else.
    pub(super) fn is_missed(&self, place: (usize, &[u8])) -> bool {
        self.queue(place).is_some_and(|queue| queue.ending_without_key > 0)
    }

    /// Whether somebody waits for a value of this kind.
    pub(super) fn is_awaited(&self, place: (usize, &[u8]), kind: Kind) -> bool {
        self.queue(place).is_some_and(|queue| queue.kinds[kind as usize] > 0)
    }

    /// The latest ticket.
    pub(super) fn last_ticket(&self) -> u64 {
        self.last_ticket
    }

    /// The keys of one database that somebody waits for.
    pub(super) fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.databases.get(&db).into_iter().flat_map(|queues| queues.keys().map(|key| &**key))
    }

    /// How many keys are waited for, and how many of them by somebody who is tried again when they are gone.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.counts
    }
}

impl Call<'_> {
    /// Makes the client wait until one of `keys`, of the selected database, is worth another try. To be called where
    /// a command found nothing in any of them and [`Call::may_wait`] holds; the function then returns without a
    /// reply and without having changed anything:
    ///
    /// ```ignore
    /// if !call.may_wait() {
    ///     call.reply.null_array();
    ///     return Ok(());
    /// }
    /// let awaited = Awaited { kind: Kind::Stream, until, ends_without_key: true, request: None };
    /// call.wait_for_keys(keys, awaited);
    /// Ok(())
    /// ```
    ///
    /// When a key is touched and holds a value of that kind, the command's function runs again, from its beginning
    /// and past the gates, for as long as it waits again; its client keeps its place and its time meanwhile. What
    /// answers it, and what is propagated, is what that run writes and names. When the time is over it is answered
    /// with a null array.
    pub(crate) fn wait_for_keys<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, awaited: Awaited) {
        self.session.flow = Flow::Waiting(Wait::Keys);
        let (id, waits) = (self.session.id, &mut self.core.waits);
        if waits.of(id).is_some() {
            // It was tried again in vain.
            return;
        }
        let Awaited { kind, until, ends_without_key, request } = awaited;
        let request = request.unwrap_or_else(|| OwnedRequest::new(self.args));
        let wanted = (self.db.index, keys.map(Box::from).collect());
        let places = waits.keys.enter(id, wanted, (kind, ends_without_key));
        let held: usize = places.keys.iter().map(|key| 2 * key.len() + PLACE_SIZE).sum();
        self.session.wait_memory = request.memory() + held;
        let command = KeyWait { request, entry: self.entry, spent: 0, kind, ends_without_key };
        let on_keys = Some((places, Some(Box::new(command))));
        waits.insert(id, Waiter { wait: Wait::Keys, until, on_keys });
        self.core.observers.set(Observers::WAITS, true);
    }

    /// The same for the request as it came and a value of this kind alone; where its client may not be made to wait,
    /// it is answered as when the time is over.
    pub(crate) fn wait_for_kind<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        kind: Kind,
        until: Option<Moment>,
    ) {
        if self.may_wait() {
            self.wait_for_keys(keys, Awaited { kind, until, ends_without_key: false, request: None });
        } else {
            self.reply.null_array();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<Box<[u8]>> {
        keys.iter().map(|key| key.as_bytes().into()).collect()
    }

    /// Who waits for a key of database 0.
    fn queue(queues: &KeyQueues, key: &str) -> Vec<u64> {
        let mut ticket = 0;
        let mut found = Vec::new();
        while let Some((next, id)) = queues.behind((0, key.as_bytes()), ticket) {
            found.push(id.0);
            ticket = next;
        }
        found
    }

    #[test]
    fn each_key_has_those_who_wait_for_it_in_their_order() {
        let mut queues = KeyQueues::default();
        let first = queues.enter(SessionId(9), (0, keys(&["b", "a", "b"])), (Kind::List, false));
        let second = queues.enter(SessionId(2), (0, keys(&["b"])), (Kind::Stream, true));
        queues.enter(SessionId(5), (1, keys(&["a"])), (Kind::List, false));
        assert_eq!((queue(&queues, "a"), queue(&queues, "b")), (vec![9], vec![9, 2]));
        assert_eq!(queues.counts(), (3, 1));
        assert!(queues.is_missed((0, b"b")) && !queues.is_missed((0, b"a")));
        assert!(queues.is_awaited((0, b"b"), Kind::Stream) && !queues.is_awaited((0, b"a"), Kind::Stream));
        queues.leave(&first);
        assert_eq!((queue(&queues, "a"), queue(&queues, "b")), (vec![], vec![2]));
        queues.leave(&second);
        assert_eq!(queues.counts(), (1, 0));
        let more =
            ["b", "b", "a"].map(|key| queues.enter(SessionId(3), (1, keys(&[key])), (Kind::Stream, true)));
        assert_eq!(queues.counts(), (2, 2));
        queues.leave(&more[0]);
        assert_eq!(queues.counts(), (2, 2), "others still wait for it");
        queues.leave(&more[1]);
        queues.leave(&more[2]);
        assert_eq!(queues.counts(), (1, 0));
        assert!(!queues.is_empty());
    }

    #[test]
    fn a_key_is_ready_once_however_often_it_is_touched() {
        let mut queues = KeyQueues::default();
        queues.enter(SessionId(1), (0, keys(&["a", "b"])), (Kind::List, false));
        for key in [b"b", b"a", b"b", b"c"] {
            queues.touched(0, key);
        }
        queues.touched(1, b"a");
        let ready: Vec<_> = std::iter::from_fn(|| queues.next_ready()).collect();
        assert_eq!(ready, [(0, Box::from(&b"b"[..])), (0, Box::from(&b"a"[..]))]);
        queues.touched(0, b"a");
        assert!(queues.next_ready().is_some(), "it was looked at, so it may be again");
    }
}

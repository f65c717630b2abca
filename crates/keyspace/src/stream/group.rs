//! Consumer groups: who was given which entries and has not acknowledged them.
//!
//! A group keeps its pending entries by id, each with its delivery and the number of its
//! consumer; a consumer keeps the ids of its own. So the next delivery, an acknowledgement, the
//! oldest entries of a group and of one consumer are all found in O(log n). Names are kept once
//! per consumer. Everything that grows with the stream is copied on write by chunk; a copy of a
//! group copies its list of consumers.
//! Invariant: an id is pending in the group exactly if it is with the consumer that it names;
//! while a group is being loaded, some may still be without one.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use triomphe::Arc;

use super::entries::StreamEntries;
use super::id::StreamId;
use super::id_map::IdMap;
use crate::time::UnixMillis;

type ByName = BTreeMap<Box<[u8]>, Arc<Group>>;

/// The groups of a stream, by name; most streams have none.
#[derive(Clone, Default)]
pub(super) struct Groups(Option<Arc<ByName>>);

static NONE: ByName = BTreeMap::new();

impl Groups {
    fn all(&self) -> &ByName {
        self.0.as_deref().unwrap_or(&NONE)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.all().iter().map(|(name, group)| (&**name, &**group))
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Group> {
        self.all().get(name).map(|group| &**group)
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        Arc::make_mut(self.0.as_mut()?).get_mut(name).map(Arc::make_mut)
    }

    pub(super) fn insert(&mut self, name: &[u8], group: Group) -> bool {
        if self.all().contains_key(name) {
            return false;
        }
        Arc::make_mut(self.0.get_or_insert_default()).insert(name.into(), Arc::new(group));
        true
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Group> {
        let groups = Arc::make_mut(self.0.as_mut()?);
        let removed = groups.remove(name);
        if groups.is_empty() {
            self.0 = None;
        }
        removed.map(Arc::unwrap_or_clone)
    }

    pub(super) fn allocations(&self) -> usize {
        self.iter().map(|(_, group)| 4 + group.pending.len() / 16 + 4 * group.consumers.len()).sum()
    }

    pub(super) fn heap_size(&self, samples: usize) -> usize {
        self.iter().map(|(name, group)| name.len() + group.heap_size(samples)).sum()
    }
}

/// A consumer's number within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId(u32);

/// When an entry was delivered last, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The last time.
    pub time: UnixMillis,
    /// How often.
    pub count: u64,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its delivery.
    pub delivery: Delivery,
    /// Whose it is; `None` only while a group is being loaded.
    pub consumer: Option<ConsumerId>,
}

/// A consumer group.
#[derive(Clone, Default)]
pub struct Group {
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: IdMap<Pending>,
    consumers: BTreeMap<ConsumerId, Arc<Consumer>>,
    names: BTreeMap<Arc<[u8]>, ConsumerId>,
}

/// A consumer of a group.
#[derive(Clone)]
pub struct Consumer {
    name: Arc<[u8]>,
    seen: UnixMillis,
    active: Option<UnixMillis>,
    pending: IdMap<()>,
}

impl Group {
    /// A group that has been given everything up to `last_id`, `entries_read` entries if known.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// The last id that was delivered.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// How many of the stream's entries were delivered up to that one, if known.
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// What is pending, by id.
    pub fn pending(&self) -> &IdMap<Pending> {
        &self.pending
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> + Clone {
        self.names.values().map(|id| &*self.consumers[id])
    }

    /// The consumer of this number.
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(&id).map(|consumer| &**consumer)
    }

    /// Adds a consumer; `None` if the name is taken.
    pub fn add_consumer(
        &mut self,
        name: &[u8],
        seen: UnixMillis,
        active: Option<UnixMillis>,
    ) -> Option<ConsumerId> {
        if self.names.contains_key(name) {
            return None;
        }
        let id = self.free_number();
        let name: Arc<[u8]> = name.into();
        let consumer = Consumer { name: name.clone(), seen, active, pending: IdMap::default() };
        self.consumers.insert(id, Arc::new(consumer));
        self.names.insert(name, id);
        Some(id)
    }

    /// Adds a pending entry that [`Group::assign`] gives to a consumer; whether its id was new.
    pub fn add_pending(&mut self, id: StreamId, delivery: Delivery) -> bool {
        let is_new = self.pending.get(id).is_none();
        if is_new {
            self.pending.insert(id, Pending { delivery, consumer: None });
        }
        is_new
    }

    /// Gives a pending entry that is nobody's to a consumer; whether there was such an entry.
    pub fn assign(&mut self, id: StreamId, to: ConsumerId) -> bool {
        let Some(pending @ Pending { consumer: None, .. }) = self.pending.get(id) else { return false };
        let Some(consumer) = self.consumers.get_mut(&to) else { return false };
        Arc::make_mut(consumer).pending.insert(id, ());
        self.pending.insert(id, Pending { consumer: Some(to), ..pending });
        true
    }

    /// Whether every pending entry is somebody's.
    pub fn is_assigned(&self) -> bool {
        self.pending.iter().all(|(_, pending)| pending.consumer.is_some())
    }

    /// Sets what was delivered last, and how many entries up to that, if known.
    pub fn set_position(&mut self, last_id: StreamId, entries_read: Option<u64>) {
        self.last_id = last_id;
        self.entries_read = entries_read;
    }

    /// Notes that an entry is delivered, be it ahead of what was delivered last.
    pub fn advance(&mut self, id: StreamId, entries: StreamEntries<'_>) {
        if id > self.last_id {
            self.entries_read = entries.read_on(id, self.entries_read);
            self.last_id = id;
        }
    }

    /// The number of the consumer of this name.
    pub fn consumer_named(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// Removes a consumer and what is pending with it; how many entries that were.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.names.remove(name)?;
        let consumer = self.consumers.remove(&id).expect("every name has its consumer");
        for (pending, ()) in consumer.pending.iter() {
            self.pending.remove(pending);
        }
        Some(consumer.pending.len())
    }

    /// Makes an entry pending with a consumer of this group, whoever had it before.
    pub fn give(&mut self, id: StreamId, to: ConsumerId, delivery: Delivery) {
        let before = self.pending.insert(id, Pending { delivery, consumer: Some(to) });
        let from = before.and_then(|pending| pending.consumer);
        if from == Some(to) {
            return;
        }
        if let Some(from) = from {
            self.consumer_mut(from).pending.remove(id);
        }
        self.consumer_mut(to).pending.insert(id, ());
    }

    /// Takes an entry from whoever has it: it is acknowledged, or gone. Whether it was pending.
    pub fn take(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        if let Some(consumer) = pending.consumer {
            self.consumer_mut(consumer).pending.remove(id);
        }
        true
    }

    /// Sets when a consumer of this group last tried to read.
    pub fn set_seen(&mut self, consumer: ConsumerId, now: UnixMillis) {
        self.consumer_mut(consumer).seen = now;
    }

    /// Sets when a consumer of this group was last given something.
    pub fn set_active(&mut self, consumer: ConsumerId, now: UnixMillis) {
        self.consumer_mut(consumer).active = Some(now);
    }

    fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        Arc::make_mut(self.consumers.get_mut(&id).expect("numbers are of consumers that are there"))
    }

    fn free_number(&self) -> ConsumerId {
        let above = self.consumers.last_key_value().map_or(Some(0), |(last, _)| last.0.checked_add(1));
        let free = || (0..u32::MAX).find(|number| !self.consumers.contains_key(&ConsumerId(*number)));
        ConsumerId(above.or_else(free).expect("fewer consumers than numbers fit into memory"))
    }

    fn heap_size(&self, samples: usize) -> usize {
        /// A node of the maps, its key and its counts.
        const NODE: usize = 64;
        let consumers = self.consumers.values().map(|consumer| {
            size_of::<Consumer>() + NODE + consumer.name.len() + consumer.pending.heap_size(samples)
        });
        size_of::<Group>() + NODE + self.pending.heap_size(samples) + consumers.sum::<usize>()
    }
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// When it last tried to read.
    pub fn seen(&self) -> UnixMillis {
        self.seen
    }

    /// When it was last given something, if ever.
    pub fn active(&self) -> Option<UnixMillis> {
        self.active
    }

    /// The ids that are pending with it.
    pub fn pending(&self) -> &IdMap<()> {
        &self.pending
    }
}

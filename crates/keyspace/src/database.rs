//! One database: keys, their values, deadlines and access clocks.
//!
//! Owns lazy and active expiry. A key is due when the clock is past its deadline; reads never show
//! a due key, and where `deletes_due` is set (a primary) they remove it and report it in
//! `expired`, for the caller to propagate. A replica leaves it until the deletion comes down the
//! log.
//! Invariant: `expires` is the number of entries that have a deadline.

mod entry;
mod eviction;
mod field_deadlines;
mod filling;
mod guard;
mod occupied;
mod prefetch;
mod store;
#[cfg(test)]
mod tests;

use entry::KeyEntry;
use entry::{Header, NEVER};
pub(crate) use entry::{KeyLayout, view};
pub use eviction::{Sampled, Sampling};
pub use field_deadlines::DueFields;
use field_deadlines::FieldDeadlines;
pub use filling::{Content, Incoming};
pub use guard::{Typed, TypedMut, ValueMut};
pub use occupied::Occupied;
use store::{Stamp, fits};

use crate::access::{self, AccessPolicy};
use crate::string::Str;
use crate::table::{Fill, NewEntry, Place, Table};
use crate::time::UnixMillis;
use crate::value::Value;
use crate::value::packed::packed_string;

/// Values that take more allocations than this are handed out in `garbage` instead of dropped.
const DROP_HERE: usize = 64;
/// How many random entries are tried before a due one is returned all the same.
const RANDOM_TRIES: usize = 100;

/// A database.
pub struct Database {
    table: Table<KeyLayout>,
    expires: usize,
    field_deadlines: FieldDeadlines,
    /// Where active expiry goes on.
    resume: u64,
    policy: AccessPolicy,
    /// Whether accesses are not recorded for now.
    quiet: bool,
    rng: fastrand::Rng,
    /// The latest time that this database was told.
    now: UnixMillis,
    /// Whether accessing a due key removes it: true on a primary, false on a replica.
    pub deletes_due: bool,
    /// Keys that were removed because they were due, for the caller to take and propagate.
    pub expired: Vec<Vec<u8>>,
    /// Big values of such keys, for the caller to drop where it delays nobody.
    pub garbage: Vec<Value<'static>>,
}

/// What a cleared database held. Dropping it may take long.
pub struct Garbage {
    tables: Vec<Table<KeyLayout>>,
    field_deadlines: Vec<FieldDeadlines>,
}

impl Garbage {
    pub(crate) fn joined(all: Vec<Garbage>) -> Self {
        let mut joined = Garbage { tables: Vec::new(), field_deadlines: Vec::new() };
        for garbage in all {
            joined.tables.extend(garbage.tables);
            joined.field_deadlines.extend(garbage.field_deadlines);
        }
        joined
    }
}

impl Database {
    /// An empty database that deletes what is due.
    pub fn new(seed: [u64; 4]) -> Self {
        Database {
            table: Table::new(seed),
            expires: 0,
            field_deadlines: FieldDeadlines::new(seed),
            resume: 0,
            policy: AccessPolicy::default(),
            quiet: false,
            rng: fastrand::Rng::with_seed(seed[0]),
            now: UnixMillis::default(),
            deletes_due: true,
            expired: Vec::new(),
            garbage: Vec::new(),
        }
    }

    /// How many keys there are, due ones included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many keys have a deadline.
    pub fn expires_len(&self) -> usize {
        self.expires
    }

    /// How many segments the keys are spread over.
    pub fn segments(&self) -> usize {
        self.table.segments()
    }

    /// How the keys fill the segments.
    pub fn fill(&self) -> Fill {
        self.table.fill()
    }

    /// The value of `key`, recording the access.
    pub fn get(&mut self, key: &[u8], now: UnixMillis) -> Option<Value<'_>> {
        let place = self.find_used(key, now)?;
        Some(entry::value_of(&self.table.at(place)))
    }

    /// The value of `key`, leaving no trace of the access.
    pub fn peek(&self, key: &[u8], now: UnixMillis) -> Option<Value<'_>> {
        self.table.get(key).filter(|entry| !is_due(entry, now)).map(|entry| entry::value_of(&entry))
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &[u8], now: UnixMillis) -> Option<ValueMut<'_>> {
        let place = self.find_used(key, now)?;
        Some(ValueMut::present(self, place))
    }

    /// The value of `key`, to be changed; made by `make`, without a deadline, when there is none.
    pub fn get_or_insert_with<'a>(
        &'a mut self,
        key: &'a [u8],
        now: UnixMillis,
        make: impl FnOnce() -> Value<'static>,
    ) -> ValueMut<'a> {
        self.now = self.now.max(now);
        let hash = match self.table.find(key) {
            Ok(place) if !is_due(&self.table.at(place), now) => {
                self.touch(place);
                return ValueMut::present(self, place);
            }
            Ok(place) => {
                self.remove_due(place);
                // On a replica the due pair is replaced: its deletion is on the way.
                self.remove(key);
                self.table.hash(key)
            }
            Err(hash) => hash,
        };
        ValueMut::new(self, hash, key, make())
    }

    /// Whether there is such a key.
    pub fn contains(&self, key: &[u8], now: UnixMillis) -> bool {
        self.table.get(key).is_some_and(|entry| !is_due(&entry, now))
    }

    /// Whether there is such a key, due or not.
    pub fn has(&self, key: &[u8]) -> bool {
        self.table.get(key).is_some()
    }

    /// Sets value and deadline of `key` and returns the value it had, due or not.
    pub fn insert(
        &mut self,
        key: &[u8],
        value: Value<'static>,
        deadline: Option<UnixMillis>,
    ) -> Option<Value<'static>> {
        let found = self.table.find(key);
        let stamp = self.stamp(found, entry::kept(deadline));
        match found {
            Ok(place) => Some(self.put(place, value, stamp)),
            Err(hash) => {
                self.add(hash, key, value, stamp);
                None
            }
        }
    }

    /// Makes `key` the string that SET stores for `bytes`, with this deadline, whatever it was. A
    /// string that was there is overwritten in place. Whether anything was there, due or not.
    pub fn set_string(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        deadline: Option<UnixMillis>,
        now: UnixMillis,
    ) -> bool {
        self.now = self.now.max(now);
        let found = self.table.find(key);
        let stamp = self.stamp(found, entry::kept(deadline));
        let mut scratch = [0; 8];
        let (kind, payload) = packed_string(bytes, &mut scratch);
        let was_there = found.is_ok();
        if !fits(key, kind, payload) {
            self.set_big_string(key, bytes, found, stamp);
            return was_there;
        }
        let (header, used) = stamp.header(Some(kind)).bytes();
        let rest = [&header[..used], payload];
        match found {
            Ok(place) => self.put_string(place, stamp.deadline, rest),
            Err(hash) => {
                self.expires += usize::from(stamp.deadline != NEVER);
                self.table.insert_new(NewEntry { hash, key, rest, beside: None });
            }
        }
        was_there
    }

    fn set_big_string(&mut self, key: &[u8], bytes: &[u8], found: Result<Place, u64>, stamp: Stamp) {
        let value = Str::from_bytes(bytes).into();
        match found {
            Ok(place) => {
                let old = self.put(place, value, stamp);
                self.dispose(Some(old));
            }
            Err(hash) => self.add(hash, key, value, stamp),
        }
    }

    /// Sets the value of `key`, keeping its deadline, and returns the value it had.
    pub fn replace_value(&mut self, key: &[u8], value: Value<'static>) -> Option<Value<'static>> {
        match self.table.find(key) {
            Ok(place) => {
                let old = Header::parse(self.table.at(place).rest).0;
                Some(self.put(place, value, Stamp { deadline: old.deadline, clock: old.clock }))
            }
            Err(hash) => {
                let stamp = Stamp { deadline: NEVER, clock: self.policy.first(self.now) };
                self.add(hash, key, value, stamp);
                None
            }
        }
    }

    /// Removes `key` and returns its value, due or not.
    pub fn remove(&mut self, key: &[u8]) -> Option<Value<'static>> {
        let place = self.table.find(key).ok()?;
        Some(self.remove_at(place).0)
    }

    /// Removes `key` and returns its value and deadline, due or not.
    pub fn remove_entry(&mut self, key: &[u8]) -> Option<(Value<'static>, Option<UnixMillis>)> {
        let place = self.table.find(key).ok()?;
        Some(self.remove_at(place))
    }

    /// When `key` is due.
    pub fn deadline(&self, key: &[u8]) -> Option<UnixMillis> {
        entry::if_any(entry::deadline_of(self.table.get(key)?.rest))
    }

    /// Gives `key` a deadline or takes it away; false when there is no such key.
    pub fn set_deadline(&mut self, key: &[u8], deadline: Option<UnixMillis>) -> bool {
        let found = self.table.find(key);
        found.map(|place| self.set_deadline_at(place, deadline)).is_ok()
    }

    /// A key chosen fairly among those that are not due; after many tries, one that is.
    pub fn random_key(&self, rng: &mut fastrand::Rng, now: UnixMillis) -> Option<&[u8]> {
        let mut entry = self.table.random(rng)?;
        for _ in 0..RANDOM_TRIES {
            if !is_due(&entry, now) {
                break;
            }
            entry = self.table.random(rng)?;
        }
        Some(entry.key)
    }

    /// One step of SCAN, as `Table::scan`; due keys are visited too.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&[u8], Value<'_>, Option<UnixMillis>),
    ) -> u64 {
        self.table.scan(cursor, count, |entry| {
            let (key, value, deadline) = view(entry);
            visit(key, value, deadline);
        })
    }

    /// Active expiry: removes up to `limit` due keys and returns them, for the caller to
    /// propagate. Looks at some segments only, so that a call is short whatever it finds; the next
    /// one goes on where this one ended, for as long as `may_be_due` holds.
    pub fn take_due(&mut self, now: UnixMillis, limit: usize) -> Vec<Vec<u8>> {
        self.now = now;
        if self.expires == 0 {
            return Vec::new();
        }
        let due = self.table.due(now.0, limit, &mut self.resume);
        for key in &due {
            let value = self.remove(key);
            self.dispose(value);
        }
        due
    }

    /// Whether active expiry may find something: keys that are due, or segments where some would
    /// be if their deadlines had not been put off.
    pub fn may_be_due(&self, now: UnixMillis) -> bool {
        self.expires > 0 && self.table.may_be_due(now.0)
    }

    /// All keys with their values and deadlines, due or not.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Value<'_>, Option<UnixMillis>)> {
        self.table.iter().map(view)
    }

    /// Removes all keys; what they held can be dropped elsewhere.
    pub fn clear(&mut self) -> Garbage {
        let empty = self.table.emptied();
        self.expires = 0;
        let tables = vec![std::mem::replace(&mut self.table, empty)];
        Garbage { tables, field_deadlines: vec![self.field_deadlines.take()] }
    }

    /// Tells the time to whatever is inserted without being told.
    pub fn set_time(&mut self, now: UnixMillis) {
        self.now = now;
    }

    /// Whether accesses leave no trace from now on.
    pub fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Records accesses in another way from now on; clocks of present keys keep their bits.
    pub fn set_access_policy(&mut self, policy: AccessPolicy) {
        self.policy = policy;
    }

    /// Seconds since `key` was accessed.
    pub fn idle_seconds(&self, key: &[u8], now: UnixMillis) -> Option<u64> {
        self.table.get(key).map(|entry| access::idle_seconds(entry::clock_of(entry.rest), now))
    }

    /// How often `key` is accessed, on Redis' logarithmic scale.
    pub fn frequency(&self, key: &[u8], now: UnixMillis) -> Option<u8> {
        let entry = self.table.get(key)?;
        Some(access::frequency(entry::clock_of(entry.rest), now, self.policy))
    }

    /// Makes `key` look last accessed `seconds` ago, if that is what is recorded.
    pub fn set_idle(&mut self, key: &[u8], seconds: u64, now: UnixMillis) {
        if self.policy == AccessPolicy::Recency {
            self.set_clock(key, access::idle_since(seconds, now));
        }
    }

    /// Sets the access counter of `key`, if that is what is recorded.
    pub fn set_frequency(&mut self, key: &[u8], count: u8, now: UnixMillis) {
        if self.policy != AccessPolicy::Recency {
            self.set_clock(key, access::with_frequency(count, now));
        }
    }

    fn set_clock(&mut self, key: &[u8], clock: u32) {
        if let Ok(place) = self.table.find(key) {
            entry::set_clock(self.table.rest_mut(place), clock);
        }
    }

    /// Bytes of memory that `key` and its value take, from `samples` of its elements (0: all).
    pub fn memory_usage(&self, key: &[u8], samples: usize) -> Option<usize> {
        let entry = self.table.get(key)?;
        let beside = entry.beside.map_or(0, |value| value.memory_usage(samples));
        Some(Table::<KeyLayout>::size_of(&entry) + beside)
    }

    /// Bytes that the table takes beside keys and values that are allocated apart.
    pub fn overhead(&self) -> usize {
        self.table.heap_size()
    }

    pub(crate) fn table(&self) -> &Table<KeyLayout> {
        &self.table
    }

    #[inline]
    fn find_live(&mut self, key: &[u8], now: UnixMillis) -> Option<Place> {
        // Applying a primary's stream shows all keys by a time before all deadlines.
        self.now = self.now.max(now);
        let place = self.table.find(key).ok()?;
        if is_due(&self.table.at(place), now) {
            self.remove_due(place);
            return None;
        }
        Some(place)
    }

    /// The same, recording the access: the entry is read once for both.
    #[inline]
    fn find_used(&mut self, key: &[u8], now: UnixMillis) -> Option<Place> {
        self.now = self.now.max(now);
        let place = self.table.find(key).ok()?;
        let entry = self.table.at(place);
        if is_due(&entry, now) {
            self.remove_due(place);
            return None;
        }
        let clock = entry::clock_of(entry.rest);
        self.touch_from(place, clock);
        Some(place)
    }

    /// Records an access.
    #[inline]
    fn touch(&mut self, place: Place) {
        let clock = entry::clock_of(self.table.at(place).rest);
        self.touch_from(place, clock);
    }

    /// Records an access to an entry with the clock `old`, unless a snapshot holds it: that would cost a copy.
    #[inline]
    fn touch_from(&mut self, place: Place, old: u32) {
        if self.quiet {
            return;
        }
        let new = self.policy.touched(old, self.now, &mut self.rng);
        if new != old
            && let Some(rest) = self.table.rest_mut_if_unshared(place)
        {
            entry::set_clock(rest, new);
        }
    }

    /// What a write at `found` leaves beside the value: it is used now, whoever brings it; how often
    /// its key is used goes on.
    #[inline]
    fn stamp(&mut self, found: Result<Place, u64>, deadline: i64) -> Stamp {
        let clock = match found {
            Ok(place) => {
                let old = entry::clock_of(self.table.at(place).rest);
                self.policy.touched(old, self.now, &mut self.rng)
            }
            Err(_) => self.policy.first(self.now),
        };
        Stamp { deadline, clock }
    }

    #[cold]
    fn remove_due(&mut self, place: Place) {
        if self.deletes_due {
            self.expired.push(self.table.at(place).key.to_vec());
            let (value, _) = self.remove_at(place);
            self.dispose(Some(value));
        }
    }

    fn dispose(&mut self, value: Option<Value<'static>>) {
        self.garbage.extend(value.filter(|value| value.free_effort() > DROP_HERE));
    }
}

#[inline]
fn is_due(entry: &KeyEntry<'_>, now: UnixMillis) -> bool {
    now.0 > entry::deadline_of(entry.rest)
}

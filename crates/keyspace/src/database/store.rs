//! Values going into entries and out of them: packed where they are small, beside otherwise.
//!
//! Keeps the count of deadlines and the note of hashes with due fields true, whatever takes the
//! place of what. Never looks at the clock, nor at who asks.

use triomphe::Arc;

use super::entry::{self, Header, NEVER};
use super::field_deadlines::next_deadline;
use super::{Database, KeyLayout};
use crate::string::Str;
use crate::table::{INLINE, NewEntry, Place, Table};
use crate::time::UnixMillis;
use crate::value::Value;
use crate::value::packed::{Kind, pack, unpack};

/// Small collections change more often than they are set. Each change of their size leaves dead
/// bytes behind, so that beyond this they are better kept beside.
const COLLECTION: usize = 320;

/// What an entry says beside its value.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    /// `NEVER` for none.
    pub(super) deadline: i64,
    /// 24 bits of access clock.
    pub(super) clock: u32,
}

impl Stamp {
    #[inline]
    pub(super) fn header(self, kind: Option<Kind>) -> Header {
        Header { kind, clock: self.clock, deadline: self.deadline }
    }
}

/// Whether a value of these bytes may lie in the entry of `key`.
#[inline]
pub(super) fn fits(key: &[u8], kind: Kind, payload: &[u8]) -> bool {
    let room = INLINE.saturating_sub(entry::LONGEST_HEADER + Table::<KeyLayout>::key_share(key));
    let is_string = matches!(kind, Kind::Int | Kind::Plain | Kind::Edited);
    payload.len() <= if is_string { room } else { room.min(COLLECTION) }
}

/// What lay beside, for its new owner.
fn unshared((place, beside): (Place, Option<Arc<Value<'static>>>)) -> (Place, Option<Value<'static>>) {
    (place, beside.map(Arc::unwrap_or_clone))
}

/// What lies beside an entry while its value is out to be changed.
fn placeholder() -> Value<'static> {
    Value::String(Str::from_int(0))
}

impl Database {
    /// Adds a key that is known to be absent.
    pub(super) fn add(&mut self, hash: u64, key: &[u8], value: Value<'static>, stamp: Stamp) {
        self.expires += usize::from(stamp.deadline != NEVER);
        self.field_deadlines.replaced(key, None, next_deadline(&value));
        let mut scratch = [0; 8];
        let packed = pack(&value, &mut scratch).filter(|(kind, payload)| fits(key, *kind, payload));
        let (header, used) = stamp.header(packed.map(|(kind, _)| kind)).bytes();
        match packed {
            Some((_, payload)) => {
                let rest = [&header[..used], payload];
                self.table.insert_new(NewEntry { hash, key, rest, beside: None });
            }
            None => {
                let rest = [&header[..used], &[]];
                self.table.insert_new(NewEntry { hash, key, rest, beside: Some(Arc::new(value)) });
            }
        }
    }

    /// Gives the key at `place` another value, deadline and clock, and returns the value it had.
    pub(super) fn put(&mut self, place: Place, value: Value<'static>, stamp: Stamp) -> Value<'static> {
        let entry = self.table.at(place);
        let (old, at) = Header::parse(entry.rest);
        let inline = old.kind.map(|kind| unpack(kind, &entry.rest[at..]).into_owned());
        let nexts = (entry.beside.and_then(|value| next_deadline(value)), next_deadline(&value));
        if nexts != (None, None) {
            let key = entry.key.to_vec();
            self.field_deadlines.replaced(&key, nexts.0, nexts.1);
        }
        self.count_deadlines(old.deadline, stamp.deadline);
        let (_, beside) = self.write(place, value, stamp);
        inline.or(beside).expect("a value lies in the entry or beside it")
    }

    /// Gives the key at `place` a rest with a string in it, and hands out what it had instead.
    pub(super) fn put_string(&mut self, place: Place, deadline: i64, rest: [&[u8]; 2]) {
        let entry = self.table.at(place);
        let old = entry::deadline_of(entry.rest);
        let is_in_place = entry.beside.is_none() && entry.rest.len() == rest[0].len() + rest[1].len();
        if is_in_place && old == deadline {
            return self.overwrite(place, rest);
        }
        if let Some(next) = entry.beside.and_then(|value| next_deadline(value)) {
            let key = entry.key.to_vec();
            self.field_deadlines.replaced(&key, Some(next), None);
        }
        self.count_deadlines(old, deadline);
        let (_, old) = self.write_rest(place, rest);
        self.dispose(old);
    }

    /// The value at `place`, to be given back changed.
    pub(super) fn take(&mut self, place: Place) -> Value<'static> {
        let entry = self.table.at(place);
        let (header, at) = Header::parse(entry.rest);
        match header.kind {
            Some(kind) => unpack(kind, &entry.rest[at..]).into_owned(),
            None => {
                let slot = self.table.beside_mut(place).expect("it has no kind");
                match Arc::get_mut(slot) {
                    Some(value) => std::mem::replace(value, placeholder()),
                    None => Value::clone(slot),
                }
            }
        }
    }

    /// Puts a value back that was taken, and returns where its entry is now.
    pub(super) fn give_back(&mut self, place: Place, value: Value<'static>) -> Place {
        let entry = self.table.at(place);
        let (header, at) = Header::parse(entry.rest);
        let mut scratch = [0; 8];
        let packed = pack(&value, &mut scratch);
        if let Some((kind, payload)) = packed
            && header.kind == Some(kind)
            && entry.rest.len() == at + payload.len()
        {
            self.table.rest_mut(place)[at..].copy_from_slice(payload);
            return place;
        }
        if header.kind.is_none() && !packed.is_some_and(|(kind, payload)| fits(entry.key, kind, payload)) {
            let slot = self.table.beside_mut(place).expect("it has no kind");
            match Arc::get_mut(slot) {
                Some(out) => *out = value,
                None => *slot = Arc::new(value),
            }
            return place;
        }
        self.write(place, value, Stamp { deadline: header.deadline, clock: header.clock }).0
    }

    /// Removes the key at `place` and returns its value and deadline.
    pub(super) fn remove_at(&mut self, place: Place) -> (Value<'static>, Option<UnixMillis>) {
        let entry = self.table.at(place);
        let (old, at) = Header::parse(entry.rest);
        let inline = old.kind.map(|kind| unpack(kind, &entry.rest[at..]).into_owned());
        if let Some(next) = entry.beside.and_then(|value| next_deadline(value)) {
            let key = entry.key.to_vec();
            self.field_deadlines.replaced(&key, Some(next), None);
        }
        self.count_deadlines(old.deadline, NEVER);
        let beside = self.table.remove_at(place).map(Arc::unwrap_or_clone);
        let value = inline.or(beside).expect("a value lies in the entry or beside it");
        (value, entry::if_any(old.deadline))
    }

    /// Gives the key at `place` a deadline or takes it away, and returns where its entry is now.
    pub(super) fn set_deadline_at(&mut self, place: Place, deadline: Option<UnixMillis>) -> Place {
        let deadline = entry::kept(deadline);
        let rest = self.table.at(place).rest;
        let (old, at) = Header::parse(rest);
        if old.deadline == deadline {
            return place;
        }
        let (header, used) = Header { deadline, ..old }.bytes();
        let mut copy = [0; INLINE];
        let payload = &mut copy[..rest.len() - at];
        payload.copy_from_slice(&rest[at..]);
        self.count_deadlines(old.deadline, deadline);
        if used == at {
            self.table.rest_mut(place)[..used].copy_from_slice(&header[..used]);
            self.table.note_deadline(place);
            return place;
        }
        let beside = self.table.at(place).beside.cloned();
        self.table.replace(place, [&header[..used], payload], beside).0
    }

    fn count_deadlines(&mut self, old: i64, new: i64) {
        self.expires -= usize::from(old != NEVER);
        self.expires += usize::from(new != NEVER);
    }

    /// Writes a value where another was: where the entry is now, and what lay beside it.
    fn write(
        &mut self,
        place: Place,
        value: Value<'static>,
        stamp: Stamp,
    ) -> (Place, Option<Value<'static>>) {
        let mut scratch = [0; 8];
        let key = self.table.at(place).key;
        let packed = pack(&value, &mut scratch).filter(|(kind, payload)| fits(key, *kind, payload));
        let (header, used) = stamp.header(packed.map(|(kind, _)| kind)).bytes();
        match packed {
            Some((_, payload)) => self.write_rest(place, [&header[..used], payload]),
            None => unshared(self.table.replace(place, [&header[..used], &[]], Some(Arc::new(value)))),
        }
    }

    /// The same, for a rest with a value in it.
    fn write_rest(&mut self, place: Place, rest: [&[u8]; 2]) -> (Place, Option<Value<'static>>) {
        let entry = self.table.at(place);
        if entry.beside.is_some() || entry.rest.len() != rest[0].len() + rest[1].len() {
            return unshared(self.table.replace(place, rest, None));
        }
        self.overwrite(place, rest);
        self.table.note_deadline(place);
        (place, None)
    }

    /// Writes a rest where another of the same length was.
    #[inline]
    fn overwrite(&mut self, place: Place, rest: [&[u8]; 2]) {
        let (header, payload) = self.table.rest_mut(place).split_at_mut(rest[0].len());
        header.copy_from_slice(rest[0]);
        payload.copy_from_slice(rest[1]);
    }
}

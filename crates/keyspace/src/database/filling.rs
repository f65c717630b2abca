//! Many keys at a time, as a load brings them.
//!
//! Keys that come about in the order of their hints are put where they belong without looking for
//! the way there for each. Whatever is not simply a new key with a small value goes the way that
//! commands go.

use super::Database;
use super::entry::{self, NEVER};
use super::store::{Stamp, fits};
use crate::table::NewEntry;
use crate::time::UnixMillis;
use crate::value::Value;
use crate::value::packed::{Kind, pack, packed_string};

/// A key and what it is going to hold.
pub struct Incoming<'a> {
    /// The [`Database::order_hint`] of the key.
    pub hint: u64,
    /// The key's name.
    pub key: &'a [u8],
    /// What it is going to hold.
    pub content: Content<'a>,
    /// When it is due.
    pub deadline: Option<UnixMillis>,
}

/// What a key is going to hold.
pub enum Content<'a> {
    /// The string that SET stores for these bytes.
    String(&'a [u8]),
    /// Any value.
    Value(Value<'static>),
}

impl Content<'_> {
    /// The bytes that stand for it, if it is small.
    fn packed<'v>(&'v self, scratch: &'v mut [u8; 8]) -> Option<(Kind, &'v [u8])> {
        match self {
            Content::String(bytes) => Some(packed_string(bytes, scratch)),
            Content::Value(value) => pack(value, scratch),
        }
    }
}

impl Database {
    /// Takes in keys, fast if they come in the order of their hints. A key that is there already is
    /// replaced, or is the error, by its number among them: then those before it have been taken in.
    pub fn take_in<'a>(
        &mut self,
        mut keys: impl Iterator<Item = Incoming<'a>>,
        now: UnixMillis,
        replaces: bool,
    ) -> Result<(), usize> {
        self.now = self.now.max(now);
        let mut number = 0;
        let mut next = keys.next();
        while let Some(incoming) = next {
            let before = number;
            next = self.fill_region(incoming, &mut keys, &mut number);
            if before < number {
                continue;
            }
            let Some(other) = next else { break };
            if self.fill_one(other) && !replaces {
                return Err(number);
            }
            number += 1;
            next = keys.next();
        }
        Ok(())
    }

    /// Makes ready for about so many keys of the sizes of the present ones, so that little has to
    /// move when they come. What does not come has taken memory: some 6 bytes for each.
    pub fn make_room(&mut self, keys: usize) {
        self.table.make_room(keys);
    }

    /// Adds keys to the region of the first one and counts them, until one belongs elsewhere or is
    /// not simply new: that.
    fn fill_region<'a>(
        &mut self,
        first: Incoming<'a>,
        keys: &mut impl Iterator<Item = Incoming<'a>>,
        added: &mut usize,
    ) -> Option<Incoming<'a>> {
        let clock = self.policy.first(self.now);
        let mut region = self.table.filling(first.hint);
        let mut incoming = first;
        loop {
            let Incoming { hint: hash, key, deadline, .. } = incoming;
            let mut scratch = [0; 8];
            let packed = incoming.content.packed(&mut scratch);
            let Some((kind, payload)) = packed.filter(|(kind, payload)| fits(key, *kind, payload)) else {
                return Some(incoming);
            };
            let deadline = entry::kept(deadline);
            let (header, used) = Stamp { deadline, clock }.header(Some(kind)).bytes();
            let new = NewEntry { hash, key, rest: [&header[..used], payload], beside: None };
            if !region.add(&new, deadline) {
                return Some(incoming);
            }
            self.expires += usize::from(deadline != NEVER);
            *added += 1;
            incoming = keys.next()?;
            if !region.covers(incoming.hint) {
                return Some(incoming);
            }
        }
    }

    /// Takes in one key; whether it was there already.
    fn fill_one(&mut self, Incoming { key, content, deadline, .. }: Incoming<'_>) -> bool {
        match content {
            Content::String(bytes) => self.set_string(key, bytes, deadline, self.now),
            Content::Value(value) => self.insert(key, value, deadline).is_some(),
        }
    }
}

#[cfg(test)]
mod tests;

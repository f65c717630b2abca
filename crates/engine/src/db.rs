//! The selected database as a command sees it: at one time, by type.
//!
//! Look-ups hide keys whose time has come (on a primary they also delete them,
//! and the deletion is propagated before the command's own effect). The typed
//! ones answer WRONGTYPE by themselves.

use slipstream_keyspace::{
    Database, Encoding, Hash, Keyspace, List, Occupied, Set, SortedSet, Str, Stream, Typed, TypedMut,
    UnixMillis, Value, ValueMut,
};

use crate::errors::CommandError;

/// One database at one time.
pub struct Db<'a> {
    /// All data.
    pub keyspace: &'a mut Keyspace,
    /// Which database is selected.
    pub index: usize,
    /// Keys due before this are hidden. The stream of a primary sees all keys: there it is the past.
    pub now: UnixMillis,
}

macro_rules! typed {
    ($read:ident, $write:ident, $create:ident, $variant:ident, $what:literal) => {
        #[doc = concat!("The ", $what, " at `key`, if there is one.")]
        #[inline]
        pub fn $read(&mut self, key: &[u8]) -> Result<Option<$variant<'_>>, CommandError> {
            match self.get(key) {
                None => Ok(None),
                Some(Value::$variant(value)) => Ok(Some(value)),
                Some(_) => Err(CommandError::WRONG_TYPE),
            }
        }

        #[doc = concat!("The ", $what, " at `key`, to change it. Remove the key when it becomes empty.")]
        #[inline]
        pub fn $write(
            &mut self,
            key: &[u8],
        ) -> Result<Option<TypedMut<'_, $variant<'static>>>, CommandError> {
            self.get_mut(key).map(typed).transpose()
        }

        #[doc = concat!("The ", $what, " at `key`, an empty one if there was none.")]
        #[inline]
        pub fn $create<'a>(
            &'a mut self,
            key: &'a [u8],
        ) -> Result<TypedMut<'a, $variant<'static>>, CommandError> {
            let now = self.now;
            typed(self.database().get_or_insert_with(key, now, || Value::$variant($variant::new())))
        }
    };
}

/// Values of more allocations than this are dropped away from the executor.
const DROP_HERE: usize = 64;

#[inline]
fn typed<T: Typed>(value: ValueMut<'_>) -> Result<TypedMut<'_, T>, CommandError> {
    value.typed().ok_or(CommandError::WRONG_TYPE)
}

impl Db<'_> {
    /// The database itself.
    #[inline]
    pub fn database(&mut self) -> &mut Database {
        self.keyspace.db_mut(self.index)
    }

    /// The thresholds at which packed collections become big ones.
    pub fn encoding(&self) -> Encoding {
        *self.keyspace.encoding()
    }

    /// The value at `key`.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Option<Value<'_>> {
        let now = self.now;
        self.database().get(key, now)
    }

    /// The value at `key`, to change it.
    #[inline]
    pub fn get_mut(&mut self, key: &[u8]) -> Option<ValueMut<'_>> {
        let now = self.now;
        self.database().get_mut(key, now)
    }

    /// Whether `key` exists.
    pub fn contains(&mut self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// The string at `key`, if there is one.
    #[inline]
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Str<'_>>, CommandError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value)),
            Some(_) => Err(CommandError::WRONG_TYPE),
        }
    }

    /// The string at `key`, to change it.
    #[inline]
    pub fn string_mut(&mut self, key: &[u8]) -> Result<Option<TypedMut<'_, Str<'static>>>, CommandError> {
        self.get_mut(key).map(typed).transpose()
    }

    typed!(list, list_mut, list_or_new, List, "list");
    typed!(set, set_mut, set_or_new, Set, "set");
    typed!(hash, hash_mut, hash_or_new, Hash, "hash");
    typed!(sorted_set, sorted_set_mut, sorted_set_or_new, SortedSet, "sorted set");

    /// The stream at `key`, if there is one.
    #[inline]
    pub fn stream(&mut self, key: &[u8]) -> Result<Option<Stream>, CommandError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(CommandError::WRONG_TYPE),
        }
    }

    /// The stream at `key`, to change it.
    #[inline]
    pub fn stream_mut(&mut self, key: &[u8]) -> Result<Option<TypedMut<'_, Stream>>, CommandError> {
        self.get_mut(key).map(typed).transpose()
    }

    /// The stream at `key`, an empty one if there was none.
    #[inline]
    pub fn stream_or_new<'a>(&'a mut self, key: &'a [u8]) -> Result<TypedMut<'a, Stream>, CommandError> {
        let now = self.now;
        typed(self.database().get_or_insert_with(key, now, || Value::Stream(Stream::new())))
    }

    /// Puts `value` at `key` with this deadline, whatever was there.
    pub fn insert(&mut self, key: &[u8], value: Value<'static>, deadline: Option<UnixMillis>) {
        let old = self.database().insert(key, value, deadline);
        self.discard(old);
    }

    /// Stores what SET stores, whatever was there.
    #[inline]
    pub fn set_string(&mut self, key: &[u8], bytes: &[u8], deadline: Option<UnixMillis>) {
        let now = self.now;
        self.database().set_string(key, bytes, deadline, now);
    }

    /// The place of `key`, if it exists, to look at it and then change it. Records no access.
    #[inline]
    pub fn occupied(&mut self, key: &[u8]) -> Option<Occupied<'_>> {
        let now = self.now;
        self.database().occupied(key, now)
    }

    /// Removes `key`; whether it existed (and was not due).
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let removed = self.occupied(key).map(Occupied::remove);
        let was_there = removed.is_some();
        self.discard(removed.map(|(value, _)| value));
        was_there
    }

    /// Drops a value that no key holds any more, a big one where that delays nobody.
    pub fn discard(&mut self, value: Option<Value<'static>>) {
        let big = value.filter(|value| value.free_effort() > DROP_HERE);
        self.database().garbage.extend(big);
    }

    /// Removes `key` if it holds an empty collection.
    pub fn remove_if_empty(&mut self, key: &[u8]) -> bool {
        self.get(key).is_some_and(|value| value.is_empty()) && self.database().remove(key).is_some()
    }

    /// When `key` is due, if it exists and ever is.
    pub fn deadline(&mut self, key: &[u8]) -> Option<UnixMillis> {
        if self.contains(key) { self.database().deadline(key) } else { None }
    }

    /// Sets or removes when `key` is due.
    pub fn set_deadline(&mut self, key: &[u8], deadline: Option<UnixMillis>) -> bool {
        self.database().set_deadline(key, deadline)
    }
}

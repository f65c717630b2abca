//! A key that is present: found once, then read, changed or removed where it lies.
//!
//! For commands that look before they act, so that they need not look twice. Finding the key
//! leaves no trace of an access; `touched` records one.

use super::{Database, ValueMut, entry};
use crate::table::Place;
use crate::time::UnixMillis;
use crate::value::Value;

/// A present key of a database.
pub struct Occupied<'a> {
    database: &'a mut Database,
    place: Place,
}

impl Database {
    /// The place of `key`, if there is such a key and it is not due.
    #[inline]
    pub fn occupied(&mut self, key: &[u8], now: UnixMillis) -> Option<Occupied<'_>> {
        let place = self.find_live(key, now)?;
        Some(Occupied { database: self, place })
    }
}

impl Occupied<'_> {
    /// The same, with the access recorded.
    #[inline]
    pub fn touched(self) -> Self {
        self.database.touch(self.place);
        self
    }

    /// The value.
    pub fn value(&self) -> Value<'_> {
        entry::value_of(&self.database.table.at(self.place))
    }

    /// The value, to be changed.
    pub fn value_mut(&mut self) -> ValueMut<'_> {
        ValueMut::present_at(self.database, &mut self.place)
    }

    /// When the key is due.
    pub fn deadline(&self) -> Option<UnixMillis> {
        entry::if_any(entry::deadline_of(self.database.table.at(self.place).rest))
    }

    /// Gives the key a deadline or takes it away.
    pub fn set_deadline(&mut self, deadline: Option<UnixMillis>) {
        self.place = self.database.set_deadline_at(self.place, deadline);
    }

    /// Removes the key and returns its value and deadline.
    pub fn remove(self) -> (Value<'static>, Option<UnixMillis>) {
        self.database.remove_at(self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::string::Str;

    #[test]
    fn a_key_found_once_is_changed_and_removed_there() {
        let mut database = Database::new([1, 2, 3, 4]);
        let now = UnixMillis(1000);
        assert!(database.occupied(b"k", now).is_none());
        database.insert(b"k", Str::from_int(1).into(), Some(UnixMillis(5000)));
        let mut key = database.occupied(b"k", now).unwrap();
        assert_eq!(key.deadline(), Some(UnixMillis(5000)));
        *key.value_mut() = Str::from_int(2).into();
        key.set_deadline(None);
        assert_eq!(database.expires_len(), 0);
        let (value, deadline) = database.occupied(b"k", now).unwrap().remove();
        assert_eq!((value.len(), deadline), (1, None));
        assert!(database.is_empty());
    }

    #[test]
    fn a_due_key_is_not_present() {
        let mut database = Database::new([1, 2, 3, 4]);
        database.insert(b"k", Str::from_int(1).into(), Some(UnixMillis(5000)));
        assert!(database.occupied(b"k", UnixMillis(5001)).is_none());
        assert_eq!(database.expired, [b"k".to_vec()]);
    }
}

//! A value that is being changed: taken out of its entry, put back when the guard is dropped.
//!
//! Nothing may rely on the entry before that, so whoever looks at the database again drops the
//! guard first, which the borrow checker sees to.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::Database;
use super::entry::NEVER;
use super::store::Stamp;
use crate::hash::Hash;
use crate::list::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use crate::string::Str;
use crate::table::Place;
use crate::value::Value;

/// A key's value, to be changed.
pub struct ValueMut<'a> {
    database: &'a mut Database,
    home: Home<'a>,
    value: Value<'static>,
}

/// Where the value goes.
enum Home<'a> {
    Present(Place),
    /// To a place that whoever found it goes on using.
    Kept(&'a mut Place),
    /// To a key that is new, with its hash.
    New(u64, &'a [u8]),
}

impl<'a> ValueMut<'a> {
    pub(super) fn present(database: &'a mut Database, place: Place) -> Self {
        let value = database.take(place);
        ValueMut { database, home: Home::Present(place), value }
    }

    pub(super) fn present_at(database: &'a mut Database, place: &'a mut Place) -> Self {
        let value = database.take(*place);
        ValueMut { database, home: Home::Kept(place), value }
    }

    pub(super) fn new(database: &'a mut Database, hash: u64, key: &'a [u8], value: Value<'static>) -> Self {
        ValueMut { database, home: Home::New(hash, key), value }
    }

    /// The same, when the value is of type `T`.
    pub fn typed<T: Typed>(self) -> Option<TypedMut<'a, T>> {
        T::of(&self.value)?;
        Some(TypedMut { value: self, of: PhantomData })
    }
}

impl Deref for ValueMut<'_> {
    type Target = Value<'static>;

    #[inline]
    fn deref(&self) -> &Value<'static> {
        &self.value
    }
}

impl DerefMut for ValueMut<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Value<'static> {
        &mut self.value
    }
}

impl Drop for ValueMut<'_> {
    #[inline]
    fn drop(&mut self) {
        let value = std::mem::replace(&mut self.value, Value::String(Str::from_int(0)));
        match &mut self.home {
            Home::Present(place) => {
                self.database.give_back(*place, value);
            }
            Home::Kept(place) => **place = self.database.give_back(**place, value),
            Home::New(hash, key) => {
                let clock = self.database.policy.first(self.database.now);
                self.database.add(*hash, key, value, Stamp { deadline: NEVER, clock });
            }
        }
    }
}

/// One of the types that a value is of.
pub trait Typed: Sized + 'static {
    /// The value, when it is of this type.
    fn of<'v>(value: &'v Value<'static>) -> Option<&'v Self>;

    /// The value, when it is of this type, to be changed.
    fn of_mut<'v>(value: &'v mut Value<'static>) -> Option<&'v mut Self>;
}

macro_rules! typed {
    ($($type:ty, $variant:ident;)+) => {
        $(impl Typed for $type {
            #[inline]
            fn of<'v>(value: &'v Value<'static>) -> Option<&'v Self> {
                if let Value::$variant(value) = value { Some(value) } else { None }
            }

            #[inline]
            fn of_mut<'v>(value: &'v mut Value<'static>) -> Option<&'v mut Self> {
                if let Value::$variant(value) = value { Some(value) } else { None }
            }
        })+
    };
}

typed! {
    Str<'static>, String;
    List<'static>, List;
    Set<'static>, Set;
    Hash<'static>, Hash;
    SortedSet<'static>, SortedSet;
    Stream, Stream;
}

/// A key's value of one type, to be changed.
pub struct TypedMut<'a, T> {
    value: ValueMut<'a>,
    of: PhantomData<T>,
}

const SEEN: &str = "the type was looked at, and an edit keeps it";

impl<T: Typed> Deref for TypedMut<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        T::of(&self.value).expect(SEEN)
    }
}

impl<T: Typed> DerefMut for TypedMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        T::of_mut(&mut self.value).expect(SEEN)
    }
}

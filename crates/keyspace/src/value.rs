//! What a key holds: one of the six types, behind one enum.
//!
//! A small value is one block of bytes, borrowed from where it is stored or owned; a big one sits
//! behind a shared pointer. A `Value<'static>` owns what it holds, other lifetimes are views.
//! Cloning copies pointers, and an owned small value's bytes; whoever changes a clone of a big
//! value copies the chunk that it changes. How a small value is stored is in `packed.rs`.

pub(crate) mod packed;

use crate::hash::Hash;
use crate::list::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use crate::string::Str;
use crate::table::Fill;

/// A value of any type.
#[derive(Clone)]
pub enum Value<'a> {
    /// "string"
    String(Str<'a>),
    /// "list"
    List(List<'a>),
    /// "set"
    Set(Set<'a>),
    /// "hash"
    Hash(Hash<'a>),
    /// "zset"
    SortedSet(SortedSet<'a>),
    /// "stream"
    Stream(Stream),
}

impl Value<'_> {
    /// The same value; a small one is borrowed, a big one shared.
    #[inline]
    pub fn view(&self) -> Value<'_> {
        match self {
            Value::String(value) => Value::String(value.view()),
            Value::List(list) => Value::List(list.view()),
            Value::Set(set) => Value::Set(set.view()),
            Value::Hash(hash) => Value::Hash(hash.view()),
            Value::SortedSet(set) => Value::SortedSet(set.view()),
            Value::Stream(stream) => Value::Stream(stream.clone()),
        }
    }

    /// The same value, owned.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::String(value) => Value::String(value.into_owned()),
            Value::List(list) => Value::List(list.into_owned()),
            Value::Set(set) => Value::Set(set.into_owned()),
            Value::Hash(hash) => Value::Hash(hash.into_owned()),
            Value::SortedSet(set) => Value::SortedSet(set.into_owned()),
            Value::Stream(stream) => Value::Stream(stream),
        }
    }

    /// What TYPE says.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Hash(_) => "hash",
            Value::SortedSet(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Value::String(value) => value.encoding_name(),
            Value::List(list) => list.encoding_name(),
            Value::Set(set) => set.encoding_name(),
            Value::Hash(hash) => hash.encoding_name(),
            Value::SortedSet(set) => set.encoding_name(),
            Value::Stream(_) => "stream",
        }
    }

    /// Elements of a collection, bytes of a string.
    pub fn len(&self) -> usize {
        match self {
            Value::String(value) => value.len(),
            Value::List(list) => list.len(),
            Value::Set(set) => set.len(),
            Value::Hash(hash) => hash.len(),
            Value::SortedSet(set) => set.len(),
            Value::Stream(stream) => stream.len(),
        }
    }

    /// Whether there is nothing in it. Such a collection is never kept under a key; a stream
    /// always has its last id.
    pub fn is_empty(&self) -> bool {
        !matches!(self, Value::Stream(_)) && self.len() == 0
    }

    /// Bytes of memory that the value takes, estimated from `samples` of its elements (0: all).
    pub fn memory_usage(&self, samples: usize) -> usize {
        let heap = match self {
            Value::String(value) => value.heap_size(),
            Value::List(list) => list.heap_size(samples),
            Value::Set(set) => set.heap_size(),
            Value::Hash(hash) => hash.heap_size(),
            Value::SortedSet(set) => set.heap_size(),
            Value::Stream(stream) => stream.heap_size(samples),
        };
        size_of::<Value<'_>>() + heap
    }

    /// How the elements fill the segments of the value's table, if it has one.
    pub fn fill(&self) -> Option<Fill> {
        match self {
            Value::String(_) | Value::List(_) | Value::Stream(_) => None,
            Value::Set(set) => set.fill(),
            Value::Hash(hash) => hash.fill(),
            Value::SortedSet(set) => set.fill(),
        }
    }

    /// About how many allocations freeing the value gives back: above some 64 it is worth
    /// handing the value to another thread to drop.
    pub fn free_effort(&self) -> usize {
        match self {
            Value::String(_) => 1,
            Value::List(list) => list.block_count(),
            Value::Set(set) => if_big(set.encoding_name(), set.len()),
            Value::Hash(hash) => if_big(hash.encoding_name(), hash.len()),
            Value::SortedSet(set) => set.block_count(),
            Value::Stream(stream) => stream.allocations(),
        }
    }
}

fn if_big(encoding: &str, len: usize) -> usize {
    if encoding == "hashtable" { len } else { 1 }
}

impl<'a> From<Str<'a>> for Value<'a> {
    fn from(value: Str<'a>) -> Self {
        Value::String(value)
    }
}

impl<'a> From<List<'a>> for Value<'a> {
    fn from(list: List<'a>) -> Self {
        Value::List(list)
    }
}

impl<'a> From<Set<'a>> for Value<'a> {
    fn from(set: Set<'a>) -> Self {
        Value::Set(set)
    }
}

impl<'a> From<Hash<'a>> for Value<'a> {
    fn from(hash: Hash<'a>) -> Self {
        Value::Hash(hash)
    }
}

impl<'a> From<SortedSet<'a>> for Value<'a> {
    fn from(set: SortedSet<'a>) -> Self {
        Value::SortedSet(set)
    }
}

impl From<Stream> for Value<'_> {
    fn from(stream: Stream) -> Self {
        Value::Stream(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_crosses_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Value<'static>>();
    }
}

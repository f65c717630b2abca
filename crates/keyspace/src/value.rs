//! What a key holds: one of the five types, behind one enum.
//!
//! Cloning copies at most one pointer or a string of up to 1 KiB; whoever changes a clone copies
//! the chunk that it changes.

use crate::hash::Hash;
use crate::list::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::string::Str;
use crate::table::Fill;

/// A value of any type.
#[derive(Clone)]
pub enum Value {
    /// "string"
    String(Str),
    /// "list"
    List(List),
    /// "set"
    Set(Set),
    /// "hash"
    Hash(Hash),
    /// "zset"
    SortedSet(SortedSet),
}

impl Value {
    /// What TYPE says.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Hash(_) => "hash",
            Value::SortedSet(_) => "zset",
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
        }
    }

    /// Whether there is nothing in it. An empty collection is never kept under a key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the value takes, estimated from `samples` of its elements (0: all).
    pub fn memory_usage(&self, samples: usize) -> usize {
        let heap = match self {
            Value::String(value) => value.heap_size(),
            Value::List(list) => list.heap_size(samples),
            Value::Set(set) => set.heap_size(samples),
            Value::Hash(hash) => hash.heap_size(samples),
            Value::SortedSet(set) => set.heap_size(samples),
        };
        size_of::<Value>() + heap
    }

    /// How the elements fill the segments of the value's table, if it has one.
    pub fn fill(&self) -> Option<Fill> {
        match self {
            Value::String(_) | Value::List(_) => None,
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
        }
    }
}

fn if_big(encoding: &str, len: usize) -> usize {
    if encoding == "hashtable" { len } else { 1 }
}

impl From<Str> for Value {
    fn from(value: Str) -> Self {
        Value::String(value)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Value::List(list)
    }
}

impl From<Set> for Value {
    fn from(set: Set) -> Self {
        Value::Set(set)
    }
}

impl From<Hash> for Value {
    fn from(hash: Hash) -> Self {
        Value::Hash(hash)
    }
}

impl From<SortedSet> for Value {
    fn from(set: SortedSet) -> Self {
        Value::SortedSet(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_three_words_and_crosses_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Value>();
        assert_eq!(size_of::<Value>(), 24);
    }
}

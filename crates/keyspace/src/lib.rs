//! The data of one node: databases of keys and values, expiry, and snapshots that are values.
//!
//! Owns every structure that holds data and the rules by which it is encoded. Never reads a
//! clock, never does I/O, never propagates: time and chance are arguments, and what expired is
//! reported to the caller. No reference into it outlives a call.
//! A value that is read is a view: a small one borrows the bytes it is stored as. One that is changed
//! is taken out as owned and put back when its guard is dropped.
//! Invariant: cloning a table or the whole keyspace copies pointers only; whoever writes first
//! afterwards copies the small chunk that it writes to.
//! Read on in `keyspace.rs`, then `database.rs`, `table.rs` and `value.rs`.

mod access;
mod database;
mod digest;
mod encoding;
mod hash;
mod intset;
mod item;
mod items;
mod keyspace;
mod list;
pub mod listpack;
mod number;
mod pages;
mod set;
mod shared;
mod short_bytes;
mod size_class;
mod sorted_set;
mod stream;
mod string;
mod table;
mod time;
mod tree;
mod value;

pub use access::AccessPolicy;
pub use database::{
    Content, Database, DueFields, Garbage, Incoming, Occupied, Sampled, Sampling, Typed, TypedMut, ValueMut,
};
pub use digest::ranges::{KeyDigest, RANGES, RangeDigest, digest_ranges, list_ranges};
pub use digest::{Digest, dataset_digest, value_digest};
pub use encoding::Encoding;
pub use hash::{Hash, HashIter};
pub use intset::{Intset, IntsetIter};
pub use item::Item;
pub use keyspace::{Keyspace, Portion, Snapshot, SnapshotDatabase};
pub use list::{List, ListIter, ListRevIter};
pub use listpack::{Listpack, Malformed};
pub use number::{ScoreFormat, parse_int, write_score};
pub use set::{Set, SetIter};
pub use short_bytes::ShortBytes;
pub use sorted_set::{LexBound, ScoreBound, SortedSet, SortedSetIter, SortedSetRevIter};
pub use stream::{
    Consumer, ConsumerId, Delivery, Fields, Group, IdMap, Pending, Stream, StreamBuilder, StreamEntries,
    StreamEntry, StreamFacts, StreamId, StreamIter, StreamRevIter, Trim, TrimTo,
};
pub use string::Str;
pub use table::{Batch, Fill};
pub use time::UnixMillis;
pub use value::Value;

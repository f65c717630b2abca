//! One value into the form that suits it and the target.
//!
//! A packed collection is written as the block that it is in Redis; the others element by element. The type stands before the key
//! and the elements after it, so the form is chosen first and carried as the type's number.

use std::io::{self, Write};

use slipstream_keyspace::{Hash, List, Set, SortedSet, UnixMillis, Value};

use super::stream::{self, StreamForm};
use crate::format::{Target, kind};
use crate::output::Sink;

/// Redis refuses a file with a field whose deadline is later, 8,900 years from now: such a one is brought forward.
const LATEST_IN_REDIS: i64 = (1 << 48) - 1;

/// What a quicklist's node holds: a listpack.
const NODE_PACKED: u8 = 2;

/// The feature of formats that not all have.
pub(crate) const FIELD_EXPIRY: &str = "expiry of hash fields";

/// What this value uses and the target's format does not have.
pub(crate) fn missing_feature(value: &Value<'_>, target: Target) -> Option<&'static str> {
    match value {
        Value::Hash(hash) if hash.next_deadline().is_some() && !target.has_field_expiry() => {
            Some(FIELD_EXPIRY)
        }
        _ => None,
    }
}

/// Writes type, key and value, or for DUMP type and value. The caller has asked for a missing feature before.
pub(crate) fn write<W: Write>(
    sink: &mut Sink<'_, W>,
    key: Option<&[u8]>,
    value: &Value<'_>,
    target: Target,
) -> io::Result<()> {
    let kind = kind_of(value, target);
    sink.byte(kind)?;
    if let Some(key) = key {
        sink.string(key)?;
    }
    match value {
        Value::String(string) => sink.item(&string.item()),
        Value::List(list) => write_list(sink, list),
        Value::Set(set) => write_set(sink, set, kind),
        Value::SortedSet(set) => write_sorted_set(sink, set),
        Value::Hash(hash) => write_hash(sink, hash, kind),
        Value::Stream(stream) => match kind {
            kind::STREAM_WITH_HISTORY => stream::write(sink, stream, StreamForm::WithHistory),
            _ => stream::write(sink, stream, StreamForm::WithActivity),
        },
    }
}

fn kind_of(value: &Value<'_>, target: Target) -> u8 {
    match value {
        Value::String(_) => kind::STRING,
        Value::List(_) => kind::QUICKLIST,
        Value::Set(set) if set.ints().is_some() => kind::SET_INTSET,
        Value::Set(set) if set.is_packed() && target.has_set_listpack() => kind::SET_LISTPACK,
        Value::Set(_) => kind::SET,
        Value::SortedSet(set) if set.is_packed() => kind::SORTED_SET_LISTPACK,
        Value::SortedSet(_) => kind::SORTED_SET,
        Value::Hash(hash) if hash.next_deadline().is_some() => match target {
            Target::Valkey80 => kind::HASH_DEADLINES_VALKEY,
            _ => kind::HASH_DEADLINES_REDIS,
        },
        Value::Hash(hash) if hash.is_packed() => kind::HASH_LISTPACK,
        Value::Hash(_) => kind::HASH,
        Value::Stream(_) if target == Target::Redis10 => kind::STREAM_WITH_HISTORY,
        Value::Stream(_) => kind::STREAM_WITH_ACTIVITY,
    }
}

fn write_list<W: Write>(sink: &mut Sink<'_, W>, list: &List<'_>) -> io::Result<()> {
    sink.length(list.block_count())?;
    for block in list.blocks() {
        sink.byte(NODE_PACKED)?;
        sink.string(block.bytes())?;
    }
    Ok(())
}

fn write_set<W: Write>(sink: &mut Sink<'_, W>, set: &Set<'_>, kind: u8) -> io::Result<()> {
    match (kind, set.ints(), set.packed()) {
        (kind::SET_INTSET, Some(ints), _) => return sink.string(ints.bytes()),
        (kind::SET_LISTPACK, _, Some(pack)) => return sink.string(pack.bytes()),
        _ => {}
    }
    sink.length(set.len())?;
    for member in set.iter() {
        sink.item(&member)?;
    }
    Ok(())
}

/// From the highest score down: who inserts them in this order always inserts at the front.
fn write_sorted_set<W: Write>(sink: &mut Sink<'_, W>, set: &SortedSet<'_>) -> io::Result<()> {
    if let Some(pack) = set.packed() {
        return sink.string(pack.bytes());
    }
    sink.length(set.len())?;
    for (member, score) in set.iter_rev_from_rank(set.len() - 1) {
        sink.item(&member)?;
        sink.bytes(&score.to_le_bytes())?;
    }
    Ok(())
}

fn write_hash<W: Write>(sink: &mut Sink<'_, W>, hash: &Hash<'_>, kind: u8) -> io::Result<()> {
    if let Some(earliest) = hash.next_deadline() {
        return write_hash_with_deadlines(sink, hash, earliest, kind);
    }
    if let Some(pack) = hash.packed() {
        return sink.string(pack.bytes());
    }
    sink.length(hash.len())?;
    for (field, value) in hash.iter() {
        sink.item(&field)?;
        sink.item(&value)?;
    }
    Ok(())
}

fn write_hash_with_deadlines<W: Write>(
    sink: &mut Sink<'_, W>,
    hash: &Hash<'_>,
    earliest: UnixMillis,
    kind: u8,
) -> io::Result<()> {
    let is_relative = kind == kind::HASH_DEADLINES_REDIS;
    let earliest = earliest.0.min(LATEST_IN_REDIS);
    if is_relative {
        sink.bytes(&earliest.to_le_bytes())?;
    }
    sink.length(hash.len())?;
    let mut digits = itoa::Buffer::new();
    for (field, value) in hash.iter() {
        let deadline = hash.deadline(field.bytes(&mut digits));
        if is_relative {
            let millis = deadline.map(|deadline| deadline.0.min(LATEST_IN_REDIS));
            sink.length_u64(millis.map_or(0, |millis| millis.abs_diff(earliest) + 1))?;
        }
        sink.item(&field)?;
        sink.item(&value)?;
        if !is_relative {
            sink.bytes(&deadline.map_or(-1, |deadline| deadline.0).to_le_bytes())?;
        }
    }
    Ok(())
}

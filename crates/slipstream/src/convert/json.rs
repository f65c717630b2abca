//! Keys as JSON, one object on a line.
//!
//! ```text
//! {"db":0,"key":"k","type":"hash","expires_at_ms":1700000000000,"value":[["field","value"],…]}
//! {"function":"#!lua name=…"}
//! ```
//! A string that is no UTF-8 is `{"hex":"00ff…"}`. Hashes are arrays of field, value and, if the field has one, its
//! deadline; sorted sets are arrays of member and score, where an infinite score is a string.

use std::io::{self, Write};

use slipstream_keyspace::{Group, Hash, Item, ScoreFormat, SortedSet, Stream, StreamId, Value, write_score};
use slipstream_rdb::{KeyRecord, WriteError};

use super::Sink;

/// Writes a line for each key.
pub(super) struct Lines<'a, W>(&'a mut W);

impl<'a, W: Write> Lines<'a, W> {
    pub(super) fn new(output: &'a mut W) -> Self {
        Lines(output)
    }
}

impl<W: Write> Sink for Lines<'_, W> {
    /// Facts about a snapshot are none about the data.
    fn aux(&mut self, _name: &[u8], _value: &[u8]) -> Result<(), WriteError> {
        Ok(())
    }

    fn function(&mut self, code: &[u8]) -> Result<(), WriteError> {
        self.0.write_all(b"{\"function\":")?;
        string(self.0, code)?;
        Ok(self.0.write_all(b"}\n")?)
    }

    fn database(&mut self, _number: usize) -> Result<(), WriteError> {
        Ok(())
    }

    fn key(&mut self, record: &KeyRecord<'_>) -> Result<(), WriteError> {
        let out = &mut *self.0;
        write!(out, "{{\"db\":{},\"key\":", record.database)?;
        string(out, record.key)?;
        write!(out, ",\"type\":\"{}\"", record.value.type_name())?;
        if let Some(deadline) = record.deadline {
            write!(out, ",\"expires_at_ms\":{}", deadline.0)?;
        }
        out.write_all(b",\"value\":")?;
        value(out, &record.value)?;
        Ok(out.write_all(b"}\n")?)
    }
}

fn value(out: &mut impl Write, value: &Value<'_>) -> io::Result<()> {
    match value {
        Value::String(text) => item(out, &text.item()),
        Value::List(list) => array(out, list.iter(), |out, element| item(out, &element)),
        Value::Set(set) => array(out, set.iter(), |out, member| item(out, &member)),
        Value::Hash(hash) => fields(out, hash),
        Value::SortedSet(set) => members(out, set),
        Value::Stream(entries) => stream(out, entries),
    }
}

/// `[…]` of what `each` writes.
fn array<W: Write, T>(
    out: &mut W,
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut W, T) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        each(out, item)?;
    }
    out.write_all(b"]")
}

fn fields(out: &mut impl Write, hash: &Hash<'_>) -> io::Result<()> {
    array(out, hash.iter(), |out, (field, value)| {
        out.write_all(b"[")?;
        item(out, &field)?;
        out.write_all(b",")?;
        item(out, &value)?;
        if let Some(deadline) = hash.deadline(&field.to_vec()) {
            write!(out, ",{}", deadline.0)?;
        }
        out.write_all(b"]")
    })
}

fn members(out: &mut impl Write, set: &SortedSet<'_>) -> io::Result<()> {
    let mut text = Vec::new();
    array(out, set.iter(), |out, (member, score)| {
        out.write_all(b"[")?;
        item(out, &member)?;
        out.write_all(b",")?;
        text.clear();
        write_score(score, ScoreFormat::Shortest, &mut text);
        if score.is_finite() {
            out.write_all(&text)?
        } else {
            string(out, &text)?
        }
        out.write_all(b"]")
    })
}

fn stream(out: &mut impl Write, stream: &Stream) -> io::Result<()> {
    write!(
        out,
        "{{\"last_id\":\"{}\",\"entries_added\":{},\"max_deleted_id\":\"{}\",\"entries\":",
        stream.last_id(),
        stream.entries_added(),
        stream.max_deleted_id()
    )?;
    array(out, stream.iter(), |out, entry| {
        write!(out, "[\"{}\",", entry.id)?;
        array(out, entry.fields, |out, (name, value)| {
            out.write_all(b"[")?;
            item(out, &name)?;
            out.write_all(b",")?;
            item(out, &value)?;
            out.write_all(b"]")
        })?;
        out.write_all(b"]")
    })?;
    out.write_all(b",\"groups\":")?;
    array(out, stream.groups(), |out, (name, facts)| group(out, name, facts))?;
    out.write_all(b"}")
}

fn group(out: &mut impl Write, name: &[u8], group: &Group) -> io::Result<()> {
    out.write_all(b"{\"name\":")?;
    string(out, name)?;
    write!(out, ",\"last_id\":\"{}\"", group.last_id())?;
    if let Some(read) = group.entries_read() {
        write!(out, ",\"entries_read\":{read}")?;
    }
    out.write_all(b",\"consumers\":")?;
    array(out, group.consumers(), |out, consumer| string(out, consumer.name()))?;
    out.write_all(b",\"pending\":")?;
    array(out, group.pending().iter(), |out, (id, pending): (StreamId, _)| {
        write!(out, "[\"{id}\",")?;
        let consumer = pending.consumer.and_then(|number| group.consumer(number));
        match consumer {
            Some(consumer) => string(out, consumer.name())?,
            None => out.write_all(b"null")?,
        }
        write!(out, ",{},{}]", pending.delivery.time.0, pending.delivery.count)
    })?;
    out.write_all(b"}")
}

fn item(out: &mut impl Write, item: &Item<'_>) -> io::Result<()> {
    match item {
        Item::Bytes(bytes) => string(out, bytes),
        Item::Int(number) => write!(out, "\"{number}\""),
    }
}

fn string(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(serde_json::to_writer(out, text)?),
        Err(_) => {
            out.write_all(b"{\"hex\":\"")?;
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
            out.write_all(b"\"}")
        }
    }
}

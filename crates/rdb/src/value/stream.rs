//! Streams: blocks of entries as listpacks, facts about them, and consumer groups.
//!
//! ```text
//! value    = count, { id as a string of 16 bytes, listpack }, length, last id,
//!            [first id, greatest deleted id, entries added,]  count, { group }
//! group    = name, last id, [entries read,]  count, { pending },  count, { consumer }
//! pending  = 16 bytes of id, time of its delivery i64, deliveries
//! consumer = name, seen i64, [[active i64,]]  count, { 16 bytes of id }
//! id       = milliseconds, sequence number                             two lengths
//! ```
//! What stands in brackets came with Redis 7.0, in double brackets with 7.2. The keyspace checks the
//! listpacks; here is checked that every pending entry is one consumer's.

use std::io::{self, Read, Write};

use slipstream_keyspace::{
    ConsumerId, Delivery, Group, Listpack, Stream, StreamBuilder, StreamFacts, StreamId, UnixMillis,
};

use crate::input::{Result, Source};
use crate::output::Sink;

/// What a version of the layout has, in the order in which it grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StreamForm {
    /// Redis 5.
    First,
    /// Redis 7.0: counts of entries added and read.
    WithHistory,
    /// Redis 7.2: when a consumer was last active.
    WithActivity,
}

/// What stands for a number of entries read that is not known, and for a time that never was: -1.
const UNKNOWN: u64 = u64::MAX;
const NEVER: i64 = -1;

pub(super) struct StreamReader<'r, 'a, R> {
    pub(super) source: &'r mut Source<'a, R>,
    pub(super) form: StreamForm,
    /// Holds strings while they are looked at.
    pub(super) scratch: Vec<u8>,
}

impl<R: Read> StreamReader<'_, '_, R> {
    pub(super) fn stream(mut self) -> Result<Stream> {
        let mut builder = StreamBuilder::new();
        for _ in 0..self.source.length()? {
            self.node(&mut builder)?;
        }
        let facts = self.facts()?;
        let mut stream = builder.finish(facts).map_err(|what| self.source.corrupt(what))?;
        for _ in 0..self.source.length()? {
            self.group(&mut stream)?;
        }
        Ok(stream)
    }

    fn node(&mut self, builder: &mut StreamBuilder) -> Result<()> {
        let id = match self.source.string(&mut self.scratch)?.try_into() {
            Ok(bytes) => StreamId::from_be_bytes(bytes),
            Err(_) => return Err(self.source.corrupt("stream: a block's id of other than 16 bytes")),
        };
        let block = self.source.string(&mut self.scratch)?;
        let added = match Listpack::from_bytes(block) {
            Ok(node) => builder.push_node(id, &node),
            Err(malformed) => Err(malformed.reason),
        };
        added.map_err(|what| self.source.corrupt(what))
    }

    fn facts(&mut self) -> Result<StreamFacts> {
        let (length, last_id) = (self.source.length()?, self.id()?);
        let history = if self.form >= StreamForm::WithHistory {
            // The first entry's id follows from the blocks.
            self.id()?;
            Some((self.id()?, self.source.length()?))
        } else {
            None
        };
        Ok(StreamFacts { length, last_id, history })
    }

    fn id(&mut self) -> Result<StreamId> {
        Ok(StreamId::new(self.source.length()?, self.source.length()?))
    }

    fn raw_id(&mut self) -> Result<StreamId> {
        Ok(StreamId::from_be_bytes(self.source.array()?))
    }

    fn time(&mut self) -> Result<UnixMillis> {
        Ok(UnixMillis(i64::from_le_bytes(self.source.array()?)))
    }

    fn group(&mut self, stream: &mut Stream) -> Result<()> {
        let name = self.source.owned_string()?;
        let last_id = self.id()?;
        let entries_read = if self.form >= StreamForm::WithHistory {
            Some(self.source.length()?).filter(|count| *count != UNKNOWN)
        } else {
            stream.entries_read_at(last_id)
        };
        let mut group = Group::new(last_id, entries_read);
        for _ in 0..self.source.length()? {
            let id = self.raw_id()?;
            let delivery = Delivery { time: self.time()?, count: self.source.length()? };
            if !group.add_pending(id, delivery) {
                return Err(self.source.corrupt("stream: an entry pending twice"));
            }
        }
        for _ in 0..self.source.length()? {
            self.consumer(&mut group)?;
        }
        if !group.is_assigned() {
            return Err(self.source.corrupt("stream: a pending entry that is no consumer's"));
        }
        match stream.add_group(&name, group) {
            true => Ok(()),
            false => Err(self.source.corrupt("stream: two groups of one name")),
        }
    }

    fn consumer(&mut self, group: &mut Group) -> Result<()> {
        let name = self.source.owned_string()?;
        let seen = self.time()?;
        let active = match self.form {
            StreamForm::WithActivity => Some(self.time()?).filter(|time| time.0 != NEVER),
            _ => Some(seen),
        };
        let id: ConsumerId = group
            .add_consumer(&name, seen, active)
            .ok_or_else(|| self.source.corrupt("stream: two consumers of one name in a group"))?;
        for _ in 0..self.source.length()? {
            let pending = self.raw_id()?;
            if !group.assign(pending, id) {
                return Err(self
                    .source
                    .corrupt("stream: a consumer's entry that is not pending, or another's"));
            }
        }
        Ok(())
    }
}

/// Writes a stream, at least with the counts of Redis 7.0.
pub(super) fn write<W: Write>(sink: &mut Sink<'_, W>, stream: &Stream, form: StreamForm) -> io::Result<()> {
    sink.length(stream.block_count())?;
    for (id, node) in stream.nodes() {
        sink.string(&id.to_be_bytes())?;
        sink.string(node.bytes())?;
    }
    sink.length(stream.len())?;
    for id in [stream.last_id(), stream.first_id(), stream.max_deleted_id()] {
        write_id(sink, id)?;
    }
    sink.length_u64(stream.entries_added())?;
    sink.length(stream.groups().len())?;
    for (name, group) in stream.groups() {
        sink.string(name)?;
        write_group(sink, group, form)?;
    }
    Ok(())
}

fn write_id<W: Write>(sink: &mut Sink<'_, W>, id: StreamId) -> io::Result<()> {
    sink.length_u64(id.ms)?;
    sink.length_u64(id.seq)
}

fn write_group<W: Write>(sink: &mut Sink<'_, W>, group: &Group, form: StreamForm) -> io::Result<()> {
    write_id(sink, group.last_id())?;
    sink.length_u64(group.entries_read().unwrap_or(UNKNOWN))?;
    sink.length(group.pending().len())?;
    for (id, pending) in group.pending().iter() {
        sink.bytes(&id.to_be_bytes())?;
        sink.bytes(&pending.delivery.time.0.to_le_bytes())?;
        sink.length_u64(pending.delivery.count)?;
    }
    sink.length(group.consumers().len())?;
    for consumer in group.consumers() {
        sink.string(consumer.name())?;
        sink.bytes(&consumer.seen().0.to_le_bytes())?;
        if form >= StreamForm::WithActivity {
            sink.bytes(&consumer.active().map_or(NEVER, |time| time.0).to_le_bytes())?;
        }
        sink.length(consumer.pending().len())?;
        for (id, ()) in consumer.pending().iter() {
            sink.bytes(&id.to_be_bytes())?;
        }
    }
    Ok(())
}

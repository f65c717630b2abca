//! XREADGROUP: entries for one consumer of a group.
//!
//! With `>` what no consumer was given yet, which is pending with this one from then on unless it says NOACK; with
//! an id what is pending with it, from there on. Redis counts the deliveries of the latter on the primary alone;
//! here they are propagated, so that a copy that takes its place knows them.

use slipstream_keyspace::{ConsumerId, Delivery, Group, StreamEntries, StreamEntry, StreamId, UnixMillis};
use slipstream_resp::Reply;
use slipstream_resp::reply::Aggregate;

use super::effects::{Effects, see_consumer};
use super::reading::{Count, ReadOptions};
use super::{ids, read, write_entry, write_id};
use crate::call::Call;
use crate::command::{BeginSearch, Command, FindKeys, Group as Family, KeySpec, flag};
use crate::errors::CommandError;
use crate::event;
use crate::node::Core;
use crate::waiting::keys::{Awaited, Kind};

const STREAMS: &[KeySpec] = &[KeySpec {
    flags: &["RO", "access"],
    begin: BeginSearch::Keyword("STREAMS", 4),
    find: FindKeys::Range { last: -1, step: 1, limit: 2 },
    notes: "",
}];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("xreadgroup", -7, xreadgroup)
    .flags(flag::WRITE | flag::BLOCKING)
    .keys(STREAMS)
    .doc(
        Family::Stream,
        "5.0.0",
        "Answers entries of several streams that are new to a group, or pending with a consumer of it.",
        "O(M) for each stream, M being the number of entries in the answer",
    )
    .syntax(
        "group-block:(GROUP group consumer) [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] (STREAMS key... ID:string...)",
    )];

/// Who reads, and how.
#[derive(Clone, Copy)]
struct Reader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    count: Count,
    no_ack: bool,
    now: UnixMillis,
}

/// What is asked for of one stream.
#[derive(Clone, Copy)]
enum Wanted {
    /// What the group was not given yet.
    New,
    /// What is pending with the consumer, above an id.
    History(StreamId),
}

impl Wanted {
    fn parse(word: &[u8]) -> Result<Wanted, CommandError> {
        match word {
            b">" => Ok(Wanted::New),
            b"$" => Err(CommandError::XREADGROUP_LAST_ID),
            id => match ids::parse(id, 0)? {
                // Nothing is above it, and Redis takes it for `>`.
                StreamId::MAX => Ok(Wanted::New),
                id => Ok(Wanted::History(id)),
            },
        }
    }
}

fn xreadgroup(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = ReadOptions::parse(call)?;
    let args = call.args;
    let at = options.group.ok_or(CommandError::XREADGROUP_NO_GROUP)?;
    let (group, consumer, now) = (&args[at], &args[at + 1], call.now);
    let reader = Reader { group, consumer, count: options.count, no_ack: options.no_ack, now };
    let asked = |at: usize| (&args[at], Wanted::parse(&args[at + options.streams]));
    let streams = options.first..options.first + options.streams;
    for (key, wanted) in streams.clone().map(asked) {
        let stream = read(&mut call.db, call.core, key)?;
        if stream.is_none_or(|stream| stream.group(group).is_none()) {
            return Err(CommandError::no_group_to_read(key, group));
        }
        wanted?;
    }
    call.propagate_nothing();
    call.core.collect_expired(call.db.keyspace);
    let place = call.reply.position();
    let mut answered = 0;
    for (key, wanted) in streams.map(asked) {
        answered += usize::from(reader.read(call, key, wanted?)?);
    }
    match answered {
        0 => wait(call, &options),
        _ if call.reply.is_resp3() => call.reply.announce_at(place, Aggregate::Map, answered),
        _ => call.reply.announce_at(place, Aggregate::Array, answered),
    }
    Ok(())
}

/// Waits where it may, also for the end of the group: it is tried again then, and refused.
fn wait(call: &mut Call<'_>, options: &ReadOptions) {
    match options.blocks {
        Some(until) if call.may_wait() => {
            let awaited = Awaited { kind: Kind::Stream, until, ends_without_key: true, request: None };
            call.wait_for_keys(call.args.iter().skip(options.first).take(options.streams), awaited);
        }
        _ => call.reply.null_array(),
    }
}

/// The group being read, and who learns of it.
struct Reading<'a> {
    reader: Reader<'a>,
    consumer: ConsumerId,
    effects: Effects<'a>,
    core: &'a mut Core,
    reply: &'a mut Reply,
}

impl Reader<'_> {
    /// Writes the entries of one stream; whether there is an answer for it.
    fn read(self, call: &mut Call<'_>, key: &[u8], wanted: Wanted) -> Result<bool, CommandError> {
        let effects = Effects { db: call.db.index, key, group: self.group };
        let mut stream = call.db.stream_mut(key)?.expect("it was there a moment ago");
        let (entries, group) = stream.with_group(self.group).expect("so was the group");
        let (consumer, is_new) = see_consumer(group, self.consumer, self.now);
        // To come to an entry its block is read from the start: that is done once.
        let mut new = entries.after(group.last_id());
        let first = if matches!(wanted, Wanted::New) { new.next() } else { None };
        let answers = first.is_some() || matches!(wanted, Wanted::History(_));
        // An entry to acknowledge tells of its consumer, too.
        let is_told = !self.no_ack && matches!(wanted, Wanted::New) && answers;
        if is_new && !is_told {
            effects.consumer(call.core, self.consumer);
        }
        if answers {
            if !call.reply.is_resp3() {
                call.reply.array(2);
            }
            call.reply.bulk(key);
            let mut reading = Reading { reader: self, consumer, effects, core: call.core, reply: call.reply };
            let place = reading.reply.position();
            let count = match wanted {
                Wanted::New => reading.give_new(entries, group, first.into_iter().chain(new)),
                Wanted::History(after) => reading.give_again(entries, group, after),
            };
            reading.reply.announce_at(place, Aggregate::Array, count);
        }
        drop(stream);
        call.outcome.changes += u64::from(answers) + u64::from(is_new);
        if is_new {
            call.notify(key, event::XGROUP_CREATECONSUMER);
        }
        Ok(answers)
    }
}

impl Reading<'_> {
    /// Delivers what is new to the group; how many entries that are.
    fn give_new<'e>(
        &mut self,
        entries: StreamEntries<'_>,
        group: &mut Group,
        new: impl Iterator<Item = StreamEntry<'e>>,
    ) -> usize {
        let Reader { consumer: name, count, no_ack, now, .. } = self.reader;
        let delivery = Delivery { time: now, count: 1 };
        let mut given = 0;
        for entry in new.take(count.0) {
            group.advance(entry.id, entries);
            write_entry(self.reply, entry);
            if !no_ack {
                group.give(entry.id, self.consumer, delivery);
                self.effects.claim(self.core, name, (entry.id, delivery), entry.id);
            }
            given += 1;
        }
        if !no_ack {
            group.set_active(self.consumer, now);
        }
        self.effects.position(self.core, group);
        given
    }

    /// Delivers what is pending with the consumer above an id once more; how many entries that are.
    fn give_again(&mut self, entries: StreamEntries<'_>, group: &mut Group, after: StreamId) -> usize {
        let Reader { consumer: name, count, now, .. } = self.reader;
        let last = group.last_id();
        let mut next = after.next();
        let mut given = 0;
        while given < count.0
            && let Some(id) = next.and_then(|start| first_of(group, self.consumer, start))
        {
            next = id.next();
            given += 1;
            match (entries.get(id), group.pending().get(id)) {
                (Some(entry), Some(pending)) => {
                    write_entry(self.reply, entry);
                    let delivery = Delivery { time: now, count: pending.delivery.count.saturating_add(1) };
                    group.give(id, self.consumer, delivery);
                    self.effects.claim(self.core, name, (id, delivery), last);
                }
                _ => {
                    self.reply.array(2);
                    write_id(self.reply, id);
                    self.reply.null_array();
                }
            }
        }
        given
    }
}

/// The first id from `start` on that is pending with a consumer.
fn first_of(group: &Group, consumer: ConsumerId, start: StreamId) -> Option<StreamId> {
    Some(group.consumer(consumer)?.pending().first_from(start)?.0)
}

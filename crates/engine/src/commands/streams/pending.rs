//! XPENDING and XACK: what was delivered and is not acknowledged.
//!
//! XACK is propagated as it came; nothing else here changes anything.

use slipstream_keyspace::{ConsumerId, Group, Stream, StreamId};
use slipstream_resp::reply::Aggregate;

use super::ids::{self, Bound};
use super::{read, write_id};
use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group as Family, KeySpec, READ_KEY, flag};
use crate::errors::CommandError;

const UPDATE: &[KeySpec] = &[KeySpec::at(1, &["RW", "update"])];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("xack", -4, xack)
        .flags(flag::WRITE | flag::FAST)
        .keys(UPDATE)
        .doc(
            Family::Stream,
            "5.0.0",
            "Acknowledges entries: they are not pending any more.",
            "O(log N) for each id, N being what is pending with the group",
        )
        .syntax("key group ID:string..."),
    Command::new("xpending", -3, xpending)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Family::Stream,
            "5.0.0",
            "Answers what is pending with a group: how much, or which entries.",
            "O(N), N being the number of consumers, or of the entries that are looked at",
        )
        .history(&[("6.2.0", "Takes `IDLE`; an id after `(` is not itself in the range.")])
        .tips(&["nondeterministic_output"])
        .syntax("key group filters:[[IDLE min-idle-time:integer]!6.2.0 start end count:integer [consumer]]"),
];

fn xack(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (key, name) = (&args[1], &args[2]);
    let found = read(&mut call.db, call.core, key)?;
    if found.is_none_or(|stream| stream.group(name).is_none()) {
        call.reply.integer(0);
        return Ok(());
    }
    let ids = || args.iter().skip(3).map(|id| ids::parse(id, 0));
    ids().try_for_each(|id| id.map(|_| ()))?;
    let mut stream = call.db.stream_mut(key)?.expect("it was there a moment ago");
    let group = stream.group_mut(name).expect("so was the group");
    let count = ids().flatten().filter(|id| group.take(*id)).count();
    drop(stream);
    call.outcome.changes += u64::try_from(count).expect("usize fits in u64");
    call.reply.count(count);
    Ok(())
}

/// Which pending entries are asked for.
struct Filter<'a> {
    min_idle: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    fn parse(call: &Call<'a>) -> Result<Option<Filter<'a>>, CommandError> {
        let args = call.args;
        match args.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(CommandError::SYNTAX),
        }
        let (mut at, mut min_idle) = (3, 0);
        if is_word(&args[3], "IDLE") {
            min_idle = integer(&args[4])?;
            if args.len() < 8 {
                return Err(CommandError::SYNTAX);
            }
            at = 5;
        }
        let count = usize::try_from(integer(&args[at + 2])?).unwrap_or(0);
        let start = Bound::parse(&args[at], 0)?.start()?;
        let end = Bound::parse(&args[at + 1], u64::MAX)?.end()?;
        Ok(Some(Filter { min_idle, start, end, count, consumer: args.get(at + 3) }))
    }
}

fn xpending(call: &mut Call<'_>) -> Result<(), CommandError> {
    let filter = Filter::parse(call)?;
    let args = call.args;
    let stream = read(&mut call.db, call.core, &args[1])?;
    let group = stream.as_ref().and_then(|stream: &Stream| stream.group(&args[2]));
    let group = group.ok_or_else(|| CommandError::no_key_or_group(&args[1], &args[2]))?;
    match filter {
        None => summarize(call, group),
        Some(filter) => list(call, group, &filter),
    }
    Ok(())
}

/// How much is pending, from where to where, and with whom.
fn summarize(call: &mut Call<'_>, group: &Group) {
    let reply = &mut *call.reply;
    let pending = group.pending();
    reply.array(4);
    reply.count(pending.len());
    let (Some((first, _)), Some((last, _))) = (pending.first_from(StreamId::MIN), pending.last()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    write_id(reply, first);
    write_id(reply, last);
    let holders = group.consumers().filter(|consumer| !consumer.pending().is_empty());
    reply.array(holders.clone().count());
    for consumer in holders {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk(itoa::Buffer::new().format(consumer.pending().len()).as_bytes());
    }
}

fn list(call: &mut Call<'_>, group: &Group, filter: &Filter<'_>) {
    let consumer = match filter.consumer.map(|name| group.consumer_named(name)) {
        Some(None) => return call.reply.array(0),
        Some(known) => known,
        None => None,
    };
    let place = call.reply.position();
    let mut count = 0;
    let mut next = Some(filter.start);
    while count < filter.count
        && let Some(id) = next.and_then(|start| first_pending(group, consumer, start))
        && id <= filter.end
    {
        next = id.next();
        let pending = group.pending().get(id).expect("it was just found");
        let idle = call.now.0.saturating_sub(pending.delivery.time.0);
        if filter.min_idle != 0 && idle < filter.min_idle {
            continue;
        }
        let owner = pending.consumer.and_then(|owner| group.consumer(owner));
        call.reply.array(4);
        write_id(call.reply, id);
        call.reply.bulk(owner.map_or(b"".as_slice(), |owner| owner.name()));
        call.reply.integer(idle.max(0));
        call.reply.integer(pending.delivery.count.cast_signed());
        count += 1;
    }
    call.reply.announce_at(place, Aggregate::Array, count);
}

/// The first id from `start` on that is pending, with one consumer if one is named.
fn first_pending(group: &Group, consumer: Option<ConsumerId>, start: StreamId) -> Option<StreamId> {
    match consumer {
        Some(consumer) => Some(group.consumer(consumer)?.pending().first_from(start)?.0),
        None => Some(group.pending().first_from(start)?.0),
    }
}

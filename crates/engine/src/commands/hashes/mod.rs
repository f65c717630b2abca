//! Hashes: fields and their values.
//!
//! A hash never stays empty under its key. All commands look at a hash through
//! [`live`], where fields that are due disappear. Random fields are in
//! [`random`], deadlines of fields in [`expiry`] and [`timed`].

pub mod expiry;
pub(in crate::commands) mod live;
mod random;
pub mod timed;

use live::Live;
use slipstream_keyspace::{Item, UnixMillis};
use slipstream_resp::Reply;

use super::elements;
use super::scan::{self, ScanOptions};
use crate::call::Call;
use crate::command::{
    Command, DELETE_KEY, Group, INSERT_KEY, INSPECT_KEY, KeySpec, READ_KEY, UPDATE_KEY, flag,
};
use crate::decimal::Extended;
use crate::errors::CommandError;
use crate::event;

const SET: u32 = flag::WRITE | flag::DENYOOM | flag::FAST;
const SET_KEY: &[KeySpec] = &[KeySpec::at(1, &["RW", "update"])];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("hdel", -3, hdel)
        .flags(flag::WRITE | flag::FAST)
        .keys(DELETE_KEY)
        .history(&[("2.4.0", "Takes several fields.")])
        .doc(Group::Hash, "2.0.0", "Removes fields from a hash.", "O(1) for every field")
        .syntax("key field..."),
    Command::new("hexists", 3, hexists)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::Hash, "2.0.0", "Answers whether a hash has a field.", "O(1)")
        .syntax("key field"),
    Command::new("hget", 3, hget)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::Hash, "2.0.0", "Answers the value of a field.", "O(1)")
        .syntax("key field"),
    Command::new("hgetall", 2, hgetall)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output_order"])
        .doc(Group::Hash, "2.0.0", "Answers all fields with their values.", "O(N), N being the fields")
        .syntax("key"),
    Command::new("hincrby", 4, hincrby)
        .flags(SET)
        .keys(UPDATE_KEY)
        .doc(Group::Hash, "2.0.0", "Adds to the integer in a field, 0 if there is none.", "O(1)")
        .syntax("key field increment:integer"),
    Command::new("hincrbyfloat", 4, hincrbyfloat)
        .flags(SET)
        .keys(UPDATE_KEY)
        .doc(Group::Hash, "2.6.0", "Adds to the number in a field, 0 if there is none.", "O(1)")
        .syntax("key field increment:double"),
    Command::new("hkeys", 2, hkeys)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output_order"])
        .doc(Group::Hash, "2.0.0", "Answers all fields.", "O(N), N being the fields")
        .syntax("key"),
    Command::new("hlen", 2, hlen)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::Hash, "2.0.0", "Answers how many fields a hash has.", "O(1)")
        .syntax("key"),
    Command::new("hmget", -3, hmget)
        .flags(flag::READONLY | flag::FAST)
        .keys(READ_KEY)
        .doc(Group::Hash, "2.0.0", "Answers the values of several fields.", "O(1) for every field")
        .syntax("key field..."),
    Command::new("hmset", -4, hmset)
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
        .flags(SET)
        .keys(SET_KEY)
        .doc(Group::Hash, "2.0.0", "Sets the values of fields.", "O(1) for every field")
        .syntax("key data:(field value)..."),
    Command::new("hrandfield", -2, random::hrandfield)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output"])
        .doc(Group::Hash, "6.2.0", "Answers random fields of a hash.", "O(1) for every field answered")
        .syntax("key options:[count:integer [WITHVALUES]]"),
    Command::new("hscan", -3, hscan)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output"])
        .doc(
            Group::Hash,
            "2.8.0",
            "Walks through the fields of a hash and their values, some at each call.",
            "O(1) for every call, O(N) for the whole walk, N being the fields",
        )
        .syntax("key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]"),
    Command::new("hset", -4, hset)
        .flags(SET)
        .keys(SET_KEY)
        .history(&[("4.0.0", "Takes several fields with their values.")])
        .doc(Group::Hash, "2.0.0", "Sets the values of fields.", "O(1) for every field")
        .syntax("key data:(field value)..."),
    Command::new("hsetnx", 4, hsetnx)
        .flags(SET)
        .keys(INSERT_KEY)
        .doc(Group::Hash, "2.0.0", "Sets the value of a field that does not exist yet.", "O(1)")
        .syntax("key field value"),
    Command::new("hstrlen", 3, hstrlen)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::Hash, "3.2.0", "Answers how long the value of a field is.", "O(1)")
        .syntax("key field"),
    Command::new("hvals", 2, hvals)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output_order"])
        .doc(Group::Hash, "2.0.0", "Answers all values of a hash.", "O(N), N being the fields")
        .syntax("key"),
];

fn hset(call: &mut Call<'_>) -> Result<(), CommandError> {
    let added = set_all(call)?;
    call.reply.count(added);
    Ok(())
}

fn hmset(call: &mut Call<'_>) -> Result<(), CommandError> {
    set_all(call)?;
    call.reply.ok();
    Ok(())
}

/// Sets the fields of the request; how many are new.
#[inline]
fn set_all(call: &mut Call<'_>) -> Result<usize, CommandError> {
    let args = call.args;
    if !args.len().is_multiple_of(2) {
        return Err(call.arity_error());
    }
    let fields = args.len() / 2 - 1;
    let encoding = call.db.encoding();
    let added = live::change(call, args.iter().skip(2).step_by(2), |hash| {
        if fields > 1 {
            let longest = args.iter().skip(2).map(<[u8]>::len).max();
            hash.prepare(fields, longest.unwrap_or(0), &encoding);
        }
        let places = (2..args.len()).step_by(2);
        places.filter(|at| hash.insert(&args[*at], &args[at + 1], &encoding)).count()
    })?;
    call.changed(&args[1], event::HSET);
    call.outcome.changes += fields as u64 - 1;
    Ok(added)
}

fn hsetnx(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let encoding = call.db.encoding();
    let is_new = live::change(call, args.iter().skip(2).take(1), |hash| {
        !hash.contains(&args[2]) && hash.insert(&args[2], &args[3], &encoding)
    })?;
    if is_new {
        call.changed(&args[1], event::HSET);
    }
    call.reply.integer(i64::from(is_new));
    Ok(())
}

fn hdel(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let fields = || args.iter().skip(2);
    let removed =
        live::change_existing(call, fields(), |hash, _| fields().filter(|field| hash.remove(field)).count())?;
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        call.changed(&args[1], event::HDEL);
        call.notify_if_gone(&args[1]);
        call.outcome.changes += removed as u64 - 1;
    }
    call.reply.count(removed);
    Ok(())
}

fn hincrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let increment = call.integer(3)?;
    let encoding = call.db.encoding();
    let sum = live::change(call, args.iter().skip(2).take(1), |hash| {
        let old = match hash.get(&args[2]) {
            None => 0,
            Some(value) => value.as_int().ok_or(CommandError::HASH_NOT_INTEGER)?,
        };
        let sum = old.checked_add(increment).ok_or(CommandError::INCREMENT_OVERFLOW)?;
        hash.insert_keeping_deadline(&args[2], itoa::Buffer::new().format(sum).as_bytes(), &encoding);
        Ok(sum)
    })??;
    call.reply.integer(sum);
    call.changed(&args[1], event::HINCRBY);
    Ok(())
}

fn hincrbyfloat(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let increment = Extended::parse(&args[3]).ok_or(CommandError::NOT_FLOAT)?;
    if !increment.is_finite() {
        return Err(CommandError::NAN_OR_INFINITY);
    }
    let encoding = call.db.encoding();
    let (sum, deadline) = live::change(call, args.iter().skip(2).take(1), |hash| {
        let old = match hash.get(&args[2]) {
            None => Extended::ZERO,
            Some(value) => {
                let number = Extended::parse(value.bytes(&mut itoa::Buffer::new()));
                number.ok_or(CommandError::HASH_NOT_FLOAT)?
            }
        };
        let sum = old.checked_add(increment).ok_or(CommandError::NOT_FINITE)?.to_vec();
        hash.insert_keeping_deadline(&args[2], &sum, &encoding);
        Ok((sum, hash.deadline(&args[2])))
    })??;
    call.reply.bulk(&sum);
    call.changed(&args[1], event::HINCRBYFLOAT);
    call.propagate(&[b"HSET", &args[1], &args[2], &sum]);
    // HSET clears the deadline on the replicas.
    if let Some(deadline) = deadline {
        propagate_deadline(call, deadline, &[&args[2]]);
    }
    Ok(())
}

/// `HPEXPIREAT key deadline FIELDS n field…`, which Redis since 7.4 and Valkey since 9 know.
fn propagate_deadline(call: &mut Call<'_>, deadline: UnixMillis, fields: &[&[u8]]) {
    let (mut millis, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let args = call.args;
    let head: [&[u8]; 5] = [
        b"HPEXPIREAT",
        &args[1],
        millis.format(deadline.0).as_bytes(),
        b"FIELDS",
        count.format(fields.len()).as_bytes(),
    ];
    call.propagate(&[&head, fields].concat());
}

/// `HDEL key field…`
fn propagate_hdel(call: &mut Call<'_>, fields: &[&[u8]]) {
    let args = call.args;
    let head: [&[u8]; 2] = [b"HDEL", &args[1]];
    call.propagate(&[&head, fields].concat());
}

fn hget(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    live::read(call, |hash, reply| write_value(reply, hash.and_then(|hash| hash.get(&args[2]))))
}

fn hmget(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    live::read(call, |hash, reply| {
        reply.array(args.len() - 2);
        args.iter().skip(2).for_each(|field| write_value(reply, hash.and_then(|hash| hash.get(field))));
    })
}

#[inline]
fn write_value(reply: &mut Reply, value: Option<Item<'_>>) {
    match value {
        Some(value) => elements::write(reply, value),
        None => reply.null(),
    }
}

fn hexists(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    live::read(call, |hash, reply| {
        reply.integer(i64::from(hash.is_some_and(|hash| hash.contains(&args[2]))));
    })
}

fn hstrlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    live::read(call, |hash, reply| {
        let value = hash.and_then(|hash| hash.get(&args[2]));
        reply.count(value.map_or(0, |value| value.len()));
    })
}

fn hlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    live::read(call, |hash, reply| reply.count(hash.map_or(0, Live::len)))
}

fn hgetall(call: &mut Call<'_>) -> Result<(), CommandError> {
    live::read(call, |hash, reply| {
        reply.map(hash.map_or(0, Live::len));
        for (field, value) in pairs(hash) {
            elements::write(reply, field);
            elements::write(reply, value);
        }
    })
}

fn hkeys(call: &mut Call<'_>) -> Result<(), CommandError> {
    live::read(call, |hash, reply| {
        reply.array(hash.map_or(0, Live::len));
        pairs(hash).for_each(|(field, _)| elements::write(reply, field));
    })
}

fn hvals(call: &mut Call<'_>) -> Result<(), CommandError> {
    live::read(call, |hash, reply| {
        reply.array(hash.map_or(0, Live::len));
        pairs(hash).for_each(|(_, value)| elements::write(reply, value));
    })
}

fn pairs(hash: Option<Live<'_>>) -> impl Iterator<Item = (Item<'_>, Item<'_>)> {
    hash.into_iter().flat_map(Live::iter)
}

fn hscan(call: &mut Call<'_>) -> Result<(), CommandError> {
    let cursor = scan::cursor(&call.args[2])?;
    // The options of a scan of nothing are not looked at.
    let options = match call.db.hash(&call.args[1])? {
        Some(_) => Some(ScanOptions::parse(call.args, 3)?),
        None => None,
    };
    live::read(call, |hash, reply| {
        let (Some(hash), Some(options)) = (hash, options) else {
            return scan::write_step(reply, |_| (0, 0));
        };
        scan::write_step(reply, |reply| {
            let mut written = 0;
            let next = hash.scan(cursor, options.count, |field, value| {
                if options.selects(field.bytes(&mut itoa::Buffer::new())) {
                    elements::write(reply, field);
                    elements::write(reply, value);
                    written += 2;
                }
            });
            (next, written)
        });
    })
}

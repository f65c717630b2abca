//! XINFO: what is known of a stream, its groups and their consumers.
//!
//! Changes nothing; maps in RESP3. What it says of the tree of blocks is what Redis' tree would have.

use slipstream_keyspace::{Consumer, Group, Stream, StreamId};
use slipstream_resp::Reply;

use super::reading::Count;
use super::{read, write_entries, write_entry, write_id};
use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group as Family, KeySpec, flag};
use crate::errors::CommandError;

const READ: &[KeySpec] = &[KeySpec::at(2, &["RO", "access"])];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("xinfo", -2, SUBCOMMANDS).doc(
    Family::Stream,
    "5.0.0",
    "What is known of streams.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("xinfo|consumers", 4, consumers)
        .flags(flag::READONLY)
        .keys(READ)
        .doc(
            Family::Stream,
            "5.0.0",
            "Lists the consumers of a group.",
            "O(N), N being the number of consumers",
        )
        .history(&[("7.2.0", "The answer has `inactive`.")])
        .tips(&["nondeterministic_output"])
        .syntax("key group"),
    Command::new("xinfo|groups", 3, groups)
        .flags(flag::READONLY)
        .keys(READ)
        .doc(Family::Stream, "5.0.0", "Lists the groups of a stream.", "O(N), N being the number of groups")
        .history(&[("7.0.0", "The answer has `entries-read` and `lag`.")])
        .syntax("key"),
    Command::new("xinfo|stream", -3, stream)
        .flags(flag::READONLY)
        .keys(READ)
        .doc(Family::Stream, "5.0.0", "Tells what is known of a stream.", "O(1), with FULL as long as the answer")
        .history(&[
            ("6.0.0", "Takes `FULL`."),
            ("7.0.0", "The answer has `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`."),
            ("7.2.0", "The answer has `active-time`, and `seen-time` is the last attempt."),
        ])
        .syntax("key full-block:[{FULL [COUNT count:integer]}]"),
    Command::new("xinfo|help", 2, help).flags(flag::LOADING | flag::STALE).doc(
        Family::Stream,
        "5.0.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

/// The stream at argument 2.
fn look_up(call: &mut Call<'_>) -> Result<Stream, CommandError> {
    read(&mut call.db, call.core, &call.args[2])?.ok_or(CommandError::NO_SUCH_KEY)
}

fn consumers(call: &mut Call<'_>) -> Result<(), CommandError> {
    let stream = look_up(call)?;
    let args = call.args;
    let group = stream.group(&args[3]).ok_or_else(|| CommandError::no_group(&args[3], &args[2]))?;
    let (now, reply) = (call.now.0, &mut *call.reply);
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.count(consumer.pending().len());
        reply.bulk(b"idle");
        reply.integer(now.saturating_sub(consumer.seen().0).max(0));
        reply.bulk(b"inactive");
        reply.integer(consumer.active().map_or(-1, |active| now.saturating_sub(active.0)));
    }
    Ok(())
}

fn groups(call: &mut Call<'_>) -> Result<(), CommandError> {
    let stream = look_up(call)?;
    let reply = &mut *call.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.count(group.consumers().len());
        reply.bulk(b"pending");
        reply.count(group.pending().len());
        write_progress(reply, &stream, group);
    }
    Ok(())
}

/// How far a group has come: three pairs.
fn write_progress(reply: &mut Reply, stream: &Stream, group: &Group) {
    let optional = |reply: &mut Reply, number: Option<i64>| match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    };
    reply.bulk(b"last-delivered-id");
    write_id(reply, group.last_id());
    reply.bulk(b"entries-read");
    optional(reply, group.entries_read().map(u64::cast_signed));
    reply.bulk(b"lag");
    optional(reply, stream.entries().lag(group));
}

fn stream(call: &mut Call<'_>) -> Result<(), CommandError> {
    let stream = look_up(call)?;
    let args = call.args;
    let is_full = match args.len() {
        3 => false,
        4 | 6 if is_word(&args[3], "FULL") && (args.len() == 4 || is_word(&args[4], "COUNT")) => true,
        _ => return Err(CommandError::unknown_subcommand_or_arguments("xinfo", &args[1])),
    };
    let count = match args.get(5).map(integer).transpose()? {
        Some(0) => Count::ALL,
        count => Count(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(10)),
    };
    let reply = &mut *call.reply;
    reply.map(if is_full { 9 } else { 10 });
    write_facts(reply, &stream);
    if is_full {
        reply.bulk(b"entries");
        write_entries(reply, stream.iter(), count);
        reply.bulk(b"groups");
        reply.array(stream.groups().len());
        for (name, group) in stream.groups() {
            write_group(reply, &stream, (name, group), count);
        }
    } else {
        reply.bulk(b"groups");
        reply.count(stream.groups().len());
        let ends = [("first-entry", stream.iter().next()), ("last-entry", stream.newest())];
        for (name, entry) in ends {
            reply.bulk(name.as_bytes());
            match entry {
                Some(entry) => write_entry(reply, entry),
                None => reply.null(),
            }
        }
    }
    Ok(())
}

/// What both forms of XINFO STREAM begin with: seven pairs.
fn write_facts(reply: &mut Reply, stream: &Stream) {
    let mut number = |name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.integer(value);
    };
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    number("length", count(stream.len()));
    number("radix-tree-keys", count(stream.block_count()));
    number("radix-tree-nodes", count(radix_nodes(stream)));
    reply.bulk(b"last-generated-id");
    write_id(reply, stream.last_id());
    reply.bulk(b"max-deleted-entry-id");
    write_id(reply, stream.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.integer(stream.entries_added().cast_signed());
    reply.bulk(b"recorded-first-entry-id");
    write_id(reply, stream.first_id());
}

fn write_group(reply: &mut Reply, stream: &Stream, (name, group): (&[u8], &Group), count: Count) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(name);
    write_progress(reply, stream, group);
    reply.bulk(b"pel-count");
    reply.count(group.pending().len());
    reply.bulk(b"pending");
    reply.array(group.pending().len().min(count.0));
    for (id, pending) in group.pending().iter().take(count.0) {
        let owner = pending.consumer.and_then(|owner| group.consumer(owner));
        reply.array(4);
        write_id(reply, id);
        reply.bulk(owner.map_or(b"".as_slice(), |owner| owner.name()));
        reply.integer(pending.delivery.time.0);
        reply.integer(pending.delivery.count.cast_signed());
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        write_consumer(reply, group, consumer, count);
    }
}

fn write_consumer(reply: &mut Reply, group: &Group, consumer: &Consumer, count: Count) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen().0);
    reply.bulk(b"active-time");
    reply.integer(consumer.active().map_or(-1, |active| active.0));
    reply.bulk(b"pel-count");
    reply.count(consumer.pending().len());
    reply.bulk(b"pending");
    reply.array(consumer.pending().len().min(count.0));
    for (id, ()) in consumer.pending().iter().take(count.0) {
        let delivery = group.pending().get(id).expect("what a consumer has is pending").delivery;
        reply.array(3);
        write_id(reply, id);
        reply.integer(delivery.time.0);
        reply.integer(delivery.count.cast_signed());
    }
}

/// How many nodes Redis' tree over the ids of the blocks would have: a branch where ids part, a node for what
/// several or one have in common, a leaf for each. Of a long stream, what the first blocks say of all.
fn radix_nodes(stream: &Stream) -> usize {
    const LOOKED_AT: usize = 4096;
    let ids: Vec<[u8; 16]> = stream.block_ids().take(LOOKED_AT).map(StreamId::to_be_bytes).collect();
    let blocks = stream.block_count();
    let nodes = nodes_of(&ids, 0);
    if blocks > ids.len() { nodes.saturating_mul(blocks) / ids.len() } else { nodes }
}

/// The nodes for sorted ids that are equal in their first `depth` bytes.
fn nodes_of(ids: &[[u8; 16]], depth: usize) -> usize {
    let [first, .., last] = ids else {
        let is_alone_behind_a_branch = ids.is_empty() || depth == 16;
        return if is_alone_behind_a_branch { 1 } else { 2 };
    };
    let parts_at = (depth..16).find(|at| first[*at] != last[*at]).expect("ids differ");
    let branches = ids.chunk_by(|one, next| one[parts_at] == next[parts_at]);
    usize::from(parts_at > depth) + 1 + branches.map(|branch| nodes_of(branch, parts_at + 1)).sum::<usize>()
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "CONSUMERS <key> <groupname>",
        "    The consumers of <groupname>.",
        "GROUPS <key>",
        "    The groups of the stream.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    What is known of the stream, with FULL also its entries and what is pending.",
    ]);
    Ok(())
}

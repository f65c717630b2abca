//! XRANGE, XREVRANGE and XREAD.
//!
//! XREAD answers what is there, or with BLOCK waits for it. What it waits for is what comes behind the ids of its
//! first run: `$` stands for one of them then.

use slipstream_keyspace::{Stream, StreamId};
use slipstream_replication::Moment;
use slipstream_resp::{OwnedRequest, Reply};

use super::ids::{self, Bound};
use super::{read, write_entries};
use crate::call::{Call, integer, is_word};
use crate::command::{BeginSearch, Command, FindKeys, Group, KeySpec, READ_KEY, flag};
use crate::errors::CommandError;
use crate::waiting::keys::{Awaited, Kind};

const RANGE_COMPLEXITY: &str = "O(log N + M), M being the number of entries in the answer";
const RANGE_HISTORY: &[(&str, &str)] = &[("6.2.0", "An id after `(` is not itself in the range.")];

const STREAMS: &[KeySpec] = &[KeySpec {
    flags: &["RO", "access"],
    begin: BeginSearch::Keyword("STREAMS", 1),
    find: FindKeys::Range { last: -1, step: 1, limit: 2 },
    notes: "",
}];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("xrange", -4, xrange)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(Group::Stream, "5.0.0", "Answers the entries between two ids.", RANGE_COMPLEXITY)
        .history(RANGE_HISTORY)
        .syntax("key start end [COUNT count:integer]"),
    Command::new("xrevrange", -4, xrevrange)
        .flags(flag::READONLY)
        .keys(READ_KEY)
        .doc(
            Group::Stream,
            "5.0.0",
            "Answers the entries between two ids, the newest first.",
            RANGE_COMPLEXITY,
        )
        .history(RANGE_HISTORY)
        .syntax("key end start [COUNT count:integer]"),
    Command::new("xread", -4, xread)
        .flags(flag::READONLY | flag::BLOCKING)
        .keys(STREAMS)
        .doc(
            Group::Stream,
            "5.0.0",
            "Answers the entries of several streams that come after an id of each.",
            "",
        )
        .syntax("[COUNT count:integer] [BLOCK milliseconds:integer] (STREAMS key... ID:string...)"),
];

/// How many entries at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) usize);

impl Count {
    pub(super) const ALL: Count = Count(usize::MAX);

    /// Negative numbers count as 0.
    pub(super) fn parse(word: &[u8]) -> Result<Count, CommandError> {
        Ok(Count(usize::try_from(integer(word)?).unwrap_or(0)))
    }
}

fn xrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (start, end) =
        (Bound::parse(&call.args[2], 0)?.start()?, Bound::parse(&call.args[3], u64::MAX)?.end()?);
    range(call, |stream, reply, count| write_entries(reply, stream.range(start, end), count))
}

fn xrevrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (start, end) =
        (Bound::parse(&call.args[3], 0)?.start()?, Bound::parse(&call.args[2], u64::MAX)?.end()?);
    range(call, |stream, reply, count| write_entries(reply, stream.range_rev(start, end), count))
}

fn range(call: &mut Call<'_>, write: impl FnOnce(&Stream, &mut Reply, Count)) -> Result<(), CommandError> {
    let mut count = Count::ALL;
    let mut words = call.args.iter().skip(4);
    while let Some(word) = words.next() {
        let value = words.next().filter(|_| is_word(word, "COUNT")).ok_or(CommandError::SYNTAX)?;
        count = Count::parse(value)?;
    }
    match read(&mut call.db, call.core, &call.args[1])? {
        None => call.reply.array(0),
        Some(_) if count.0 == 0 => call.reply.null_array(),
        Some(stream) => write(&stream, call.reply, count),
    }
    Ok(())
}

/// The options of XREAD and XREADGROUP.
pub(super) struct ReadOptions {
    pub(super) count: Count,
    /// With BLOCK, until when it may wait.
    pub(super) blocks: Option<Option<Moment>>,
    /// Where the first key stands, and how many there are.
    pub(super) first: usize,
    pub(super) streams: usize,
    /// XREADGROUP: where the group's name stands; the consumer's follows.
    pub(super) group: Option<usize>,
    pub(super) no_ack: bool,
}

impl ReadOptions {
    pub(super) fn parse(call: &Call<'_>) -> Result<ReadOptions, CommandError> {
        let args = call.args;
        let name = call.entry.command.name;
        let has_group = name == "xreadgroup";
        let mut options =
            ReadOptions { count: Count::ALL, blocks: None, first: 0, streams: 0, group: None, no_ack: false };
        let mut at = 1;
        while let Some(word) = args.get(at) {
            let more = args.len() - 1 - at;
            if more > 0 && is_word(word, "BLOCK") {
                if call.session.is_script {
                    return Err(CommandError::block_in_script(&args[0]));
                }
                options.blocks = Some(call.until_millis(at + 1)?);
                at += 1;
            } else if more > 0 && is_word(word, "COUNT") {
                options.count =
                    Some(Count::parse(&args[at + 1])?).filter(|count| count.0 > 0).unwrap_or(Count::ALL);
                at += 1;
            } else if more > 0 && is_word(word, "STREAMS") {
                if !more.is_multiple_of(2) {
                    let symbol = if has_group { '>' } else { '$' };
                    return Err(CommandError::unbalanced_streams(name, symbol));
                }
                options.first = at + 1;
                options.streams = more / 2;
                return Ok(options);
            } else if more > 1 && is_word(word, "GROUP") {
                if !has_group {
                    return Err(CommandError::XREAD_GROUP);
                }
                options.group = Some(at + 1);
                at += 2;
            } else if is_word(word, "NOACK") {
                if !has_group {
                    return Err(CommandError::XREAD_NOACK);
                }
                options.no_ack = true;
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        Err(CommandError::SYNTAX)
    }
}

fn xread(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = ReadOptions::parse(call)?;
    let args = call.args;
    let mut found: Vec<(&[u8], Stream, StreamId)> = Vec::new();
    // Those that `$` stands for, by their argument.
    let mut ends: Vec<(usize, StreamId)> = Vec::new();
    for at in options.first..options.first + options.streams {
        let stream = read(&mut call.db, call.core, &args[at])?;
        let after = match &args[at + options.streams] {
            b"$" => {
                let end = stream.as_ref().map_or(StreamId::MIN, Stream::last_id);
                ends.push((at + options.streams, end));
                end
            }
            b">" => return Err(CommandError::XREAD_NEW_ID),
            id => ids::parse(id, 0)?,
        };
        if let (Some(stream), Some(start)) = (stream, after.next())
            && stream.newest_id().is_some_and(|newest| newest >= start)
        {
            found.push((&args[at], stream, start));
        }
    }
    if found.is_empty() {
        match options.blocks {
            Some(until) if call.may_wait() => wait(call, &options, (until, &ends)),
            _ => call.reply.null_array(),
        }
        return Ok(());
    }
    let is_map = call.reply.is_resp3();
    if is_map {
        call.reply.map(found.len())
    } else {
        call.reply.array(found.len())
    }
    for (key, stream, start) in found {
        if !is_map {
            call.reply.array(2);
        }
        call.reply.bulk(key);
        write_entries(call.reply, stream.range(start, StreamId::MAX), options.count);
    }
    Ok(())
}

/// What comes behind the ends of now is what it waits for, whenever it is tried again.
fn wait(call: &mut Call<'_>, options: &ReadOptions, (until, ends): (Option<Moment>, &[(usize, StreamId)])) {
    let args = call.args;
    let texts: Vec<(usize, String)> = ends.iter().map(|(at, end)| (*at, end.to_string())).collect();
    let mut words: Vec<&[u8]> = args.iter().collect();
    texts.iter().for_each(|(at, text)| words[*at] = text.as_bytes());
    let request = Some(OwnedRequest::from_parts(&words));
    let awaited = Awaited { kind: Kind::Stream, until, ends_without_key: false, request };
    call.wait_for_keys(args.iter().skip(options.first).take(options.streams), awaited);
}

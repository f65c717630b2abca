//! XADD and XTRIM.
//!
//! Both are propagated with what they amounted to: the id that an entry got, and for a trimming
//! that went by whole blocks the length or the first id that it left, to be reached exactly.
//! What comes from a primary is therefore never limited.

use slipstream_keyspace::{Stream, StreamId, Trim, TrimTo, UnixMillis, Value};
use slipstream_resp::Args;

use super::ids::{self, GivenId, IdText};
use super::removed;
use crate::call::{Call, integer, is_word};
use crate::command::{Command, DELETE_KEY, Group, KeySpec, flag};
use crate::errors::CommandError;
use crate::event;
use crate::session::Role;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("xadd", -5, xadd)
        .flags(flag::WRITE | flag::DENYOOM | flag::FAST)
        .keys(&[KeySpec::at(1, &["RW", "update"])
            .notes("UPDATE instead of INSERT because of the optional trimming feature")])
        .doc(
            Group::Stream,
            "5.0.0",
            "Adds an entry to a stream, which is created if it is not there.",
            "O(1) to add, O(N) to trim, N being the number of entries that go",
        )
        .history(&[
            ("6.2.0", "Takes `NOMKSTREAM`, `MINID` and `LIMIT`."),
            ("7.0.0", "Takes ids of the form `<ms>-*`."),
        ])
        .tips(&["nondeterministic_output"])
        .syntax(
            "key [NOMKSTREAM]!6.2.0 trim:[strategy:(MAXLEN | (MINID)!6.2.0) operator:[equal:(=) | approximately:(~)] threshold [LIMIT count:integer]!6.2.0] id-selector:(auto-id:(*) | id) data:(field value)...",
        ),
    Command::new("xtrim", -4, xtrim)
        .flags(flag::WRITE)
        .keys(DELETE_KEY)
        .doc(
            Group::Stream,
            "5.0.0",
            "Removes the oldest entries of a stream.",
            "O(N), N being the number of entries that go; whole blocks of them go at once",
        )
        .history(&[("6.2.0", "Takes `MINID` and `LIMIT`.")])
        .tips(&["nondeterministic_output"])
        .syntax(
            "key trim:(strategy:(MAXLEN | (MINID)!6.2.0) operator:[equal:(=) | approximately:(~)] threshold [LIMIT count:integer]!6.2.0)",
        ),
];

/// A trimming as it was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    trim: Trim,
    /// Where its length or id stands.
    at: usize,
}

/// The options of both commands.
#[derive(Default)]
struct Options {
    asked: Option<Asked>,
    limit: Option<u64>,
    no_create: bool,
    /// XADD: where the id stands, and what it says but for `*`.
    id_at: usize,
    id: Option<GivenId>,
}

impl Options {
    fn parse(call: &Call<'_>, adds: bool) -> Result<Options, CommandError> {
        let args = call.args;
        let mut options = Options::default();
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let more = args.len() - 1 - at;
            if adds && word == b"*" {
                break;
            } else if more > 0 && (is_word(word, "MAXLEN") || is_word(word, "MINID")) {
                at = options.strategy(args, at)?;
            } else if more > 0 && is_word(word, "LIMIT") {
                let limit = u64::try_from(integer(&args[at + 1])?);
                options.limit = Some(limit.map_err(|_| CommandError::TRIM_LIMIT_NEGATIVE)?);
                at += 1;
            } else if adds && is_word(word, "NOMKSTREAM") {
                options.no_create = true;
            } else if adds {
                options.id = Some(ids::parse_new(word)?);
                break;
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        options.id_at = at;
        options.settle(call, adds)?;
        Ok(options)
    }

    /// Reads MAXLEN or MINID at argument `at` and returns where its number or id stands.
    fn strategy(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        if self.asked.is_some() {
            return Err(CommandError::TRIM_TWICE);
        }
        let has_two = args.len() > at + 2;
        let approximate = has_two && &args[at + 1] == b"~";
        let value_at = if approximate || (has_two && &args[at + 1] == b"=") { at + 2 } else { at + 1 };
        let value = &args[value_at];
        let to = if is_word(&args[at], "MAXLEN") {
            let length = u64::try_from(integer(value)?);
            TrimTo::Length(length.map_err(|_| CommandError::TRIM_LENGTH_NEGATIVE)?)
        } else {
            TrimTo::From(ids::parse(value, 0)?)
        };
        self.asked = Some(Asked { trim: Trim { to, approximate, limit: None }, at: value_at });
        Ok(value_at)
    }

    /// Checks the options together and sets the limit of the work.
    fn settle(&mut self, call: &Call<'_>, adds: bool) -> Result<(), CommandError> {
        let Some(asked) = &mut self.asked else {
            // A limit of 0 is none.
            return match (self.limit, adds) {
                (Some(1..), _) => Err(CommandError::TRIM_LIMIT_ALONE),
                (_, false) => Err(CommandError::TRIM_MISSING),
                // Without a strategy nothing is approximate.
                (Some(0), true) if call.session.role != Role::Primary => Err(CommandError::TRIM_LIMIT_EXACT),
                _ => Ok(()),
            };
        };
        if call.session.role == Role::Primary {
            return Ok(());
        }
        asked.trim.limit = match self.limit {
            Some(_) if !asked.trim.approximate => return Err(CommandError::TRIM_LIMIT_EXACT),
            Some(limit) => Some(limit).filter(|limit| *limit > 0),
            None if asked.trim.approximate => Some(default_limit(call)),
            None => None,
        };
        Ok(())
    }
}

/// A hundred blocks, so that one command does not take long.
fn default_limit(call: &Call<'_>) -> u64 {
    match u64::try_from(call.db.encoding().stream_node_max_entries).unwrap_or(u64::MAX) {
        0 => 10_000,
        entries => entries.saturating_mul(100).min(1_000_000),
    }
}

/// The id of a new entry.
fn next_id(last: StreamId, given: Option<GivenId>, now: UnixMillis) -> Result<StreamId, CommandError> {
    let Some(after_last) = last.next() else { return Err(CommandError::STREAM_EXHAUSTED) };
    let id = match given {
        None => {
            let ms = u64::try_from(now.0).unwrap_or(0);
            if ms > last.ms { StreamId::new(ms, 0) } else { after_last }
        }
        Some(GivenId::Whole(id)) => id,
        // Never on into the next millisecond: then the id is the last one, which is refused.
        Some(GivenId::Milliseconds(ms)) if ms == last.ms => StreamId::new(ms, last.seq.saturating_add(1)),
        Some(GivenId::Milliseconds(ms)) => StreamId::new(ms, 0),
    };
    if id > last { Ok(id) } else { Err(CommandError::XADD_BELOW_TOP) }
}

fn xadd(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call, true)?;
    let args = call.args;
    let key = &args[1];
    let first = options.id_at + 1;
    let count = args.len().saturating_sub(first);
    if count < 2 || !count.is_multiple_of(2) {
        return Err(call.arity_error());
    }
    if options.id == Some(GivenId::Whole(StreamId::MIN)) {
        return Err(CommandError::XADD_ZERO_ID);
    }
    if options.no_create && call.db.stream(key)?.is_none() {
        call.reply.null();
        return Ok(());
    }
    if Stream::is_too_large(args.iter().skip(first).map(<[u8]>::len).sum()) {
        return Err(CommandError::STREAM_ELEMENTS_TOO_LARGE);
    }
    let (encoding, now) = (call.db.encoding(), call.now);
    let mut stream = call.db.stream_or_new(key)?;
    let id = next_id(stream.last_id(), options.id, now)?;
    let fields = (first..args.len()).step_by(2).map(|at| (&args[at], &args[at + 1]));
    stream.append(id, fields, &encoding);
    let trimmed = options.asked.map(|asked| (asked, trim(&mut stream, asked.trim)));
    let left = trimmed.as_ref().map(|_| (stream.len(), stream.first_stored_id()));
    drop(stream);
    let mut shortened = false;
    if let Some((_, trimmed)) = trimmed {
        shortened = trimmed.deleted > 0;
        call.db.discard(trimmed.garbage);
    }
    let text = IdText::new(id);
    let new_id = (!matches!(options.id, Some(GivenId::Whole(_)))).then_some((options.id_at, text.as_bytes()));
    propagate(call, options.asked.zip(left), new_id);
    call.changed(key, event::XADD);
    if shortened {
        call.notify(key, event::XTRIM);
    }
    call.reply.bulk(text.as_bytes());
    Ok(())
}

fn xtrim(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call, false)?;
    let args = call.args;
    let key = &args[1];
    let (Some(asked), Some(mut stream)) = (options.asked, call.db.stream_mut(key)?) else {
        call.reply.integer(0);
        return Ok(());
    };
    let trimmed = trim(&mut stream, asked.trim);
    let left = (stream.len(), stream.first_stored_id());
    drop(stream);
    call.db.discard(trimmed.garbage);
    if trimmed.deleted > 0 {
        propagate(call, Some((asked, left)), None);
        removed(call, key, trimmed.deleted, event::XTRIM);
    }
    call.reply.integer(i64::try_from(trimmed.deleted).expect("they were in memory"));
    Ok(())
}

struct Trimmed {
    deleted: u64,
    /// What holds the blocks that went, if they are many.
    garbage: Option<Value<'static>>,
}

fn trim(stream: &mut Stream, trim: Trim) -> Trimmed {
    /// So many blocks are dropped here; a clone of the stream keeps more of them for another thread.
    const DROP_HERE: usize = 64;
    let blocks = stream.blocks_to_trim(trim);
    let garbage = (blocks > DROP_HERE).then(|| Value::Stream(stream.clone()));
    Trimmed { deleted: stream.trim(trim), garbage }
}

/// Names the effect where it is not the command as it came: `left` is the length and the first id
/// that an approximate trimming left, `new_id` where the id stands and what it became.
fn propagate(
    call: &mut Call<'_>,
    trimmed: Option<(Asked, (usize, StreamId))>,
    new_id: Option<(usize, &[u8])>,
) {
    let trimmed = trimmed.filter(|(asked, _)| asked.trim.approximate);
    if trimmed.is_none() && new_id.is_none() {
        return;
    }
    let args = call.args;
    let mut words: Vec<&[u8]> = args.iter().collect();
    let mut digits = itoa::Buffer::new();
    let first_id;
    if let Some((asked, (length, first))) = trimmed {
        first_id = IdText::new(first);
        words[asked.at - 1] = b"=";
        words[asked.at] = match asked.trim.to {
            TrimTo::Length(_) => digits.format(length).as_bytes(),
            TrimTo::From(_) => first_id.as_bytes(),
        };
    }
    if let Some((at, text)) = new_id {
        words[at] = text;
    }
    call.propagate(&words);
}

//! XGROUP: groups of a stream and their consumers.
//!
//! All of it is propagated as it came. As in Redis, making a group and moving it breaks no WATCH of the key; a
//! group that goes ends the waiting of those who read from it.

use slipstream_keyspace::{Group, Stream, StreamId};

use super::ids;
use crate::call::{Call, integer, is_word};
use crate::command::{Command, Group as Family, KeySpec, flag};
use crate::errors::CommandError;
use crate::event::{self, Event};

const INSERT: &[KeySpec] = &[KeySpec::at(2, &["RW", "insert"])];
const DELETE: &[KeySpec] = &[KeySpec::at(2, &["RW", "delete"])];
const UPDATE: &[KeySpec] = &[KeySpec::at(2, &["RW", "update"])];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("xgroup", -2, SUBCOMMANDS).doc(
    Family::Stream,
    "5.0.0",
    "Consumer groups of streams.",
    "Depends on the subcommand",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("xgroup|create", -5, create)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(INSERT)
        .doc(Family::Stream, "5.0.0", "Makes a group that is given what comes after an id.", "O(1)")
        .history(&[("7.0.0", "Takes `ENTRIESREAD`.")])
        .syntax("key group id-selector:(id | new-id:($)) [MKSTREAM] [ENTRIESREAD entries-read:integer]"),
    Command::new("xgroup|createconsumer", 5, create_consumer)
        .flags(flag::WRITE | flag::DENYOOM)
        .keys(INSERT)
        .doc(Family::Stream, "6.2.0", "Makes a consumer of a group.", "O(1)")
        .syntax("key group consumer"),
    Command::new("xgroup|delconsumer", 5, delete_consumer)
        .flags(flag::WRITE)
        .keys(DELETE)
        .doc(
            Family::Stream,
            "5.0.0",
            "Removes a consumer of a group and what is pending with it.",
            "O(N * log M), N being what is pending with the consumer, M with the group",
        )
        .syntax("key group consumer"),
    Command::new("xgroup|destroy", 4, destroy)
        .flags(flag::WRITE)
        .keys(DELETE)
        .doc(Family::Stream, "5.0.0", "Removes a group.", "O(N), N being what is pending with it")
        .syntax("key group"),
    Command::new("xgroup|setid", -5, set_id)
        .flags(flag::WRITE)
        .keys(UPDATE)
        .doc(Family::Stream, "5.0.0", "Sets the id after which a group is given entries.", "O(1)")
        .history(&[("7.0.0", "Takes `ENTRIESREAD`.")])
        .syntax("key group id-selector:(id | new-id:($)) [ENTRIESREAD entriesread/entries-read:integer]"),
    Command::new("xgroup|help", 2, help).flags(flag::LOADING | flag::STALE).doc(
        Family::Stream,
        "5.0.0",
        "Lists the subcommands.",
        "O(1)",
    ),
];

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(call: &Call<'_>, creates: bool) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut words = call.args.iter().skip(5);
        while let Some(word) = words.next() {
            if creates && is_word(word, "MKSTREAM") {
                options.makes_stream = true;
                continue;
            }
            let value = words.next().filter(|_| is_word(word, "ENTRIESREAD"));
            let value = value.ok_or_else(|| wrong_form(call))?;
            options.entries_read = match integer(value)? {
                -1 => None,
                count => Some(u64::try_from(count).map_err(|_| CommandError::ENTRIES_READ_NEGATIVE)?),
            };
        }
        Ok(options)
    }
}

fn wrong_form(call: &Call<'_>) -> CommandError {
    CommandError::unknown_subcommand_or_arguments("xgroup", &call.args[1])
}

/// The stream at argument 2; only CREATE may do without.
fn stream(call: &mut Call<'_>, is_needed: bool) -> Result<Option<Stream>, CommandError> {
    let stream = call.db.stream(&call.args[2])?;
    if stream.is_none() && is_needed { Err(CommandError::GROUP_WITHOUT_KEY) } else { Ok(stream) }
}

/// Does `change` to the group that arguments 2 and 3 name.
fn change<R>(call: &mut Call<'_>, change: impl FnOnce(&mut Group) -> R) -> Result<R, CommandError> {
    let args = call.args;
    let missing = || CommandError::no_group(&args[3], &args[2]);
    let mut stream = call.db.stream_mut(&args[2])?.ok_or(CommandError::GROUP_WITHOUT_KEY)?;
    stream.group_mut(&args[3]).map(change).ok_or_else(missing)
}

/// Notes a change that breaks no WATCH.
fn note(call: &mut Call<'_>, event: Event) {
    let args = call.args;
    call.outcome.changes += 1;
    call.notify(&args[2], event);
}

fn create(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call, true)?;
    let args = call.args;
    let key = &args[2];
    let found = stream(call, !options.makes_stream)?;
    if args.len() > 8 {
        return Err(wrong_form(call));
    }
    let last_id = match &args[4] {
        b"$" => found.as_ref().map_or(StreamId::MIN, Stream::last_id),
        id => ids::parse(id, 0)?,
    };
    if found.as_ref().is_some_and(|stream| stream.group(&args[3]).is_some()) {
        return Err(CommandError::GROUP_EXISTS);
    }
    let is_new = found.is_none();
    drop(found);
    let mut stream = call.db.stream_or_new(key)?;
    stream.add_group(&args[3], Group::new(last_id, options.entries_read));
    drop(stream);
    if is_new {
        call.changed(key, event::XGROUP_CREATE);
    } else {
        note(call, event::XGROUP_CREATE);
    }
    call.reply.ok();
    Ok(())
}

fn set_id(call: &mut Call<'_>) -> Result<(), CommandError> {
    let options = Options::parse(call, false)?;
    let args = call.args;
    let found = stream(call, true)?.expect("it is needed");
    if found.group(&args[3]).is_none() {
        return Err(CommandError::no_group(&args[3], &args[2]));
    }
    if args.len() > 7 {
        return Err(wrong_form(call));
    }
    let last_id = match &args[4] {
        b"$" => found.last_id(),
        // Unlike elsewhere, the ends of a range are ids, too.
        b"-" => StreamId::MIN,
        b"+" => StreamId::MAX,
        id => ids::parse(id, 0)?,
    };
    drop(found);
    change(call, |group| group.set_position(last_id, options.entries_read))?;
    note(call, event::XGROUP_SETID);
    call.reply.ok();
    Ok(())
}

fn destroy(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[2];
    stream(call, true)?;
    let mut stream = call.db.stream_mut(key)?.expect("it is there");
    let is_removed = stream.remove_group(&args[3]).is_some();
    drop(stream);
    if is_removed {
        note(call, event::XGROUP_DESTROY);
        call.try_waiting(key);
    }
    call.reply.integer(i64::from(is_removed));
    Ok(())
}

fn create_consumer(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (args, now) = (call.args, call.now);
    let is_new = change(call, |group| group.add_consumer(&args[4], now, None).is_some())?;
    if is_new {
        note(call, event::XGROUP_CREATECONSUMER);
    }
    call.reply.integer(i64::from(is_new));
    Ok(())
}

fn delete_consumer(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let pending = change(call, |group| group.remove_consumer(&args[4]))?;
    if pending.is_some() {
        note(call, event::XGROUP_DELCONSUMER);
    }
    call.reply.count(pending.unwrap_or(0));
    Ok(())
}

fn help(call: &mut Call<'_>) -> Result<(), CommandError> {
    call.help(&[
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a group that is given what comes after <id>, or from now on. Options are:",
        "    * MKSTREAM",
        "      Make an empty stream if there is none.",
        "    * ENTRIESREAD entries_read",
        "      How many entries the group counts as read.",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Make a consumer of the group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the consumer and what is pending with it.",
        "DESTROY <key> <groupname>",
        "    Remove the group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the id after which the group is given entries, and what it counts as read.",
    ]);
    Ok(())
}

//! Streams: a file by what is done with them.
//!
//! [`adding`] holds XADD and XTRIM with their common options, [`reading`] XRANGE, XREVRANGE and
//! XREAD; consumer groups lie in [`groups`], [`reading_groups`], [`pending`] and [`claiming`], with
//! [`effects`] for what they propagate, and [`info`] tells of all. What takes ids or a length lies
//! here, and what the files share: looking a stream up for reading, and writing entries. A stream
//! stays under its key when its last entry goes.

use slipstream_keyspace::{Stream, StreamEntry, StreamId};
use slipstream_resp::Reply;
use slipstream_resp::reply::Aggregate;

use crate::call::{Call, integer, is_word};
use crate::command::{Command, DELETE_KEY, Group, INSPECT_KEY, KeySpec, flag};
use crate::commands::elements;
use crate::db::Db;
use crate::errors::CommandError;
use crate::event::{self, Event};
use crate::node::Core;
use crate::session::Role;

pub mod adding;
pub mod claiming;
mod effects;
pub mod groups;
mod ids;
pub mod info;
pub mod pending;
pub mod reading;
pub mod reading_groups;

use ids::IdText;
use reading::Count;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("xdel", -3, xdel)
        .flags(flag::WRITE | flag::FAST)
        .keys(DELETE_KEY)
        .doc(
            Group::Stream,
            "5.0.0",
            "Removes entries by their ids.",
            "O(M * log N), M being the number of ids, N the number of entries",
        )
        .syntax("key ID:string..."),
    Command::new("xlen", 2, xlen)
        .flags(flag::READONLY | flag::FAST)
        .keys(INSPECT_KEY)
        .doc(Group::Stream, "5.0.0", "Answers how many entries a stream has.", "O(1)")
        .syntax("key"),
    Command::new("xsetid", -3, xsetid)
        .flags(flag::WRITE | flag::DENYOOM | flag::FAST)
        .keys(&[KeySpec::at(1, &["RW", "update"])])
        .doc(
            Group::Stream,
            "5.0.0",
            "Sets the id above which a stream's next entries come; meant for replication.",
            "O(1)",
        )
        .history(&[("7.0.0", "Takes `ENTRIESADDED` and `MAXDELETEDID`.")])
        .syntax("key last-id [ENTRIESADDED entries-added:integer]!7.0.0 [MAXDELETEDID max-deleted-id]!7.0.0"),
];

/// The stream at `key` for a command that only reads; counts a hit or a miss.
fn read(db: &mut Db<'_>, core: &mut Core, key: &[u8]) -> Result<Option<Stream>, CommandError> {
    core.before_read(db, key);
    let found = db.stream(key);
    core.count_lookup(db.index, key, !matches!(found, Ok(None)));
    found
}

/// Writes an id as a bulk string.
fn write_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(IdText::new(id).as_bytes());
}

/// Writes an entry: its id, and its names and values in turn.
fn write_entry(reply: &mut Reply, entry: StreamEntry<'_>) {
    reply.array(2);
    write_id(reply, entry.id);
    reply.array(2 * entry.fields.len());
    for (name, value) in entry.fields {
        elements::write(reply, name);
        elements::write(reply, value);
    }
}

/// Writes at most `count` of these entries.
fn write_entries<'a>(reply: &mut Reply, entries: impl Iterator<Item = StreamEntry<'a>>, count: Count) {
    let place = reply.position();
    let written = entries.take(count.0).map(|entry| write_entry(reply, entry)).count();
    reply.announce_at(place, Aggregate::Array, written);
}

/// Notes that `count` entries went, at least one.
fn removed(call: &mut Call<'_>, key: &[u8], count: u64, event: Event) {
    call.changed_giving_nothing(key, event);
    call.outcome.changes += count - 1;
}

fn xlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let stream = read(&mut call.db, call.core, &call.args[1])?;
    call.reply.count(stream.map_or(0, |stream| stream.len()));
    Ok(())
}

fn xdel(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    if call.db.stream(key)?.is_none() {
        call.reply.integer(0);
        return Ok(());
    }
    let ids = args.iter().skip(2).map(|id| ids::parse(id, 0)).collect::<Result<Vec<_>, _>>()?;
    let stream = call.db.stream_mut(key)?;
    let deleted = stream.map_or(0, |mut stream| ids.into_iter().map(|id| u64::from(stream.delete(id))).sum());
    if deleted > 0 {
        removed(call, key, deleted, event::XDEL);
    }
    call.reply.integer(i64::try_from(deleted).expect("as many as arguments"));
    Ok(())
}

/// The options of XSETID.
#[derive(Default)]
struct Facts {
    last_id: StreamId,
    entries_added: Option<u64>,
    max_deleted_id: Option<StreamId>,
}

impl Facts {
    fn parse(call: &Call<'_>) -> Result<Facts, CommandError> {
        let mut facts = Facts { last_id: ids::parse(&call.args[2], 0)?, ..Facts::default() };
        let mut words = call.args.iter().skip(3);
        while let Some(word) = words.next() {
            match words.next() {
                Some(value) if is_word(word, "ENTRIESADDED") => {
                    let count = u64::try_from(integer(value)?);
                    facts.entries_added = Some(count.map_err(|_| CommandError::ENTRIES_ADDED_NEGATIVE)?);
                }
                Some(value) if is_word(word, "MAXDELETEDID") => {
                    let id = ids::parse(value, 0)?;
                    if facts.last_id < id {
                        return Err(CommandError::XSETID_BELOW_GIVEN_DELETED);
                    }
                    facts.max_deleted_id = Some(id);
                }
                _ => return Err(CommandError::SYNTAX),
            }
        }
        Ok(facts)
    }

    /// What a primary has set is not held against the deleted ids: Redis 7.0 does not look at them.
    fn check(&self, stream: &Stream, sender: Role) -> Result<(), CommandError> {
        if self.last_id < stream.max_deleted_id() && sender != Role::Primary {
            return Err(CommandError::XSETID_BELOW_DELETED);
        }
        if stream.newest_id().is_some_and(|newest| self.last_id < newest) {
            return Err(CommandError::XSETID_BELOW_TOP);
        }
        let length = u64::try_from(stream.len()).expect("usize fits in u64");
        if self.entries_added.is_some_and(|added| added < length) {
            return Err(CommandError::XSETID_BELOW_LENGTH);
        }
        Ok(())
    }
}

fn xsetid(call: &mut Call<'_>) -> Result<(), CommandError> {
    let facts = Facts::parse(call)?;
    let args = call.args;
    let key = &args[1];
    let mut stream = call.db.stream_mut(key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    facts.check(&stream, call.session.role)?;
    stream.set_last_id(facts.last_id);
    if let Some(count) = facts.entries_added {
        stream.set_entries_added(count);
    }
    if let Some(id) = facts.max_deleted_id.filter(|id| *id != StreamId::MIN) {
        stream.set_max_deleted_id(id);
    }
    drop(stream);
    // Breaks no WATCH.
    call.outcome.changes += 1;
    call.notify(key, event::XSETID);
    call.reply.ok();
    Ok(())
}

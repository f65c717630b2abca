//! Sorted sets: a file by what is done with them.
//!
//! [`members`] adds, removes and asks by name, [`ranges`] by rank, score or
//! bytes, [`removal`] removes by range and pops, [`blocking`] waits for members to pop, [`combine`] joins several sets,
//! [`sampling`] draws and scans. [`bounds`] reads the ends of ranges. What is
//! shared lies here: looking a set up for reading, and writing members with or
//! without their scores.

use slipstream_keyspace::{Item, SortedSet, Value};
use slipstream_resp::Reply;

use crate::call::Call;
use crate::commands::elements;
use crate::db::Db;
use crate::errors::CommandError;
use crate::event::Event;
use crate::node::Core;

pub mod blocking;
mod bounds;
pub mod combine;
pub mod members;
pub mod ranges;
pub mod removal;
pub mod sampling;

/// The sorted set at `key` for a command that only reads; counts a hit or a miss.
pub(super) fn read<'a>(
    db: &'a mut Db<'_>,
    core: &mut Core,
    key: &[u8],
) -> Result<Option<SortedSet<'a>>, CommandError> {
    match read_any(db, core, key) {
        None => Ok(None),
        Some(Value::SortedSet(set)) => Ok(Some(set)),
        Some(_) => Err(CommandError::WRONG_TYPE),
    }
}

/// The value at `key`, counted as a hit or a miss.
fn read_any<'a>(db: &'a mut Db<'_>, core: &mut Core, key: &[u8]) -> Option<Value<'a>> {
    core.before_read(db, key);
    let index = db.index;
    let found = db.get(key);
    core.count_lookup(index, key, found.is_some());
    found
}

/// Notes that `key` changed, by so many members.
pub(super) fn changed_by(call: &mut Call<'_>, key: &[u8], members: usize, event: Event) {
    call.changed(key, event);
    call.outcome.changes += members as u64 - 1;
}

/// Announces `count` members: with scores, RESP2 puts them flat into one array, RESP3 into pairs.
fn announce(reply: &mut Reply, count: usize, with_scores: bool) {
    let flat = with_scores && !reply.is_resp3();
    reply.array(if flat { count * 2 } else { count });
}

/// Writes one member of an array that [`announce`] began.
fn write_member(reply: &mut Reply, member: Item<'_>, score: Option<f64>) {
    if score.is_some() && reply.is_resp3() {
        reply.array(2);
    }
    elements::write(reply, member);
    if let Some(score) = score {
        reply.double(score);
    }
}

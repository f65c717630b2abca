//! Keys on the move: RENAME, RENAMENX, MOVE, COPY, SWAPDB.
//!
//! A key takes its deadline along. A copy shares its value's memory with the original until one of
//! them is written to.

use slipstream_keyspace::Occupied;

use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;
use crate::event;

pub(super) fn rename(call: &mut Call<'_>) -> Result<(), CommandError> {
    rename_key(call, false)?;
    call.reply.ok();
    Ok(())
}

pub(super) fn renamenx(call: &mut Call<'_>) -> Result<(), CommandError> {
    let renamed = rename_key(call, true)?;
    call.reply.integer(renamed.into());
    Ok(())
}

fn rename_key(call: &mut Call<'_>, only_if_absent: bool) -> Result<bool, CommandError> {
    let args = call.args;
    let (from, to) = (&args[1], &args[2]);
    if !call.db.contains(from) {
        return Err(CommandError::NO_SUCH_KEY);
    }
    if from == to || (only_if_absent && call.db.contains(to)) {
        return Ok(false);
    }
    let source = call.db.occupied(from).expect("it was seen above");
    let (value, deadline) = source.remove();
    call.db.insert(to, value, deadline);
    call.created(call.db.index, to);
    call.changed(from, event::RENAME_FROM);
    call.changed_along(call.db.index, to, event::RENAME_TO);
    Ok(true)
}

pub(super) fn move_key(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let target = database_index(call, &args[2])?;
    if target == call.db.index {
        return Err(CommandError::SAME_OBJECT);
    }
    let now = call.db.now;
    let moves = call.db.contains(key) && call.db.keyspace.db_mut(target).occupied(key, now).is_none();
    if moves {
        let (value, deadline) = call.db.occupied(key).expect("it was seen above").remove();
        call.db.keyspace.db_mut(target).insert(key, value, deadline);
        call.created(target, key);
        call.changed(key, event::MOVE_FROM);
        call.changed_along(target, key, event::MOVE_TO);
    }
    call.reply.integer(moves.into());
    Ok(())
}

/// COPY's options.
struct Destination {
    db: usize,
    replace: bool,
}

impl Destination {
    fn parse(call: &Call<'_>) -> Result<Destination, CommandError> {
        let mut destination = Destination { db: call.db.index, replace: false };
        let mut words = call.args.iter().skip(3);
        while let Some(word) = words.next() {
            if is_word(word, "REPLACE") {
                destination.replace = true;
            } else if is_word(word, "DB") && words.len() > 0 {
                let index = words.next().expect("one is left");
                destination.db = database_index(call, index)?;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(destination)
    }
}

pub(super) fn copy(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (from, to) = (&args[1], &args[2]);
    let destination = Destination::parse(call)?;
    if destination.db == call.db.index && from == to {
        return Err(CommandError::SAME_OBJECT);
    }
    let source = call.db.occupied(from).map(Occupied::touched);
    let source = source.map(|source| (source.value().into_owned(), source.deadline()));
    call.count_lookup(from, source.is_some());
    let now = call.db.now;
    let target = call.db.keyspace.db_mut(destination.db);
    let taken = target.occupied(to, now).is_some();
    let source = source.filter(|_| !taken || destination.replace);
    let copies = source.is_some();
    if let Some((value, deadline)) = source {
        let old = target.insert(to, value, deadline);
        call.db.discard(old);
        call.created(destination.db, to);
        call.changed_in(destination.db, to, event::COPY_TO);
    }
    call.reply.integer(copies.into());
    Ok(())
}

pub(super) fn swapdb(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let index = |arg: &[u8]| integer(arg).ok().and_then(|index| i32::try_from(index).ok());
    let first = index(&args[1]).ok_or(CommandError::FIRST_DB_INDEX)?;
    let second = index(&args[2]).ok_or(CommandError::SECOND_DB_INDEX)?;
    let (first, second) = (existing_database(call, first)?, existing_database(call, second)?);
    if first != second {
        remove_observed_and_due(call, [first, second]);
        let mut touched = observed_and_present(call, first, [first, second]);
        touched.extend(observed_and_present(call, second, [first, second]));
        call.db.keyspace.swap(first, second);
        touched.into_iter().for_each(|(db, key)| call.core.touched(db, &key));
        // Names of keys that clients keep copies of say nothing of databases.
        call.core.invalidate_all();
    }
    call.outcome.changes += 1;
    call.reply.ok();
    Ok(())
}

/// What is due and observed in one of these databases goes from both: a key that is gone already, and comes as due
/// to the other database, changes nothing there.
fn remove_observed_and_due(call: &mut Call<'_>, databases: [usize; 2]) {
    let observed: Vec<Box<[u8]>> =
        databases.iter().flat_map(|db| call.core.observed_keys(*db)).map(Box::from).collect();
    let now = call.db.now;
    for key in &observed {
        for db in databases {
            call.db.keyspace.db_mut(db).get(key, now);
        }
    }
    call.core.collect_expired(call.db.keyspace);
}

/// Keys that somebody watches or waits for in `db` that exist in one of these databases.
pub(super) fn observed_and_present<const N: usize>(
    call: &Call<'_>,
    db: usize,
    among: [usize; N],
) -> Vec<(usize, Box<[u8]>)> {
    let exists =
        |key: &[u8]| among.iter().any(|other| call.db.keyspace.db(*other).contains(key, call.db.now));
    call.core.observed_keys(db).filter(|key| exists(key)).map(|key| (db, Box::from(key))).collect()
}

/// The number of a database that exists.
pub(in crate::commands) fn database_index(call: &Call<'_>, arg: &[u8]) -> Result<usize, CommandError> {
    existing_database(call, i32::try_from(integer(arg)?).map_err(|_| CommandError::NOT_INT32)?)
}

fn existing_database(call: &Call<'_>, index: i32) -> Result<usize, CommandError> {
    let exists = |index: &usize| *index < call.db.keyspace.databases();
    usize::try_from(index).ok().filter(exists).ok_or(CommandError::DB_INDEX)
}

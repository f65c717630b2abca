//! All keys of a database: KEYS, SCAN, RANDOMKEY, DBSIZE, FLUSHDB, FLUSHALL.
//!
//! Keys that are due are not shown. SCAN deletes those it meets where this node may; KEYS leaves
//! them alone, since deleting while it walks would cost it a second look at each.

use slipstream_keyspace::Garbage;
use slipstream_resp::Args;
use slipstream_resp::reply::Aggregate;

use super::transfer::observed_and_present;
use crate::call::{Call, is_word};
use crate::commands::scan::{self, ScanOptions};
use crate::errors::CommandError;
use crate::glob::{self, Case};
use crate::host::SaveReason;
use crate::reclaim::Content;

pub(super) fn dbsize(call: &mut Call<'_>) -> Result<(), CommandError> {
    let keys = call.db.database().len();
    call.reply.count(keys);
    Ok(())
}

pub(super) fn keys(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let pattern = &args[1];
    let (database, now) = (call.db.keyspace.db(call.db.index), call.db.now);
    call.reply.deferred(Aggregate::Array, |reply| {
        let mut shown = 0;
        for (key, _, deadline) in database.iter() {
            let matches = pattern == b"*" || glob::matches(pattern, key, Case::Sensitive);
            if matches && deadline.is_none_or(|deadline| deadline >= now) {
                reply.bulk(key);
                shown += 1;
            }
        }
        Ok(shown)
    })
}

pub(super) fn scan(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let cursor = scan::cursor(&args[1])?;
    let (options, type_name) = scan_options(args)?;
    let (database, now) = (call.db.keyspace.db(call.db.index), call.db.now);
    let mut due: Vec<Vec<u8>> = Vec::new();
    scan::write_step(call.reply, |reply| {
        let mut shown = 0;
        let next = database.scan(cursor, options.count, |key, value, deadline| {
            let of_type = |name: &[u8]| name.eq_ignore_ascii_case(value.type_name().as_bytes());
            if deadline.is_some_and(|deadline| deadline < now) {
                due.push(key.to_vec());
            } else if options.selects(key) && type_name.is_none_or(of_type) {
                reply.bulk(key);
                shown += 1;
            }
        });
        (next, shown)
    });
    for key in due {
        // Looking at a due key removes it on a primary.
        call.db.contains(&key);
    }
    Ok(())
}

fn scan_options(args: Args<'_>) -> Result<(ScanOptions<'_>, Option<&[u8]>), CommandError> {
    let mut options = ScanOptions::parse(args, args.len())?;
    let mut type_name = None;
    for index in (2..args.len()).step_by(2) {
        let value = args.get(index + 1);
        if value.is_some() && is_word(&args[index], "TYPE") {
            type_name = value;
        } else if !options.take(&args[index], value)? {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok((options, type_name))
}

pub(super) fn randomkey(call: &mut Call<'_>) -> Result<(), CommandError> {
    let now = call.db.now;
    while let Some(key) = call.db.keyspace.db(call.db.index).random_key(&mut call.core.rng, now) {
        let key = key.to_vec();
        // Where nothing but due keys are left, a primary removes them one by one; a replica may not.
        if call.db.occupied(&key).is_some() || !call.db.database().deletes_due {
            call.reply.bulk(&key);
            return Ok(());
        }
    }
    call.reply.null();
    Ok(())
}

/// SYNC and ASYNC are one: the data is gone at once, and its memory given back in the background.
pub(super) fn flushdb(call: &mut Call<'_>) -> Result<(), CommandError> {
    check_flush_mode(call)?;
    let all = total_keys(call);
    let db = call.db.index;
    let touched = observed_and_present(call, db, [db]);
    let keys = call.db.database().len();
    let garbage = call.db.database().clear();
    finish(call, Flushed { touched, keys, all, garbage });
    call.reply.ok();
    Ok(())
}

pub(super) fn flushall(call: &mut Call<'_>) -> Result<(), CommandError> {
    check_flush_mode(call)?;
    let keys = total_keys(call);
    let databases = 0..call.db.keyspace.databases();
    let touched = databases.flat_map(|db| observed_and_present(call, db, [db])).collect();
    let garbage = call.db.keyspace.clear();
    finish(call, Flushed { touched, keys, all: keys, garbage });
    call.reply.ok();
    if !call.core.config.save.is_empty() && call.core.saving.running.is_none() {
        // What is on disk must not come back with a restart.
        call.core.begin_save(call.db.keyspace, SaveReason::Background);
    }
    Ok(())
}

/// What a flush removed.
struct Flushed {
    touched: Vec<(usize, Box<[u8]>)>,
    keys: usize,
    /// How many there were in all databases.
    all: usize,
    garbage: Garbage,
}

/// A flush is propagated even where there was nothing to remove: a replica may differ.
fn finish(call: &mut Call<'_>, flushed: Flushed) {
    flushed.touched.into_iter().for_each(|(db, key)| call.core.touched(db, &key));
    call.core.invalidate_all();
    call.outcome.changes += u64::try_from(flushed.keys).expect("a count of keys fits");
    call.propagate_verbatim();
    if flushed.keys > 0 {
        let content = Content::Databases(flushed.garbage);
        call.core.discard_keys(content, flushed.keys, flushed.all);
    }
}

fn total_keys(call: &Call<'_>) -> usize {
    let keyspace = &*call.db.keyspace;
    (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum()
}

fn check_flush_mode(call: &Call<'_>) -> Result<(), CommandError> {
    match call.args.len() {
        1 => Ok(()),
        2 if call.is_word(1, "SYNC") || call.is_word(1, "ASYNC") => Ok(()),
        _ => Err(CommandError::SYNTAX),
    }
}

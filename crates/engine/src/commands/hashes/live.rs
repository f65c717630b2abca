//! A hash as it is now: fields whose time has come are gone.
//!
//! Every command gets at its hash through [`read`] and [`change`]. A primary removes
//! due fields when it comes across them and propagates that as HDEL, before
//! whatever the command itself does; the key goes with the last field. A
//! replica only hides them, since their HDEL comes down the log. Commands of
//! that log see all fields.

use slipstream_keyspace::{Hash, UnixMillis};
use slipstream_resp::Reply;

use crate::call::Call;
use crate::errors::CommandError;

/// Most fields in one propagated HDEL.
const HDEL_FIELDS: usize = 1024;

/// Shows the hash at argument 1, if there is one, and counts the look-up.
#[inline]
pub(super) fn read(
    call: &mut Call<'_>,
    show: impl FnOnce(Option<&Hash>, &mut Reply),
) -> Result<(), CommandError> {
    let args = call.args;
    let now = call.db.now;
    let hash = call.db.hash(&args[1])?;
    let found = hash.is_some();
    if hash.is_some_and(|hash| has_due(hash, now)) {
        let pruned = pruned(call, &args[1])?;
        show(pruned.as_ref(), call.reply);
        call.count_lookup(pruned.is_some());
    } else {
        show(hash, call.reply);
        call.count_lookup(found);
    }
    Ok(())
}

/// Changes the hash at argument 1, an empty one if there was none.
#[inline]
pub(super) fn change<R>(call: &mut Call<'_>, edit: impl FnOnce(&mut Hash) -> R) -> Result<R, CommandError> {
    let args = call.args;
    let now = call.db.now;
    let hash = call.db.hash_or_new(&args[1])?;
    if has_due(hash, now) {
        drop_due(call, &args[1])?;
        return Ok(edit(call.db.hash_or_new(&args[1])?));
    }
    Ok(edit(hash))
}

/// Changes the hash at argument 1 if there is one.
pub(super) fn change_existing<R>(
    call: &mut Call<'_>,
    edit: impl FnOnce(&mut Hash) -> R,
) -> Result<Option<R>, CommandError> {
    let args = call.args;
    let now = call.db.now;
    if call.db.hash(&args[1])?.is_some_and(|hash| has_due(hash, now)) {
        drop_due(call, &args[1])?;
    }
    Ok(call.db.hash_mut(&args[1])?.map(edit))
}

#[inline]
fn has_due(hash: &Hash, now: UnixMillis) -> bool {
    hash.next_deadline().is_some_and(|deadline| deadline < now)
}

/// A copy of the hash without its due fields, if any are left.
#[cold]
fn pruned(call: &mut Call<'_>, key: &[u8]) -> Result<Option<Hash>, CommandError> {
    if !call.core.is_replica() {
        drop_due(call, key)?;
    }
    let now = call.db.now;
    let mut copy = call.db.hash(key)?.cloned();
    if let Some(hash) = &mut copy {
        hash.take_due(now);
    }
    Ok(copy.filter(|hash| !hash.is_empty()))
}

/// Removes the due fields and propagates that.
#[cold]
fn drop_due(call: &mut Call<'_>, key: &[u8]) -> Result<(), CommandError> {
    let now = call.db.now;
    let Some(hash) = call.db.hash_mut(key)? else { return Ok(()) };
    let due = hash.take_due(now);
    if hash.is_empty() {
        call.db.database().remove(key);
    }
    call.core.saving.changes += due.len() as u64;
    call.core.watches.changed(call.db.index, key);
    if call.core.log_takes_effects() {
        for fields in due.chunks(HDEL_FIELDS) {
            let words = [b"HDEL", key].into_iter().chain(fields.iter().map(Vec::as_slice));
            let words: Vec<&[u8]> = words.collect();
            call.core.propagation.push(call.db.index, words.into_iter());
        }
    }
    Ok(())
}

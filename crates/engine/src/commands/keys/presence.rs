//! Whether keys exist, of what type, and their deletion: DEL, UNLINK, EXISTS, TOUCH, TYPE.
//!
//! A value that takes long to free is handed out to be dropped elsewhere, by DEL as by UNLINK: nothing
//! that a client could see tells the two apart.

use slipstream_keyspace::{Occupied, Value};

use crate::call::Call;
use crate::errors::CommandError;
use crate::host::{Discarded, Effect};

/// Values of more allocations than this are dropped away from the executor.
const DROP_HERE: usize = 64;

pub(super) fn del(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut removed = 0;
    for key in call.args.iter().skip(1) {
        if let Some((value, _)) = call.db.occupied(key).map(Occupied::remove) {
            discard(call, value);
            call.changed(key);
            removed += 1;
        }
    }
    call.reply.count(removed);
    Ok(())
}

/// Drops a value, a big one elsewhere.
pub(super) fn discard(call: &mut Call<'_>, value: Value) {
    if value.free_effort() > DROP_HERE {
        call.core.effects.push(Effect::Reclaim(Box::new(Discarded::Value(value))));
    }
}

pub(super) fn exists(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut present = 0;
    for key in call.args.iter().skip(1) {
        let found = call.db.occupied(key).is_some();
        call.count_lookup(found);
        present += usize::from(found);
    }
    call.reply.count(present);
    Ok(())
}

pub(super) fn touch(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut touched = 0;
    for key in call.args.iter().skip(1) {
        let found = call.db.get(key).is_some();
        call.count_lookup(found);
        touched += usize::from(found);
    }
    call.reply.count(touched);
    Ok(())
}

pub(super) fn type_of(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let name = call.db.occupied(&args[1]).map(|key| key.value().type_name());
    call.count_lookup(name.is_some());
    call.reply.simple(name.unwrap_or("none"));
    Ok(())
}

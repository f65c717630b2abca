//! Strings as numbers: INCR, DECR and their kin, and INCRBYFLOAT.
//!
//! Only the canonical spelling of a 64-bit integer counts as one, and it stays in the binary encoding.
//! INCRBYFLOAT is propagated as the SET of its result: a replica on another machine may round otherwise.

use slipstream_keyspace::{Str, Value};

use crate::call::{Call, integer};
use crate::decimal::Extended;
use crate::errors::CommandError;
use crate::event;

pub(super) fn incr(call: &mut Call<'_>) -> Result<(), CommandError> {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_>) -> Result<(), CommandError> {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    let increment = integer(&call.args[2])?;
    add(call, increment)
}

pub(super) fn decrby(call: &mut Call<'_>) -> Result<(), CommandError> {
    let decrement = integer(&call.args[2])?;
    let increment = decrement.checked_neg().ok_or(CommandError::DECREMENT_OVERFLOW)?;
    add(call, increment)
}

fn add(call: &mut Call<'_>, increment: i64) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let sum = call.db.string_mut(key)?.map(|mut value| {
        let number = value.as_int().ok_or(CommandError::NOT_INTEGER)?;
        let sum = number.checked_add(increment).ok_or(CommandError::INCREMENT_OVERFLOW)?;
        value.set_int(sum);
        Ok(sum)
    });
    let sum = match sum.transpose()? {
        Some(sum) => sum,
        None => {
            call.db.insert(key, Value::String(Str::from_int(increment)), None);
            increment
        }
    };
    call.changed(key, event::INCRBY);
    call.reply.integer(sum);
    Ok(())
}

pub(super) fn incrbyfloat(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let key = &args[1];
    let value = match call.db.string(key)? {
        Some(value) => {
            Extended::parse(value.bytes(&mut itoa::Buffer::new())).ok_or(CommandError::NOT_FLOAT)?
        }
        None => Extended::ZERO,
    };
    let increment = Extended::parse(&args[2]).ok_or(CommandError::NOT_FLOAT)?;
    let sum = value.checked_add(increment).ok_or(CommandError::NOT_FINITE)?.to_vec();
    call.db.database().replace_value(key, Value::String(Str::plain(&sum)));
    call.changed(key, event::INCRBYFLOAT);
    call.propagate(&[b"SET", key, &sum, b"KEEPTTL"]);
    call.reply.bulk(&sum);
    Ok(())
}

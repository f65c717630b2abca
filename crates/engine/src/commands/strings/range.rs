//! Parts of strings: APPEND, GETRANGE, SETRANGE, STRLEN, SUBSTR.
//!
//! Edits happen in place. Growth is checked against `proto-max-bulk-len` before anything is
//! allocated, except on a primary's stream: there the primary has decided.

use slipstream_keyspace::{Str, Value};

use crate::call::{Call, integer};
use crate::errors::CommandError;
use crate::event;
use crate::session::Role;

pub(super) fn append(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (key, bytes) = (&args[1], &args[2]);
    let limit = Limit::of(call);
    let length = call.db.string_mut(key)?.map(|mut value| {
        limit.check(value.len(), bytes.len())?;
        Ok(value.append(bytes))
    });
    let length = match length.transpose()? {
        Some(length) => length,
        None => {
            call.db.insert(key, Value::String(Str::from_bytes(bytes)), None);
            bytes.len()
        }
    };
    call.changed(key, event::APPEND);
    call.reply.count(length);
    Ok(())
}

pub(super) fn setrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (key, bytes) = (&args[1], &args[3]);
    let offset = usize::try_from(integer(&args[2])?).map_err(|_| CommandError::OFFSET_OUT_OF_RANGE)?;
    let limit = Limit::of(call);
    if bytes.is_empty() {
        let length = call.db.string(key)?.map_or(0, |value| value.len());
        call.reply.count(length);
        return Ok(());
    }
    let length = call.db.string_mut(key)?.map(|mut value| {
        limit.check(offset, bytes.len())?;
        Ok(value.set_range(offset, bytes))
    });
    let length = match length.transpose()? {
        Some(length) => length,
        None => {
            limit.check(offset, bytes.len())?;
            let mut value = Str::raw(Vec::new());
            let length = value.set_range(offset, bytes);
            call.db.insert(key, Value::String(value), None);
            length
        }
    };
    call.changed(key, event::SETRANGE);
    call.reply.count(length);
    Ok(())
}

pub(super) fn getrange(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    let value = call.db.string(&args[1]);
    let found = !matches!(value, Ok(None));
    match value? {
        None => call.reply.bulk(b""),
        Some(value) => {
            let mut digits = itoa::Buffer::new();
            let bytes = value.bytes(&mut digits);
            call.reply.bulk(&bytes[part(start, end, bytes.len())]);
        }
    }
    call.count_lookup(&args[1], found);
    Ok(())
}

/// The bytes from `start` to `end`, both included and, if negative, counted from the end.
fn part(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_start = |index: i64| match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => length.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let (start, end) = (from_start(start), from_start(end).min(length.saturating_sub(1)));
    if start > end || length == 0 { 0..0 } else { start..end + 1 }
}

pub(super) fn strlen(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let value = call.db.string(&args[1]);
    let found = !matches!(value, Ok(None));
    call.reply.count(value?.map_or(0, |value| value.len()));
    call.count_lookup(&args[1], found);
    Ok(())
}

/// The length that no string may exceed.
#[derive(Clone, Copy)]
struct Limit(usize);

impl Limit {
    fn of(call: &Call<'_>) -> Limit {
        match call.session.role {
            Role::Primary => Limit(usize::MAX),
            _ => Limit(call.core.config.proto_max_bulk_len),
        }
    }

    fn check(self, length: usize, added: usize) -> Result<(), CommandError> {
        match length.checked_add(added) {
            Some(total) if total <= self.0 => Ok(()),
            _ => Err(CommandError::STRING_TOO_LONG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_to_what_there_is() {
        for (start, end, expected) in [
            (0, -1, "Hello World"),
            (0, 4, "Hello"),
            (-5, -1, "World"),
            (6, 100, "World"),
            (5, 3, ""),
            (-1, -5, ""),
            (-100, 3, "Hell"),
            (-100, -100, "H"),
            (100, 200, ""),
            (i64::MIN, i64::MAX, "Hello World"),
        ] {
            let text = "Hello World";
            assert_eq!(&text[part(start, end, text.len())], expected, "{start} {end}");
        }
        assert_eq!(part(0, -1, 0), 0..0);
    }
}

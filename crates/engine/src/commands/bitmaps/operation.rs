//! BITOP: whole strings combined bit by bit.
//!
//! A missing key counts as an empty string, and an empty result deletes the destination.

use slipstream_keyspace::{Str, Value};

use super::words::{self, Combination};
use crate::call::{Call, is_word};
use crate::errors::CommandError;
use crate::event;

pub(super) fn bitop(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let how = operation(&args[1])?;
    if how.is_none() && args.len() != 4 {
        return Err(CommandError::BITOP_NOT_KEYS);
    }
    let destination = &args[2];
    let sources = sources(call)?;
    let mut digits = vec![itoa::Buffer::new(); sources.len()];
    let bytes: Vec<&[u8]> =
        sources.iter().zip(&mut digits).map(|(source, digits)| source.bytes(digits)).collect();
    let result = match how {
        Some(how) => words::combine(how, &bytes),
        None => words::inverted(bytes[0]),
    };
    let length = result.len();
    if length > 0 {
        call.db.insert(destination, Value::String(Str::raw(result)), None);
        call.changed(destination, event::SET);
    } else if call.db.remove(destination) {
        call.changed(destination, event::DEL);
    }
    call.reply.count(length);
    Ok(())
}

/// The word of the operation; `None` is NOT.
fn operation(word: &[u8]) -> Result<Option<Combination>, CommandError> {
    let named = [("AND", Combination::And), ("OR", Combination::Or), ("XOR", Combination::Xor)];
    match named.into_iter().find(|(name, _)| is_word(word, name)) {
        Some((_, how)) => Ok(Some(how)),
        None if is_word(word, "NOT") => Ok(None),
        None => Err(CommandError::SYNTAX),
    }
}

/// The strings at all source keys. Big ones are shared, not copied.
fn sources(call: &mut Call<'_>) -> Result<Vec<Str<'static>>, CommandError> {
    let keys = call.args.from(3);
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        let value = call.db.string(key).map(|value| value.map(Str::into_owned));
        call.count_lookup(key, !matches!(value, Ok(None)));
        sources.push(value?.unwrap_or_else(|| Str::plain(b"")));
    }
    Ok(sources)
}

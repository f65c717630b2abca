//! Ranges of bits: BITCOUNT and BITPOS.
//!
//! Ranges are given in bytes or bits, with both ends included, and count from the end where they are negative.

use std::ops::Range;

use slipstream_resp::Args;

use super::words;
use crate::call::{Call, integer, is_word};
use crate::errors::CommandError;

pub(super) fn bitcount(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let value = call.db.string(&args[1]);
    let found = !matches!(value, Ok(None));
    let count = value.and_then(|value| match value {
        Some(value) => count_in(args, value.bytes(&mut itoa::Buffer::new())),
        None => Ok(0),
    });
    call.count_lookup(&args[1], found);
    call.reply.count(count?);
    Ok(())
}

fn count_in(args: Args<'_>, bytes: &[u8]) -> Result<usize, CommandError> {
    let bits = match args.len() {
        2 => 0..bytes.len() * 8,
        4 | 5 => {
            let (start, end) = (integer(&args[2])?, integer(&args[3])?);
            if start < 0 && end < 0 && start > end {
                return Ok(0);
            }
            Unit::parse(args.get(4))?.range(start, end, bytes.len())
        }
        _ => return Err(CommandError::SYNTAX),
    };
    Ok(words::count(bytes, bits))
}

pub(super) fn bitpos(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let wanted = match integer(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::BIT_ARGUMENT),
    };
    let value = call.db.string(&args[1]);
    let found = !matches!(value, Ok(None));
    let place = value.and_then(|value| match value {
        Some(value) => place_in(args, value.bytes(&mut itoa::Buffer::new()), wanted),
        None => Ok((!wanted).then_some(0)),
    });
    call.count_lookup(&args[1], found);
    match place? {
        Some(at) => call.reply.count(at),
        None => call.reply.integer(-1),
    }
    Ok(())
}

fn place_in(args: Args<'_>, bytes: &[u8], wanted: bool) -> Result<Option<usize>, CommandError> {
    let bits = match args.len() {
        3 => 0..bytes.len() * 8,
        4..=6 => {
            let start = integer(&args[3])?;
            let unit = Unit::parse(args.get(5))?;
            let end = args.get(4).map_or(Ok(-1), integer)?;
            unit.range(start, end, bytes.len())
        }
        _ => return Err(CommandError::SYNTAX),
    };
    // Without an end the string is followed by clear bits.
    let goes_on = !wanted && args.len() < 5 && !bits.is_empty();
    let end = bits.end;
    Ok(words::find(bytes, bits, wanted).or(goes_on.then_some(end)))
}

/// What the ends of a range count.
#[derive(Clone, Copy)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(word: Option<&[u8]>) -> Result<Unit, CommandError> {
        match word {
            None => Ok(Unit::Byte),
            Some(word) if is_word(word, "BYTE") => Ok(Unit::Byte),
            Some(word) if is_word(word, "BIT") => Ok(Unit::Bit),
            Some(_) => Err(CommandError::SYNTAX),
        }
    }

    /// The bits from `start` to `end` of a string of `length` bytes.
    fn range(self, start: i64, end: i64, length: usize) -> Range<usize> {
        let bits = match self {
            Unit::Byte => 8,
            Unit::Bit => 1,
        };
        let total = length * 8 / bits;
        let from_start = |index: i64| match usize::try_from(index) {
            Ok(index) => index,
            Err(_) => total.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
        };
        let (start, end) = (from_start(start), from_start(end).min(total.saturating_sub(1)));
        if start > end || total == 0 { 0..0 } else { start * bits..(end + 1) * bits }
    }
}

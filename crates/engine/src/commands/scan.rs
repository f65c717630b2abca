//! What SCAN, HSCAN, SSCAN and ZSCAN share: the cursor, the options and the reply.
//!
//! A cursor is the collection's own place in its order of hashes; nothing is remembered between
//! two steps.

use slipstream_resp::{Args, Reply};

use crate::call::{integer, is_word};
use crate::errors::CommandError;
use crate::glob::{Case, matches};

/// COUNT and MATCH.
pub(crate) struct ScanOptions<'a> {
    /// Roughly how many elements one step looks at.
    pub(crate) count: usize,
    pattern: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// The options from argument `from` on.
    pub(crate) fn parse(args: Args<'a>, from: usize) -> Result<Self, CommandError> {
        let mut options = ScanOptions { count: 10, pattern: None };
        let mut at = from;
        while let Some(word) = args.get(at) {
            if !options.take(word, args.get(at + 1))? {
                return Err(CommandError::SYNTAX);
            }
            at += 2;
        }
        Ok(options)
    }

    /// Takes one option and its value; false if it is none of these.
    pub(crate) fn take(&mut self, word: &[u8], value: Option<&'a [u8]>) -> Result<bool, CommandError> {
        let Some(value) = value else { return Ok(false) };
        if is_word(word, "COUNT") {
            let count = integer(value)?;
            self.count =
                usize::try_from(count).ok().filter(|count| *count > 0).ok_or(CommandError::SYNTAX)?;
        } else if is_word(word, "MATCH") {
            self.pattern = Some(value).filter(|pattern| *pattern != b"*");
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether an element of this name is returned.
    pub(crate) fn selects(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| matches(pattern, name, Case::Sensitive))
    }
}

/// The cursor that a step begins at, read as C's `strtoul` reads it, which Redis uses: there may be a sign, and
/// nothing at all is 0.
pub(crate) fn cursor(arg: &[u8]) -> Result<u64, CommandError> {
    let (negative, digits) = match arg {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        [] => return Ok(0),
        _ => (false, arg),
    };
    let number = match digits {
        [b'0'..=b'9', ..] => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok()),
        _ => None,
    };
    let number = number.ok_or(CommandError::INVALID_CURSOR)?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// Writes one step's reply: `visit` writes the elements and returns the next cursor and how many values it wrote.
pub(crate) fn write_step(reply: &mut Reply, visit: impl FnOnce(&mut Reply) -> (u64, usize)) {
    let mut elements = Reply::new(reply.protocol());
    let (next, written) = visit(&mut elements);
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    reply.array(written);
    reply.raw(elements.as_bytes());
}

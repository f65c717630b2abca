//! Elements of collections in requests and replies.
//!
//! Packed collections keep integers in binary: an element goes from there into
//! a reply without a string in between, and a word of a request is compared
//! with elements after one look at whether it is such an integer.

use slipstream_keyspace::Item;
use slipstream_resp::Reply;
use slipstream_resp::number::parse_i64;

use crate::errors::CommandError;

/// Writes an element as a bulk string.
#[inline]
pub(crate) fn write(reply: &mut Reply, item: Item<'_>) {
    match item {
        Item::Bytes(bytes) => reply.bulk(bytes),
        Item::Int(number) => reply.bulk_integer(number),
    }
}

/// A word of a request as the element it equals.
pub(crate) fn as_stored(word: &[u8]) -> Item<'_> {
    let word = Item::Bytes(word);
    word.as_int().map_or(word, Item::Int)
}

/// A count that may not be negative. All that is wrong with it is answered by one error.
pub(crate) fn positive(word: &[u8], error: CommandError) -> Result<usize, CommandError> {
    let count = parse_i64(word).ok_or_else(|| error.clone())?;
    usize::try_from(count).map_err(|_| error)
}

//! The few requests that replication itself writes.
//!
//! What a peer sends back in the handshake are single lines, read by the link; the stream is opaque here.

use slipstream_log::Offset;
use slipstream_resp::number::parse_i64;
use slipstream_resp::{Args, encode_request};

use crate::Moment;

/// The capability by which nodes of this project know each other, and the word in the answer to it. The number
/// grows when a later dialect cannot be told by its options.
pub(crate) const DIALECT: &[u8] = b"slipstream1";

/// The capability of a replica that goes on over the same connection when its primary's history changes.
pub(crate) const STAYS: &[u8] = b"slipstream-history";

/// What stands in such a replica's stream, in the place of a request, where the history ends that it knows. No
/// request begins like this.
pub const HISTORY_CHANGED: &[u8] = b"+HISTORY\r\n";

/// The same as an answer to PSYNC, without its end.
pub(crate) const ASK_AGAIN: &str = "+HISTORY";

/// One request.
pub(crate) fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    push_request(&mut out, words);
    out
}

/// Appends one request.
pub(crate) fn push_request(out: &mut Vec<u8>, words: &[&[u8]]) {
    encode_request(out, words.iter().copied());
}

/// What a primary of this project tells in its stream: its own monotonic clock. Redis and Valkey ignore an ACK
/// that comes from a primary, with whatever stands behind it.
pub fn clock(now: Moment) -> [String; 5] {
    ["REPLCONF", "ACK", "0", "CLOCK", &now.0.to_string()].map(str::to_owned)
}

/// The clock in a request of the stream, if it is [`clock`].
pub fn read_clock(args: Args<'_>) -> Option<Moment> {
    let is = |index: usize, word: &[u8]| args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
    if args.len() != 5 || !is(0, b"replconf") || !is(1, b"ack") || !is(3, b"clock") {
        return None;
    }
    u64::try_from(parse_i64(&args[4])?).ok().map(Moment)
}

/// What a replica reports to its primary.
pub(crate) fn ack(applied: Offset, durable: Option<Offset>) -> Vec<u8> {
    let applied = applied.to_string();
    match durable.map(|durable| durable.to_string()) {
        None => request(&[b"REPLCONF", b"ACK", applied.as_bytes()]),
        Some(durable) => request(&[b"REPLCONF", b"ACK", applied.as_bytes(), b"FACK", durable.as_bytes()]),
    }
}

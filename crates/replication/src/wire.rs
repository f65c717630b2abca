//! The few requests that replication itself writes.
//!
//! What a peer sends back in the handshake are single lines, read by the link; the stream is opaque here.

use slipstream_log::Offset;
use slipstream_resp::encode_request;

/// The capability by which nodes of this project know each other, and the word in the answer to it. The number
/// grows when a later dialect cannot be told by its options.
pub(crate) const DIALECT: &[u8] = b"slipstream1";

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

/// What a replica reports to its primary.
pub(crate) fn ack(applied: Offset) -> Vec<u8> {
    request(&[b"REPLCONF", b"ACK", applied.to_string().as_bytes()])
}

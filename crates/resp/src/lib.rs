//! Bytes to requests, replies to bytes: RESP2, RESP3 and inline commands.
//!
//! Owns the wire form of both directions and nothing else: no sockets, no
//! knowledge of any command. Decoding is incremental (a request that arrives in
//! a thousand pieces is scanned once) and bounded (a length is checked against
//! [`Limits`] before anything grows). Decoded arguments borrow from the caller's
//! buffer.
//!
//! Read next: [`request`] for the way in, [`reply`] for the way out, [`value`]
//! for a client's view of replies.

pub mod number;
pub mod quoting;
pub mod reply;
pub mod request;
pub mod value;

pub use reply::{Protocol, Reply};
pub use request::{
    Args, DecodedRequests, Limits, OwnedRequest, Progress, ProtocolError, RequestBuffer, RequestDecoder,
    encode_request, split_line,
};
pub use value::{Value, decode_value};

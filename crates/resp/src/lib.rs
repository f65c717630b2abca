//! Bytes to requests, replies to bytes: RESP2, RESP3 and inline commands.

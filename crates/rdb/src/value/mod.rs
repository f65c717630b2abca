//! Values: from every layout that a file may hold to the keyspace's types, and from those to what a target reads.
//!
//! Packed collections pass through as the bytes they are, after a complete check; whatever breaks the rules of a
//! packed form that the keyspace relies on (order, no element twice) is refused or inserted piece by piece.

mod packed;
mod read;
mod stream;
mod write;

pub(crate) use read::read;
pub(crate) use stream::StreamForm;
pub(crate) use write::{FIELD_EXPIRY, missing_feature, write};

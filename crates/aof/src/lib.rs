//! The append-only file: what is in its folder, and what is in each file.
//!
//! A folder holds a [`Manifest`] that names a base (a snapshot, or commands) and increments, as Redis 7 has them.
//! An increment of this project is the replication stream, byte for byte, in sealed batches:
//!
//! ```text
//! #SLIPSTREAM AT <offset> <db> <history> [<previous> <fork>] <crc>    what follows begins there
//! *2 $6 SELECT $1 <db>                                                not of the stream: it counts no offset
//! #SLIPSTREAM SUM <offset> <length> <durable> <crc>                   the next <length> bytes begin at <offset>
//! <length> bytes of the stream
//! #TS:<seconds since 1970>                                            before a SUM, where wanted
//! #SLIPSTREAM SUM …
//! #SLIPSTREAM END <offset> <crc>                                      all before it is whole and on disk
//! ```
//!
//! Loaders of Redis and Valkey pass over lines that begin with `#`, so they load such a file; what they append to
//! it stands behind a batch without a seal and is read by their rules. Offsets are recorded, never counted across
//! files. This crate looks at bytes and makes bytes; it opens nothing. It does not know what a command means,
//! but for the MULTI and EXEC that keep together what files of others have in one piece.

mod manifest;

mod annotation;

mod sealing;

mod scan;

mod reader;

pub use annotation::{Annotation, At, Damaged, MAX_LINE, Sum, encode_end, encode_timestamp};
pub use manifest::{
    BaseFormat, File, Increment, MAX_MANIFEST_LEN, Manifest, ManifestError, Start, manifest_name,
    temporary_name,
};
pub use reader::{Found, ReadError, Reader};
pub use scan::{Content, Ending, Fault, Piece, Scanner, Search, count_commands};
pub use sealing::Sealing;

//! The snapshot file format of Redis and Valkey: read in all versions, written for a named reader.
//!
//! [`read()`] fills a keyspace from any `Read` ([`Decoder`] and [`Insertion`] do the same on two threads), [`write()`] streams a keyspace's snapshot to any `Write`; [`dump()`] and
//! [`restore`] do the same for one value. Owns every encoding of the format and no data, file or clock. Foreign
//! bytes never panic, never allocate more than they justify, and are refused with their offset and the reason.
//! Start with `format`, then `read` and `write`; the codecs are in `bytes`, the value layouts in `value`.

mod aux;
mod bytes;
mod decode;
mod dump;
mod error;
mod format;
pub mod frames;
mod input;
mod insertion;
mod output;
mod read;
mod records;
mod value;
mod write;

pub use aux::{Aux, Maker, ReplicationPoint};
pub use bytes::crc64::crc64;
pub use decode::{Decoder, Shape, Step};
pub use dump::{dump, dump_functions, restore, restore_functions};
pub use error::{FunctionsError, KeyName, ReadError, Reason, RestoreError, WriteError};
pub use format::{Target, Version};
pub use input::{Progress, Reached};
pub use insertion::Insertion;
pub use read::{Duplicates, Expired, Loaded, ReadOptions, read};
pub use records::{KeyRecord, Records};
pub use write::{Preface, WriteOptions, Writer, unsupported_feature, unsupported_in, write, write_watched};

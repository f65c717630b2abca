//! The byte-level codecs under the snapshot format: checksum, compression and the packed encodings of old versions.
//!
//! Nothing here knows of keys, values or files; every decoder takes untrusted bytes, checks them completely, and
//! allocates in proportion to what it was given. Read `input` and `output` next.

pub(crate) mod crc64;
pub(crate) mod lzf;
pub(crate) mod ziplist;
pub(crate) mod zipmap;

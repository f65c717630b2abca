//! The thresholds between packed and big encodings.
//!
//! Small collections are one packed blob, big ones trees and tables; these directives say where
//! the line is. It also carries the seed with which big collections key their hash, since a
//! collection becomes big inside an insertion.

/// Directives that decide how collections are stored, with Redis 7.2's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// `hash-max-listpack-entries`: fields of a packed hash.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`: bytes of a field or value of a packed hash.
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`: members of a set of integers.
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`: members of a packed set.
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`: bytes of a member of a packed set.
    pub set_max_listpack_value: usize,
    /// `zset-max-listpack-entries`: members of a packed sorted set.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`: bytes of a member of a packed sorted set.
    pub zset_max_listpack_value: usize,
    /// `list-max-listpack-size`: elements of one chunk, or -1 to -5 for 4 to 64 KiB.
    pub list_max_listpack_size: i32,
    /// `list-compress-depth`: kept for CONFIG; chunks in memory are never compressed.
    pub list_compress_depth: i32,
    /// `stream-node-max-bytes`: bytes of a stream's block as Redis counts them; 0 is no limit.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`: entries of a stream's block; 0 is no limit.
    pub stream_node_max_entries: usize,
    /// Keys the hash of big collections; set by `Keyspace::new`.
    pub seed: [u64; 4],
}

impl Default for Encoding {
    fn default() -> Self {
        Encoding {
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            seed: [1, 2, 3, 4],
        }
    }
}

/// What a chunk limited by its count may hold at most.
const SAFE_BYTES: usize = 8192;

impl Encoding {
    /// Bytes and elements that one list chunk may hold.
    pub(crate) fn list_limits(&self) -> (usize, usize) {
        match self.list_max_listpack_size {
            0 => (SAFE_BYTES, 1),
            -1 => (4096, usize::MAX),
            -2 => (8192, usize::MAX),
            -3 => (16384, usize::MAX),
            -4 => (32768, usize::MAX),
            size => match usize::try_from(size) {
                Ok(count) => (SAFE_BYTES, count),
                Err(_) => (65536, usize::MAX),
            },
        }
    }
}

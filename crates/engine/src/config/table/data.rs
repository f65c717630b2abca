//! Directives on the encodings of values.
//!
//! The names of ziplists are aliases: they mean listpacks since Redis 7.

use super::*;

pub(super) const ROWS: &[Directive] = &[
    integer(
        "hash-max-listpack-entries",
        (0, MAX_I64),
        field!(hash_max_listpack_entries),
        "Fields of the largest packed hash.",
    )
    .alias(&["hash-max-ziplist-entries"]),
    bytes(
        "hash-max-listpack-value",
        (0, MAX_I64),
        field!(hash_max_listpack_value),
        "Longest field or value of a packed hash.",
    )
    .alias(&["hash-max-ziplist-value"]),
    integer(
        "list-max-listpack-size",
        (MIN_I32, MAX_I32),
        field!(list_max_listpack_size),
        "Size of one chunk of a list: elements, or with -1 to -5 bytes from 4 to 64 KiB.",
    )
    .alias(&["list-max-ziplist-size"]),
    count(
        "list-compress-depth",
        moot("0", "chunks of a list are never compressed in memory"),
        "Chunks at both ends of a list that are never compressed; 0 compresses none.",
    ),
    integer(
        "set-max-intset-entries",
        (0, MAX_I64),
        field!(set_max_intset_entries),
        "Members of the largest set of integers.",
    ),
    integer(
        "set-max-listpack-entries",
        (0, MAX_I64),
        field!(set_max_listpack_entries),
        "Members of the largest packed set.",
    ),
    integer(
        "set-max-listpack-value",
        (0, MAX_I64),
        field!(set_max_listpack_value),
        "Longest member of a packed set.",
    ),
    integer(
        "zset-max-listpack-entries",
        (0, MAX_I64),
        field!(zset_max_listpack_entries),
        "Members of the largest packed sorted set.",
    )
    .alias(&["zset-max-ziplist-entries"]),
    bytes(
        "zset-max-listpack-value",
        (0, MAX_I64),
        field!(zset_max_listpack_value),
        "Longest member of a packed sorted set.",
    )
    .alias(&["zset-max-ziplist-value"]),
    bytes(
        "hll-sparse-max-bytes",
        (0, MAX_I64),
        field!(hll_sparse_max_bytes),
        "Bytes of the largest sparse HyperLogLog; to be the same on all copies, whose bytes depend on it.",
    ),
    bytes(
        "stream-node-max-bytes",
        (0, MAX_I64),
        field!(stream_node_max_bytes),
        "Size of one block of a stream; 0 is no limit.",
    ),
    integer(
        "stream-node-max-entries",
        (0, MAX_I64),
        field!(stream_node_max_entries),
        "Entries of one block of a stream; 0 is no limit.",
    ),
];

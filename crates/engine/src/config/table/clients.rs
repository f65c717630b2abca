//! Directives on what one client may cost.
//!
//! The limits are enforced by the engine and the shell; here are their names, ranges and defaults.

use super::*;

const MIB: i128 = 1 << 20;

pub(super) const ROWS: &[Directive] = &[
    integer(
        "maxclients",
        (1, MAX_U32),
        field!(maxclients),
        "Clients served at once; the system's limit of open files may lower it.",
    ),
    row(
        "client-output-buffer-limit",
        Kind::Own("class, hard limit, soft limit, seconds; for one or more classes"),
        own!(output_limits),
        "Replies waiting for a client of class `normal`, `replica` or `pubsub` that cut it off: \
         at once above the hard limit, after so many seconds above the soft one; 0 is no limit.",
    ),
    bytes(
        "client-query-buffer-limit",
        (MIB, MAX_I64),
        field!(client_query_buffer_limit),
        "Bytes of unfinished requests that one client may have sent.",
    ),
    bytes("proto-max-bulk-len", (MIB, MAX_I64), field!(proto_max_bulk_len), "Bytes of the longest argument."),
    row(
        "maxmemory-clients",
        Kind::MemoryOrPercent,
        field!(maxmemory_clients),
        "Memory of all clients together above which the greediest are cut off; 0 is no limit.",
    ),
    integer(
        "tracking-table-max-keys",
        (0, MAX_I64),
        field!(tracking_table_max_keys),
        "Keys remembered for the clients that cache them; of those beyond, clients are told that they changed. 0 is no limit.",
    ),
    row(
        "notify-keyspace-events",
        Kind::Own("letters of classes: `Ag$lshzxetdnm`, and where they are told: `K`, `E`"),
        own!(events),
        "Which events on keys are published, and on which channels: `K` for channels named by the key, \
         `E` for channels named by the event.",
    ),
    integer(
        "busy-reply-threshold",
        (0, MAX_I64),
        field!(busy_reply_threshold),
        "Milliseconds after which other clients are told that a script is running, and may end it; 0 is never.",
    )
    .alias(&["lua-time-limit"]),
];

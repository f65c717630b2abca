//! Directives on replicas and their primary.
//!
//! The old words of Redis live on here as names and aliases, since configuration files use them.

use super::*;

pub(super) const ROWS: &[Directive] = &[
    row(
        "replicaof",
        Kind::Own("host and port, or `no one`"),
        own!(replicaof),
        "The primary to follow; REPLICAOF changes it while the server runs.",
    )
    .alias(&["slaveof"])
    .immutable(),
    row("masteruser", Kind::Secret, field!(primary_user), "User as which to authenticate to the primary.")
        .alias(&["primaryuser"])
        .sensitive(),
    row(
        "masterauth",
        Kind::Secret,
        field!(primary_password),
        "Password with which to authenticate to the primary.",
    )
    .alias(&["primaryauth"])
    .sensitive(),
    yes_no(
        "replica-serve-stale-data",
        field!(replica_serve_stale_data),
        "Answer reads from what is there while the link to the primary is down.",
    )
    .alias(&["slave-serve-stale-data"]),
    yes_no("replica-read-only", field!(replica_read_only), "Refuse writes of a replica's own clients.")
        .alias(&["slave-read-only"]),
    count(
        "replica-priority",
        field!(replica_priority),
        "Rank in a failover, where the lowest is preferred and 0 is never promoted.",
    )
    .alias(&["slave-priority"]),
    yes_no("replica-announced", field!(replica_announced), "Let sentinels tell clients of this replica."),
    text(
        "replica-announce-ip",
        field!(replica_announce_ip),
        "Address under which the primary is to list this replica, in place of the connection's.",
    )
    .alias(&["slave-announce-ip"]),
    port(
        "replica-announce-port",
        field!(replica_announce_port),
        "Port to list it under; 0 is the one it listens on.",
    )
    .alias(&["slave-announce-port"]),
    integer(
        "replica-guard-shrink-percent",
        (0, 100),
        field!(replica_guard_shrink_percent),
        "Refuse a full sync of a history that is unknown here if so many percent of the keys would \
         go, as from a primary that came back empty; REPLICAOF with FORCE takes it all the same. 0 \
         obeys any primary, as Redis does.",
    ),
    count(
        "primary-empty-start-wait",
        field!(primary_empty_start_wait),
        "Seconds that a primary waits for one of its replicas to take its place when it starts without any \
         data, and its state file says that they have some, or when it was killed and may lack writes that it \
         answered since replicas had them (`min-replicas-to-ack`), where sentinels watch it. Meanwhile it serves nobody, and a sentinel takes it \
         for down. A sentinel that is not told otherwise looks on for 30 seconds before it acts, so a shorter \
         wait would be in vain. 0 starts at once, as Redis does.",
    ),
    integer(
        "primary-return-wait",
        (0, MAX_I64),
        field!(primary_return_wait),
        "Milliseconds that writes wait at most, where sentinels of this project watched a primary that is started \
         again, or that stood still until they might have called it down: until they say that it was not replaced. \
         0 takes writes at once, as Redis does.",
    ),
    yes_no(
        "repl-diskless-sync",
        field!(repl_diskless_sync),
        "Send the snapshot of a full sync straight to the sockets, at the pace of the fastest replica: \
         only what a slower one lags behind, beyond 64 MiB, lies in a nameless temporary file. With \
         `no` it is encoded as fast as the disk takes it and kept whole, so that whoever comes later \
         joins it however far it is.",
    ),
    count(
        "repl-diskless-sync-delay",
        field!(repl_diskless_sync_delay),
        "Seconds that a full sync waits for more replicas to share it. Redis waits 5, since a late one \
         costs another fork; here it joins the snapshot that is under way, or has one of its own at \
         little cost.",
    ),
    count(
        "repl-diskless-sync-max-replicas",
        field!(repl_diskless_sync_max_replicas),
        "Replicas whose arrival ends that wait; 0 always waits in full.",
    ),
    yes_no(
        "dual-channel-replication-enabled",
        field!(dual_channel_replication_enabled),
        "Full syncs over two connections where both sides can: the snapshot on one, the stream on the other. As \
         a primary only with `repl-diskless-sync`.",
    )
    .alias(&["repl-rdb-channel"]),
    one_of(
        "repl-diskless-load",
        &["disabled", "on-empty-db", "swapdb", "flush-before-load", "flushdb"],
        field!(repl_diskless_load),
        "What a replica does with a snapshot that comes. `swapdb` decodes it as it comes, beside the old \
         data, which is served until the new data is complete; Redis, whose default is `disabled`, \
         answers LOADING meanwhile. `disabled` receives it into a nameless file first and then does the \
         same, so that a slow decoder holds up no primary; `on-empty-db` does that only if there is old \
         data. `flush-before-load`, in Redis 8 `flushdb`, holds one dataset at a time: the old one goes once the snapshot's \
         head has been read, and clients are told LOADING until the new one is there; if the history is \
         unknown here, only when `replica-guard-shrink-percent` has let the new one pass.",
    )
    .denied_while_loading(),
    integer(
        "repl-ping-replica-period",
        (1, MAX_I32),
        field!(repl_ping_replica_period),
        "Seconds between two PINGs that a primary sends down its stream.",
    )
    .alias(&["repl-ping-slave-period"]),
    integer(
        "replica-verify-interval",
        (0, MAX_I32),
        field!(replica_verify_interval),
        "Seconds between two verifications of all replicas that a primary begins by itself; 0 for none.",
    ),
    integer(
        "repl-timeout",
        (1, MAX_I32),
        field!(repl_timeout),
        "Seconds of silence after which either side gives a replication link up.",
    ),
    yes_no(
        "repl-send-before-reply",
        field!(repl_send_before_reply),
        "Hand each write to the socket of one replica before its reply leaves, so that a primary whose process is \
         killed has lost nothing that it answered. Only while some replica's socket takes it: replies never wait for \
         one that is full. With `no` all replicas get the stream in batches of up to 2 milliseconds.",
    ),
    yes_no(
        "repl-pacing",
        field!(repl_pacing),
        "Slow writers down, by waits of a millisecond, while they outrun a replica that is far behind \
         and does take its stream: to no less than a tenth of what they wrote before, and no longer than a \
         minute in which it does not come nearer. INFO shows it as `repl_pacing_rate` and `repl_pacing_usec`.",
    ),
    one_of(
        "repl-compression",
        &["auto", "no"],
        field!(repl_compression),
        "Pack the snapshot of a full sync between nodes of this project with LZ4: `auto` on links that \
         turn out to carry less than 40 MB a second.",
    ),
    yes_no(
        "repl-disable-tcp-nodelay",
        field!(repl_disable_tcp_nodelay),
        "Let the system gather small writes to replicas, which saves packets and adds delay.",
    ),
    yes_no(
        "repl-mptcp",
        field!(repl_mptcp),
        "Open the link to the primary by Multipath TCP, where the system has it; a directive of Valkey's. The \
         primary takes it as that with `mptcp`, as plain TCP without.",
    ),
    bytes(
        "repl-backlog-size",
        (1, MAX_I64),
        field!(repl_backlog_size),
        "Bytes of the stream kept for replicas that come back; Redis keeps 1 MiB, which seconds \
         of writes overrun.",
    ),
    bytes(
        "replica-full-sync-buffer-limit",
        (0, MAX_I64),
        field!(replica_full_sync_buffer_limit),
        "Bytes of the stream that a replica keeps while it takes a snapshot over another connection; at the limit \
         it reads no more, and the primary keeps the rest. 0 is the hard limit of `client-output-buffer-limit \
         replica`.",
    ),
    bytes(
        "replica-keep-divergent-tail",
        (0, MAX_I64),
        field!(replica_keep_divergent_tail),
        "Bytes of writes that its new primary never had which a demoted primary keeps in a file \
         `divergence-<id>-<offset>.aof`; 0 for none.",
    ),
    integer(
        "replica-restore-max-keys",
        (0, MAX_I64),
        field!(replica_restore_max_keys),
        "Most keys that a demoted primary whose writes were lost takes one by one from its new primary, in place of \
         a full sync; at most a tenth of its keys, or 1000. 0 for none.",
    ),
    bytes(
        "repl-backlog-disk-size",
        (0, MAX_I64),
        field!(repl_backlog_disk_size),
        "Bytes of the stream kept in files under `dir`, older than those in memory, so that a replica \
         that was away for long continues where it was.",
    ),
    bytes(
        "repl-backlog-spill-size",
        (0, MAX_I64),
        field!(repl_backlog_spill_size),
        "Most bytes of the stream in temporary files while a full sync or a slow replica needs more than \
         memory keeps; 0 keeps it all in memory, where `client-output-buffer-limit` is its only bound.",
    ),
    integer(
        "repl-backlog-ttl",
        (0, MAX_I64),
        field!(repl_backlog_ttl),
        "Seconds without any replica after which a primary drops them; 0 keeps them.",
    ),
    count(
        "min-replicas-to-write",
        field!(min_replicas_to_write),
        "Replicas in good standing without which a primary refuses writes; 0 asks for none.",
    )
    .alias(&["min-slaves-to-write"]),
    count(
        "min-replicas-max-lag",
        field!(min_replicas_max_lag),
        "Seconds since its last acknowledgement up to which a replica is in good standing; 0 \
         switches the check off.",
    )
    .alias(&["min-slaves-max-lag"]),
    count(
        "min-replicas-to-ack",
        field!(min_replicas_to_ack),
        "Replicas that must have acknowledged a write before its reply is sent; 0 waits for none. \
         CLIENT DURABILITY changes it for one connection.",
    ),
    integer(
        "min-replicas-ack-timeout",
        (0, MAX_I64),
        field!(min_replicas_ack_timeout),
        "Milliseconds after which a reply that waits for replicas gives way to a NOREPLACK error, \
         while the write stands; 0 waits for ever.",
    ),
    yes_no(
        "sentinel-fencing",
        field!(sentinel_fencing),
        "Refuse writes, as a primary, while so few sentinels prove that they watch it that the others might promote \
         another node: a primary that is cut off stops before somebody takes its place. A primary that no sentinel \
         watches takes no writes at all.",
    ),
    integer(
        "sentinel-fencing-timeout",
        (1, MAX_I64),
        field!(sentinel_fencing_timeout),
        "Milliseconds of silence after which sentinels call this node down that do not tell it themselves, as those of \
         Redis and Valkey: the smallest `down-after-milliseconds` of them.",
    ),
    checked(
        "replica-zone",
        checks::zone,
        field!(replica_zone),
        "Where this node stands: sentinels that have a zone prefer to promote a replica there. INFO shows it as \
         `replica_zone`.",
    ),
    yes_no(
        "replica-ignore-maxmemory",
        field!(replica_ignore_maxmemory),
        "Leave it to the primary to make room: a replica evicts nothing by itself.",
    )
    .alias(&["slave-ignore-maxmemory"]),
    yes_no("replica-lazy-flush", moot("no", memory::LAZY), "Free a replica's old data in the background.")
        .alias(&["slave-lazy-flush"]),
    yes_no(
        "replica-ignore-disk-write-errors",
        moot(
            "no",
            "a replica applies its stream whether or not its disk takes writes, as Redis does with \
         `yes`",
        ),
        "Go on applying the stream when the disk fails.",
    ),
    one_of(
        "propagation-error-behavior",
        &["ignore", "panic", "panic-on-replicas"],
        moot(
            "ignore",
            "what cannot be applied always stops replication with a line in the log, never the \
         process",
        ),
        "What to do about a command of the stream that fails.",
    ),
];

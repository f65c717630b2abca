//! Directives on cluster mode.
//!
//! All wait for cluster mode: a node that is told to be part of a cluster must not run alone in silence.

use super::*;

const CLUSTER: &str = "cluster mode";

pub(super) const ROWS: &[Directive] = &[
    yes_no("cluster-enabled", later("no", CLUSTER), "Be a node of a cluster.").immutable(),
    text(
        "cluster-config-file",
        later("nodes.conf", CLUSTER),
        "File in which a node keeps what it knows of the others.",
    )
    .immutable(),
    integer(
        "cluster-node-timeout",
        (0, MAX_I64),
        later("15000", CLUSTER),
        "Milliseconds of silence after which a node counts as failing.",
    ),
    port("cluster-port", later("0", CLUSTER), "Port of the bus; 0 is 10000 above the port of clients.")
        .immutable(),
    count(
        "cluster-replica-validity-factor",
        later("10", CLUSTER),
        "How old a replica's data may be for it to be promoted; 0 is any age.",
    )
    .alias(&["cluster-slave-validity-factor"]),
    count(
        "cluster-migration-barrier",
        later("1", CLUSTER),
        "Replicas that a primary keeps when one moves to another primary.",
    ),
    yes_no(
        "cluster-allow-replica-migration",
        later("yes", CLUSTER),
        "Let replicas move to primaries that have none.",
    ),
    yes_no(
        "cluster-require-full-coverage",
        later("yes", CLUSTER),
        "Refuse queries while any slot has no owner.",
    ),
    yes_no("cluster-replica-no-failover", later("no", CLUSTER), "Never promote this replica by itself.")
        .alias(&["cluster-slave-no-failover"]),
    yes_no("cluster-allow-reads-when-down", later("no", CLUSTER), "Answer reads while the cluster is down."),
    yes_no(
        "cluster-allow-pubsubshard-when-down",
        later("yes", CLUSTER),
        "Pass messages on while the cluster is down.",
    ),
    bytes(
        "cluster-link-sendbuf-limit",
        (0, MAX_U64),
        later("0", CLUSTER),
        "Bytes waiting on one bus link that cut it off; 0 is no limit.",
    ),
    text("cluster-announce-ip", later("", CLUSTER), "Address to tell the other nodes."),
    port("cluster-announce-port", later("0", CLUSTER), "Port to tell them; 0 is the one it listens on."),
    port(
        "cluster-announce-tls-port",
        later("0", CLUSTER),
        "TLS port to tell them; 0 is the one it listens on.",
    ),
    port(
        "cluster-announce-bus-port",
        later("0", CLUSTER),
        "Port of the bus to tell them; 0 is the one it listens on.",
    ),
    text("cluster-announce-hostname", later("", CLUSTER), "Host name to tell them."),
    text(
        "cluster-announce-human-nodename",
        later("", CLUSTER),
        "Name by which people know this node, for logs.",
    ),
    one_of(
        "cluster-preferred-endpoint-type",
        &["ip", "hostname", "unknown-endpoint"],
        later("ip", CLUSTER),
        "What clients are told of other nodes.",
    ),
    integer(
        "cluster-ping-interval",
        (0, MAX_I64),
        later("0", CLUSTER),
        "Milliseconds between two pings, for tests.",
    )
    .hidden(),
    count(
        "cluster-manual-failover-timeout",
        later("5000", CLUSTER),
        "Milliseconds that a manual failover may take; a directive of Valkey's.",
    ),
    bytes(
        "slot-migration-max-failover-repl-bytes",
        (-1, MAX_I64),
        later("0", CLUSTER),
        "Bytes that may be missing when a slot is handed over, of Valkey; -1 is any number.",
    ),
    count(
        "cluster-slot-migration-log-max-len",
        later("1000", CLUSTER),
        "Slot migrations that Valkey remembers.",
    ),
    bytes(
        "cluster-slot-migration-handoff-max-lag-bytes",
        (0, MAX_I64),
        later("1048576", CLUSTER),
        "Bytes that may be missing when writes are paused for a handover, of Redis 8.",
    ),
    integer(
        "cluster-slot-migration-write-pause-timeout",
        (0, MAX_I64),
        later("10000", CLUSTER),
        "Milliseconds for which they are paused at most, of Redis 8.",
    ),
];

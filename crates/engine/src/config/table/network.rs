//! Directives on listening sockets and connections.
//!
//! Nothing here opens a socket: a port in use or an address that is missing is the shell's to report.

use super::*;

const RDMA: &str = "links over RDMA";

pub(super) const ROWS: &[Directive] = &[
    row(
        "bind",
        Kind::Own("up to 16 addresses"),
        own!(bind),
        "Addresses to listen on: `*` is every IPv4 address, `::*` every IPv6 one, and one with \
         a leading `-` may be missing on this machine.",
    ),
    text(
        "bind-source-addr",
        field!(bind_source_addr),
        "Local address from which a replica connects to its primary.",
    ),
    port("port", field!(port), "TCP port to listen on; 0 opens none."),
    count("tcp-backlog", field!(tcp_backlog), "Connections that the system queues until they are accepted.")
        .immutable(),
    text("unixsocket", field!(unixsocket), "Path of a Unix socket to listen on as well.").immutable(),
    row(
        "unixsocketperm",
        Kind::Octal { max: 0o777 },
        field!(unixsocketperm),
        "Permissions of the Unix socket; 0 leaves what the umask gives.",
    )
    .immutable(),
    integer(
        "socket-mark-id",
        (0, MAX_U32),
        later("0", "marking of sockets"),
        "Mark that the system's packet filter sees on the listening sockets.",
    )
    .immutable(),
    count("timeout", field!(timeout), "Seconds after which an idle client is disconnected; 0 never does."),
    count(
        "tcp-keepalive",
        field!(tcp_keepalive),
        "Seconds of silence after which the system probes whether a client is still there; 0 \
         never does.",
    ),
    yes_no(
        "mptcp",
        field!(mptcp),
        "Let clients and replicas connect by Multipath TCP, where the system has it; a directive of Valkey's.",
    ),
    yes_no(
        "protected-mode",
        field!(protected_mode),
        "Serve only clients of this machine as long as the default user has no password.",
    ),
    integer(
        "io-threads",
        (1, 128),
        later("1", "serving by several threads"),
        "Threads that read and write sockets.",
    )
    .immutable(),
    yes_no(
        "io-threads-do-reads",
        later("no", "serving by several threads"),
        "Let those threads read requests too, rather than only write replies.",
    )
    .immutable(),
    text("rdma-bind", later("", RDMA), "Addresses to listen on for RDMA; a directive of Valkey's."),
    port("rdma-port", later("0", RDMA), "Port for RDMA; 0 opens none."),
    integer(
        "rdma-rx-size",
        (65_536, 16 << 20),
        later("1048576", RDMA),
        "Bytes of a receive buffer for RDMA.",
    ),
    integer("rdma-completion-vector", (-1, 1024), later("-1", RDMA), "Completion vector of RDMA; -1 is any."),
];

//! The values of the configuration as the engine reads them: plain fields, no names, no texts.
//!
//! Fields carry the names of their directives; units are those of the directive and stand in the comment.
//! A directive without a field here is either without effect by design, or its feature is still to come.

use std::collections::BTreeMap;

use slipstream_keyspace::{AccessPolicy, Encoding};
use slipstream_sentinel::config::ConfigLine;

use crate::acl::UserLine;

/// Every setting that the node or the shell acts upon.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Addresses to listen on: `*`, `::*`, or an address; a leading `-` lets an unavailable one pass.
    pub bind: Vec<String>,
    /// TCP port; 0 listens on none.
    pub port: u16,
    /// Path of the Unix socket to listen on.
    pub unixsocket: Option<String>,
    /// Permissions of the Unix socket; 0 leaves what the umask gives.
    pub unixsocketperm: u32,
    /// Pending connections that the listening sockets ask the system to hold.
    pub tcp_backlog: u32,
    /// Seconds between probes of an idle connection; 0 sends none.
    pub tcp_keepalive: u32,
    /// Seconds after which an idle client is cut off; 0 never does.
    pub timeout: u32,
    /// Clients served at once.
    pub maxclients: u32,
    /// Whether clients from other machines are refused while there is no password.
    pub protected_mode: bool,
    /// Local address of the connections to a primary.
    pub bind_source_addr: Option<String>,
    /// Whether clients may connect by Multipath TCP.
    pub mptcp: bool,
    /// Whether the link to a primary is opened by Multipath TCP.
    pub repl_mptcp: bool,

    /// Whether the process shows its state in its title.
    pub set_proc_title: bool,
    /// What the title says.
    pub proc_title_template: String,
    /// Whether the kernel is told whom to kill first, and how the scores count.
    pub oom_score_adj: OomScoreAdj,
    /// Scores of a primary and of a replica; the third is of children, which there are none of.
    pub oom_score_adj_values: [i32; 3],
    /// Whether to detach from the terminal.
    pub daemonize: bool,
    /// File that holds the process id.
    pub pidfile: Option<String>,
    /// Least important level that is still logged.
    pub loglevel: LogLevel,
    /// File of the log; empty is standard output.
    pub logfile: String,
    /// Whether the banner is shown also when the log is not a terminal.
    pub always_show_logo: bool,
    /// Number of databases.
    pub databases: usize,
    /// Turns of the periodic tasks per second, within 1 to 500.
    pub hz: u32,
    /// Whether the system is asked for no huge pages.
    pub disable_thp: bool,
    /// Effort of active expiry, 1 to 10.
    pub active_expire_effort: u32,
    /// Seconds that a shutdown waits for lagging replicas.
    pub shutdown_timeout: u32,
    /// Whether a primary hands over to a replica before it ends.
    pub shutdown_handover: ShutdownHandover,
    /// Percentage of the keys that a full sync of an unknown history may not take away; 0 lets it.
    pub replica_guard_shrink_percent: u32,
    /// Seconds that a primary without the data that its replicas have waits for one of them; 0 does not.
    pub primary_empty_start_wait: u32,
    /// Milliseconds that a primary which comes back waits for the word of its sentinels; 0 does not.
    pub primary_return_wait: u64,
    /// What SIGINT does.
    pub shutdown_on_sigint: ShutdownOn,
    /// What SIGTERM does.
    pub shutdown_on_sigterm: ShutdownOn,

    /// When a snapshot is saved by itself; empty never.
    pub save: Vec<SavePoint>,
    /// Name of the snapshot file within `dir`.
    pub dbfilename: String,
    /// Working directory; the shell replaces it by the absolute path once it is there.
    pub dir: String,
    /// Whether strings in snapshots are compressed.
    pub rdbcompression: bool,
    /// Whether snapshots end with a checksum, and are held against it.
    pub rdbchecksum: bool,
    /// What happens to a snapshot of an unknown version.
    pub rdb_version_check: VersionCheck,
    /// Whether writes are refused after a failed save.
    pub stop_writes_on_bgsave_error: bool,
    /// Whether a snapshot file is synchronised to disk every few megabytes.
    pub rdb_save_incremental_fsync: bool,
    /// `rdb-key-save-delay`: microseconds for each key, or keys for each microsecond below 0.
    pub rdb_key_save_delay: i32,
    /// `key-load-delay`, in the same way.
    pub key_load_delay: i32,
    /// Whether an append-only file is loaded whose end is torn off.
    pub aof_load_truncated: bool,
    /// Most bytes at the end of one that are cut off if they are no commands.
    pub aof_load_corrupt_tail_max_size: u64,
    /// Whether every write goes to the append-only file.
    pub appendonly: bool,
    /// What the names of its files begin with.
    pub appendfilename: String,
    /// Their folder, within `dir`.
    pub appenddirname: String,
    /// When it is brought to disk.
    pub appendfsync: AppendFsync,
    /// Whether that is left out while a snapshot or a rewrite is written.
    pub no_appendfsync_on_rewrite: bool,
    /// Growth since the last rewrite in percent that starts another; 0 starts none.
    pub auto_aof_rewrite_percentage: u32,
    /// Bytes below which none is started.
    pub auto_aof_rewrite_min_size: u64,
    /// Whether a rewritten file begins with a snapshot, or with commands.
    pub aof_use_rdb_preamble: bool,
    /// Whether the file tells the time.
    pub aof_timestamp_enabled: bool,
    /// Whether a rewritten file is brought to disk piece by piece.
    pub aof_rewrite_incremental_fsync: bool,
    /// Whether files stay that a rewrite has made superfluous.
    pub aof_disable_auto_gc: bool,

    /// The primary to follow.
    pub replicaof: Option<Upstream>,
    /// User for the primary.
    pub primary_user: Option<Vec<u8>>,
    /// Password for the primary.
    pub primary_password: Option<Vec<u8>>,
    /// Whether a replica refuses writes of its clients.
    pub replica_read_only: bool,
    /// Whether a replica answers reads while its link is down.
    pub replica_serve_stale_data: bool,
    /// Rank in a failover, lower first; 0 is never promoted.
    pub replica_priority: u32,
    /// Whether sentinels are told of this replica.
    pub replica_announced: bool,
    /// Address told to the primary in place of the connection's own.
    pub replica_announce_ip: Option<String>,
    /// Port told to the primary; 0 tells `port`.
    pub replica_announce_port: u16,
    /// Whether a full sync may wait for more replicas to share its snapshot.
    pub repl_diskless_sync: bool,
    /// Seconds that a full sync waits for more replicas.
    pub repl_diskless_sync_delay: u32,
    /// Replicas that end that wait early; 0 is no such number.
    pub repl_diskless_sync_max_replicas: u32,
    /// Whether full syncs take two connections where both sides can.
    pub dual_channel_replication_enabled: bool,
    /// Bytes of the stream that a replica keeps while it loads a snapshot; 0 is the limit of a replica's output.
    pub replica_full_sync_buffer_limit: u64,
    /// Seconds between the pings on the replication stream.
    pub repl_ping_replica_period: u32,
    /// Seconds between two verifications of all replicas; 0 for none.
    pub replica_verify_interval: u32,
    /// Seconds of silence that end a replication link.
    pub repl_timeout: u32,
    /// Whether replication links may batch small packets.
    pub repl_disable_tcp_nodelay: bool,
    /// Whether a replica's socket has the log before replies to what is in it leave.
    pub repl_send_before_reply: bool,
    /// Whether writers are slowed when they outrun a replica's link for good.
    pub repl_pacing: bool,
    /// Whether a full sync to another node of this project is packed when the link is slow.
    pub repl_compression: Compression,
    /// What becomes of a snapshot that comes, and of the data that is there.
    pub repl_diskless_load: DisklessLoad,
    /// Bytes of the stream kept for partial resynchronisation.
    pub repl_backlog_size: u64,
    /// The longest divergent tail that is kept in a file, in bytes; 0 for none.
    pub replica_keep_divergent_tail: u64,
    /// `replica-restore-max-keys`.
    pub replica_restore_max_keys: u64,
    /// Bytes of it kept on disk behind that.
    pub repl_backlog_disk_size: u64,
    /// Most bytes of it on disk while a replica needs them.
    pub repl_backlog_spill_size: u64,
    /// Seconds without a replica after which the backlog is dropped; 0 never.
    pub repl_backlog_ttl: u64,
    /// Good replicas without which writes are refused; 0 asks for none.
    pub min_replicas_to_write: u32,
    /// Seconds of lag up to which a replica counts as good; 0 switches the check off.
    pub min_replicas_max_lag: u32,
    /// Replicas that must have a write before it is answered.
    pub min_replicas_to_ack: u32,
    /// Milliseconds after which such a reply gives way to an error; 0 is never.
    pub min_replicas_ack_timeout: u64,
    /// Whether a primary refuses writes while too few sentinels prove that they watch it.
    pub sentinel_fencing: bool,
    /// Milliseconds after which sentinels that do not tell it call this node down.
    pub sentinel_fencing_timeout: u64,
    /// Where this node stands, in the words of whoever runs it.
    pub replica_zone: Option<String>,

    /// Password of the default user.
    pub requirepass: Option<Vec<u8>>,
    /// Users that the configuration file names, and their rules.
    pub users: Vec<UserLine>,
    /// File of users; empty for none.
    pub aclfile: String,
    /// Channels that a new user may use.
    pub acl_pubsub_default: ChannelsByDefault,
    /// Refusals that ACL LOG remembers.
    pub acllog_max_len: u64,
    /// Who may use DEBUG.
    pub enable_debug_command: ProtectedAction,
    /// Who may set protected directives.
    pub enable_protected_configs: ProtectedAction,
    /// Who may use MODULE.
    pub enable_module_command: ProtectedAction,
    /// Commands to rename, in order: old name, new name; an empty new name removes the command.
    pub renamed_commands: Vec<(Vec<u8>, Vec<u8>)>,

    /// Limits of what waits to be sent to a client.
    pub client_output_buffer_limit: ClassLimits,
    /// Bytes of unparsed requests per client.
    pub client_query_buffer_limit: usize,
    /// Bytes of one argument.
    pub proto_max_bulk_len: usize,

    /// Fields up to which a hash is packed.
    pub hash_max_listpack_entries: usize,
    /// Bytes of a field or value up to which a hash is packed.
    pub hash_max_listpack_value: usize,
    /// Bytes (-1 to -5: 4, 8, 16, 32, 64 KiB) or elements (positive) of one chunk of a list.
    pub list_max_listpack_size: i32,
    /// Integers up to which a set is an intset.
    pub set_max_intset_entries: usize,
    /// Members up to which a set is packed.
    pub set_max_listpack_entries: usize,
    /// Bytes of a member up to which a set is packed.
    pub set_max_listpack_value: usize,
    /// Members up to which a sorted set is packed.
    pub zset_max_listpack_entries: usize,
    /// Bytes of a member up to which a sorted set is packed.
    pub zset_max_listpack_value: usize,
    /// Bytes of one block of a stream as Redis counts them; 0 is no limit.
    pub stream_node_max_bytes: usize,
    /// Entries of one block of a stream; 0 is no limit.
    pub stream_node_max_entries: usize,
    /// Bytes up to which a HyperLogLog is sparse.
    pub hll_sparse_max_bytes: usize,
    /// Keys that are remembered for clients that keep copies of them; 0 is no limit.
    pub tracking_table_max_keys: usize,

    /// Bytes of data above which keys are evicted; 0 is no limit.
    pub maxmemory: u64,
    /// Which keys are evicted.
    pub maxmemory_policy: EvictionPolicy,
    /// Keys compared to find one to evict.
    pub maxmemory_samples: usize,
    /// How long eviction may keep a command waiting, 0 to 100; 10 is half a millisecond.
    pub maxmemory_eviction_tenacity: u32,
    /// How many accesses it takes to raise a key's frequency.
    pub lfu_log_factor: u32,
    /// Minutes after which an idle key's frequency falls by one; 0 for never.
    pub lfu_decay_time: u32,
    /// Whether evicted keys are propagated by UNLINK.
    pub lazyfree_lazy_eviction: bool,
    /// Whether keys whose time has come are propagated by UNLINK.
    pub lazyfree_lazy_expire: bool,
    /// Whether keys that a command other than DEL removes are propagated by UNLINK.
    pub lazyfree_lazy_server_del: bool,
    /// Whether a replica evicts nothing by itself.
    pub replica_ignore_maxmemory: bool,

    /// Bytes of all clients together, or percent of `maxmemory` as a negative number; 0 is no limit.
    pub maxmemory_clients: i64,

    /// Milliseconds after which other clients are told that a script is running; 0 is never.
    pub busy_reply_threshold: u64,
    /// Microseconds from which a command enters the slow log; negative logs none.
    pub slowlog_log_slower_than: i64,
    /// Entries of the slow log.
    pub slowlog_max_len: usize,
    /// Milliseconds from which an event enters the latency monitor; 0 switches it off.
    pub latency_monitor_threshold: u64,
    /// Whether latencies are recorded per command.
    pub latency_tracking: bool,
    /// Percentiles that INFO shows of them.
    pub latency_tracking_info_percentiles: Vec<f64>,
    /// Classes of events that are published, as bits of [`crate::event::class`].
    pub notify_keyspace_events: u16,

    /// Directives that have no effect by design: what was set, for CONFIG GET and REWRITE.
    pub(super) without_effect: BTreeMap<&'static str, String>,

    /// The `sentinel` lines, in order, of a node that is a sentinel.
    pub sentinel: Option<Vec<ConfigLine>>,
}

/// Save a snapshot once both are reached since the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds passed, at least 1.
    pub seconds: u64,
    /// Changes made.
    pub changes: u64,
}

/// The address of a primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How much may wait to be sent to one client before it is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes that cut it off at once; 0 is no limit.
    pub hard: u64,
    /// Bytes that cut it off after `soft_seconds`; 0 is no limit.
    pub soft: u64,
    /// Seconds above `soft` that are tolerated.
    pub soft_seconds: u64,
}

impl OutputLimit {
    /// Whether so many bytes are beyond one of the two bounds.
    pub(crate) fn is_passed(self, bytes: u64) -> bool {
        [self.hard, self.soft].into_iter().any(|bound| bound > 0 && bytes > bound)
    }
}

/// Output limits by class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassLimits {
    /// Ordinary clients.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Subscribers.
    pub pubsub: OutputLimit,
}

impl ClassLimits {
    /// The limit of a client, which may be a subscriber.
    pub(crate) fn of_client(&self, is_subscribed: bool) -> OutputLimit {
        if is_subscribed { self.pubsub } else { self.normal }
    }
}

/// Importance of a log line, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For those who work on the server.
    Debug,
    /// Much, seldom needed.
    Verbose,
    /// What operators want to know.
    Notice,
    /// What operators must know.
    Warning,
    /// As a level to log from: silence.
    Nothing,
}

/// When the append-only file is brought to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFsync {
    /// Before a write is answered.
    Always,
    /// Once a second.
    EverySecond,
    /// When the system likes.
    No,
}

/// Whether a primary that is asked to end hands over to a replica first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownHandover {
    /// If most of its sentinels will learn of it by themselves.
    Auto,
    /// Whenever there is a replica.
    Yes,
    /// Never.
    No,
}

/// Whether full syncs between nodes of this project are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// On links that turn out to be slow.
    Auto,
    /// Never.
    No,
}

/// What a replica does with a snapshot that comes, and with the data that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisklessLoad {
    /// Into a file first; then it is decoded beside the old data.
    Disabled,
    /// Into a file first if there is old data.
    OnEmptyDb,
    /// Decoded as it comes, beside the old data.
    Swapdb,
    /// Decoded as it comes; the old data goes once the snapshot has shown that it can be read.
    FlushBeforeLoad,
}

/// What happens to a snapshot whose format has an unknown version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionCheck {
    /// It is refused.
    Strict,
    /// It is read as far as all that is in it is known.
    Relaxed,
}

/// Who may do something dangerous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectedAction {
    /// Nobody.
    No,
    /// Everybody.
    Yes,
    /// Clients on this machine.
    Local,
}

/// Channels that what is new in ACL rules may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelsByDefault {
    /// All.
    All,
    /// None.
    None,
}

impl ChannelsByDefault {
    /// Whether these are all.
    pub fn are_all(self) -> bool {
        self == ChannelsByDefault::All
    }
}

/// What becomes of the process's score by which the kernel chooses whom to kill when memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomScoreAdj {
    /// It stays as it is.
    No,
    /// Values are added to what it was.
    Relative,
    /// Values are the score.
    Absolute,
}

/// Which keys make room when memory is at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionPolicy {
    /// None: commands that would need memory are refused.
    NoEviction,
    /// Those used least recently.
    AllKeysLru,
    /// Those used least often.
    AllKeysLfu,
    /// Any.
    AllKeysRandom,
    /// Those used least recently, of those that expire.
    VolatileLru,
    /// Those used least often, of those that expire.
    VolatileLfu,
    /// Any of those that expire.
    VolatileRandom,
    /// Those that expire first.
    VolatileTtl,
}

impl EvictionPolicy {
    /// Whether only keys that expire may go.
    pub fn is_volatile(self) -> bool {
        matches!(self, Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl)
    }

    /// Whether it goes by how often keys are used.
    pub fn counts_accesses(self) -> bool {
        matches!(self, Self::AllKeysLfu | Self::VolatileLfu)
    }

    /// Its name in CONFIG and INFO.
    pub fn name(self) -> &'static str {
        use super::value::Named;
        Self::NAMES.iter().find(|(_, value)| *value == self).expect("every variant has a name").0
    }
}

/// What a signal that asks for shutdown does; all false is the default behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOn {
    /// Save even without save points.
    pub save: bool,
    /// Do not save even with save points.
    pub nosave: bool,
    /// Do not wait for lagging replicas.
    pub now: bool,
    /// Go on in spite of errors.
    pub force: bool,
}

const MIB: u64 = 1 << 20;

impl Default for Config {
    #[expect(clippy::too_many_lines, reason = "one line per field")]
    fn default() -> Self {
        Self {
            bind: vec!["*".to_owned(), "-::*".to_owned()],
            port: 6379,
            unixsocket: None,
            unixsocketperm: 0,
            tcp_backlog: 511,
            tcp_keepalive: 300,
            timeout: 0,
            maxclients: 10_000,
            protected_mode: true,
            bind_source_addr: None,
            mptcp: false,
            repl_mptcp: false,

            set_proc_title: true,
            proc_title_template: "{title} {listen-addr} {server-mode}".to_owned(),
            oom_score_adj: OomScoreAdj::No,
            oom_score_adj_values: [0, 200, 800],
            daemonize: false,
            pidfile: None,
            loglevel: LogLevel::Notice,
            logfile: String::new(),
            always_show_logo: false,
            databases: 16,
            hz: 10,
            disable_thp: true,
            active_expire_effort: 1,
            shutdown_timeout: 10,
            shutdown_handover: ShutdownHandover::Auto,
            replica_guard_shrink_percent: 50,
            primary_empty_start_wait: 60,
            primary_return_wait: 2000,
            shutdown_on_sigint: ShutdownOn::default(),
            shutdown_on_sigterm: ShutdownOn::default(),

            save: SavePoint::DEFAULTS.to_vec(),
            dbfilename: "dump.rdb".to_owned(),
            dir: "./".to_owned(),
            rdbcompression: true,
            rdbchecksum: true,
            rdb_version_check: VersionCheck::Strict,
            stop_writes_on_bgsave_error: true,
            rdb_save_incremental_fsync: true,
            rdb_key_save_delay: 0,
            key_load_delay: 0,
            aof_load_truncated: true,
            aof_load_corrupt_tail_max_size: 0,
            appendonly: false,
            appendfilename: "appendonly.aof".to_owned(),
            appenddirname: "appendonlydir".to_owned(),
            appendfsync: AppendFsync::EverySecond,
            no_appendfsync_on_rewrite: false,
            auto_aof_rewrite_percentage: 100,
            auto_aof_rewrite_min_size: 64 * MIB,
            aof_use_rdb_preamble: true,
            aof_timestamp_enabled: false,
            aof_rewrite_incremental_fsync: true,
            aof_disable_auto_gc: false,

            replicaof: None,
            primary_user: None,
            primary_password: None,
            replica_read_only: true,
            replica_serve_stale_data: true,
            replica_priority: 100,
            replica_announced: true,
            replica_announce_ip: None,
            replica_announce_port: 0,
            repl_diskless_sync: true,
            repl_diskless_sync_delay: 0,
            repl_diskless_sync_max_replicas: 0,
            dual_channel_replication_enabled: true,
            replica_full_sync_buffer_limit: 0,
            repl_ping_replica_period: 10,
            replica_verify_interval: 0,
            repl_timeout: 60,
            repl_send_before_reply: true,
            repl_pacing: true,
            repl_compression: Compression::Auto,
            repl_diskless_load: DisklessLoad::Swapdb,
            repl_disable_tcp_nodelay: false,
            repl_backlog_size: 64 * MIB,
            replica_keep_divergent_tail: 64 * MIB,
            replica_restore_max_keys: 100_000,
            repl_backlog_disk_size: 0,
            repl_backlog_spill_size: 4096 * MIB,
            repl_backlog_ttl: 3600,
            min_replicas_to_write: 0,
            min_replicas_max_lag: 10,
            min_replicas_to_ack: 0,
            min_replicas_ack_timeout: 0,
            sentinel_fencing: false,
            sentinel_fencing_timeout: 30_000,
            replica_zone: None,

            requirepass: None,
            users: Vec::new(),
            aclfile: String::new(),
            acl_pubsub_default: ChannelsByDefault::None,
            acllog_max_len: 128,
            enable_debug_command: ProtectedAction::No,
            enable_protected_configs: ProtectedAction::No,
            enable_module_command: ProtectedAction::No,
            renamed_commands: Vec::new(),

            client_output_buffer_limit: ClassLimits::DEFAULT,
            client_query_buffer_limit: 1 << 30,
            proto_max_bulk_len: 512 << 20,

            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            list_max_listpack_size: -2,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hll_sparse_max_bytes: 3000,
            tracking_table_max_keys: 1_000_000,

            maxmemory: 0,
            maxmemory_policy: EvictionPolicy::NoEviction,
            maxmemory_samples: 5,
            maxmemory_eviction_tenacity: 10,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
            lazyfree_lazy_eviction: false,
            lazyfree_lazy_expire: false,
            lazyfree_lazy_server_del: false,
            replica_ignore_maxmemory: true,

            maxmemory_clients: 0,

            slowlog_log_slower_than: 10_000,
            busy_reply_threshold: 5000,
            slowlog_max_len: 128,
            latency_monitor_threshold: 0,
            latency_tracking: true,
            latency_tracking_info_percentiles: vec![50.0, 99.0, 99.9],
            notify_keyspace_events: 0,

            without_effect: BTreeMap::new(),

            sentinel: None,
        }
    }
}

impl Config {
    /// The defaults of a sentinel.
    pub fn for_sentinel() -> Config {
        Config { port: 26379, protected_mode: false, sentinel: Some(Vec::new()), ..Config::default() }
    }

    /// Whether a sentinel can be what is said here.
    ///
    /// # Errors
    ///
    /// Why not, as it is told at the start.
    pub fn check_sentinel(&self) -> Result<(), String> {
        match self.replicaof {
            Some(_) => Err("replicaof directive while in sentinel mode".to_owned()),
            None => Ok(()),
        }
    }

    /// How the keyspace is to record accesses.
    pub fn access_policy(&self) -> AccessPolicy {
        match self.maxmemory_policy.counts_accesses() {
            false => AccessPolicy::Recency,
            true => AccessPolicy::Frequency {
                log_factor: self.lfu_log_factor,
                decay_minutes: self.lfu_decay_time,
            },
        }
    }

    /// Hands the thresholds of packed values to the keyspace.
    pub fn update_encoding(&self, encoding: &mut Encoding) {
        encoding.hash_max_listpack_entries = self.hash_max_listpack_entries;
        encoding.hash_max_listpack_value = self.hash_max_listpack_value;
        encoding.list_max_listpack_size = self.list_max_listpack_size;
        encoding.set_max_intset_entries = self.set_max_intset_entries;
        encoding.set_max_listpack_entries = self.set_max_listpack_entries;
        encoding.set_max_listpack_value = self.set_max_listpack_value;
        encoding.zset_max_listpack_entries = self.zset_max_listpack_entries;
        encoding.zset_max_listpack_value = self.zset_max_listpack_value;
        encoding.stream_node_max_bytes = self.stream_node_max_bytes;
        encoding.stream_node_max_entries = self.stream_node_max_entries;
    }
}

impl SavePoint {
    /// After an hour with a change, five minutes with a hundred, a minute with ten thousand.
    const DEFAULTS: [Self; 3] = [
        Self { seconds: 3600, changes: 1 },
        Self { seconds: 300, changes: 100 },
        Self { seconds: 60, changes: 10_000 },
    ];
}

impl ClassLimits {
    const DEFAULT: Self = Self {
        normal: OutputLimit { hard: 0, soft: 0, soft_seconds: 0 },
        replica: OutputLimit { hard: 256 * MIB, soft: 64 * MIB, soft_seconds: 60 },
        pubsub: OutputLimit { hard: 32 * MIB, soft: 8 * MIB, soft_seconds: 60 },
    };
}

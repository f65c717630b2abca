//! What the engine asks of the process around it.
//!
//! The engine has no clock, no files and no sockets. Most of what it wants done
//! it returns as an [`Effect`]; the few questions that need an
//! answer within a command (the time, memory figures for INFO, whether a new
//! port could be bound) go through [`Host`]. The shell implements it with the
//! operating system, the simulator with a world of its own.

use std::fmt;

use slipstream_aof::Manifest;
use slipstream_keyspace::{Keyspace, Snapshot, UnixMillis};
use slipstream_log::{Offset, Slice};
use slipstream_rdb::Target;
use slipstream_rdb::frames::HashKey;
pub use slipstream_replication::Level;
use slipstream_replication::Moment;
use slipstream_replication::replicas::Framing;

use crate::aof::{BaseOrder, Order};
use crate::config::Config;
use crate::door::{Arrival, Door};
use crate::migrating::{Shipment, Shipped};
use crate::reclaim::Discarded;
use crate::replication::digesting::DigestOrder;
use crate::session::SessionId;

/// The two times: what the clock on the wall says and how long the process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Wall-clock time in microseconds since 1970: expiry, TIME.
    pub unix_micros: i64,
    /// Microseconds since the process began: timeouts, durations. Never jumps.
    pub micros: u64,
}

impl Clock {
    /// Wall-clock time.
    pub fn unix(&self) -> UnixMillis {
        UnixMillis(self.unix_micros.div_euclid(1000))
    }

    /// Monotonic time.
    pub fn moment(&self) -> Moment {
        Moment(self.micros / 1000)
    }
}

/// Facts about the process for INFO. What a platform cannot tell is `None` and left out.
#[derive(Clone, Debug, Default)]
pub struct ProcessFacts {
    /// Process number.
    pub pid: u32,
    /// Bytes allocated and not freed.
    pub used_memory: usize,
    /// Most bytes that ever were.
    pub peak_memory: usize,
    /// Resident set in bytes.
    pub resident: Option<usize>,
    /// Physical memory of the machine in bytes.
    pub system_memory: Option<usize>,
    /// CPU time of the process in microseconds: in the kernel, outside, the same of its children, and of
    /// the executor's thread.
    pub cpu_micros: [Option<u64>; 6],
    /// Operating system, release and architecture.
    pub system: String,
    /// The program's path.
    pub executable: String,
    /// The configuration file's path, or empty.
    pub config_file: String,
    /// The allocator's name.
    pub allocator: String,
    /// Bytes that the allocator has handed out.
    pub allocator_allocated: Option<usize>,
    /// Bytes of the pages that hold some of them.
    pub allocator_active: Option<usize>,
    /// Bytes that the allocator has from the system.
    pub allocator_resident: Option<usize>,
    /// Connections to targets of MIGRATE that are kept.
    pub migration_sockets: usize,
    /// What waits for its readiness: `epoll`.
    pub multiplexing: String,
}

/// A directive that the process cannot act on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The directive.
    pub directive: &'static str,
    /// The reason.
    pub reason: String,
}

/// The process around the engine.
pub trait Host {
    /// Both times.
    fn clock(&mut self) -> Clock;
    /// Microseconds that this thread has spent on a processor: asked for twice a turn while latency is monitored.
    fn processor_micros(&mut self) -> u64;
    /// Figures for INFO.
    fn facts(&mut self) -> ProcessFacts;
    /// Bytes allocated and not freed: asked for before each command where memory has a limit.
    fn used_memory(&mut self) -> usize;
    /// Gives memory that is not in use back to the system.
    fn release_memory(&mut self);
    /// What the allocator tells of itself, in its own words.
    fn allocator_report(&mut self) -> Option<String>;
    /// Writes one line to the log; `replica` decides its role letter.
    fn log(&mut self, level: Level, replica: bool, text: &str);
    /// Acts on changed directives: binds a port, changes the folder, opens the log file; may write a value
    /// in its full form (a folder's path). Where it refuses, everything is as before.
    fn apply(&mut self, config: &mut Config, changed: &[&'static str]) -> Result<(), Refused>;
    /// The node is a replica from now on, or a primary: acts on directives that tell the two apart.
    fn act_as(&mut self, is_replica: bool);
    /// The text of the configuration file.
    fn read_config(&mut self) -> Result<String, String>;
    /// Replaces the configuration file by `text`, so that a crash leaves the old one or the new one.
    fn write_config(&mut self, text: &[u8]) -> Result<(), String>;
    /// The content of a file, if there is one: a sentinel's state, users.
    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String>;
    /// Replaces a file, so that a crash leaves the old one or the new one.
    fn write_file(&mut self, path: &str, content: &[u8]) -> Result<(), String>;
    /// Fills `bytes` with what nobody can guess: passwords. Never for what is to be the same again from a seed.
    fn fill_secret(&mut self, bytes: &mut [u8]) -> Result<(), String>;
    /// Whether a path is that of a file which may be executed.
    fn is_program(&mut self, path: &str) -> bool;
    /// Holds up the whole process: DEBUG SLEEP.
    fn stall(&mut self, micros: u64);
    /// Serves clients while a command runs for long, without waiting: sends what is to be sent, lets new ones in, and
    /// returns what came. Whom the door does not serve waits, as does everything else that the process watches.
    fn while_busy(&mut self, door: &mut Door<'_>) -> Vec<Arrival>;
    /// Brings keys to another server, and holds up the whole process meanwhile: MIGRATE within EXEC or a script.
    fn ship(&mut self, shipment: Box<Shipment>) -> Shipped;
}

/// What a snapshot is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveReason {
    /// SAVE: its client waits.
    Save,
    /// BGSAVE, or a `save` point was reached.
    Background,
    /// SHUTDOWN: the process ends when it is on disk.
    Shutdown,
}

/// A snapshot and what goes with it into a file or to replicas.
pub struct SnapshotJob {
    /// The data.
    pub snapshot: Snapshot,
    /// What goes before it: facts about this node, and function libraries kept as they came.
    pub preface: slipstream_rdb::Preface,
}

impl SnapshotJob {
    /// The format for a file: version 10, which everything reads, unless the data needs more.
    pub fn disk_target(&self) -> Target {
        match slipstream_rdb::unsupported_feature(&self.snapshot, Target::Redis10) {
            None => Target::Redis10,
            Some(_) => Target::Redis12,
        }
    }
}

impl fmt::Debug for SnapshotJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotJob").finish_non_exhaustive()
    }
}

/// How far a snapshot is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaveProgress {
    /// Keys in the file.
    pub keys: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Data as it comes out of a file or a full sync.
pub struct LoadedData {
    /// The data.
    pub keyspace: Keyspace,
    /// What was read besides.
    pub loaded: slipstream_rdb::Loaded,
    /// How many bytes of it are kept in a file, on disk.
    pub kept: Option<u64>,
}

impl fmt::Debug for LoadedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedData").finish_non_exhaustive()
    }
}

/// What the shell does for the engine, in order.
#[derive(Debug)]
pub enum Effect {
    /// Close a connection after one attempt to send what it has not read.
    Disconnect(SessionId),
    /// Write a snapshot to `dbfilename`; answer with [`Node::saved`](crate::Node::saved) and its number, and tell
    /// how far it is with [`Node::save_progress`](crate::Node::save_progress). An older one that is still being
    /// written is given up.
    Save {
        /// Its number.
        number: u64,
        /// What to write.
        job: Box<SnapshotJob>,
    },
    /// The snapshot that is being written is not wanted any more: its temporary file goes. Nobody is told.
    CancelSave,
    /// What the writer of the append-only file is to do; it answers with
    /// [`Node::aof_reported`](crate::Node::aof_reported).
    Aof(Order),
    /// Write a base of the append-only file; answer with
    /// [`Node::aof_base_written`](crate::Node::aof_base_written). An older one that is still being written is given up.
    AofBase(Box<BaseOrder>),
    /// Load `dbfilename`; answer with [`Node::loaded_file`](crate::Node::loaded_file).
    LoadFile,
    /// Load the append-only file of this manifest: tell of its pieces with
    /// [`Node::replay`](crate::Node::replay) and its siblings, and of its end with
    /// [`Node::loaded_log`](crate::Node::loaded_log).
    LoadLog(Box<Manifest>),
    /// Encode a snapshot into a spool of this number, for the replicas that join it; answer with
    /// [`Node::sync_encoded`](crate::Node::sync_encoded), and with
    /// [`Node::sync_outgrown`](crate::Node::sync_outgrown) before anything of it is forgotten.
    StartSync(Box<SyncOrder>),
    /// Send all of a spool to a replica's socket; answer with [`Node::sync_sent`](crate::Node::sync_sent).
    JoinSync {
        /// The spool.
        job: u64,
        /// The replica.
        replica: SessionId,
        /// How the end of the snapshot is told.
        framing: Framing,
    },
    /// What all replicas have taken of a spool may be forgotten.
    SealSync(u64),
    /// Nobody wants a spool any more.
    EndSync(u64),
    /// Once all that was said to a replica before is sent, send it the log from an offset on, whatever comes;
    /// say how far that is with [`Node::replica_sent`](crate::Node::replica_sent). What it sends meanwhile goes
    /// to its session, or, if it is an acknowledgement, to
    /// [`Node::replica_acked`](crate::Node::replica_acked).
    StartStream {
        /// Its session.
        replica: SessionId,
        /// From where.
        from: Offset,
        /// Let the system gather small pieces (`repl-disable-tcp-nodelay`).
        batch: bool,
    },
    /// End such a stream at `end`: send `rest`, as far as that is not sent, and nothing more; answer with
    /// [`Node::stream_ended`](crate::Node::stream_ended) when that is done and the session has its socket again. The
    /// log may be another one by now.
    EndStream {
        /// Its session.
        replica: SessionId,
        /// What may not be sent yet, up to the end.
        rest: Vec<Slice>,
        /// Where.
        end: Offset,
    },
    /// Open the link to the primary instead of any other; answer with
    /// [`Node::link_connected`](crate::Node::link_connected) or
    /// [`Node::link_closed`](crate::Node::link_closed).
    Connect {
        /// The connection's number: whatever is told of the link is told with it.
        number: u64,
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Open a side connection to the primary instead of any other; answer with
    /// [`Node::side_connected`](crate::Node::side_connected) or
    /// [`Node::side_closed`](crate::Node::side_closed).
    SideConnect {
        /// The connection's number: whatever is told of it is told with it.
        number: u64,
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Send bytes over the side connection.
    SideSend(Vec<u8>),
    /// Close it.
    SideClose,
    /// Send bytes over the link.
    LinkSend(Vec<u8>),
    /// Close the link.
    LinkClose,
    /// Read nothing from the link for now.
    LinkPause,
    /// Read it again.
    LinkResume,
    /// A full sync's snapshot begins: decode what follows, and answer with this number; tell of progress with
    /// [`Node::load_progress`](crate::Node::load_progress).
    LoadBegin(LoadOrder),
    /// The next bytes of it.
    LoadBytes(Vec<u8>),
    /// It is complete; answer with [`Node::loaded_sync`](crate::Node::loaded_sync).
    LoadEnd,
    /// It is not wanted any more.
    LoadAbort,
    /// Digest a snapshot on another thread; answer with [`Node::digested`](crate::Node::digested).
    Digest(Box<DigestOrder>),
    /// Write a file into the current folder, so that a crash leaves all of it or nothing; answer with
    /// [`Node::kept_file`](crate::Node::kept_file).
    KeepFile {
        /// Its name.
        name: String,
        /// What is in it.
        content: Vec<u8>,
    },
    /// Replace the state file in the current folder, so that a crash leaves the old one or the new one, and after
    /// all that were to be written before; answer with [`Node::kept_state`](crate::Node::kept_state).
    KeepState {
        /// Its name.
        name: String,
        /// What is in it.
        content: Vec<u8>,
    },
    /// Bring keys to another server; answer with [`Node::shipped`](crate::Node::shipped) and their number.
    Ship(Box<Shipment>),
    /// What a sentinel wants done outside, in this order, all of a turn's before the next turn: connections and
    /// scripts, never what [`Effect::SentinelStore`] is for, nor events and log lines. Answer with
    /// [`Node::sentinel_event`](crate::Node::sentinel_event).
    Sentinel(slipstream_sentinel::Action),
    /// Replace a file, so that a crash leaves the old one or the new one, and after all that were to be written
    /// before; answer with [`Event::Stored`](slipstream_sentinel::Event::Stored) and this version when file and folder
    /// are on disk. Of several that wait, the newest is enough.
    SentinelStore {
        /// What it holds.
        version: slipstream_sentinel::Version,
        /// The configuration file, or `sentinel state-file`.
        path: String,
        /// What is to be in it.
        content: Vec<u8>,
    },
    /// Drop this away from the executor.
    Reclaim(Box<Discarded>),
    /// End the process.
    Exit(i32),
}

/// How to take a snapshot in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOrder {
    /// Its number.
    pub number: u64,
    /// Receive it into a file first.
    pub through_file: bool,
    /// Keep what is received as [`received_name`](crate::aof::received_name) says, if any server of the family could
    /// load it: it may become the base of the append-only file.
    pub keeps: bool,
}

/// One snapshot for whoever joins it.
#[derive(Debug)]
pub struct SyncOrder {
    /// The number of its spool.
    pub job: u64,
    /// What to encode.
    pub content: SnapshotJob,
    /// In which encoding.
    pub target: Target,
    /// In frames, with this key of the hash in their head: for nodes of this project.
    pub framed: Option<HashKey>,
}

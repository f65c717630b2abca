//! The words that the replicas and their engine exchange.
//!
//! Settings go in, actions come out. Nothing here decides anything.

use slipstream_log::{Log, Offset, Slice};

use super::ReplicaId;
use super::sync::{JobId, SyncJob, SyncMember};
use super::wait::WaiterId;
use crate::{Level, Moment};

/// What the operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `repl-timeout` in milliseconds.
    pub timeout_ms: u64,
    /// `repl-ping-replica-period` in milliseconds.
    pub ping_period_ms: u64,
    /// `repl-diskless-sync-delay` in milliseconds; 0 without `repl-diskless-sync`.
    pub sync_delay_ms: u64,
    /// Whether those who can get a full sync over two connections (`dual-channel-replication-enabled`, not
    /// without `repl-diskless-sync`).
    pub two_links: bool,
    /// `repl-diskless-sync-max-replicas`: so many need not wait for more.
    pub sync_max_replicas: Option<usize>,
    /// `repl-backlog-ttl` in milliseconds; `None` for ever.
    pub backlog_ttl_ms: Option<u64>,
    /// `repl-pacing`: writers are slowed when they outrun a link for good.
    pub pacing: bool,
    /// `client-output-buffer-limit replica`.
    pub output_limit: OutputLimit,
}

/// How far a replica that takes nothing may be behind, in bytes of the log. One that takes something, however
/// slowly, is never too far behind: the log keeps what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Not so far when it has taken nothing for ten seconds; 0 for no limit. Counts as what the log keeps
    /// without readers if that is more.
    pub hard: u64,
    /// Not so far when it has taken nothing for `soft_ms`; 0 for no limit.
    pub soft: u64,
    /// See `soft`.
    pub soft_ms: u64,
}

/// What this node is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It writes the log: it pings, and may ask for acknowledgements.
    Primary,
    /// It copies the log of another and adds nothing to it.
    Replica {
        /// Whether the stream from its primary flows.
        link_up: bool,
    },
}

/// What the replicas are looked at with: the time and the log, as they are in this turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The time.
    pub now: Moment,
    /// The log that the replicas read.
    pub log: &'a Log,
}

/// What the replicas want done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Activate the log: from now on it has a reader.
    ActivateLog,
    /// Deactivate the log: it has had no reader for too long.
    DeactivateLog,
    /// Append a `ping` to the log.
    AppendPing,
    /// Append a `REPLCONF GETACK *` to the log.
    AppendGetAck,
    /// Append the clock to the log: [`wire::clock`](crate::wire::clock).
    AppendClock,
    /// Take a snapshot now, and let the log say again which database is selected; report `on_sync_started` at
    /// once. Encode it into a spool; report `on_sync_encoded`, `on_sync_outgrown` before anything of it is
    /// forgotten, or `on_sync_failed`.
    StartSync(SyncJob),
    /// Send a job's snapshot to a replica. Report `on_snapshot_progress`, and in the end `on_snapshot_sent` or
    /// `on_snapshot_unsent`.
    JoinSync(SyncMember),
    /// Nobody joins that snapshot any more: what all its replicas have taken may be forgotten.
    SealSync(JobId),
    /// Nobody wants that snapshot any more. Forget it, and report nothing of it.
    EndSync(JobId),
    /// Write to a replica, outside the stream.
    Send {
        /// To whom.
        replica: ReplicaId,
        /// What.
        bytes: Vec<u8>,
    },
    /// From now on send the log from `from` on, and report `on_sent`.
    StartStream {
        /// To whom.
        replica: ReplicaId,
        /// From where.
        from: Offset,
    },
    /// End a stream at `end`: send `rest`, as far as that is not sent, and nothing more. Report `on_stream_ended`
    /// when the session has its socket back.
    EndStream {
        /// Whose.
        replica: ReplicaId,
        /// What lies before the end and may not be sent yet.
        rest: Vec<Slice>,
        /// Where.
        end: Offset,
    },
    /// Write [`wire::HISTORY_CHANGED`](crate::wire::HISTORY_CHANGED) behind its stream. From here on the session is
    /// answered as a client's.
    AskAgain(ReplicaId),
    /// Close the session, after an attempt to write what was sent before.
    Close(ReplicaId),
    /// A client that waited has its answer.
    WaitOver {
        /// Which client.
        waiter: WaiterId,
        /// How many replicas have acknowledged.
        acked: usize,
    },
    /// A line for the log.
    Log(Level, String),
}

/// What has been counted, for INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial_ok: u64,
    /// `sync_partial_err`.
    pub partial_err: u64,
    /// Replicas closed for being too far behind.
    pub output_limit_closes: u64,
}

impl Action {
    pub(super) fn notice(text: impl Into<String>) -> Self {
        Action::Log(Level::Notice, text.into())
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Action::Log(Level::Warning, text.into())
    }
}

//! One replica, as its primary sees it.
//!
//! ```text
//!            full sync                       all sent, length framing
//!  attach ──► Queued ──► Syncing(Preparing ──► Sending) ─────────────────► Online
//!     │                                        │ all sent, mark framing      ▲
//!     │                                        └──► Loading ──first ACK──────┤
//!     ├──────────────────── may continue ────────────────────────────────────┤
//!     │ full sync over two connections                                       │ first ACK
//!     └──► Redirected ── the snapshot's offset is known ──► Buffering ───────┘
//! ```
//!
//! A change of the history ends a stream, and with it the connection or not: `parting.rs`.
//!
//! Behind a mark nothing is sent until the replica has answered: it finds the mark because it is the last
//! that comes. From `Syncing` on the log keeps what lies behind the snapshot; `cursor()` says from where.

use std::fmt;

use slipstream_log::Offset;

use super::pacing::Waited;
use super::{JobId, Profile, ReplicaId};
use crate::Moment;

/// The state of a replica, as INFO names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Waits for a snapshot to begin.
    WaitSnapshot,
    /// A snapshot is being sent, or loaded there.
    SendSnapshot,
    /// The stream flows.
    Online,
}

impl ReplicaState {
    /// The word that INFO uses.
    pub fn as_str(self) -> &'static str {
        match self {
            ReplicaState::WaitSnapshot => "wait_bgsave",
            ReplicaState::SendSnapshot => "send_bulk",
            ReplicaState::Online => "online",
        }
    }
}

/// What a replica has been sent of its snapshot, in bytes as they were encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotSent {
    /// Sent.
    pub sent: u64,
    /// Encoded, and not sent yet.
    pub waiting: u64,
}

/// How far the full sync of a replica is.
#[derive(Clone, Copy, Debug)]
pub struct SyncProgress {
    /// Since when it waits for its data.
    pub since: Moment,
    /// When the first of it could be sent.
    pub(super) sending_since: Moment,
    /// What it has been sent.
    pub bytes: SnapshotSent,
    /// When the log was told last.
    pub(super) told: Moment,
}

impl SyncProgress {
    pub(super) fn begin(now: Moment) -> SyncProgress {
        SyncProgress { since: now, sending_since: now, bytes: SnapshotSent::default(), told: now }
    }
}

/// A replica that has asked for data.
#[derive(Debug)]
pub struct Replica {
    /// The session that it speaks through.
    pub id: ReplicaId,
    /// What it said of itself.
    pub profile: Profile,
    /// The address of its socket; empty if that has none.
    pub peer: String,
    /// What it has applied, by its own word, or from where it was continued.
    pub acked: Offset,
    /// Whether it has said so with an acknowledgement.
    pub(super) confirmed: bool,
    /// What it has on disk, by its own word.
    pub durable: Offset,
    /// When it last gave a sign of life (or went online).
    pub heard: Moment,
    /// When it asked for data.
    pub(super) arrived: Moment,
    pub(super) protocol: Protocol,
    pub(super) phase: Phase,
    /// Its full sync, if it has one.
    pub(super) sync: SyncProgress,
    /// Since when it has been beyond the soft limit of its output.
    pub(super) over_soft_limit: Option<Moment>,
    /// Its cursor at the last look, and when that moved.
    pub(super) moved: (Offset, Moment),
    /// What it had taken when the links' pace was last looked at.
    pub(super) observed: Option<Offset>,
    /// What writers have waited for it.
    pub(super) waited: Waited,
}

/// How it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// With SYNC: told no offset, and not expected to acknowledge any.
    Sync,
    Psync,
}

/// See the diagram above. `from` is where the stream joins the snapshot, `not_before` when a full sync that
/// failed before may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Queued {
        since: Moment,
        not_before: Moment,
    },
    Syncing {
        job: JobId,
        from: Offset,
        stage: Stage,
    },
    Loading {
        from: Offset,
    },
    Online {
        cursor: Offset,
    },
    /// Told to fetch its snapshot over another connection.
    Redirected,
    /// The stream flows and is kept there, while another connection brings the snapshot.
    Buffering {
        cursor: Offset,
    },
    /// The history that it knows has ended, and it is to ask again. From `held` on the log has what it will ask for;
    /// nothing if that is to be other data.
    Parting {
        cursor: Offset,
        held: Option<Offset>,
        stage: Parting,
    },
}

/// How far the end of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// The rest of the stream is being sent.
    Draining,
    /// All of it is; the replica is told when this node can answer it.
    Waiting,
    /// It has been told.
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing of the snapshot has been sent.
    Preparing,
    /// It is being sent; `progressed` is when the replica last took some of it. `answered` when the first
    /// acknowledgement has overtaken the report that all is sent.
    Sending { progressed: Moment, answered: bool },
}

impl Replica {
    /// The address by which it is known.
    pub fn address(&self) -> &str {
        self.profile.address.as_deref().unwrap_or(&self.peer)
    }

    /// The port by which it is known; 0 if it did not say.
    pub fn port(&self) -> i64 {
        self.profile.port.unwrap_or(0)
    }

    /// Whether both are known by the same address and port.
    pub(super) fn is_called_like(&self, other: &Replica) -> bool {
        self.profile.port.is_some()
            && self.profile.port == other.profile.port
            && self.address() == other.address()
    }

    /// How far it is.
    pub fn state(&self) -> ReplicaState {
        match self.phase {
            Phase::Queued { .. }
            | Phase::Redirected
            | Phase::Parting { .. }
            | Phase::Syncing { stage: Stage::Preparing, .. } => ReplicaState::WaitSnapshot,
            Phase::Syncing { .. } | Phase::Loading { .. } | Phase::Buffering { .. } => {
                ReplicaState::SendSnapshot
            }
            Phase::Online { .. } => ReplicaState::Online,
        }
    }

    /// What its full sync is at, and how far, if this connection brings it its snapshot.
    pub fn sync(&self) -> Option<(&'static str, SyncProgress)> {
        let phase = match self.phase {
            Phase::Queued { .. } => "waiting",
            Phase::Syncing { stage: Stage::Preparing, .. } => "preparing",
            Phase::Syncing { stage: Stage::Sending { .. }, .. } => "sending",
            Phase::Loading { .. } => "loading",
            Phase::Redirected | Phase::Buffering { .. } | Phase::Online { .. } | Phase::Parting { .. } => {
                return None;
            }
        };
        Some((phase, self.sync))
    }

    /// Whether the stream flows.
    pub fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online { .. })
    }

    /// Whether it has yet to tell that it has what another connection brings.
    pub(super) fn is_syncing(&self) -> bool {
        !matches!(self.phase, Phase::Online { .. } | Phase::Parting { .. })
    }

    /// Whole seconds since it was heard; 0 before it is online, as in INFO.
    pub fn lag_seconds(&self, now: Moment) -> u64 {
        if self.is_online() { now.seconds_since(self.heard) } else { 0 }
    }

    /// The next byte of the log that it needs; nothing when it waits for a snapshot to begin, or wants no
    /// stream.
    pub fn cursor(&self) -> Option<Offset> {
        match self.phase {
            // The log is kept for the stream of another connection, until that has come.
            _ if self.profile.wants_no_stream() || self.profile.main.is_some() => None,
            Phase::Queued { .. } | Phase::Redirected => None,
            Phase::Syncing { from, .. } | Phase::Loading { from } => Some(from),
            Phase::Online { cursor } | Phase::Buffering { cursor } => Some(cursor),
            Phase::Parting { held, .. } => held,
        }
    }

    /// Up to where its socket took the stream, if it has one.
    pub fn sent(&self) -> Option<Offset> {
        match self.phase {
            Phase::Online { cursor } | Phase::Buffering { cursor } | Phase::Parting { cursor, .. } => {
                Some(cursor)
            }
            _ => None,
        }
    }

    pub(super) fn job(&self) -> Option<JobId> {
        match self.phase {
            Phase::Syncing { job, .. } => Some(job),
            _ => None,
        }
    }

    /// Since when it has been silent or stuck, if that counts in its phase.
    pub(super) fn silent_since(&self) -> Option<Moment> {
        match self.phase {
            Phase::Syncing { stage: Stage::Sending { progressed, .. }, .. } => Some(progressed),
            Phase::Loading { .. } | Phase::Online { .. } | Phase::Buffering { .. } => {
                (self.protocol == Protocol::Psync).then_some(self.heard)
            }
            Phase::Parting { stage: Parting::Draining, .. } => Some(self.moved.1.min(self.heard)),
            Phase::Parting { .. } => Some(self.heard),
            Phase::Queued { .. } | Phase::Redirected | Phase::Syncing { .. } => None,
        }
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address(), self.profile.port) {
            ("", _) => write!(f, "client id #{}", self.id.0),
            (address, Some(port)) => write!(f, "{address}:{port}"),
            (address, None) => write!(f, "{address}:<unknown-replica-port>"),
        }
    }
}

//! The words that a link and its engine exchange.
//!
//! Settings and positions go in, actions come out. Nothing here decides anything.

use std::borrow::Cow;
use std::fmt;

use slipstream_log::{Offset, ReplicationId};

use crate::Level;

/// What the operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `masteruser`.
    pub user: Option<Vec<u8>>,
    /// `masterauth`.
    pub password: Option<Vec<u8>>,
    /// The port that the primary reports for this node: `replica-announce-port`, or the one that it listens
    /// on.
    pub announced_port: u16,
    /// `replica-announce-ip`.
    pub announced_ip: Option<String>,
    /// `repl-timeout` in milliseconds.
    pub timeout_ms: u64,
    /// Whether a full sync may take two connections (`dual-channel-replication-enabled`).
    pub two_links: bool,
    /// `replica-full-sync-buffer-limit` in bytes: so much of the stream is kept while the snapshot is loaded.
    pub buffer_limit: u64,
}

/// Where a primary is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// An address or a name.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A place in a history: everything of `id` up to `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The history.
    pub id: ReplicationId,
    /// The end of what is known of it.
    pub offset: Offset,
}

/// What a node has when it connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What its data is a copy of, if of anything.
    pub resume: Option<Position>,
    /// Where it left the history before its own.
    pub earlier: Option<Position>,
    /// Some keys are not what they were there: it may continue only if the primary gives their values. Up to this
    /// offset everything has been applied.
    pub stale_since: Option<Offset>,
}

/// A key of a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The database.
    pub db: usize,
    /// The key.
    pub name: Vec<u8>,
}

/// What a primary holds at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The value, as DUMP answers it.
    pub payload: Vec<u8>,
    /// When it is due, in milliseconds since 1970.
    pub deadline_ms: Option<i64>,
}

/// What a primary held at some keys, all at one moment of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// That moment.
    pub at: Offset,
    /// The keys; without a content where there was none.
    pub values: Vec<(Key, Option<Content>)>,
}

/// What came of [`Action::Rewind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewound {
    /// The node is at the fork.
    There,
    /// It is where it was: it can be there with the primary's values of these keys, asked for in these portions.
    /// None is empty.
    Needs(Vec<Vec<Key>>),
    /// It is where it was, and needs a snapshot.
    Refused,
}

/// What the link wants done. `'a` is the input of the call that produced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Open a connection; report `on_connected` or `on_closed`.
    Connect(Endpoint),
    /// Write to the connection.
    Send(Vec<u8>),
    /// Close the connection, and report nothing of it any more.
    Close,
    /// Open a second connection for a snapshot; report `on_side_connected` or `on_side_closed`.
    ConnectSide(Endpoint),
    /// Write to it.
    SendSide(Vec<u8>),
    /// Close it, and report nothing of it any more.
    CloseSide,
    /// Stop reading the connection: what comes next cannot be applied yet.
    PauseReading,
    /// Read the connection again.
    ResumeReading,
    /// A snapshot comes. `position` is where the stream joins it, unknown after SYNC; `length` is known with
    /// length framing only.
    SnapshotBegin {
        /// What the data will be a copy of.
        position: Option<Position>,
        /// Its size in bytes.
        length: Option<u64>,
    },
    /// A part of the snapshot.
    SnapshotBytes(Cow<'a, [u8]>),
    /// The snapshot is complete. Load it; report `on_loaded` or `on_load_failed`.
    SnapshotEnd,
    /// The primary's history forks here, and this node is further on, or has stale keys. Go back to the fork if the
    /// data can be made what it was there, and report `on_rewound` at once.
    Rewind {
        /// The fork, and the history in which it lies: this node's, or the one before that.
        to: Position,
    },
    /// The primary continues the stream from the fork on, and gave its values of the keys that the node needed. Go
    /// back to the fork. Those keys are stale from here on; report `on_restored` when none is any more.
    Restore {
        /// The fork.
        to: Position,
        /// The values, in the order of their moments.
        fetched: Vec<Fetched>,
    },
    /// The data has stale keys, and this primary cannot mend them: it is a copy of nothing any more.
    Forget,
    /// The snapshot will not be completed, or not be wanted. Forget it, and report nothing of it.
    SnapshotAbort,
    /// The data stays and the stream goes on from where it stands, under this id if it has changed. (Then
    /// replicas of this node must be told: [`Replicas::change_history`](crate::Replicas::change_history).)
    Continue {
        /// The id of the history from here on; `None` from a primary that does not say.
        id: Option<ReplicationId>,
    },
    /// Bytes of the stream. Apply the complete commands in them and keep the rest; when the connection is
    /// gone, forget the rest.
    Apply(Cow<'a, [u8]>),
    /// News of the takeover that [`hand_over`](super::Link::hand_over) asked for. Comes before what the answer
    /// leads to.
    Takeover(Takeover),
    /// A line for the log.
    Log(Level, String),
}

/// What became of the request to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// It is on its way.
    Asked,
    /// The other end is the primary, and this node its replica.
    Accepted,
    /// The other end is no primary. The link asks again later unless it is stopped.
    Refused,
}

/// A transfer that is under way, for INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes of the snapshot received so far.
    pub received: u64,
    /// Bytes of the whole snapshot, if the primary said so.
    pub total: Option<u64>,
}

/// How a primary broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    LineTooLong,
    ReplyTooLong,
    BadFullResync,
    BadHead(String),
    BadEndOffset(String),
    NotAsked,
    SnapshotAborted(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::LineTooLong => f.write_str("Master sent a line that is too long during the handshake"),
            Violation::ReplyTooLong => {
                f.write_str("Master sent a reply that is too long during the handshake")
            }
            Violation::BadFullResync => f.write_str("Master replied with wrong +FULLRESYNC syntax."),
            Violation::BadEndOffset(line) => write!(f, "Received unexpected $ENDOFF response: {line}"),
            Violation::NotAsked => f.write_str("Master sent something that was not asked for"),
            Violation::BadHead(line) => write!(
                f,
                "Bad protocol from MASTER, the first byte is not '$' (we received '{line}'), \
                 are you sure the host and port are right?"
            ),
            Violation::SnapshotAborted(line) => {
                write!(f, "MASTER aborted replication with an error: {line}")
            }
        }
    }
}

impl Action<'_> {
    pub(super) fn notice(text: impl Into<String>) -> Self {
        Action::Log(Level::Notice, text.into())
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Action::Log(Level::Warning, text.into())
    }
}

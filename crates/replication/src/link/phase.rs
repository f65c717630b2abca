//! The phases of a link, each with what it needs to know and nothing else.
//!
//! ```text
//!  Idle ──follow──► Connecting ──► Greeting ──► Introducing ──► AwaitingDecision ──+CONTINUE──► Streaming
//!                    ▲      (PING)     (AUTH, REPLCONF …)    (PSYNC) │                              ▲
//!                    │                                               │ +FULLRESYNC, or SYNC         │
//!                 Waiting ◄── any loss or failure                    ▼                              │
//!                                                               AwaitingHead ──► Receiving ──► Loading
//!  Halted ◄── the engine cannot apply the stream
//! ```
//!
//! A node that begins to follow somebody else, and has data, asks between Introducing and AwaitingDecision where
//! the other's history forks (Inquiring), and goes back to there if it is further on (Rewinding), perhaps with the
//! other's values of some keys (Fetching). Then Streaming is no copy yet until the stream has come to where those
//! are from. One that refused the other's data asks the same, until there is something else to be had (Refusing).
//!
//! A primary whose history changes says so within the stream, and Streaming goes back to Introducing over the same
//! connection (`changing.rs`).
//!
//! A loss goes back to Connecting at once when the last attempt is long enough ago. Loading survives the loss
//! of the connection: the snapshot is complete, and the stream is asked for again afterwards.

use std::borrow::Cow;
use std::collections::VecDeque;

use slipstream_log::{Offset, ReplicationId};

use super::BEAT_MS;
use super::action::{Action, Position, Transfer};
use super::answers::Head;
use super::fetching::{Fetching, Restoration};
use super::greeting::Step;
use super::lines::LineReader;
use super::pairing::{Early, Pairing};
use super::replies::ReplyReader;
use crate::mark::MarkFinder;
use crate::{Moment, wire};

/// How far a link has come, as ROLE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody is followed, or replication has stopped.
    None,
    /// The next attempt is still to come.
    Connect,
    /// The connection is being opened.
    Connecting,
    /// Introducing itself, and waiting for the answer to PSYNC.
    Handshake,
    /// Receiving or loading a snapshot.
    Sync,
    /// The stream flows.
    Connected,
}

impl State {
    /// The word that ROLE uses.
    pub fn as_str(self) -> &'static str {
        match self {
            State::None => "none",
            State::Connect => "connect",
            State::Connecting => "connecting",
            State::Handshake => "handshake",
            State::Sync => "sync",
            State::Connected => "connected",
        }
    }
}

/// See the diagram above. `since` is when the answer began to be awaited, `resume` what will be asked for.
#[derive(Debug)]
pub(super) enum Phase {
    Idle,
    Waiting {
        until: Moment,
    },
    Connecting,
    Greeting {
        resume: Option<Position>,
        lines: LineReader,
        since: Moment,
    },
    Introducing {
        resume: Option<Position>,
        awaited: VecDeque<Step>,
        lines: LineReader,
        since: Moment,
    },
    Inquiring {
        resume: Option<Position>,
        answer: ReplyReader,
        since: Moment,
        again: bool,
    },
    Refusing {
        resume: Option<Position>,
        until: Moment,
    },
    Rewinding {
        resume: Position,
        /// The primary's history.
        upstream: ReplicationId,
        fork: Position,
    },
    Fetching(Fetching),
    AwaitingDecision {
        resume: Option<Position>,
        lines: LineReader,
        since: Moment,
        restoration: Option<Restoration>,
    },
    AwaitingHead {
        position: Option<Position>,
        lines: LineReader,
        since: Moment,
    },
    Receiving(Receiving),
    Pairing(Pairing),
    Loading {
        position: Option<Position>,
        transfer: Transfer,
        connection: Connection,
        next_beat: Moment,
    },
    Streaming(Streaming),
    Halted {
        reason: String,
    },
}

/// The connection while the snapshot is loaded. `early` is what of the stream has come: over one connection,
/// which is not read meanwhile, what came together with the snapshot's end.
#[derive(Debug)]
pub(super) enum Connection {
    Open { early: Early },
    Lost,
}

impl Phase {
    pub(super) fn state(&self) -> State {
        match self {
            Phase::Idle | Phase::Halted { .. } => State::None,
            Phase::Waiting { .. } => State::Connect,
            Phase::Connecting => State::Connecting,
            Phase::Greeting { .. }
            | Phase::Introducing { .. }
            | Phase::Inquiring { .. }
            | Phase::Refusing { .. }
            | Phase::Rewinding { .. }
            | Phase::Fetching(_)
            | Phase::AwaitingDecision { .. } => State::Handshake,
            Phase::Pairing(pairing) if !pairing.has_snapshot() => State::Handshake,
            Phase::AwaitingHead { .. } | Phase::Receiving(_) | Phase::Pairing(_) | Phase::Loading { .. } => {
                State::Sync
            }
            Phase::Streaming(streaming) if streaming.is_restoring => State::Sync,
            Phase::Streaming(_) => State::Connected,
        }
    }

    /// Whether there is a connection, open or being opened.
    pub(super) fn has_connection(&self) -> bool {
        !matches!(
            self,
            Phase::Idle
                | Phase::Waiting { .. }
                | Phase::Halted { .. }
                | Phase::Loading { connection: Connection::Lost, .. }
        )
    }

    /// Whether a snapshot is under way.
    pub(super) fn has_snapshot(&self) -> bool {
        match self {
            Phase::Pairing(pairing) => pairing.has_snapshot(),
            phase => matches!(phase, Phase::Receiving(_) | Phase::Loading { .. }),
        }
    }

    /// Whether a second connection is open or being opened.
    pub(super) fn has_side(&self) -> bool {
        matches!(self, Phase::Pairing(pairing) if pairing.has_side())
    }

    /// Both connections, where an event can only come in that phase.
    pub(super) fn pairing(&mut self) -> &mut Pairing {
        match self {
            Phase::Pairing(pairing) => pairing,
            phase => unreachable!("no two connections in {phase:?}"),
        }
    }

    /// When something is to be sent again for its own sake.
    pub(super) fn next_beat(&self) -> Option<Moment> {
        match self {
            Phase::Receiving(receiving) => Some(receiving.next_beat),
            Phase::Pairing(pairing) => pairing.is_streaming().then_some(pairing.next_beat),
            Phase::Loading { connection: Connection::Open { .. }, next_beat, .. } => Some(*next_beat),
            Phase::Streaming(streaming) => Some(streaming.next_beat),
            _ => None,
        }
    }

    /// While the data is being replaced the primary gets a newline, afterwards acknowledgements.
    pub(super) fn beat(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        match self {
            Phase::Receiving(Receiving { next_beat, .. })
            | Phase::Pairing(Pairing { next_beat, .. })
            | Phase::Loading { next_beat, .. } => {
                *next_beat = now.after_ms(BEAT_MS);
                actions.push(Action::Send(b"\n".to_vec()));
            }
            Phase::Streaming(streaming) => {
                streaming.next_beat = now.after_ms(BEAT_MS);
                streaming.acknowledge(actions);
            }
            phase => unreachable!("no beat in {phase:?}"),
        }
    }
}

/// A snapshot on its way.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) position: Option<Position>,
    pub(super) extent: Extent,
    pub(super) received: u64,
    pub(super) next_beat: Moment,
}

/// Where the snapshot ends.
#[derive(Debug)]
pub(super) enum Extent {
    Length(u64),
    Marked { finder: MarkFinder, found: bool },
}

impl Receiving {
    /// The head of a snapshot has come.
    pub(super) fn begin(
        now: Moment,
        position: Option<Position>,
        head: Head,
        actions: &mut Vec<Action<'_>>,
    ) -> Receiving {
        let (extent, length, what) = match head {
            Head::Length(length) => (Extent::Length(length), Some(length), format!("{length} bytes")),
            Head::Marked(mark) => {
                let finder = MarkFinder::new(mark);
                (Extent::Marked { finder, found: false }, None, "streamed RDB".to_owned())
            }
        };
        actions.push(Action::notice(format!("MASTER <-> REPLICA sync: receiving {what} from master")));
        actions.push(Action::SnapshotBegin { position, length });
        Receiving { position, extent, received: 0, next_beat: now.after_ms(BEAT_MS) }
    }

    /// Hands on what belongs to the snapshot and gives back the rest.
    pub(super) fn push<'a>(&mut self, input: &'a [u8], actions: &mut Vec<Action<'a>>) -> &'a [u8] {
        match &mut self.extent {
            Extent::Length(length) => {
                let missing = usize::try_from(*length - self.received).unwrap_or(usize::MAX);
                let (data, rest) = input.split_at(missing.min(input.len()));
                self.hand_on(Cow::Borrowed(data), actions);
                rest
            }
            Extent::Marked { finder, found } => {
                let piece = finder.push(input);
                *found = piece.ended;
                self.hand_on(Cow::Owned(piece.released), actions);
                self.hand_on(Cow::Borrowed(piece.data), actions);
                &[]
            }
        }
    }

    fn hand_on<'a>(&mut self, bytes: Cow<'a, [u8]>, actions: &mut Vec<Action<'a>>) {
        if !bytes.is_empty() {
            self.received += bytes.len() as u64;
            actions.push(Action::SnapshotBytes(bytes));
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        match &self.extent {
            Extent::Length(length) => self.received == *length,
            Extent::Marked { found, .. } => *found,
        }
    }

    pub(super) fn transfer(&self) -> Transfer {
        let total = match &self.extent {
            Extent::Length(length) => Some(*length),
            Extent::Marked { .. } => None,
        };
        Transfer { received: self.received, total }
    }
}

/// The stream flows.
#[derive(Debug)]
pub(super) struct Streaming {
    pub(super) received: Offset,
    pub(super) applied: Offset,
    /// Whether some keys are stale: nothing counts as applied until they are not.
    pub(super) is_restoring: bool,
    /// A primary that knows only SYNC has no use for acknowledgements.
    pub(super) acknowledges: bool,
    pub(super) next_beat: Moment,
    /// What the primary was told last.
    pub(super) told: Offset,
    /// Up to where everything is on disk here, if there is an append-only file, and what was told of that.
    pub(super) durable: Option<Offset>,
    pub(super) told_durable: Option<Offset>,
    /// Whether it asked and has had no answer.
    pub(super) owed: bool,
    /// Until when it is told unasked.
    pub(super) eager_until: Option<Moment>,
    /// What came before the data was loaded, and is still to be handed on; meanwhile the connection is not
    /// read.
    pub(super) replay: VecDeque<Vec<u8>>,
}

impl Streaming {
    /// Hands on one more piece of what came early.
    pub(super) fn replay(&mut self, actions: &mut Vec<Action<'_>>) {
        let Some(piece) = self.replay.pop_front() else { return };
        actions.push(Action::Apply(Cow::Owned(piece)));
        if self.replay.is_empty() {
            actions.push(Action::ResumeReading);
        }
    }

    pub(super) fn acknowledge(&mut self, actions: &mut Vec<Action<'_>>) {
        self.told = self.applied;
        self.told_durable = self.durable;
        self.owed = false;
        if self.acknowledges {
            actions.push(Action::Send(wire::ack(self.applied, self.durable)));
        }
    }

    pub(super) fn owes_ack(&self, now: Moment) -> bool {
        let has_news = self.told != self.applied || self.told_durable != self.durable;
        self.owed || has_news && self.eager_until.is_some_and(|until| now < until)
    }
}

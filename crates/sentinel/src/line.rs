//! One connection: whether it is there, what of a reply has come, and which replies are still to come.
//!
//! ```text
//!          Connect                     Connected
//! Closed ───────────► Connecting ─────────────────► Up
//!   ▲                     │ Failed, too late         │ Failed, given up
//!   └─────────────────────┴──────────────────────────┘
//! ```
//! Replies come in the order of the requests, so a queue of what is awaited says what each one answers.

use std::collections::VecDeque;

use slipstream_replication::Moment;
use slipstream_resp::Value;

use crate::action::LineId;
use crate::server::LeaseTerms;

/// Bytes of one reply that are kept at most: INFO of a server with a thousand replicas is below a tenth of it.
const LONGEST_REPLY: usize = 4 << 20;
/// Replies that may be outstanding before no more is asked.
pub(crate) const MOST_AWAITED: usize = 100;

/// What a reply will answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Nothing that matters.
    Nothing,
    /// AUTH.
    Login,
    /// PING.
    Ping,
    /// REPLICA LEASE.
    Lease(LeaseTerms),
    /// INFO.
    Info,
    /// INFO by which a replica is chosen.
    Selection,
    /// PUBLISH of a hello.
    Hello,
    /// ROLE.
    Role,
    /// SENTINEL IS-MASTER-DOWN-BY-ADDR for this group.
    Opinion(String),
    /// SENTINEL REPLICAS of this group.
    Topology(String),
    /// CLIENT PAUSE of a planned switchover.
    Pause,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LineState {
    /// There is none.
    #[default]
    Closed,
    /// One is being made.
    Connecting(LineId),
    /// One is there.
    Up(LineId),
}

/// One connection of an instance, again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// See the diagram above.
    pub(crate) state: LineState,
    /// When it became that.
    pub(crate) since: Moment,
    /// When the next attempt may be made.
    pub(crate) retry_at: Moment,
    buffer: Vec<u8>,
    /// Bytes of that which were taken.
    taken: usize,
    /// What the next replies answer.
    pub(crate) awaited: VecDeque<Awaited>,
}

/// What came is no reply, or a longer one than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokenLine;

impl Line {
    /// The connection, once it is there.
    pub(crate) fn up(&self) -> Option<LineId> {
        match self.state {
            LineState::Up(id) => Some(id),
            LineState::Closed | LineState::Connecting(_) => None,
        }
    }

    /// The connection or the attempt at it.
    pub(crate) fn id(&self) -> Option<LineId> {
        match self.state {
            LineState::Closed => None,
            LineState::Connecting(id) | LineState::Up(id) => Some(id),
        }
    }

    /// It is something else from now on; nothing that was awaited comes any more.
    pub(crate) fn become_(&mut self, state: LineState, now: Moment) {
        self.state = state;
        self.since = now;
        self.buffer = Vec::new();
        self.taken = 0;
        self.awaited.clear();
    }

    /// Takes what came; the next whole reply is [`Line::next`].
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(), BrokenLine> {
        if self.buffer.len() + bytes.len() > LONGEST_REPLY {
            return Err(BrokenLine);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole reply.
    pub(crate) fn next(&mut self) -> Result<Option<Value>, BrokenLine> {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        match slipstream_resp::decode_value(rest).map_err(|_| BrokenLine)? {
            Some((value, length)) => {
                self.taken += length;
                Ok(Some(value))
            }
            None => {
                // Moved once for all that one read brought.
                self.buffer.drain(..self.taken);
                self.taken = 0;
                Ok(None)
            }
        }
    }
}

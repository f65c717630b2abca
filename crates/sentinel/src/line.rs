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
use crate::extent::{Extent, Limits};
use crate::failover::promoting::Turn;
use crate::server::LeaseTerms;

/// INFO of a server with a thousand replicas is below a tenth of it, and ROLE has three values for each.
pub(crate) const OF_SERVERS: Limits = Limits { bytes: 1 << 20, values: 10_000 };
/// A hello has not a kilobyte.
pub(crate) const OF_MESSAGES: Limits = Limits { bytes: 64 << 10, values: 100 };
/// SENTINEL REPLICAS has some forty values for each of a thousand replicas.
pub(crate) const OF_SENTINELS: Limits = Limits { bytes: 4 << 20, values: 100_000 };
/// A buffer that was greater than this is given back once it is empty.
const KEPT: usize = 64 << 10;
/// Replies that may be outstanding before no more is asked.
pub(crate) const MOST_AWAITED: usize = 100;

/// What a reply will answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// An order of that name, which is obeyed or refused.
    Order(&'static str),
    /// SLAVEOF, sent then.
    ReplicaOf(Moment),
    /// EXEC of a transaction with SLAVEOF.
    Exec(Turn),
    /// PING.
    Ping,
    /// REPLICA LEASE.
    Lease(LeaseTerms),
    /// INFO.
    Info,
    /// REPLICA DETACH, sent then.
    Detachment(Moment),
    /// INFO by which a replica is chosen.
    Selection,
    /// PUBLISH of a hello.
    Hello,
    /// ROLE.
    Role,
    /// SENTINEL IS-MASTER-DOWN-BY-ADDR for this group, asked then.
    Opinion(String, Moment),
    /// SENTINEL REPLICAS of this group.
    Topology(String),
    /// CLIENT PAUSE of a planned switchover.
    Pause,
}

impl Awaited {
    /// What was asked, as it is told; `None` where a switchover tells what came of it.
    pub(crate) fn command(&self) -> Option<&'static str> {
        Some(match self {
            Awaited::Order(name) => name,
            Awaited::ReplicaOf(_) => "SLAVEOF",
            Awaited::Exec(_) => "EXEC",
            Awaited::Ping => "PING",
            Awaited::Lease(_) => "REPLICA LEASE",
            Awaited::Info | Awaited::Selection => "INFO",
            Awaited::Detachment(_) => "REPLICA DETACH",
            Awaited::Hello => "PUBLISH",
            Awaited::Role => "ROLE",
            Awaited::Opinion(..) => "SENTINEL IS-MASTER-DOWN-BY-ADDR",
            Awaited::Topology(_) => "SENTINEL REPLICAS",
            Awaited::Pause => return None,
        })
    }
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
    /// How far the next reply has come.
    extent: Extent,
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
        self.extent = Extent::default();
        self.awaited.clear();
    }

    /// Takes what came; the next whole reply is [`Line::next`].
    pub(crate) fn receive(&mut self, bytes: &[u8], limits: Limits) -> Result<(), BrokenLine> {
        if self.buffer.len() + bytes.len() > limits.bytes {
            return Err(BrokenLine);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole reply.
    pub(crate) fn next(&mut self, limits: Limits) -> Result<Option<Value>, BrokenLine> {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let Some(end) = self.extent.end(rest, limits)? else {
            // Moved once for all that one read brought.
            self.buffer.drain(..self.taken);
            self.taken = 0;
            if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
                self.buffer = Vec::new();
            }
            return Ok(None);
        };
        let whole = slipstream_resp::decode_value(&rest[..end]).map_err(|_| BrokenLine)?;
        let (value, _) = whole.filter(|(_, length)| *length == end).ok_or(BrokenLine)?;
        self.taken += end;
        self.extent = Extent::default();
        Ok(Some(value))
    }

    /// Bytes that wait for more.
    pub(crate) fn unfinished(&self) -> usize {
        self.buffer.len() - self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_in_pieces_is_taken_once_it_is_whole() {
        let mut line = Line::default();
        let text = "+a\r\n*2\r\n:1\r\n$3\r\nabc\r\n:5\r\n";
        let mut replies = Vec::new();
        for byte in text.bytes() {
            line.receive(&[byte], OF_SERVERS).expect("it is short");
            replies.extend(line.next(OF_SERVERS).expect("it is in order"));
        }
        let array = Value::Array(vec![Value::Integer(1), Value::Bulk(b"abc".to_vec())]);
        assert_eq!(replies, [Value::Simple("a".to_owned()), array, Value::Integer(5)]);
        assert_eq!(line.next(OF_SERVERS), Ok(None));
        assert_eq!(line.unfinished(), 0);
    }

    #[test]
    fn a_line_takes_no_more_than_its_limit() {
        let mut line = Line::default();
        let rest = vec![b'x'; OF_MESSAGES.bytes];
        assert_eq!(line.receive(&rest, OF_MESSAGES), Ok(()));
        assert_eq!(line.receive(b"x", OF_MESSAGES), Err(BrokenLine));
    }

    #[test]
    fn what_came_is_looked_at_once_and_given_back() {
        let mut line = Line::default();
        line.receive(b"+a\r\n*2\r\n:1\r\n", OF_SERVERS).expect("it is short");
        assert_eq!(line.next(OF_SERVERS), Ok(Some(Value::Simple("a".to_owned()))));
        assert_eq!(line.next(OF_SERVERS), Ok(None));
        let begun = line.extent.clone();
        assert_ne!(begun, Extent::default());
        let rest = [b"$100000\r\n".as_slice(), &[b'x'; 100_000], b"\r\n"].concat();
        line.receive(&rest, OF_SERVERS).expect("it is not long");
        assert!(line.next(OF_SERVERS).expect("it is in order").is_some());
        assert_eq!(line.next(OF_SERVERS), Ok(None));
        assert_eq!((line.unfinished(), line.buffer.capacity()), (0, 0));
    }
}

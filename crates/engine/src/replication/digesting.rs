//! Digests of snapshots for REPLICA VERIFY, one at a time.
//!
//! Each is made on another thread and takes as long as reading all data takes. Whoever asks decides how often it asks:
//! a primary by its stream, an operator by commands. So one is made at a time, and for each of both only the newest
//! that was asked for waits; what it takes the place of would be an answer to nobody.

use slipstream_keyspace::{KeyDigest, RangeDigest, Snapshot};

/// Keys that are listed for one verification at most.
const MAX_LISTED: usize = 100_000;

/// For whom digests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestTicket {
    /// Whether this node's primary asked; else it is a verification of its own.
    pub(super) asked: bool,
    /// Which verification.
    pub(super) run: u64,
}

/// A snapshot to be digested on another thread: `run` it and hand what comes out to
/// [`Node::digested`](crate::Node::digested), or [`Digested::failed`].
pub struct DigestOrder {
    pub(super) ticket: DigestTicket,
    pub(super) snapshot: Snapshot,
    /// The ranges whose keys are listed; `None` to digest all ranges.
    pub(super) ranges: Option<Vec<u16>>,
}

impl std::fmt::Debug for DigestOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestOrder").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// What became of a [`DigestOrder`].
#[derive(Debug)]
pub struct Digested {
    pub(super) ticket: DigestTicket,
    pub(super) outcome: DigestOutcome,
}

#[derive(Debug)]
pub(super) enum DigestOutcome {
    Ranges(Vec<RangeDigest>),
    Keys(Vec<KeyDigest>, bool),
    /// It could not be made: why.
    Failed(String),
}

impl DigestOrder {
    /// Does it. Takes as long as reading and hashing all data takes.
    pub fn run(self) -> Digested {
        let outcome = match &self.ranges {
            None => DigestOutcome::Ranges(slipstream_keyspace::digest_ranges(&self.snapshot)),
            Some(ranges) => {
                let (keys, complete) = slipstream_keyspace::list_ranges(&self.snapshot, ranges, MAX_LISTED);
                DigestOutcome::Keys(keys, complete)
            }
        };
        Digested { ticket: self.ticket, outcome }
    }

    /// For whom it is.
    pub fn ticket(&self) -> DigestTicket {
        self.ticket
    }
}

impl Digested {
    /// Nothing could be digested: why.
    pub fn failed(ticket: DigestTicket, reason: String) -> Digested {
        Digested { ticket, outcome: DigestOutcome::Failed(reason) }
    }
}

/// What is being digested, and what waits for that.
#[derive(Debug, Default)]
pub(super) struct Digesting {
    is_busy: bool,
    own: Option<DigestOrder>,
    asked: Option<DigestOrder>,
}

impl Digesting {
    /// What is to be digested now, if this is.
    pub(super) fn begin(&mut self, order: DigestOrder) -> Option<DigestOrder> {
        if !std::mem::replace(&mut self.is_busy, true) {
            return Some(order);
        }
        let place = if order.ticket.asked { &mut self.asked } else { &mut self.own };
        *place = Some(order);
        None
    }

    /// One is done: what is to be digested next.
    pub(super) fn end(&mut self) -> Option<DigestOrder> {
        let next = self.own.take().or_else(|| self.asked.take());
        self.is_busy = next.is_some();
        next
    }

    /// The primary wants nothing any more.
    pub(super) fn forget_asked(&mut self) {
        self.asked = None;
    }
}

#[cfg(test)]
mod tests {
    use slipstream_keyspace::{Encoding, Keyspace};

    use super::*;

    #[test]
    fn one_is_made_at_a_time_and_the_newest_of_each_side_waits() {
        let keyspace = Keyspace::new(1, [1; 4], Encoding::default());
        let order = |asked, run| DigestOrder {
            ticket: DigestTicket { asked, run },
            snapshot: keyspace.snapshot(),
            ranges: None,
        };
        let number = |order: Option<DigestOrder>| order.map(|order| order.ticket.run);
        let mut digesting = Digesting::default();
        assert_eq!(number(digesting.begin(order(true, 1))), Some(1));
        for (asked, waits) in [(true, 2), (false, 3), (true, 4), (false, 5), (true, 6)] {
            assert_eq!(number(digesting.begin(order(asked, waits))), None);
        }
        let rest = [(); 4].map(|()| number(digesting.end()));
        assert_eq!(rest, [Some(5), Some(6), None, None]);
        assert_eq!(number(digesting.begin(order(true, 7))), Some(7));
        digesting.begin(order(true, 8));
        digesting.forget_asked();
        assert_eq!(number(digesting.end()), None);
    }
}

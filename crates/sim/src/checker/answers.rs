//! Whether a replica gets the rest of the log wherever some of the log's tiers hold it.
//!
//! Looked at without asking the log for its opinion: the histories say whose bytes these are, the blocks in memory
//! and the files on the virtual disk say what is there. A full sync is right all the same
//!
//! - when the replica asked for one, which [`check_request`] allows only to one that has nothing to continue;
//! - when what it has is of a history that this one is not known to go on from;
//! - when it went on with the older one behind the fork;
//! - when the files are being written or removed at this moment.

use slipstream_engine::Node;
use slipstream_log::{Log, Offset, ReplicationId};

use super::position;
use crate::process::{Asked, Process};

/// A link asks its primary for what it lacks, no more and no less.
pub(crate) fn check_request(node: &Node, asked: Asked) {
    let expected = position(node).map_or(Asked::Snapshot, |(id, offset)| Asked::Continuation(id, offset));
    let goes_back = match asked {
        Asked::Continuation(id, offset) => node.core.log.can_continue(&id, offset).is_ok(),
        Asked::Snapshot => false,
    };
    assert!(asked == expected || goes_back, "a replica asks for {asked:?}, it lacks {expected:?}");
}

/// Where the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Memory,
    Disk,
}

/// How a primary answers a request for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    held: Option<Tier>,
    may_continue: bool,
    full: u64,
    partial: u64,
}

impl Judgement {
    /// Before the answer: whether anything holds what is asked for. The process must run.
    pub fn of(process: &Process, asked: Asked) -> Option<Judgement> {
        let primary = process.node.as_ref()?;
        let counters = primary.core.replication.replicas.counters();
        let (held, may_continue) = match asked {
            Asked::Snapshot => (None, false),
            Asked::Continuation(id, offset) => {
                let is_ours = is_of(&primary.core.log, id, offset);
                let held = if is_ours { tier_of(process, primary, offset) } else { None };
                (held, primary.core.log.can_continue(&id, offset).is_ok())
            }
        };
        Some(Judgement { held, may_continue, full: counters.full, partial: counters.partial_ok })
    }

    /// After it: what it was, if it is there. A snapshot that was not needed is a failure.
    pub fn check(self, primary: &Node) -> Option<Answer> {
        let counters = primary.core.replication.replicas.counters();
        let (full, partial) = (counters.full > self.full, counters.partial_ok > self.partial);
        assert!(!(full && self.held.is_some()), "a full sync although the offset is held: {:?}", self.held);
        assert!(!partial || self.may_continue, "a continuation although the log does not hold the offset");
        match (full, partial) {
            (true, _) => Some(Answer::FullSync),
            (false, true) if self.held == Some(Tier::Memory) => Some(Answer::Continuation),
            (false, true) => Some(Answer::ContinuationFromDisk),
            (false, false) => None,
        }
    }
}

/// Whether what `id` has up to `offset` is a part of this history.
fn is_of(log: &Log, id: ReplicationId, offset: Offset) -> bool {
    id == log.history().id || log.forks().any(|(known, fork)| known == id && offset <= fork)
}

/// What holds the log from an offset to its end.
fn tier_of(process: &Process, node: &Node, from: Offset) -> Option<Tier> {
    let log = &node.core.log;
    if log.slices_from(from).is_some() {
        return log.is_active().then_some(Tier::Memory);
    }
    let files = &process.disk.log;
    let is_there = files.is_settled() && !log.has_disk_failed() && files.holds(from, log.start());
    is_there.then_some(Tier::Disk)
}

/// What a replica gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A snapshot.
    FullSync,
    /// The rest of the log.
    Continuation,
    /// The rest of the log, some of which lies on disk.
    ContinuationFromDisk,
}

//! Clients that wait until enough replicas have what was written.
//!
//! One rule serves WAIT, WAITAOF and replies that are held back: a wait is over when so many replicas report an
//! offset, or its time is. For each number of replicas that is waited for there is one mark in the log, up to
//! which so many have everything; waits are kept in the order of their offsets, so that an acknowledgement
//! costs what it ends, not what still waits. The requests for acknowledgements of one turn become one in the
//! stream.
//!
//! A replica counts once. Whose connection was lost without a word comes back while the old one still stands here,
//! and what it said there may not even be true any more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use slipstream_log::Offset;

use super::{Action, Replica, ReplicaId, Replicas};
use crate::Moment;

/// Names what waits: something of a session, by the session's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaiterId {
    /// A command that blocks: WAIT or WAITAOF.
    Command(u64),
    /// Replies that are held back.
    Replies(u64),
}

/// Which report of a replica counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// What it has applied; a replica that is online and has not said anything has offset 0, as in WAIT.
    Applied,
    /// What it has applied by its own word, which must have been heard.
    Confirmed,
    /// What it has on disk.
    Durable,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The end of what was written.
    pub offset: Offset,
    /// How many replicas must have reported that.
    pub replicas: usize,
    /// What counts as a report.
    pub measure: Measure,
    /// When it is given up; `None` for never.
    pub until: Option<Moment>,
}

/// All waits.
#[derive(Debug, Default)]
pub(super) struct Waits {
    all: BTreeMap<WaiterId, Wait>,
    /// By what and how many replicas must report, in the order of offsets.
    wanted: BTreeMap<(Measure, usize), BTreeSet<(Offset, WaiterId)>>,
    deadlines: BTreeSet<(Moment, WaiterId)>,
}

impl Waits {
    fn insert(&mut self, waiter: WaiterId, wait: Wait) {
        self.remove(waiter);
        self.all.insert(waiter, wait);
        self.wanted.entry((wait.measure, wait.replicas)).or_default().insert((wait.offset, waiter));
        self.deadlines.extend(wait.until.map(|until| (until, waiter)));
    }

    fn remove(&mut self, waiter: WaiterId) -> Option<Wait> {
        let wait = self.all.remove(&waiter)?;
        let kind = (wait.measure, wait.replicas);
        if let Some(group) = self.wanted.get_mut(&kind) {
            group.remove(&(wait.offset, waiter));
            if group.is_empty() {
                self.wanted.remove(&kind);
            }
        }
        if let Some(until) = wait.until {
            self.deadlines.remove(&(until, waiter));
        }
        Some(wait)
    }

    /// Those whose time is over, or who have what they wait for by `mark`: up to where so many replicas have
    /// everything.
    fn over(&self, now: Moment, mark: impl Fn(Measure, usize) -> Option<Offset>) -> Vec<WaiterId> {
        let late = self.deadlines.iter().take_while(|(until, _)| *until <= now).map(|(_, waiter)| *waiter);
        let mut over: Vec<WaiterId> = late.collect();
        for ((measure, replicas), group) in &self.wanted {
            let Some(mark) = mark(*measure, *replicas) else { continue };
            over.extend(group.iter().take_while(|(offset, _)| *offset <= mark).map(|(_, waiter)| *waiter));
        }
        over.sort_unstable();
        over.dedup();
        over
    }
}

impl Replica {
    /// What it has acknowledged; nothing before it has acknowledged anything.
    pub fn applied(&self) -> Offset {
        if self.confirmed { self.acked } else { Offset(0) }
    }

    /// What it has reported.
    fn reported(&self, measure: Measure) -> Option<Offset> {
        match measure {
            Measure::Applied => Some(self.applied()),
            Measure::Confirmed => self.confirmed.then_some(self.acked),
            Measure::Durable => Some(self.durable),
        }
    }
}

impl Replicas {
    /// How many replicas have acknowledged everything up to `offset`.
    pub fn acked(&self, offset: Offset) -> usize {
        self.reported(Measure::Applied, offset)
    }

    /// How many replicas have reported everything up to `offset`.
    pub fn reported(&self, measure: Measure, offset: Offset) -> usize {
        self.counted().filter(|replica| replica.reported(measure) >= Some(offset)).count()
    }

    /// Those whose reports count.
    fn counted(&self) -> impl Iterator<Item = &Replica> {
        self.online().filter(|replica| !self.is_superseded(replica))
    }

    /// Whether the same replica has come again over another connection. Two that only share a name, behind one
    /// address, are told apart by both being heard for as long as a dead connection may stand.
    fn is_superseded(&self, old: &Replica) -> bool {
        let newer = self.replicas.range(ReplicaId(old.id.0 + 1)..).map(|(_, newer)| newer);
        let is_same = |newer: &Replica| {
            let carries = newer.profile.main.is_some() || newer.profile.wants_no_stream();
            !carries && newer.is_called_like(old)
        };
        newer
            .filter(|newer| is_same(newer))
            .any(|newer| old.heard < newer.arrived.after_ms(self.settings.timeout_ms))
    }

    /// Up to where so many replicas have reported everything; `None` if there are not so many.
    pub fn mark(&self, measure: Measure, replicas: usize) -> Option<Offset> {
        let Some(index) = replicas.checked_sub(1) else { return Some(Offset(u64::MAX)) };
        let mut reports: Vec<Offset> =
            self.counted().filter_map(|replica| replica.reported(measure)).collect();
        reports.sort_unstable_by_key(|offset| Reverse(*offset));
        reports.get(index).copied()
    }

    /// Somebody waits. If enough replicas have reported already, that is said at once; else all are asked.
    pub fn on_wait(&mut self, waiter: WaiterId, wait: Wait, actions: &mut Vec<Action>) {
        let acked = self.reported(wait.measure, wait.offset);
        if acked >= wait.replicas {
            actions.push(Action::WaitOver { waiter, acked });
        } else {
            self.wait(waiter, wait);
            self.request_acks();
        }
    }

    /// Somebody waits, in place of what it waited for before. Whoever asks the replicas does that apart, and
    /// what they have reported already ends the wait with the turn.
    pub fn wait(&mut self, waiter: WaiterId, wait: Wait) {
        self.waits.insert(waiter, wait);
    }

    /// A wait is over for another reason: its client is gone, or was unblocked.
    pub fn cancel_wait(&mut self, waiter: WaiterId) {
        self.waits.remove(waiter);
    }

    /// Whether somebody waits: replicas are then to be sent what there is without delay.
    pub fn is_awaited(&self) -> bool {
        !self.waits.all.is_empty()
    }

    /// Asks all replicas for an acknowledgement at the end of this turn.
    pub fn request_acks(&mut self) {
        self.acks_requested = true;
    }

    /// Answers those who have waited long enough or have what they waited for.
    pub(super) fn end_waits(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if !self.is_awaited() {
            return;
        }
        for waiter in self.waits.over(now, |measure, replicas| self.mark(measure, replicas)) {
            let wait = self.waits.remove(waiter).expect("it was just found");
            actions.push(Action::WaitOver { waiter, acked: self.reported(wait.measure, wait.offset) });
        }
    }

    pub(super) fn wait_deadline(&self) -> Option<Moment> {
        self.waits.deadlines.first().map(|(until, _)| *until)
    }
}

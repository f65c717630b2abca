//! REPLICA VERIFY on the primary: are the copies equal, and if not, in which keys?
//!
//! ```text
//!              mark in the stream            all answered, some differ
//!  idle ──start──► Ranges ──────────────────────────────► Keys ──────► idle, with a report
//!                    │ all answered, all equal              │ all answered
//!                    └──────────────────────────────────────┴────────► idle, with a report
//! ```
//!
//! The mark is a PING with a message: every replica counts its bytes like any others, a stock one does nothing
//! else, and one that speaks the dialect takes a snapshot just there. So both sides digest the data of the
//! same offset, in the background, however many writes go on. Digests are compared by range; then the keys of
//! ranges that differ are listed by both sides, from the same snapshots.
//!
//! Who does not answer in time, leaves, or cannot take part is reported as such, never as equal.

mod message;

mod report;

use std::collections::{BTreeMap, BTreeSet};

use slipstream_log::Offset;

use crate::Moment;
use crate::replicas::ReplicaId;

pub use self::message::{Demand, Message, MessageError};
pub use self::report::{Copied, Difference, How, Outcome, Report};

/// Ranges that the keys are divided into: as many as the data's digests have.
const RANGES: usize = 4096;

/// How long the copies may take to digest all data, in milliseconds.
const PATIENCE_MS: u64 = 10 * 60 * 1000;

/// Keys that a node lists, about: the first range that differs is listed whatever it holds.
const LISTED_KEYS: u64 = 20_000;

/// Keys that differ which a report names for one replica.
pub const MAX_DIFFERENCES: usize = 1000;

/// The digest of one range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// How many keys it holds.
    pub keys: u32,
    /// What they and their values add up to.
    pub sum: u64,
}

/// A key of a listed range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its database.
    pub db: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// Depends on all that is copied of it.
    pub digest: u64,
}

/// The keys that one side has listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The keys.
    pub keys: Vec<Key>,
    /// Whether these are all in the ranges that were asked for.
    pub complete: bool,
}

/// A replica that is to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its session.
    pub id: ReplicaId,
    /// Its address and port.
    pub name: String,
    /// Why it cannot take part, if it cannot.
    pub unable: Option<String>,
}

/// What a verification wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Append a PING with this message to the log.
    Mark(String),
    /// Digest the ranges of the data as it is now, at the mark. Keep that snapshot for `ListKeys`. Report
    /// `on_ranges` with no replica.
    DigestRanges {
        /// Which verification.
        run: u64,
    },
    /// List the keys of these ranges, from the same snapshot. Report `on_keys` with no replica.
    ListKeys {
        /// Which verification.
        run: u64,
        /// Which ranges.
        ranges: Vec<u16>,
    },
    /// It is over: forget the snapshot.
    Finished(Report),
}

/// Why a verification does not begin. The text is the error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// One is under way.
    InProgress,
    /// There is nobody to compare with.
    NoReplicas,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refused::InProgress => "INPROG A verification of replicas is already in progress",
            Refused::NoReplicas => "ERR There is no such replica online to be verified",
        })
    }
}

impl std::error::Error for Refused {}

/// Verifications, one at a time.
#[derive(Debug, Default)]
pub struct Verify {
    run: Option<Run>,
    /// The number of the latest.
    number: u64,
    last: Option<Report>,
}

#[derive(Debug)]
struct Run {
    number: u64,
    offset: Offset,
    began: Moment,
    stage: Stage,
    copies: Vec<Progress>,
}

#[derive(Debug)]
enum Stage {
    Ranges { own: Option<Vec<Range>> },
    Keys { ranges: Vec<u16>, own: Option<Listing> },
}

/// What is known of one replica.
#[derive(Debug)]
struct Progress {
    id: ReplicaId,
    name: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It is digesting, or waits for the others.
    Digesting(Option<Vec<Range>>),
    /// It differs in these ranges, and is listing keys.
    Listing {
        differ: Vec<u16>,
        listing: Option<Listing>,
    },
    Over(Outcome),
}

impl Verify {
    /// Numbers its verifications from behind `number`. Where that is chosen at random no two nodes, nor two lives of
    /// one, use the same: marks stay in the log, and are read by whoever continues from before them under another
    /// primary.
    pub fn numbered_from(number: u32) -> Verify {
        Verify { number: number.into(), ..Verify::default() }
    }

    /// Begins, at the log's end. `candidates` are the replicas that are online.
    pub fn start(
        &mut self,
        now: Moment,
        offset: Offset,
        candidates: Vec<Candidate>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        if self.run.is_some() {
            return Err(Refused::InProgress);
        }
        if candidates.is_empty() {
            return Err(Refused::NoReplicas);
        }
        self.number += 1;
        let copies = candidates.into_iter().map(Progress::begin).collect();
        let run = Run { number: self.number, offset, began: now, stage: Stage::Ranges { own: None }, copies };
        if run.is_waited_for() {
            actions.push(Action::Mark(Demand::Ranges { run: run.number }.to_string()));
            actions.push(Action::DigestRanges { run: run.number });
        }
        self.run = Some(run);
        self.go_on(now, actions);
        Ok(())
    }

    /// Somebody has digested the ranges: a replica, or this node itself.
    pub fn on_ranges(
        &mut self,
        now: Moment,
        (from, number): (Option<ReplicaId>, u64),
        digests: Vec<Range>,
        actions: &mut Vec<Action>,
    ) {
        let Some(run) = self.run.as_mut().filter(|run| run.number == number) else { return };
        if digests.len() != RANGES {
            return;
        }
        match from {
            None => {
                if let Stage::Ranges { own } = &mut run.stage {
                    *own = Some(digests);
                }
            }
            Some(id) => {
                if let Some(State::Digesting(theirs)) = run.state_of(id) {
                    *theirs = Some(digests);
                }
            }
        }
        self.go_on(now, actions);
    }

    /// Somebody has listed keys.
    pub fn on_keys(
        &mut self,
        now: Moment,
        (from, number): (Option<ReplicaId>, u64),
        listed: Listing,
        actions: &mut Vec<Action>,
    ) {
        let Some(run) = self.run.as_mut().filter(|run| run.number == number) else { return };
        match from {
            None => {
                if let Stage::Keys { own, .. } = &mut run.stage {
                    *own = Some(listed);
                }
            }
            Some(id) => {
                if let Some(State::Listing { listing, .. }) = run.state_of(id) {
                    *listing = Some(listed);
                }
            }
        }
        self.go_on(now, actions);
    }

    /// A replica is gone.
    pub fn on_closed(&mut self, now: Moment, id: ReplicaId, actions: &mut Vec<Action>) {
        if let Some(run) = &mut self.run {
            run.give_up(|progress| progress.id == id, "it disconnected meanwhile");
            self.go_on(now, actions);
        }
    }

    /// This node is no primary any more, or its data is replaced: what both sides hold says nothing.
    pub fn stop(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if let Some(run) = &mut self.run {
            run.give_up(|_| true, "the primary changed its role or its data meanwhile");
            self.go_on(now, actions);
        }
    }

    /// Somebody cannot do its part of a verification: why. Without this node's part nobody is compared.
    pub fn on_failed(
        &mut self,
        now: Moment,
        (from, number): (Option<ReplicaId>, u64),
        reason: &str,
        actions: &mut Vec<Action>,
    ) {
        if let Some(run) = self.run.as_mut().filter(|run| run.number == number) {
            run.give_up(|progress| from.is_none_or(|id| progress.id == id), reason);
            self.go_on(now, actions);
        }
    }

    /// When `on_deadline` is due.
    pub fn deadline(&self) -> Option<Moment> {
        self.run.as_ref().map(|run| run.began.after_ms(PATIENCE_MS))
    }

    /// Does what is due.
    pub fn on_deadline(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            if let Some(run) = &mut self.run {
                run.give_up(|_| true, "it did not answer in time");
            }
            self.go_on(now, actions);
        }
    }

    /// Whether a verification is under way, and which.
    pub fn running(&self) -> Option<u64> {
        self.run.as_ref().map(|run| run.number)
    }

    /// What the latest has found.
    pub fn last(&self) -> Option<&Report> {
        self.last.as_ref()
    }

    /// Takes the steps that are possible now.
    fn go_on(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let Some(run) = &mut self.run else { return };
        run.compare_ranges(actions);
        run.compare_keys();
        if run.is_waited_for() {
            return;
        }
        let run = self.run.take().expect("just looked at");
        if run.has_marked() {
            actions.push(Action::Mark(Demand::End { run: run.number }.to_string()));
        }
        let report = run.into_report(now);
        self.last = Some(report.clone());
        actions.push(Action::Finished(report));
    }
}

impl Run {
    fn state_of(&mut self, id: ReplicaId) -> Option<&mut State> {
        self.copies.iter_mut().find(|progress| progress.id == id).map(|progress| &mut progress.state)
    }

    fn is_waited_for(&self) -> bool {
        self.copies.iter().any(|progress| !matches!(progress.state, State::Over(_)))
    }

    /// Whether the stream holds a mark of this run: not if nobody could take part.
    fn has_marked(&self) -> bool {
        let unable = |progress: &Progress| matches!(progress.state, State::Over(Outcome::Incapable(_)));
        !self.copies.iter().all(unable)
    }

    fn give_up(&mut self, whom: impl Fn(&Progress) -> bool, reason: &str) {
        for progress in self.copies.iter_mut().filter(|progress| whom(progress)) {
            if !matches!(progress.state, State::Over(_)) {
                progress.state = State::Over(Outcome::Failed(reason.to_owned()));
            }
        }
    }

    /// Once every digest is there: who is equal is through, of the others the keys are asked for.
    fn compare_ranges(&mut self, actions: &mut Vec<Action>) {
        let Stage::Ranges { own: Some(own) } = &self.stage else { return };
        if self.copies.iter().any(|progress| matches!(progress.state, State::Digesting(None))) {
            return;
        }
        let mut all = BTreeMap::new();
        for progress in &mut self.copies {
            let State::Digesting(Some(theirs)) = &progress.state else { continue };
            let pairs = (0u16..).zip(own.iter().zip(theirs)).filter(|(_, (own, theirs))| own != theirs);
            let differ: BTreeMap<u16, u32> =
                pairs.map(|(range, (own, theirs))| (range, own.keys.max(theirs.keys))).collect();
            progress.state = if differ.is_empty() {
                State::Over(Outcome::Equal)
            } else {
                State::Listing { differ: differ.keys().copied().collect(), listing: None }
            };
            all.extend(differ);
        }
        if !all.is_empty() {
            let ranges = worth_listing(&all);
            let demand = Demand::Keys { run: self.number, ranges: ranges.clone() };
            actions.push(Action::Mark(demand.to_string()));
            actions.push(Action::ListKeys { run: self.number, ranges: ranges.clone() });
            self.stage = Stage::Keys { ranges, own: None };
        }
    }

    /// Whoever has listed its keys is compared with this node's list.
    fn compare_keys(&mut self) {
        let Stage::Keys { ranges, own: Some(own) } = &self.stage else { return };
        for progress in &mut self.copies {
            if let State::Listing { differ, listing: Some(theirs) } = &mut progress.state {
                let listed_all = differ.iter().all(|range| ranges.contains(range));
                let outcome = report::compare(own, theirs, std::mem::take(differ), listed_all);
                progress.state = State::Over(outcome);
            }
        }
    }

    fn into_report(self, now: Moment) -> Report {
        let copies = self.copies.into_iter().map(|progress| match progress.state {
            State::Over(outcome) => Copied { name: progress.name, outcome },
            state => unreachable!("waited for in {state:?}"),
        });
        let took_ms = now.0.saturating_sub(self.began.0);
        Report { offset: self.offset, finished: now, took_ms, copies: copies.collect() }
    }
}

impl Progress {
    fn begin(candidate: Candidate) -> Progress {
        let state = match candidate.unable {
            Some(reason) => State::Over(Outcome::Incapable(reason)),
            None => State::Digesting(None),
        };
        Progress { id: candidate.id, name: candidate.name, state }
    }
}

/// As many ranges as are worth listing: at least the first.
fn worth_listing(keys_by_range: &BTreeMap<u16, u32>) -> Vec<u16> {
    let mut total = 0;
    let mut ranges = BTreeSet::new();
    for (range, keys) in keys_by_range {
        total += u64::from(*keys);
        if !ranges.is_empty() && total > LISTED_KEYS {
            break;
        }
        ranges.insert(*range);
    }
    ranges.into_iter().collect()
}

#[cfg(test)]
mod tests;

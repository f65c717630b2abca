//! What clients were answered, through the failovers of sentinels.
//!
//! Each client sets a key to numbers that grow, one at a time, and takes another key with another connection, so that
//! nothing that was on its way comes behind what was answered later.
//!
//! - What was answered is there after a promotion, where `min-replicas-to-ack` is N and `safe-failover` is in force: as
//!   long as N replicas that run have had it all the time.
//! - A planned switchover loses nothing that was answered.
//! - With `sentinel-fencing`, and in a planned switchover, a write that is answered was not done behind the promotion
//!   of another node. Nor was it, whatever the setting, by a primary that was replaced while it was down or stood still,
//!   for as long as it waits for the word of sentinels.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use slipstream_keyspace::{UnixMillis, Value};
use slipstream_log::{Offset, ReplicationId};

use super::elections::{Cause, Promotion};
use super::position;
use super::witness::DATABASE;
use crate::process::Process;

/// Keys that are remembered.
const KEYS: usize = 12;

/// One key.
#[derive(Debug)]
struct Key {
    name: String,
    /// What was answered last, by whom, and when that was done.
    answered: Option<Answer>,
    /// What each node has, and since when.
    held: BTreeMap<usize, (u64, u64)>,
    /// Whether what was answered must be there after a failover.
    is_safe: bool,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    number: u64,
    by: usize,
    done: u64,
}

/// Where a node stands in its log.
type Standing = (u32, Option<(ReplicationId, Offset)>, bool);

/// What was answered so far.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// `min-replicas-to-ack`.
    pub wanted: usize,
    /// Whether `safe-failover` is in force.
    pub is_safe: bool,
    /// `sentinel-fencing`.
    pub fencing: bool,
    /// Whether a primary that may lack what was answered waits for a replica that has it.
    pub waits: bool,
    keys: VecDeque<Key>,
    /// The node that was promoted last, and when; and why.
    current: usize,
    since: u64,
    cause: Option<Cause>,
    /// When each node became a primary that was a replica.
    risen: BTreeMap<usize, u64>,
    stood: BTreeMap<usize, Standing>,
    /// Primaries that nobody made one.
    strays: BTreeSet<usize>,
    /// Nodes that wait for a replica to take their place.
    waiting: BTreeSet<usize>,
    /// When each primary came back last of those that are not to write before they know that they still are one, and
    /// until when.
    returned: BTreeMap<usize, (u64, u64)>,
    /// Answers.
    pub answers: u64,
    /// How often one had to be there after a promotion, and was.
    pub kept: u64,
    /// The same of planned switchovers.
    pub moved: u64,
    /// Answers that were lost since nothing promised that they would not be.
    pub lost: u64,
}

impl Acknowledged {
    /// A client begins with a key of its own.
    pub fn begin(&mut self, name: String) {
        if self.keys.len() == KEYS {
            self.keys.pop_front();
        }
        let held = BTreeMap::new();
        self.keys.push_back(Key { name, answered: None, held, is_safe: false });
    }

    /// A node begins a life as the primary that it was, whatever it still has.
    pub fn start_anew(&mut self, node: usize) {
        if !self.waits {
            self.serve_unclaimed(node);
        }
    }

    /// A node serves as the primary that it was, whatever it still has.
    fn serve_unclaimed(&mut self, node: usize) {
        if node == self.current {
            self.keys.iter_mut().for_each(|key| key.is_safe = false);
        }
    }

    /// Looks at a node after something happened to it.
    pub fn observe(&mut self, now: u64, process: &Process) {
        let node = process.node.as_ref();
        let waits = node.is_some_and(|node| node.core.is_awaiting_claim());
        let waited = match waits {
            true => !self.waiting.insert(process.index),
            false => self.waiting.remove(&process.index),
        };
        let is_primary = node.is_some_and(|node| !node.core.is_replica());
        if waited && !waits && is_primary {
            self.serve_unclaimed(process.index);
        }
        if let Some(until) = node.and_then(|node| node.core.pause.returning()) {
            let returned = self.returned.entry(process.index).or_default();
            if returned.1 != until.0 {
                *returned = (now, until.0);
            }
        }
        let standing = (process.life, node.and_then(position), is_primary);
        let before = self.stood.insert(process.index, standing);
        if before == Some(standing) {
            return;
        }
        let was_replica = before.is_some_and(|(life, _, was_primary)| life == process.life && !was_primary);
        if is_primary && was_replica {
            self.risen.insert(process.index, now);
        }
        let (current, wanted) = (self.current, self.wanted);
        // Nobody counts on what a primary has that nobody made one.
        let is_copy =
            process.index == current || !is_primary || self.risen.get(&process.index) > Some(&self.since);
        match is_copy {
            true => self.strays.remove(&process.index),
            false => self.strays.insert(process.index),
        };
        let apart = (current, &self.strays);
        for key in &mut self.keys {
            let number = number_of(process, &key.name);
            let held = key.held.entry(process.index).or_default();
            if held.0 != number {
                *held = (number, now);
            }
            let answered = key.answered.map_or(0, |answer| answer.number);
            key.is_safe &= key.holders(apart, answered) >= wanted;
        }
    }

    /// A node has answered a number. One that is coming is promoted already, and not for all sentinels.
    pub fn is_answered(&mut self, (name, number): (&str, u64), (by, is_coming): (usize, bool)) {
        let (current, since) = (self.current, self.since);
        let is_another =
            by != current && !is_coming && self.risen.get(&by).is_none_or(|risen| *risen <= since);
        let (wanted, forbids) = (self.wanted, self.forbids(self.cause));
        let apart = (current, &self.strays);
        let Some(key) = self.keys.iter_mut().find(|key| key.name == name) else { return };
        let Some((_, done)) = key.held.get(&by).copied().filter(|(held, _)| *held >= number) else { return };
        let waits = self.returned.get(&by).is_some_and(|&(came, until)| came > since && done < until * 1000);
        assert!(
            !((forbids || waits) && is_another && done > since),
            "n{by} answers a write of {done} µs, and n{current} took its place at {since} µs"
        );
        key.answered = Some(Answer { number, by, done });
        key.is_safe = wanted > 0 && !is_another && key.holders(apart, number) >= wanted;
        self.answers += 1;
    }

    fn forbids(&self, cause: Option<Cause>) -> bool {
        cause == Some(Cause::Planned) || self.fencing && cause != Some(Cause::Forced)
    }

    /// A sentinel has promoted a node, which may be gone by now.
    pub fn promoted(&mut self, promotion: Promotion) {
        let Promotion { node, cause, selected, .. } = promotion;
        // One that was a primary already, by an attempt that came to nothing or since it was started as one, takes
        // the place by being chosen.
        let risen = self.risen.get(&node).copied().unwrap_or(0).max(selected);
        let forbids = self.forbids(Some(cause));
        // Of one that is gone already nobody can say what it had; the others still have it.
        let runs = self.stood.get(&node).is_some_and(|(_, position, _)| position.is_some());
        for key in &mut self.keys {
            let Some(Answer { number, by, done }) = key.answered else { continue };
            let has = key.has(node, number);
            assert!(
                !forbids || by == node || done <= risen,
                "n{by} did at {done} µs what it answered, and n{node} took its place at {risen} µs ({cause:?})"
            );
            let must = runs
                && match cause {
                    Cause::Down => self.is_safe && key.is_safe,
                    // A primary that was started again may have lost it by itself.
                    Cause::Planned => by == self.current && done <= risen && key.has(by, number),
                    Cause::Forced => false,
                };
            let name = &key.name;
            assert!(
                has || !must,
                "n{node} takes the place of n{by} ({cause:?}) without {number} of {name}, which was answered"
            );
            self.kept += u64::from(must && cause == Cause::Down);
            self.moved += u64::from(must && cause == Cause::Planned);
            self.lost += u64::from(!has && runs);
            key.is_safe &= has || !runs;
            if !has && runs {
                key.answered = None;
            }
        }
        (self.current, self.since, self.cause) = (node, risen, Some(cause));
    }

    /// When all is well again, whoever is the primary has what was to be kept.
    pub fn check_end(&self, primary: &Process) {
        for key in self.keys.iter().filter(|key| self.is_safe && key.is_safe) {
            let number = key.answered.map_or(0, |answer| answer.number);
            let has = number_of(primary, &key.name);
            let (who, name) = (primary.place(), &key.name);
            assert!(
                has >= number,
                "{who} is the primary in the end, with {has} of {name}: {number} was answered"
            );
        }
    }
}

impl Key {
    fn has(&self, node: usize, number: u64) -> bool {
        self.held.get(&node).is_some_and(|(held, _)| *held >= number)
    }

    /// How many nodes but the primary and those that stray have a number.
    fn holders(&self, (primary, strays): (usize, &BTreeSet<usize>), number: u64) -> usize {
        let counts = |node: &usize| *node != primary && !strays.contains(node);
        let has = |(node, (held, _)): &(&usize, &(u64, u64))| counts(node) && *held >= number;
        self.held.iter().filter(has).count()
    }
}

/// The number that a node has; 0 if it does not run.
fn number_of(process: &Process, key: &str) -> u64 {
    let Some(node) = &process.node else { return 0 };
    match node.keyspace.db(DATABASE).peek(key.as_bytes(), UnixMillis(0)) {
        Some(Value::String(text)) => {
            let text = text.to_vec();
            std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
        }
        _ => 0,
    }
}

//! Whether what was told to be on disk is there after a crash.
//!
//! - What a node counted as durable is there when its append-only file is loaded again, at its offset of its history;
//!   and the data there is what it was.
//! - When the process was killed, so is what the system had.
//! - Unless `appendfsync` is `no`, what is missing was written in the last two seconds, or while the disk was busy for
//!   longer.
//! - What the witness was answered under `appendfsync always` is there when that node comes back as a primary.
//!
//! Nothing is asked of a disk that was lost, of a file that was switched off, or of data that was replaced.

use std::collections::{BTreeMap, VecDeque};

use slipstream_engine::Node;
use slipstream_engine::config::AppendFsync;
use slipstream_log::{History, Offset, ReplicationId};

use super::witness::number_of;
use super::writes;
use crate::disk::Crash;
use crate::environment::Environment;
use crate::options::Options;
use crate::process::Process;

/// What may be missing under `appendfsync everysec` was written so late, in microseconds.
const WINDOW: u64 = 2_000_000;

/// So often the disk may be waited for in one go: an increment is begun, and then the one before is asked for.
const MOST_SYNCS: u64 = 8;

/// After so long nobody is still to be told that the disk failed.
const TOLD: u64 = 5_000_000;

/// What has been told, node by node.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    told: BTreeMap<usize, Told>,
    /// Where each history came from.
    parents: Parents,
    /// How often a node had after a crash what it was to have.
    pub(crate) kept: u64,
    /// How often that was the number that the witness was answered.
    pub(crate) answers: u64,
}

type Parents = BTreeMap<ReplicationId, BTreeMap<ReplicationId, Offset>>;

/// What one node told.
#[derive(Debug)]
struct Told {
    life: u32,
    /// How often the disk had been lost.
    losses: u32,
    history: History,
    breaks: u64,
    durable: Offset,
    written: Offset,
    /// Where the log ended when, while all was well with the file.
    ends: VecDeque<(u64, Offset)>,
    /// Since when `always` is in force.
    always_since: Option<u64>,
    /// The number that the witness was answered last.
    answered: Option<u64>,
}

impl Durability {
    /// Looks at a node after something happened to it. Returns where its file ended if it has just been loaded.
    pub(super) fn observe(
        &mut self,
        process: &Process,
        node: &Node,
        env: &Environment,
    ) -> Option<(ReplicationId, Offset)> {
        let (index, log, aof) = (process.index, &node.core.log, &node.core.aof);
        let mut id = log.history().id;
        // A node that ends as soon as its history forks is seen under that name only when it is back.
        for (parent, end) in log.forks() {
            let fork = self.parents.entry(id).or_default().entry(parent).or_insert(end);
            *fork = end.max(*fork);
            id = parent;
        }
        let mut found = None;
        if let Some(told) = self.told.remove(&index).filter(|told| told.losses == process.disk.losses) {
            if told.life == process.life {
                self.told.insert(index, told);
            } else if process.config.appendonly {
                found = found_by(node);
                self.kept += u64::from(told.check((process, found), env, &self.parents));
                self.answers += u64::from(told.check_answer(process, node));
            }
        }
        if !aof.is_enabled() || !log.is_active() {
            self.told.remove(&index);
            return found;
        }
        let told = self.told.entry(index).or_insert_with(|| Told::nothing(process, node));
        if told.breaks != log.breaks() || !goes_on(log.history(), told.history.id) {
            *told = Told::nothing(process, node);
        }
        told.update(node, &env.options, env.now());
        found
    }

    /// Whether a history goes on from another one, through however many forks.
    pub(super) fn descends(&self, id: ReplicationId, from: ReplicationId) -> bool {
        reached(&self.parents, (id, Offset(u64::MAX))).iter().any(|(known, _)| *known == from)
    }

    /// Something was given at an offset, to who asked for it then.
    pub(super) fn check_given(&self, primary: usize, offset: Offset, asked: u64) {
        let told = self.told.get(&primary);
        let Some(told) = told.filter(|told| told.always_since.is_some_and(|since| since <= asked)) else {
            return;
        };
        assert!(told.durable >= offset, "n{primary} gave at {offset}, and on disk is {}", told.durable);
    }

    /// The witness was answered.
    pub(crate) fn is_answered(&mut self, primary: usize, number: u64, asked: u64) {
        if let Some(told) = self.told.get_mut(&primary)
            && told.always_since.is_some_and(|since| since <= asked)
        {
            told.answered = Some(number);
        }
    }
}

/// The places that are the same as this one, in the histories before.
fn places(parents: &Parents, place: (ReplicationId, Offset)) -> Vec<(ReplicationId, Offset)> {
    ancestry(parents, place, |end, fork| (end <= fork).then_some(end))
}

/// How far a history goes that ends there, and those before it.
fn reached(parents: &Parents, place: (ReplicationId, Offset)) -> Vec<(ReplicationId, Offset)> {
    ancestry(parents, place, |end, fork| Some(end.min(fork)))
}

/// A place and what `step` makes of it in all histories before, from where it stands and where a history forked.
fn ancestry(
    parents: &Parents,
    place: (ReplicationId, Offset),
    step: impl Fn(Offset, Offset) -> Option<Offset>,
) -> Vec<(ReplicationId, Offset)> {
    let mut found = vec![place];
    let mut next = 0;
    while let Some((id, end)) = found.get(next).copied() {
        next += 1;
        for (parent, fork) in parents.get(&id).into_iter().flatten() {
            let place = step(end, *fork).map(|end| (*parent, end));
            let place = place.filter(|place| !found.contains(place));
            found.extend(place);
        }
    }
    found
}

/// Whether this history is that one, or has gone on from it.
fn goes_on(history: &History, id: ReplicationId) -> bool {
    history.id == id || history.previous.is_some_and(|(before, _)| before == id)
}

/// Where what was loaded ends. A primary that writes goes on from there under another name.
fn found_by(node: &Node) -> Option<(ReplicationId, Offset)> {
    let log = &node.core.log;
    match log.history().previous {
        _ if !log.is_active() => None,
        _ if !writes(node) => Some((log.history().id, log.end())),
        previous => previous,
    }
}

impl Told {
    fn nothing(process: &Process, node: &Node) -> Told {
        Told {
            life: process.life,
            losses: process.disk.losses,
            history: *node.core.log.history(),
            breaks: node.core.log.breaks(),
            durable: Offset(0),
            written: Offset(0),
            ends: VecDeque::new(),
            always_since: None,
            answered: None,
        }
    }

    fn update(&mut self, node: &Node, options: &Options, now: u64) {
        let (log, aof, policy) = (&node.core.log, &node.core.aof, node.core.config.appendfsync);
        self.history = *log.history();
        self.durable = aof.durable().max(self.durable);
        self.written = aof.written().max(self.written);
        let is_well = aof.is_on() && aof.failure().is_none();
        if aof.failure().is_some() {
            // What never came to disk is not in the system's memory either.
            self.written = Offset(0);
        }
        if !is_well || policy == AppendFsync::No || options.lax_rewrites {
            self.ends.clear();
        } else if self.ends.back().is_none_or(|(_, end)| *end < log.end()) {
            self.ends.push_back((now, log.end()));
            let is_old = |(at, _): &(u64, Offset)| *at + window(options) < now;
            while self.ends.get(1).is_some_and(is_old) {
                self.ends.pop_front();
            }
        }
        if node.core.is_replica() {
            self.answered = None;
        }
        let is_always = is_well && policy == AppendFsync::Always && !options.lax_rewrites;
        self.always_since = is_always.then(|| self.always_since.unwrap_or(now));
    }

    /// Whether anything was to be there; fails if it is not.
    fn check(
        &self,
        (process, found): (&Process, Option<(ReplicationId, Offset)>),
        env: &Environment,
        parents: &Parents,
    ) -> bool {
        let Some((at, crash)) = process.crashed else { return false };
        let mut demands = vec![("the disk was said to have", self.durable)];
        if crash == Crash::Killed && process.disk.bad_until() + TOLD < at {
            demands.push(("the system had", self.written));
        }
        let late = at.saturating_sub(window(&env.options));
        let early = self.ends.iter().take_while(|(told, _)| *told <= late).last();
        if let Some((_, end)) = early.filter(|_| process.was_stalled_until <= late) {
            demands.push(("there was long before", *end));
        }
        for (whose, offset) in &demands {
            let wanted = places(parents, (self.history.id, *offset));
            let is_wanted = |(id, end): &(ReplicationId, Offset)| {
                wanted.iter().any(|(wanted, offset)| wanted == id && end >= offset)
            };
            let has = |found| reached(parents, found).iter().any(is_wanted);
            assert!(
                *offset == Offset(0) || found.is_some_and(has),
                "{} is back with {found:?}, and {whose} {offset} of {:?} ({crash:?})",
                process.place(),
                self.history
            );
        }
        self.durable > Offset(0)
    }

    fn check_answer(&self, process: &Process, node: &Node) -> bool {
        let Some(number) = self.answered.filter(|_| !node.core.is_replica()) else { return false };
        let has = number_of(process);
        assert!(has >= number, "{} is back with {has}, and {number} was answered", process.place());
        true
    }
}

/// What may be missing was written so long before a crash.
fn window(options: &Options) -> u64 {
    WINDOW + MOST_SYNCS * options.sync_time.end()
}

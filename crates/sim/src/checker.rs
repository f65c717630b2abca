//! What must be true at every step, apart from the nodes that it is about.
//!
//! - Equal positions mean equal data: two nodes at the same offset of the same history hold the same keys,
//!   values and deadlines. Looked at for a part of all offsets, the same part on every node.
//! - Nobody has bytes that the writer of a history has not written, nor is a replica ahead of the primary
//!   that it streams from.
//! - A write that was answered under min-replicas-to-ack has been applied by so many replicas.
//! - No replica meets a command on the stream that it cannot apply.
//! - A full sync of a history that a node does not know takes no more of its keys than its guard allows:
//!   data never vanishes since a primary came back without it.
//! - A replica asks for what it lacks, and whoever any tier of the log still holds continues without a snapshot
//!   (`checker/answers.rs`).
//! - One process writes a history, and nobody goes on with it in its place.
//! - A log keeps no more in memory than its limits allow, however slowly somebody reads.
//! - A planned failover loses nothing and costs no snapshot (`checker/handovers.rs`).
//! - Whoever streams from a node whose history changes keeps its connection (`checker/attached.rs`).
//! - No verification finds a difference that nobody planted (`checker/verdicts.rs`).
//! - Nobody waits for a key that has what is waited for, and what a client was given no other is given in that history
//!   (`checker/takings.rs`).
//! - What was answered under min-replicas-to-ack outlives its primary (`checker/witness.rs`).
//! - What the disk was said to have is there after a crash (`checker/durability.rs`).
//! - Sentinels: who leads, whom they promote (`checker/elections.rs`), and what must outlive that
//!   (`checker/acknowledged.rs`).

mod announced;

pub mod acknowledged;

pub mod elections;

mod picture;

mod answers;

mod attached;

mod durability;
pub mod handovers;

mod takings;

mod verdicts;

pub mod witness;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use slipstream_engine::{Node, Phase, SessionId};
use slipstream_log::{History, Offset, ReplicationId};

pub use self::acknowledged::Acknowledged;
pub use self::announced::{Announced, Said};
pub(crate) use self::answers::check_request;
pub use self::answers::{Answer, Judgement};
use self::attached::Attached;
use self::durability::Durability;
pub use self::elections::{Elections, Promotion};
pub use self::handovers::Handovers;
pub use self::picture::{Picture, Print, difference, picture, print};
pub(crate) use self::takings::{Given, Takings};
pub use self::verdicts::Verdicts;
pub use self::witness::Witness;
use crate::environment::Environment;
use crate::process::Process;

/// One in so many offsets is looked at, usually.
const SAMPLE: u64 = 3;

/// How closely a world is looked at. What happens in it is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scrutiny {
    /// At a part of all offsets.
    #[default]
    Sample,
    /// At every offset, and the story tells what each log takes in, and in which keys two nodes differ.
    Every,
}

/// Where a node stands, if it keeps a log.
pub fn position(node: &Node) -> Option<(ReplicationId, Offset)> {
    let log = &node.core.log;
    log.is_active().then(|| (log.history().id, log.end()))
}

/// Whether a node writes in a history of its own: no replica does, nor who waits for one to take its place.
pub fn writes(node: &Node) -> bool {
    !node.core.is_replica() && !node.core.is_awaiting_claim()
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Checker {
    /// How closely.
    pub scrutiny: Scrutiny,
    /// A node whose data was changed past all commands, and is compared with nobody's meanwhile.
    pub(crate) changed: Option<usize>,
    /// Planned failovers.
    pub(crate) handovers: Handovers,
    written: BTreeMap<ReplicationId, Offset>,
    /// Whether each node was a primary when it was looked at last.
    primaries: BTreeMap<usize, bool>,
    /// Which process writes each history, and in which life.
    writers: BTreeMap<ReplicationId, (usize, u32)>,
    prints: BTreeMap<(ReplicationId, Offset), Taken>,
    seen: BTreeMap<usize, (ReplicationId, Offset)>,
    /// What each node held, by its life.
    held: BTreeMap<(usize, u32), Held>,
    /// How far each node ever was in each history.
    reached: BTreeMap<(ReplicationId, usize), Offset>,
    /// Whose offsets the promises are that a client of a life was seen to have.
    promised_of: BTreeMap<(usize, u32, SessionId, Offset), ReplicationId>,
    /// The promise of each client that was looked at last: what keeps it never gets less.
    kept: BTreeMap<(usize, u32, SessionId), (Offset, usize)>,
    /// Answers that promised that replicas have a write.
    pub promises: u64,
    /// How often the data of two nodes was compared.
    pub compared: u64,
    /// What was told to be on disk.
    pub(crate) durability: Durability,
    /// Who must keep its connection to each node.
    attached: BTreeMap<usize, Attached>,
    /// Connections that outlived a change of the history.
    pub outlived: u64,
}

impl Checker {
    /// Looks at a node after something happened to it.
    pub fn observe(&mut self, process: &Process, env: &Environment) {
        let own = (process.index, process.life);
        // Nobody has seen a history that forked in the step in which its node ended.
        let is_own = |(id, _): &(_, _)| self.writers.get(id).is_none_or(|writer| *writer == own);
        if let Some((id, end)) = process.wrote.filter(is_own) {
            self.writers.insert(id, own);
            let written = self.written.entry(id).or_default();
            *written = end.max(*written);
        }
        let Some(node) = &process.node else { return };
        let halted = node.core.replication.link.halted();
        assert!(halted.is_none(), "{} cannot apply the stream: {halted:?}", process.place());
        if node.core.phase == Phase::Loading {
            return;
        }
        if let Some(found) = self.durability.observe(process, node, env) {
            self.compare_loaded(process, node, found);
        }
        let overlooked = node.overlooked();
        assert!(overlooked.is_none(), "{}: {overlooked:?} waits for what is there", process.place());
        self.handovers.observe(process, node);
        let attached = Attached::to(process, node, env);
        if let Some(before) = self.attached.insert(process.index, attached) {
            self.outlived += before.check(process, node);
        }
        // One whose log was dropped, since nobody reads it, has a place in no history, but keys come and go.
        let before = self.held.insert((process.index, process.life), Held::by(node));
        let Some((id, end)) = position(node) else { return };
        // A primary may write and hand over within one step.
        let wrote = std::mem::replace(self.primaries.entry(process.index).or_default(), writes(node));
        if let Some(since) = node.core.stale_since() {
            // It stands nowhere until these are restored, and tells nobody anything else.
            assert!(!node.core.replication.link.is_up(), "{} counts as a copy", process.place());
            let reached = self.reached.entry((id, process.index)).or_default();
            *reached = since.max(*reached);
            return;
        }
        if writes(node) || wrote && self.writers.get(&id) == Some(&(process.index, process.life)) {
            let writer = *self.writers.entry(id).or_insert((process.index, process.life));
            let own = (process.index, process.life);
            assert_eq!(writer, own, "{} goes on with {id}, which another life writes", process.place());
            self.written.insert(id, end);
        }
        check_memory(process, node, env);
        check_guard(process, node, before, &self.durability);
        let written = self.written.get(&id).copied();
        assert!(
            written.is_some_and(|written| end <= written),
            "{} is at {end} of {id}, which was written up to {written:?}",
            process.place()
        );
        let reached = self.reached.entry((id, process.index)).or_default();
        *reached = end.max(*reached);
        self.check_promises(process, node, id);
        let before = self.seen.insert(process.index, (id, end));
        if before == Some((id, end)) {
            return;
        }
        if self.scrutiny == Scrutiny::Every {
            tell_log(process, node, before.map(|(_, end)| end), env);
        }
        let is_looked_at = self.scrutiny == Scrutiny::Every || end.0 % SAMPLE == 0;
        if is_looked_at && self.changed != Some(process.index) {
            self.compare(process.index, node, (id, end));
        }
    }

    /// What a client was told to be on so many replicas is there.
    fn check_promises(&mut self, process: &Process, node: &Node, id: ReplicationId) {
        let index = process.index;
        let promises = node.core.sessions.iter().filter_map(|session| Some((session.id, session.promised?)));
        let previous = node.core.log.history().previous;
        for (client, (offset, replicas)) in promises {
            let promise = (offset, replicas);
            if self.kept.insert((index, process.life, client), promise) == Some(promise) {
                continue;
            }
            // The log may have been dropped since, and begun anew under another id.
            let id = *self.promised_of.entry((index, process.life, client, offset)).or_insert(id);
            self.promises += 1;
            // Up to the fork, who has it in the history before this one has it.
            let is_of = |history: ReplicationId| {
                history == id || previous.is_some_and(|(before, fork)| history == before && offset <= fork)
            };
            let has = |((history, other), end): (&(ReplicationId, usize), &Offset)| {
                (is_of(*history) && *other != index && *end >= offset).then_some(*other)
            };
            let found = self.reached.iter().filter_map(has).collect::<BTreeSet<_>>().len();
            assert!(
                found >= replicas || node.core.is_replica(),
                "n{index} promised {offset} of {id} to be on {replicas} replicas, it is on {found}"
            );
        }
    }

    /// A primary that was loaded stands where somebody stood before, under another name.
    fn compare_loaded(&self, process: &Process, node: &Node, found: (ReplicationId, Offset)) {
        let (id, end) = found;
        if let Some(other) = self.prints.get(&found).filter(|_| node.core.log.end() == end) {
            let own = Taken::of(process.index, node, self.scrutiny);
            other.check(&own, format_args!("{end} of {id}, loaded again"));
        }
    }

    /// Compares the data of a node with that of whoever was at the same position before.
    pub fn compare(&mut self, index: usize, node: &Node, position: (ReplicationId, Offset)) {
        let own = Taken::of(index, node, self.scrutiny);
        match self.prints.entry(position) {
            Entry::Vacant(place) => drop(place.insert(own)),
            Entry::Occupied(other) => {
                let (id, end) = position;
                self.compared += u64::from(other.get().by != index);
                other.get().check(&own, format_args!("{end} of {id}"));
            }
        }
    }

    /// What a client was given is where that was to be.
    pub(crate) fn check_given(&self, primary: usize, given: &Given, wanted: usize) {
        let Given { history, offset, asked } = given;
        let has = |((id, node), end): (&(ReplicationId, usize), &Offset)| {
            id == history && *node != primary && end >= offset
        };
        let found = self.reached.iter().filter(|reached| has(*reached)).count();
        assert!(found >= wanted, "n{primary} gave at {offset} of {history}, {found} replicas have that");
        self.durability.check_given(primary, *offset, *asked);
    }

    /// Looks at a replica and the primary that it streams from.
    pub fn observe_pair(&self, replica: &Process, primary: &Process) {
        let (Some(below), Some(above)) = (&replica.node, &primary.node) else { return };
        let (Some((id, end)), Some((upper_id, upper_end))) = (position(below), position(above)) else {
            return;
        };
        let wire = replica.link.as_ref().map(|link| link.wire);
        let mut served = above.core.replication.replicas.iter().filter(|served| served.is_online());
        // One that is to ask again may be ahead of where its primary has gone back to.
        let streams = served.any(|served| primary.wire_of(SessionId(served.id.0)) == wire);
        if streams && below.core.replication.link.is_up() && id == upper_id {
            assert!(
                end <= upper_end,
                "{} is at {end}, its primary {} at {upper_end}",
                replica.place(),
                primary.place()
            );
        }
    }
}

/// What a node held at a position.
#[derive(Debug)]
struct Taken {
    by: usize,
    print: Print,
    /// Key by key, if that is wanted.
    picture: Option<Picture>,
}

impl Taken {
    fn of(index: usize, node: &Node, scrutiny: Scrutiny) -> Taken {
        let picture = (scrutiny == Scrutiny::Every).then(|| picture(node));
        Taken { by: index, print: print(node), picture }
    }

    /// Fails unless another node holds the same.
    fn check(&self, other: &Taken, place: std::fmt::Arguments<'_>) {
        let difference = || match (&self.picture, &other.picture) {
            (Some(picture), Some(other)) => difference(picture, other),
            _ => "a seed that is run alone tells the keys".to_owned(),
        };
        let (by, other_by) = (self.by, other.by);
        assert!(self.print == other.print, "n{by} and n{other_by} differ at {place}: {}", difference());
    }
}

/// What a node held when it was looked at last.
#[derive(Debug)]
struct Held {
    history: History,
    keys: u64,
}

impl Held {
    fn by(node: &Node) -> Held {
        let keys: usize = (0..node.keyspace.databases()).map(|db| node.keyspace.db(db).len()).sum();
        Held { history: *node.core.log.history(), keys: u64::try_from(keys).expect("it fits") }
    }
}

/// A replica whose history is another all at once has loaded a snapshot.
fn check_guard(process: &Process, node: &Node, before: Option<Held>, durability: &Durability) {
    let (Some(before), percent) = (before, u64::from(process.config.replica_guard_shrink_percent)) else {
        return;
    };
    let (old, new) = (&before.history, node.core.log.history());
    let previous = |history: &History| history.previous.as_ref().map(|(id, _)| *id);
    // One that went back to a fork has what came before in common with the other branch.
    let went_back = previous(new).is_some() && previous(new) == previous(old);
    let is_known = went_back || Some(new.id) == previous(old) || durability.descends(new.id, old.id);
    if percent == 0 || is_known || !node.core.is_replica() {
        return;
    }
    let loaded = node.core.loaded.0;
    let gone = before.keys.saturating_sub(loaded);
    assert!(
        gone == 0 || gone * 100 < before.keys * percent,
        "{} gave up {} keys for {loaded} of a history that it did not know",
        process.place(),
        before.keys,
    );
}

/// What is kept for readers in memory has a bound, wherever there is a backlog on disk or a limit for who does not
/// read. Room on disk for readers alone begins to be used far beyond what a world writes.
fn check_memory(process: &Process, node: &Node, env: &Environment) {
    let log = &node.core.log;
    let (limit, size) = (env.options.output_limit, log.disk_size());
    let most = match (log.has_disk_failed(), size.kept, size.most) {
        (false, 1.., _) => log.kept_anyway() + log.disk_lag(),
        (false, 0, 1..) => return,
        _ if limit == 0 => return,
        _ => limit.max(log.reaches_anyway()),
    };
    // The last block, which may be as big as with the largest backlog, and what one turn writes come on top; and what
    // was sent and is not acknowledged, for it may be lost on the way.
    let sent = node.core.replication.replicas.iter().filter(|replica| replica.is_online());
    let in_flight = sent.filter_map(|replica| replica.cursor()?.0.checked_sub(replica.acked.0)).max();
    let slack = (256 << 10) + in_flight.unwrap_or(0);
    assert!(
        log.held() <= most + slack,
        "{} holds {} bytes of its log in memory, {most} would do (disk {:?}, {} of it to come)",
        process.place(),
        log.held(),
        log.disk_size(),
        log.disk_lag()
    );
}

/// Tells what a log has taken in since it was looked at last.
fn tell_log(process: &Process, node: &Node, since: Option<Offset>, env: &Environment) {
    let log = &node.core.log;
    let slices = since.and_then(|since| log.slices_from(since));
    let bytes: Vec<u8> = slices.into_iter().flatten().flat_map(|slice| slice.to_vec()).collect();
    let (id, end) = (log.history().id, log.end());
    env.tell(process.place(), format_args!("log to {end} of {id}: {}", bytes.escape_ascii()));
}

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
//! - A replica asks for what it lacks, and whoever the log still holds continues without a snapshot.

use std::collections::BTreeMap;

use slipstream_engine::Node;
use slipstream_keyspace::{Digest, ScoreFormat, UnixMillis, Value, value_digest};
use slipstream_log::{History, Offset, ReplicationId};

use crate::environment::Environment;
use crate::process::{Asked, Process};

/// One in so many offsets is looked at, usually.
const SAMPLE: u64 = 3;

/// How closely a world is looked at. What happens in it is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scrutiny {
    /// At a part of all offsets.
    #[default]
    Sample,
    /// At every offset, and the story tells what each log takes in.
    Every,
}

/// All data of a node by database and key.
pub type Picture = BTreeMap<(usize, Vec<u8>), Seen>;

/// What is compared of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    digest: Digest,
    deadline: Option<UnixMillis>,
    /// Of a hash: the fields that have a deadline.
    fields: BTreeMap<Vec<u8>, UnixMillis>,
}

impl Seen {
    fn of(value: &Value<'_>, deadline: Option<UnixMillis>) -> Seen {
        let digest = value_digest(value, deadline, ScoreFormat::default());
        let mut fields = BTreeMap::new();
        if let Value::Hash(hash) = value {
            let names = hash.iter().map(|(field, _)| field.to_vec());
            fields.extend(names.filter_map(|field| hash.deadline(&field).map(|deadline| (field, deadline))));
        }
        Seen { digest, deadline, fields }
    }
}

/// Takes the picture of a node.
pub fn picture(node: &Node) -> Picture {
    let snapshot = node.keyspace.snapshot();
    let mut picture = Picture::new();
    for (number, database) in snapshot.databases().enumerate() {
        for (key, value, deadline) in database.iter() {
            picture.insert((number, key.to_vec()), Seen::of(&value, deadline));
        }
    }
    picture
}

/// The keys in which two pictures differ, for whoever reads the story.
pub fn difference(a: &Picture, b: &Picture) -> String {
    let keys = a.keys().chain(b.keys()).filter(|key| a.get(*key) != b.get(*key));
    let show = |picture: &Picture, key: &(usize, Vec<u8>)| match picture.get(key) {
        None => "nothing".to_owned(),
        Some(Seen { digest, deadline, fields }) => {
            format!("{:.8} {deadline:?} {fields:?}", digest.to_string())
        }
    };
    let line = |key: &(usize, Vec<u8>)| {
        format!("db {} {}: {} / {}", key.0, key.1.escape_ascii(), show(a, key), show(b, key))
    };
    let mut lines: Vec<String> = keys.map(line).collect();
    lines.sort();
    lines.dedup();
    lines.join("; ")
}

/// Where a node stands, if it keeps a log.
pub fn position(node: &Node) -> Option<(ReplicationId, Offset)> {
    let log = &node.core.log;
    log.is_active().then(|| (log.history().id, log.end()))
}

/// A link asks its primary for what it lacks, no more and no less.
pub(crate) fn check_request(node: &Node, asked: Asked) {
    let expected = position(node).map_or(Asked::Snapshot, |(id, offset)| Asked::Continuation(id, offset));
    assert_eq!(asked, expected, "a replica asks for something else than what it lacks");
}

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Checker {
    /// How closely.
    pub scrutiny: Scrutiny,
    written: BTreeMap<ReplicationId, Offset>,
    pictures: BTreeMap<(ReplicationId, Offset), (usize, Picture)>,
    seen: BTreeMap<usize, (ReplicationId, Offset)>,
    /// What each node held, by its life.
    held: BTreeMap<(usize, u32), Held>,
    /// How far each node ever was in each history.
    reached: BTreeMap<(ReplicationId, usize), Offset>,
    /// Answers that promised that replicas have a write.
    pub promises: u64,
    /// Pictures that were compared.
    pub compared: u64,
}

impl Checker {
    /// Looks at a node after something happened to it.
    pub fn observe(&mut self, process: &Process, env: &Environment) {
        let Some(node) = &process.node else { return };
        let halted = node.core.replication.link.halted();
        assert!(halted.is_none(), "{} cannot apply the stream: {halted:?}", process.place());
        let Some((id, end)) = position(node) else { return };
        if !node.core.is_replica() {
            self.written.insert(id, end);
        }
        let before = self.held.insert((process.index, process.life), Held::by(node));
        check_guard(process, node, before);
        let written = self.written.get(&id).copied();
        assert!(
            written.is_some_and(|written| end <= written),
            "{} is at {end} of {id}, which was written up to {written:?}",
            process.place()
        );
        let reached = self.reached.entry((id, process.index)).or_default();
        *reached = end.max(*reached);
        self.check_promises(process.index, node, id);
        let before = self.seen.insert(process.index, (id, end));
        if before == Some((id, end)) {
            return;
        }
        if self.scrutiny == Scrutiny::Every {
            tell_log(process, node, before.map(|(_, end)| end), env);
        }
        if self.scrutiny == Scrutiny::Every || end.0 % SAMPLE == 0 {
            self.compare(process.index, node, (id, end));
        }
    }

    /// What a client was told to be on so many replicas is there.
    fn check_promises(&mut self, index: usize, node: &Node, id: ReplicationId) {
        let promises = node.core.sessions.iter().filter_map(|session| session.promised);
        for (offset, replicas) in promises {
            self.promises += 1;
            let has = |((history, other), end): &(&(ReplicationId, usize), &Offset)| {
                *history == id && *other != index && **end >= offset
            };
            let found = self.reached.iter().filter(has).count();
            assert!(
                found >= replicas || node.core.is_replica(),
                "n{index} promised {offset} of {id} to be on {replicas} replicas, it is on {found}"
            );
        }
    }

    /// Compares the data of a node with that of whoever was at the same position before.
    pub fn compare(&mut self, index: usize, node: &Node, position: (ReplicationId, Offset)) {
        let own = picture(node);
        match self.pictures.get(&position) {
            None => {
                self.pictures.insert(position, (index, own));
            }
            Some((other, picture)) => {
                self.compared += u64::from(*other != index);
                let (id, end) = position;
                assert!(
                    *picture == own,
                    "n{other} and n{index} differ at {end} of {id}: {}",
                    difference(picture, &own)
                );
            }
        }
    }

    /// Looks at a replica and the primary that it streams from.
    pub fn observe_pair(&self, replica: &Process, primary: &Process) {
        let (Some(below), Some(above)) = (&replica.node, &primary.node) else { return };
        let (Some((id, end)), Some((upper_id, upper_end))) = (position(below), position(above)) else {
            return;
        };
        if below.core.replication.link.is_up() && id == upper_id {
            assert!(
                end <= upper_end,
                "{} is at {end}, its primary {} at {upper_end}",
                replica.place(),
                primary.place()
            );
        }
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
fn check_guard(process: &Process, node: &Node, before: Option<Held>) {
    let (Some(before), percent) = (before, u64::from(process.config.replica_guard_shrink_percent)) else {
        return;
    };
    let (old, new) = (&before.history, node.core.log.history());
    let previous = |history: &History| history.previous.as_ref().map(|(id, _)| *id);
    let is_known = new.id == old.id || Some(new.id) == previous(old) || previous(new) == Some(old.id);
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

/// Tells what a log has taken in since it was looked at last.
fn tell_log(process: &Process, node: &Node, since: Option<Offset>, env: &Environment) {
    let log = &node.core.log;
    let slices = since.and_then(|since| log.slices_from(since));
    let bytes: Vec<u8> = slices.into_iter().flatten().flat_map(|slice| slice.to_vec()).collect();
    let (id, end) = (log.history().id, log.end());
    env.tell(process.place(), format_args!("log to {end} of {id}: {}", bytes.escape_ascii()));
}

/// How a primary answers a request for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    may_continue: bool,
    full: u64,
    partial: u64,
}

impl Judgement {
    /// Before the answer: whether the log holds what is asked for.
    pub fn of(primary: &Node, asked: Asked) -> Judgement {
        let log = &primary.core.log;
        let counters = primary.core.replication.replicas.counters();
        let may_continue = match asked {
            Asked::Snapshot => false,
            Asked::Continuation(id, offset) => log.can_continue(&id, offset).is_ok(),
        };
        Judgement { may_continue, full: counters.full, partial: counters.partial_ok }
    }

    /// After it: what it was, if it is there. A snapshot that was not needed is a failure.
    pub fn check(self, primary: &Node) -> Option<Answer> {
        let counters = primary.core.replication.replicas.counters();
        let (full, partial) = (counters.full > self.full, counters.partial_ok > self.partial);
        assert!(!(full && self.may_continue), "a full sync although the log holds the offset");
        assert!(!partial || self.may_continue, "a continuation although the log does not hold the offset");
        match (full, partial) {
            (true, _) => Some(Answer::FullSync),
            (false, true) => Some(Answer::Continuation),
            (false, false) => None,
        }
    }
}

/// What a replica gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A snapshot.
    FullSync,
    /// The rest of the log.
    Continuation,
}

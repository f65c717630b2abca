//! Full syncs: who waits for one, and when it starts.
//!
//! Replicas that can read the same snapshot share it if they arrive within the delay. Who comes later does
//! not disturb a sync that is running and does not wait for its end: it gets one of its own, since a snapshot
//! costs no fork. Only the number of snapshots at a time is limited.

use std::collections::{BTreeMap, BTreeSet};

use slipstream_log::Offset;

use super::replica::{Phase, Protocol, Replica, Stage};
use super::{Action, Reader, ReplicaId, Replicas, Turn};
use crate::{Mark, Moment};

/// Most snapshots that are encoded at the same time; each costs a thread and, until it ends, the chunks of
/// data that were changed since it began.
const MAX_JOBS: usize = 4;

/// Names one full sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// How the replicas of a full sync find the end of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length, so it must be encoded before it can be sent.
    Length,
    /// By a mark behind it, so it can be sent while it is encoded.
    Mark(Mark),
}

impl Framing {
    /// What goes before a snapshot of `length` bytes.
    pub fn head(&self, length: u64) -> Vec<u8> {
        match self {
            Framing::Length => format!("${length}\r\n").into_bytes(),
            Framing::Mark(mark) => [b"$EOF:", mark.as_bytes().as_slice(), b"\r\n"].concat(),
        }
    }

    /// What goes behind it.
    pub fn tail(&self) -> &[u8] {
        match self {
            Framing::Length => b"",
            Framing::Mark(mark) => mark.as_bytes(),
        }
    }
}

/// One snapshot for one or more replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncJob {
    /// Its name in reports.
    pub id: JobId,
    /// Who gets it.
    pub replicas: Vec<ReplicaId>,
    /// The offset that the snapshot must be taken at: the log's end now.
    pub offset: Offset,
    /// How it is delimited.
    pub framing: Framing,
    /// What its readers understand.
    pub reader: Reader,
}

/// Replicas that can share a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    takes_marks: bool,
    reader: Reader,
}

/// The replicas of a group that wait.
#[derive(Debug)]
struct Queue {
    members: Vec<ReplicaId>,
    due: Moment,
}

impl Replicas {
    /// A job's snapshot begins to be sent: its replicas hear nothing else from now on.
    pub fn on_snapshot_ready(&mut self, now: Moment, job: JobId) {
        for replica in self.replicas.values_mut() {
            if let Phase::Syncing { job: own, stage, .. } = &mut replica.phase
                && *own == job
            {
                *stage = Stage::Sending { progressed: now, answered: false };
            }
        }
    }

    /// A replica has taken some of its snapshot.
    pub fn on_snapshot_progress(&mut self, now: Moment, replica: ReplicaId) {
        let replica = self.replicas.get_mut(&replica);
        if let Some(Phase::Syncing { stage: Stage::Sending { progressed, .. }, .. }) =
            replica.map(|r| &mut r.phase)
        {
            *progressed = now;
        }
    }

    /// A replica has been sent the whole snapshot with what goes behind it.
    pub fn on_snapshot_sent(&mut self, turn: Turn<'_>, id: ReplicaId, actions: &mut Vec<Action>) {
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        let Phase::Syncing { from, stage, .. } = replica.phase else { return };
        if replica.profile.snapshot_only {
            let text = "RDB transfer completed, rdb only replica";
            actions.push(Action::notice(format!("{text} ({replica}) should be disconnected asap")));
            actions.push(Action::Close(id));
            self.replicas.remove(&id);
            return self.watch_solitude(turn.now);
        }
        let answered = matches!(stage, Stage::Sending { answered: true, .. });
        if replica.profile.takes_marks && !answered {
            let text = "succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming";
            actions.push(Action::notice(format!("Streamed RDB transfer with replica {replica} {text}")));
            replica.heard = turn.now;
            replica.phase = Phase::Loading { from };
        } else {
            replica.start_stream(turn.now, from, actions);
        }
    }

    /// The snapshot of a job cannot be made or completed.
    pub fn on_sync_failed(&mut self, now: Moment, job: JobId, reason: &str, actions: &mut Vec<Action>) {
        actions.push(Action::warning(format!("SYNC failed. BGSAVE for replication failed: {reason}")));
        let members: Vec<ReplicaId> = self.members_of(job).map(|replica| replica.id).collect();
        for id in members {
            if matches!(self.replicas[&id].phase, Phase::Syncing { stage: Stage::Preparing, .. }) {
                let bytes = b"-ERR BGSAVE failed, replication can't continue\r\n".to_vec();
                actions.push(Action::Send { replica: id, bytes });
            }
            actions.push(Action::Close(id));
            self.replicas.remove(&id);
        }
        self.watch_solitude(now);
    }

    /// Starts the snapshots that are due.
    pub(super) fn start_syncs(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        for (group, queue) in self.queues() {
            if queue.due <= turn.now && self.running_jobs() < MAX_JOBS {
                self.start_sync(turn, group, queue.members, actions);
            }
        }
    }

    fn start_sync(
        &mut self,
        turn: Turn<'_>,
        group: Group,
        members: Vec<ReplicaId>,
        actions: &mut Vec<Action>,
    ) {
        let offset = turn.log.end();
        let id = JobId(self.next_job);
        self.next_job += 1;
        let framing =
            if group.takes_marks { Framing::Mark(Mark::random(&mut self.rng)) } else { Framing::Length };
        actions.push(Action::notice("Starting BGSAVE for SYNC with target: replicas sockets"));
        let job = SyncJob { id, replicas: members.clone(), offset, framing, reader: group.reader };
        actions.push(Action::StartSync(job));
        let answer = format!("+FULLRESYNC {} {offset}\r\n", turn.log.history().id);
        for member in members {
            let replica = self.replicas.get_mut(&member).expect("queued, so attached");
            replica.phase = Phase::Syncing { job: id, from: offset, stage: Stage::Preparing };
            if replica.protocol == Protocol::Psync {
                actions.push(Action::Send { replica: member, bytes: answer.clone().into_bytes() });
            }
        }
    }

    /// When the next full sync is due.
    pub(super) fn sync_deadline(&self) -> Option<Moment> {
        if self.running_jobs() >= MAX_JOBS {
            return None;
        }
        self.queues().values().map(|queue| queue.due).min()
    }

    fn queues(&self) -> BTreeMap<Group, Queue> {
        let mut queues = BTreeMap::<Group, Queue>::new();
        for replica in self.replicas.values() {
            let Phase::Queued { since } = replica.phase else { continue };
            let group = Group { takes_marks: replica.profile.takes_marks, reader: replica.profile.reader() };
            // The delay is there to gather replicas for a stream; who needs a length gets its own file at
            // once.
            let delay_ms = if group.takes_marks { self.settings.sync_delay_ms } else { 0 };
            let due = since.after_ms(delay_ms);
            let queue = queues.entry(group).or_insert(Queue { members: Vec::new(), due });
            queue.members.push(replica.id);
            queue.due = queue.due.min(due);
            if queue.members.len() >= self.settings.sync_max_replicas.unwrap_or(usize::MAX) {
                queue.due = Moment(0);
            }
        }
        queues
    }

    fn running_jobs(&self) -> usize {
        self.replicas.values().filter_map(Replica::job).collect::<BTreeSet<_>>().len()
    }

    pub(super) fn members_of(&self, job: JobId) -> impl Iterator<Item = &Replica> {
        self.replicas.values().filter(move |replica| replica.job() == Some(job))
    }
}

impl Replica {
    /// Puts the replica online and lets the stream flow from `from`.
    pub(super) fn start_stream(&mut self, now: Moment, from: Offset, actions: &mut Vec<Action>) {
        self.phase = Phase::Online { cursor: from };
        self.heard = now;
        actions.push(Action::notice(format!("Synchronization with replica {self} succeeded")));
        actions.push(Action::StartStream { replica: self.id, from });
    }
}

//! Full syncs: who waits for one, who shares one, and when it starts.
//!
//! A job is one snapshot at one offset, encoded once. Whoever can read it and comes while all of it is still
//! held joins it, late or not, and takes it at its own pace; behind it the stream goes on from the snapshot's
//! offset for each. An encoded job is kept for a while, so that the next replica need not cost another. Who
//! cannot join waits for the delay, which gathers replicas, and gets a job of its own: a snapshot costs no
//! fork, so that a new one disturbs none that is running. Only the number of snapshots at a time is limited.
//!
//! ```text
//!            outgrown                    encoded
//!  Whole ──────────────► start is gone ───────────► ends with its last member
//!    │ encoded
//!    └──────────► kept for others: KEPT_MS, while the log covers its offset
//! ```
//!
//! Invariant: the log keeps what lies behind the offset of a job with members.

use std::collections::BTreeMap;

use slipstream_log::{Log, Offset, ReplicationId};

use super::replica::{Phase, Protocol, Replica, SnapshotSent, Stage};
use super::{Action, Part, Reader, ReplicaId, Replicas, Turn};
use crate::amounts::{Transport, Volume};
use crate::{Mark, Moment};

/// Most snapshots that are encoded at the same time; each costs a thread and, until it ends, the chunks of
/// data that were changed since it began.
const MAX_JOBS: usize = 4;

/// How long an encoded snapshot that nobody takes is kept for the next replica.
const KEPT_MS: u64 = 60_000;

/// An encoded snapshot is used as long as what lies behind it is no more than half of it, but for so much, which is
/// there without any data. A replica that has data compares it with what the snapshot brings, and one that holds
/// little of what is here by now looks like a primary that has lost its data.
const WITHOUT_DATA: u64 = 1 << 10;

/// The log is told so often at most how far a snapshot is sent.
const TOLD_MS: u64 = 5000;

/// Names one full sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// How a replica finds the end of the snapshot.
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

/// One snapshot, for whoever joins it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncJob {
    /// Its name in reports.
    pub id: JobId,
    /// The offset that the snapshot must be taken at: the log's end now.
    pub offset: Offset,
    /// What its readers understand.
    pub reader: Reader,
    /// What of the data it holds.
    pub part: Part,
}

/// A replica that is to be sent a job's snapshot from its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncMember {
    /// Which snapshot. With length framing it is encoded to its end.
    pub job: JobId,
    /// To whom.
    pub replica: ReplicaId,
    /// How it is delimited.
    pub framing: Framing,
}

/// What is known of a snapshot.
#[derive(Debug)]
pub(super) struct Job {
    offset: Offset,
    history: ReplicationId,
    reader: Reader,
    part: Part,
    /// Whether its first bytes are still held.
    whole: bool,
    /// Once it is encoded: its length.
    length: Option<u64>,
    /// The database that is selected where the stream joins it.
    database: usize,
    /// Since when nobody takes it.
    idle_since: Moment,
}

impl Job {
    fn is_running(&self) -> bool {
        self.length.is_none()
    }

    /// Whether the stream can go on from its offset, and the snapshot is still much of what is here.
    fn is_covered(&self, log: &Log) -> bool {
        let behind = |length: u64| log.end().since(self.offset) <= length.saturating_sub(WITHOUT_DATA) / 2;
        log.history().id == self.history
            && log.can_continue(&self.history, self.offset).is_ok()
            && self.length.is_none_or(behind)
    }

    fn serves(&self, replica: &Replica, log: &Log) -> bool {
        let wanted = (replica.profile.reader(), replica.profile.part);
        self.whole
            && (self.reader, self.part) == wanted
            && !replica.wants_data_of_now()
            && self.is_covered(log)
    }
}

/// Replicas that wait for the same kind of snapshot.
#[derive(Debug)]
struct Queue {
    members: Vec<ReplicaId>,
    due: Moment,
}

/// What the shell reports of jobs.
impl Replicas {
    /// A job's snapshot is taken, with that database selected in the stream behind it: those that can read along
    /// begin to be sent.
    pub fn on_sync_started(&mut self, now: Moment, job: JobId, database: usize, actions: &mut Vec<Action>) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.database = database;
        }
        for id in self.member_ids(job) {
            self.admit(now, id, actions);
        }
    }

    /// The spool of a job wants to forget what all its replicas have taken. It may, unless somebody waits to
    /// take it from its first byte.
    pub fn on_sync_outgrown(&mut self, id: JobId, actions: &mut Vec<Action>) {
        let is_awaited = self
            .members_of(id)
            .any(|replica| matches!(replica.phase, Phase::Syncing { stage: Stage::Preparing, .. }));
        if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.whole && !is_awaited) {
            job.whole = false;
            actions.push(Action::SealSync(id));
        }
    }

    /// The disk takes no more of a spool: it must forget what has been taken. Who waits for its end cannot be
    /// served.
    pub fn on_sync_cramped(&mut self, now: Moment, job: JobId, reason: &str, actions: &mut Vec<Action>) {
        actions.push(Action::warning(format!("A snapshot has no room on the disk: {reason}")));
        let waits =
            |replica: &&Replica| matches!(replica.phase, Phase::Syncing { stage: Stage::Preparing, .. });
        for id in self.members_of(job).filter(waits).map(|replica| replica.id).collect::<Vec<_>>() {
            self.refuse_member(now, id, reason, actions);
        }
        self.on_sync_outgrown(job, actions);
    }

    /// A job's snapshot is encoded to its end, in so many bytes: those who need the length begin to be sent.
    pub fn on_sync_encoded(&mut self, now: Moment, id: JobId, length: u64, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.length = Some(length);
        for member in self.member_ids(id) {
            self.admit(now, member, actions);
        }
        self.settle_job(now, id, actions);
    }

    /// A replica has taken some of its snapshot.
    pub fn on_snapshot_progress(
        &mut self,
        now: Moment,
        replica: ReplicaId,
        bytes: SnapshotSent,
        actions: &mut Vec<Action>,
    ) {
        let Some(replica) = self.replicas.get_mut(&replica) else { return };
        replica.sync.bytes = bytes;
        if now.ms_since(replica.sync.told) >= TOLD_MS {
            replica.sync.told = now;
            let (sent, waiting) = (Volume(bytes.sent), Volume(bytes.waiting));
            let seconds = now.seconds_since(replica.sync.sending_since);
            let text = format!("{sent} of it are sent after {seconds} s, {waiting} more are encoded");
            actions.push(Action::notice(format!("Snapshot for replica {replica}: {text}")));
        }
        if let Phase::Syncing { stage: Stage::Sending { progressed, .. }, .. } = &mut replica.phase {
            *progressed = now;
        }
        let main = replica.profile.main;
        self.hear_main(now, main);
    }

    /// A replica has been sent the whole snapshot with what goes behind it.
    pub fn on_snapshot_sent(&mut self, turn: Turn<'_>, id: ReplicaId, actions: &mut Vec<Action>) {
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        let Phase::Syncing { job, from, stage } = replica.phase else { return };
        let answered = matches!(stage, Stage::Sending { answered: true, .. });
        let ms = turn.now.ms_since(replica.sync.sending_since);
        let sent = Transport { bytes: replica.sync.bytes.sent, ms };
        actions.push(Action::notice(format!("Snapshot for replica {replica}: all of it is sent, {sent}")));
        if replica.profile.snapshot_only {
            let text = "RDB transfer completed, rdb only replica";
            actions.push(Action::notice(format!("{text} ({replica}) should be disconnected asap")));
            self.keep_for_main(turn.now, id);
            actions.push(Action::Close(id));
            return self.forget(turn.now, id, actions);
        } else if replica.profile.takes_marks && !answered {
            let text = "succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming";
            actions.push(Action::notice(format!("Streamed RDB transfer with replica {replica} {text}")));
            replica.heard = turn.now;
            replica.phase = Phase::Loading { from };
        } else {
            replica.start_stream(turn.now, from, actions);
            self.journal.note(turn.now, replica.to_string(), "online");
        }
        self.settle_job(turn.now, job, actions);
    }

    /// A replica could not be sent its snapshot to the end.
    pub fn on_snapshot_unsent(
        &mut self,
        now: Moment,
        id: ReplicaId,
        reason: &str,
        actions: &mut Vec<Action>,
    ) {
        let Some(replica) = self.replicas.get(&id) else { return };
        let text = format!("Sending the snapshot to replica {replica} failed: {reason}");
        actions.push(Action::warning(text));
        self.note_failure(now, id, reason);
        self.drop_replica(now, id, &format!("closed: its snapshot was not sent: {reason}"), actions);
    }

    /// The snapshot of a job cannot be made or completed.
    pub fn on_sync_failed(&mut self, now: Moment, job: JobId, reason: &str, actions: &mut Vec<Action>) {
        if self.jobs.remove(&job).is_none() {
            return;
        }
        actions.push(Action::warning(format!("SYNC failed. BGSAVE for replication failed: {reason}")));
        for id in self.member_ids(job) {
            self.refuse_member(now, id, reason, actions);
        }
        actions.push(Action::EndSync(job));
    }

    /// Gives a member up, with the reason if nothing of the snapshot has been sent.
    fn refuse_member(&mut self, now: Moment, id: ReplicaId, reason: &str, actions: &mut Vec<Action>) {
        // Gone with its other connection.
        let Some(replica) = self.replicas.get(&id) else { return };
        let is_preparing = matches!(replica.phase, Phase::Syncing { stage: Stage::Preparing, .. });
        self.note_failure(now, id, reason);
        if is_preparing {
            let bytes = format!("-ERR BGSAVE failed, replication can't continue: {reason}\r\n");
            actions.push(Action::Send { replica: id, bytes: bytes.into_bytes() });
        }
        self.drop_replica(now, id, &format!("closed: no snapshot: {reason}"), actions);
    }
}

impl Replicas {
    /// Lets those join who can, and starts the snapshots that are due.
    pub(super) fn start_syncs(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        self.join_syncs(turn, actions);
        for (kind, queue) in self.queues() {
            if queue.due <= turn.now && self.running_jobs() < MAX_JOBS {
                self.start_sync(turn, kind, queue.members, actions);
            }
        }
    }

    fn join_syncs(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let mut joining = Vec::new();
        for replica in self.replicas.values() {
            let is_ready =
                matches!(replica.phase, Phase::Queued { not_before, .. } if not_before <= turn.now);
            // The newest has the least behind it.
            let job = self.jobs.iter().rev().find(|(_, job)| job.serves(replica, turn.log));
            if let Some((job, _)) = job.filter(|_| is_ready) {
                joining.push((replica.id, *job));
            }
        }
        for (id, job) in joining {
            let text = format!("Replica {} joins a snapshot that is there", self.replicas[&id]);
            actions.push(Action::notice(text));
            self.assign(turn.now, id, job, actions);
            self.admit(turn.now, id, actions);
        }
    }

    fn start_sync(
        &mut self,
        turn: Turn<'_>,
        (reader, part): (Reader, Part),
        members: Vec<ReplicaId>,
        actions: &mut Vec<Action>,
    ) {
        let (id, offset) = (JobId(self.next_job), turn.log.end());
        self.next_job += 1;
        let history = turn.log.history().id;
        let job = Job {
            offset,
            history,
            reader,
            part,
            whole: true,
            length: None,
            database: 0,
            idle_since: turn.now,
        };
        self.jobs.insert(id, job);
        actions.push(Action::notice("Starting BGSAVE for SYNC with target: replicas sockets"));
        actions.push(Action::StartSync(SyncJob { id, offset, reader, part }));
        for member in members {
            self.assign(turn.now, member, id, actions);
        }
    }

    /// Makes a replica a member and tells it where the stream will join its snapshot.
    fn assign(&mut self, now: Moment, id: ReplicaId, job: JobId, actions: &mut Vec<Action>) {
        let Job { offset, history, .. } = self.jobs[&job];
        let replica = self.replicas.get_mut(&id).expect("queued, so attached");
        replica.phase = Phase::Syncing { job, from: offset, stage: Stage::Preparing };
        if replica.protocol == Protocol::Psync {
            let bytes = format!("+FULLRESYNC {history} {offset}\r\n").into_bytes();
            actions.push(Action::Send { replica: id, bytes });
            self.begin_main(now, id, offset, actions);
        }
    }

    /// Has a member sent its snapshot, if that can begin by now.
    fn admit(&mut self, now: Moment, id: ReplicaId, actions: &mut Vec<Action>) {
        let replica = self.replicas.get_mut(&id).expect("a member of the job");
        let job = replica.job().expect("a member of the job");
        let Phase::Syncing { stage: stage @ Stage::Preparing, .. } = &mut replica.phase else { return };
        let framing = match replica.profile.takes_marks {
            true => Framing::Mark(Mark::random(&mut self.rng)),
            false if self.jobs[&job].is_running() => return,
            false => Framing::Length,
        };
        *stage = Stage::Sending { progressed: now, answered: false };
        (replica.sync.sending_since, replica.sync.told) = (now, now);
        if replica.profile.carries_snapshot && replica.protocol == Protocol::Sync {
            let Job { offset, history, database, .. } = self.jobs[&job];
            let bytes = format!("$ENDOFF:{offset} {history} {database} {}\r\n", id.0).into_bytes();
            actions.push(Action::Send { replica: id, bytes });
        }
        actions.push(Action::JoinSync(SyncMember { job, replica: id, framing }));
    }

    /// A job has lost a member: without any, one that serves nobody else ends.
    pub(super) fn settle_job(&mut self, now: Moment, id: JobId, actions: &mut Vec<Action>) {
        if self.members_of(id).next().is_some() {
            return;
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.idle_since = now;
        if job.is_running() || !job.whole {
            self.jobs.remove(&id);
            actions.push(Action::EndSync(id));
        }
    }

    /// Ends the jobs that are kept in vain.
    pub(super) fn expire_jobs(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let is_vain = |job: &Job| job.idle_since.after_ms(KEPT_MS) <= turn.now || !job.is_covered(turn.log);
        let idle = self.idle_jobs().filter(|(_, job)| is_vain(job));
        for id in idle.map(|(id, _)| id).collect::<Vec<_>>() {
            self.jobs.remove(&id);
            actions.push(Action::EndSync(id));
        }
    }

    fn idle_jobs(&self) -> impl Iterator<Item = (JobId, &Job)> {
        let is_idle = |id: JobId| self.members_of(id).next().is_none();
        self.jobs.iter().map(|(id, job)| (*id, job)).filter(move |(id, _)| is_idle(*id))
    }

    /// When the next full sync is due, or the end of one that is kept.
    pub(super) fn sync_deadline(&self) -> Option<Moment> {
        let kept = self.idle_jobs().map(|(_, job)| job.idle_since.after_ms(KEPT_MS)).min();
        let due = match self.running_jobs() < MAX_JOBS {
            true => self.queues().values().map(|queue| queue.due).min(),
            false => None,
        };
        [kept, due].into_iter().flatten().min()
    }

    fn queues(&self) -> BTreeMap<(Reader, Part), Queue> {
        let mut queues = BTreeMap::<(Reader, Part), Queue>::new();
        let enough = self.settings.sync_max_replicas.unwrap_or(usize::MAX);
        for replica in self.replicas.values() {
            let Phase::Queued { since, not_before } = replica.phase else { continue };
            // The delay is there to gather replicas for a stream; who needs a length has long to wait as it is.
            let delay_ms = if replica.profile.takes_marks { self.settings.sync_delay_ms } else { 0 };
            let due = since.after_ms(delay_ms).max(not_before);
            let kind = (replica.profile.reader(), replica.profile.part);
            let queue = queues.entry(kind).or_insert(Queue { members: Vec::new(), due });
            queue.members.push(replica.id);
            queue.due = queue.due.min(due);
            if queue.members.len() >= enough {
                queue.due = Moment(0);
            }
        }
        queues
    }

    fn running_jobs(&self) -> usize {
        self.jobs.values().filter(|job| job.is_running()).count()
    }

    fn members_of(&self, job: JobId) -> impl Iterator<Item = &Replica> {
        self.replicas.values().filter(move |replica| replica.job() == Some(job))
    }

    fn member_ids(&self, job: JobId) -> Vec<ReplicaId> {
        self.members_of(job).map(|replica| replica.id).collect()
    }
}

impl Replica {
    /// Whether an older snapshot with the stream from there is not what it asks for: it wants nothing but a
    /// snapshot, or, with a plain SYNC, is not told the offset at which its stream begins.
    fn wants_data_of_now(&self) -> bool {
        self.profile.wants_no_stream() || self.protocol == Protocol::Sync && !self.profile.carries_snapshot
    }

    /// Puts the replica online and lets the stream flow from `from`.
    pub(super) fn start_stream(&mut self, now: Moment, from: Offset, actions: &mut Vec<Action>) {
        self.phase = Phase::Online { cursor: from };
        self.heard = now;
        actions.push(Action::notice(format!("Synchronization with replica {self} succeeded")));
        actions.push(Action::StartStream { replica: self.id, from });
    }
}

//! Stories of the primary's side: what sessions say, and the whole list of what is to be done.
//!
//! Time is virtual. Histories are named by one repeated digit; the log starts at offset 1000 of history `a`.

use slipstream_log::{DiskSize, Log, ReplicationId};
use slipstream_resp::OwnedRequest;

use super::*;

const SETTINGS: Settings = Settings {
    timeout_ms: 60_000,
    ping_period_ms: 10_000,
    sync_delay_ms: 5_000,
    two_links: true,
    sync_max_replicas: None,
    backlog_ttl_ms: Some(3_600_000),
    pacing: true,
    output_limit: OutputLimit { hard: 200_000, soft: 50_000, soft_ms: 60_000 },
};

const A: ReplicaId = ReplicaId(1);
const B: ReplicaId = ReplicaId(2);
const C: ReplicaId = ReplicaId(3);

fn id(digit: u8) -> ReplicationId {
    ReplicationId::parse(&[digit; 40]).unwrap()
}

fn send(replica: ReplicaId, text: &str) -> Action {
    Action::Send { replica, bytes: text.as_bytes().to_vec() }
}

fn newline(replica: ReplicaId) -> Action {
    send(replica, "\n")
}

fn full_resync(replica: ReplicaId, offset: u64) -> Action {
    send(replica, &format!("+FULLRESYNC {} {offset}\r\n", id(b'a')))
}

fn start_stream(replica: ReplicaId, from: u64) -> Action {
    Action::StartStream { replica, from: Offset(from) }
}

/// Without the lines for the log.
fn deeds(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::Log(..))).collect()
}

/// The jobs that are started.
fn jobs(actions: &[Action]) -> Vec<SyncJob> {
    let jobs = actions.iter().filter_map(|action| match action {
        Action::StartSync(job) => Some(job.clone()),
        _ => None,
    });
    jobs.collect()
}

/// Who begins to be sent which snapshot, and whether by its length.
fn joins(actions: &[Action]) -> Vec<(ReplicaId, u64, bool)> {
    let joins = actions.iter().filter_map(|action| match action {
        Action::JoinSync(member) => Some((member.replica, member.job.0, member.framing == Framing::Length)),
        _ => None,
    });
    joins.collect()
}

/// A primary on a virtual clock.
struct Story {
    replicas: Replicas,
    log: Log,
    now: Moment,
}

impl Story {
    fn new(settings: Settings) -> Story {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut log = Log::new(64 << 10, &mut rng);
        log.adopt_snapshot(id(b'a'), Offset(1000));
        Story { replicas: Replicas::new(Moment(0), settings, rng), log, now: Moment(0) }
    }

    fn act(&mut self, event: impl FnOnce(&mut Replicas, Turn<'_>, &mut Vec<Action>)) -> Vec<Action> {
        let mut actions = Vec::new();
        event(&mut self.replicas, Turn { now: self.now, log: &self.log }, &mut actions);
        actions
    }

    fn turn(&mut self) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_turn(turn, actions))
    }

    /// Lets the clock run to `ms` after the start, doing what is due on the way.
    fn wait_until(&mut self, ms: u64) -> Vec<Action> {
        let mut all = Vec::new();
        while let Some(due) = self.replicas.deadline().filter(|due| *due <= Moment(ms)) {
            self.now = self.now.max(due);
            all.extend(self.turn());
        }
        self.now = Moment(ms);
        all
    }

    fn replconf(&mut self, replica: ReplicaId, options: &str) -> Vec<Action> {
        let words: Vec<&str> = options.split(' ').collect();
        let request = OwnedRequest::from_parts(&words);
        self.act(|replicas, turn, actions| {
            replicas.on_replconf(turn, replica, request.args(), actions).unwrap();
        })
    }

    fn ask(&mut self, replica: ReplicaId, request: Request<'_>) -> Vec<Action> {
        let newcomer = Newcomer { id: replica, peer: "10.0.0.9", request };
        self.act(|replicas, turn, actions| replicas.on_sync(turn, newcomer, actions).unwrap())
    }

    fn psync(&mut self, replica: ReplicaId, digit: u8, next_byte: i64) -> Vec<Action> {
        self.ask(replica, Request::Psync { id: &[digit; 40], next_byte })
    }

    /// A modern replica without data.
    fn newcomer(&mut self, replica: ReplicaId) -> Vec<Action> {
        self.replconf(replica, "listening-port 6380");
        self.replconf(replica, "capa eof capa psync2");
        self.ask(replica, Request::Psync { id: b"?", next_byte: -1 })
    }

    fn started(&mut self, job: u64) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_sync_started(turn.now, JobId(job), 3, actions))
    }

    fn encoded(&mut self, job: u64, length: u64) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_sync_encoded(turn.now, JobId(job), length, actions))
    }

    fn outgrown(&mut self, job: u64) -> Vec<Action> {
        self.act(|replicas, _, actions| replicas.on_sync_outgrown(JobId(job), actions))
    }

    /// A full sync of `A` from job 0, sent and loaded; the snapshot is kept.
    fn synced(&mut self) {
        self.newcomer(A);
        self.turn();
        self.started(0);
        self.encoded(0, 5000);
        self.sent(A);
        self.replconf(A, "ACK 1000");
    }

    fn sent(&mut self, replica: ReplicaId) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_snapshot_sent(turn, replica, actions))
    }

    fn closed(&mut self, replica: ReplicaId) -> Vec<Action> {
        self.act(|replicas, turn, actions| replicas.on_closed(turn.now, replica, actions))
    }

    /// A replica that continued from the log's end and says so.
    fn online(&mut self, replica: ReplicaId) {
        let next_byte = i64::try_from(self.log.end().next_byte()).unwrap();
        self.replconf(replica, &format!("listening-port {}", 6379 + replica.0));
        self.psync(replica, b'a', next_byte);
        self.turn();
    }

    fn wait_for(&mut self, waiter: u64, replicas: usize, until: Option<u64>) -> Vec<Action> {
        let wait =
            Wait { offset: self.log.end(), replicas, measure: Measure::Applied, until: until.map(Moment) };
        self.act(|replicas, _, actions| replicas.on_wait(WaiterId::Command(waiter), wait, actions))
    }
}

mod arrival;
mod heartbeat;
mod limits;
mod pairing;
mod parting;
mod snapshots;
mod transfer;
mod waiting;

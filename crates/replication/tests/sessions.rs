//! The primary's side under sessions that say anything in any order, while the shell reports as it would.
//!
//! Nothing that a peer says is a reason to panic; a snapshot is joined only while its first bytes are held, each
//! stream begins once, and when all are gone nothing is kept for anybody.

use std::collections::{BTreeMap, BTreeSet};

use slipstream_log::{DiskSize, Log, Offset, ReplicationId};
use slipstream_replication::Moment;
use slipstream_replication::replicas::{
    Ack, Action, Change, JobId, Newcomer, OutputLimit, ReplicaId, Replicas, Request, Role, Settings, Turn,
};
use slipstream_resp::OwnedRequest;

const SETTINGS: Settings = Settings {
    timeout_ms: 3000,
    ping_period_ms: 1000,
    sync_delay_ms: 500,
    two_links: true,
    sync_max_replicas: None,
    backlog_ttl_ms: Some(20_000),
    pacing: true,
    output_limit: OutputLimit { hard: 200_000, soft: 50_000, soft_ms: 1000 },
};

/// A primary, and what its shell knows.
struct World {
    rng: fastrand::Rng,
    replicas: Replicas,
    log: Log,
    now: Moment,
    next_session: u64,
    sessions: Vec<ReplicaId>,
    /// Snapshots that exist; whether each still holds its first bytes.
    jobs: BTreeMap<JobId, bool>,
    /// Who is being sent which.
    sending: BTreeMap<ReplicaId, JobId>,
    streaming: BTreeSet<ReplicaId>,
    /// Whose stream is to end, and where.
    ending: BTreeMap<ReplicaId, Offset>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut log = Log::new(64 << 10, &mut rng);
        log.set_disk_size(DiskSize { kept: 0, most: 1 << 20 });
        log.adopt_snapshot(id(), Offset(1000));
        let replicas = Replicas::new(Moment(0), SETTINGS, rng.fork());
        World {
            rng,
            replicas,
            log,
            now: Moment(0),
            next_session: 1,
            sessions: Vec::new(),
            jobs: BTreeMap::new(),
            sending: BTreeMap::new(),
            streaming: BTreeSet::new(),
            ending: BTreeMap::new(),
        }
    }

    fn act(&mut self, event: impl FnOnce(&mut Replicas, Turn<'_>, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        event(&mut self.replicas, Turn { now: self.now, log: &self.log }, &mut actions);
        actions.into_iter().for_each(|action| self.perform(action));
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::StartSync(job) => {
                assert_eq!(job.offset, self.log.end());
                self.jobs.insert(job.id, true);
                self.act(|replicas, turn, actions| replicas.on_sync_started(turn.now, job.id, 0, actions));
            }
            Action::JoinSync(member) => {
                assert_eq!(self.jobs.get(&member.job), Some(&true), "nobody joins what has lost its start");
                let before = self.sending.insert(member.replica, member.job);
                assert_eq!(before, None, "a socket is lent once");
            }
            Action::SealSync(job) => *self.jobs.get_mut(&job).expect("it exists") = false,
            Action::EndSync(job) => drop(self.jobs.remove(&job)),
            Action::StartStream { replica, .. } => {
                assert!(!self.ending.contains_key(&replica), "one stream ends before the next begins");
                assert!(self.streaming.insert(replica), "a stream begins once");
            }
            Action::Close(replica) => self.close(replica),
            Action::AppendPing | Action::AppendGetAck | Action::AppendClock => self.log.append(&[b'p'; 14]),
            Action::ActivateLog => self.log.activate(&mut self.rng),
            Action::DeactivateLog => self.log.deactivate(&mut self.rng),
            Action::EndStream { replica, end, .. } => {
                assert!(self.streaming.remove(&replica), "a stream that began ends");
                self.ending.insert(replica, end);
            }
            Action::AskAgain(replica) => {
                let streams = self.streaming.contains(&replica) || self.ending.contains_key(&replica);
                assert!(!streams, "nothing is said in a stream");
            }
            Action::Send { .. } | Action::WaitOver { .. } | Action::Log(..) => {}
        }
    }

    fn close(&mut self, replica: ReplicaId) {
        self.sessions.retain(|session| *session != replica);
        self.sending.remove(&replica);
        self.streaming.remove(&replica);
        self.ending.remove(&replica);
        self.act(|replicas, turn, actions| replicas.on_closed(turn.now, replica, actions));
    }

    fn turn(&mut self, ms: u64) {
        self.now = self.now.after_ms(ms);
        self.act(|replicas, turn, actions| replicas.on_turn(turn, actions));
        self.log.trim(self.replicas.oldest_needed());
        for action in self.log.take_disk_actions() {
            if let slipstream_log::DiskAction::Write { number, block, .. } = action {
                self.log.disk_wrote(number, block.end());
            }
        }
    }

    fn session(&mut self) -> ReplicaId {
        if self.sessions.is_empty() || self.sessions.len() < 6 && self.rng.u8(..4) == 0 {
            self.sessions.push(ReplicaId(self.next_session));
            self.next_session += 1;
        }
        self.sessions[self.rng.usize(..self.sessions.len())]
    }

    /// Somebody says something of itself, true or not.
    fn say(&mut self) {
        let session = self.session();
        let anyone = self.rng.u64(..self.next_session + 1).to_string();
        let offset =
            (self.log.end().0 + self.rng.u64(..100)).saturating_sub(self.rng.u64(..2000)).to_string();
        let options = [
            "capa eof",
            "capa psync2",
            "capa slipstream1",
            "capa slipstream-history",
            "capa dual-channel",
            "capa rdb-channel-repl",
            "version 9.0.0",
            "rdb-only 1",
            "rdb-only 0",
            "rdb-channel 1",
            "rdb-filter-only functions",
            "listening-port 6380",
            "beat 50",
            &format!("main-ch-client-id {anyone}"),
            &format!("set-rdb-client-id {anyone}"),
            &format!("ACK {offset}"),
            &format!("ACK {offset} FACK {offset}"),
        ];
        let count = self.rng.usize(1..4);
        let words: Vec<&str> =
            (0..count).flat_map(|_| options[self.rng.usize(..options.len())].split(' ')).collect();
        let request = OwnedRequest::from_parts(&words);
        self.act(|replicas, turn, actions| {
            // A refusal is as good an answer as any.
            replicas.on_replconf(turn, session, request.args(), actions).ok();
        });
    }

    fn ask(&mut self) {
        let session = self.session();
        let (own, other) = (id().to_string(), "f".repeat(40));
        let end = i64::try_from(self.log.end().next_byte()).expect("offsets are small");
        let next_byte = [end, end + 1, end - 10, 1, 0, -1, i64::MAX, i64::MIN][self.rng.usize(..8)];
        let id = [own.as_bytes(), other.as_bytes(), b"?", b""][self.rng.usize(..4)];
        let request = match self.rng.u8(..4) {
            0 => Request::Sync,
            _ => Request::Psync { id, next_byte },
        };
        let newcomer = Newcomer { id: session, peer: "10.0.0.9", request };
        self.act(|replicas, turn, actions| {
            replicas.on_sync(turn, newcomer, actions).ok();
        });
    }

    /// The shell reports something of a snapshot.
    fn report(&mut self) {
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        let sending: Vec<ReplicaId> = self.sending.keys().copied().collect();
        let kind = self.rng.u8(..8);
        if let Some(job) = self.rng.choice(&jobs).copied().filter(|_| kind < 4) {
            self.act(|replicas, turn, actions| match kind {
                0 => replicas.on_sync_failed(turn.now, job, "no room", actions),
                1 => replicas.on_sync_outgrown(job, actions),
                2 => replicas.on_sync_cramped(turn.now, job, "full", actions),
                _ => replicas.on_sync_encoded(turn.now, job, 500, actions),
            });
        } else if let Some(replica) = self.rng.choice(&sending).copied() {
            if kind < 7 {
                self.sending.remove(&replica);
            }
            self.act(|replicas, turn, actions| match kind {
                4 => replicas.on_snapshot_unsent(turn.now, replica, "broken", actions),
                7 => replicas.on_snapshot_progress(turn.now, replica, Default::default(), actions),
                _ => replicas.on_snapshot_sent(turn, replica, actions),
            });
        }
    }

    /// The stream goes on, here or there.
    fn flow(&mut self) {
        let bytes = self.rng.usize(..5000);
        self.log.append(&vec![b'x'; bytes]);
        let streaming: Vec<ReplicaId> = self.streaming.iter().copied().collect();
        let Some(replica) = self.rng.choice(&streaming).copied() else { return };
        self.replicas.on_sent(replica, self.log.end());
        if self.rng.bool() {
            let ack = Ack { applied: self.log.end(), durable: None };
            self.act(|replicas, turn, actions| replicas.on_ack(turn, replica, ack, actions));
        }
    }

    /// The history changes, or the end of a stream has been sent since it did.
    fn change(&mut self) {
        let ending: Vec<_> = self.ending.iter().map(|(replica, end)| (*replica, *end)).collect();
        if let Some((replica, end)) = self.rng.choice(&ending).copied() {
            self.ending.remove(&replica);
            return self.replicas.on_stream_ended(replica, end);
        }
        let to = Offset(self.rng.u64(self.log.start().0..=self.log.end().0));
        let change = [Change::Renamed, Change::Rewound(to), Change::Replaced][self.rng.usize(..3)];
        self.act(|replicas, turn, actions| replicas.change_history(turn, change, actions));
        match change {
            Change::Renamed => self.log.promote(&mut self.rng),
            Change::Rewound(to) => assert!(self.log.rewind(&self.log.history().id.clone(), to)),
            Change::Replaced => self.log.adopt_snapshot(id(), Offset(1000)),
        }
    }

    fn step(&mut self) {
        match self.rng.u8(..35) {
            0..10 => self.say(),
            10..16 => self.ask(),
            16..22 => self.report(),
            22..27 => self.flow(),
            27..30 => {
                let ms = self.rng.u64(..700);
                self.turn(ms);
            }
            30 => {
                let session = self.session();
                self.close(session);
            }
            31..34 => self.change(),
            _ => {
                let roles =
                    [Role::Primary, Role::Replica { link_up: true }, Role::Replica { link_up: false }];
                let role = roles[self.rng.usize(..3)];
                self.replicas.set_role(self.now, role);
            }
        }
    }
}

fn id() -> ReplicationId {
    ReplicationId::parse(&[b'a'; 40]).expect("40 characters")
}

#[test]
fn the_primarys_side_stays_whole_whatever_sessions_say() {
    for seed in 0..400 {
        let mut world = World::new(seed);
        (0..400).for_each(|_| world.step());
        world.replicas.set_role(world.now, Role::Primary);
        for session in world.sessions.clone() {
            world.close(session);
        }
        (0..100).for_each(|_| world.turn(1000));
        assert!(world.replicas.is_empty(), "seed {seed}");
        assert_eq!(world.replicas.oldest_needed(), None, "seed {seed}");
        assert!(world.jobs.is_empty(), "seed {seed}");
    }
}

//! The primary's side: what the machine of the replicas wants, put into effect.
//!
//! A session that sends REPLCONF, PSYNC or SYNC comes in here; log blocks, snapshots and closed connections
//! go out, as effects and as what the shell asks for. Nothing is decided here.

use std::ops::Range;

use slipstream_log::Offset;
use slipstream_replication::replicas::{
    self, JobId, Newcomer, Part, Reader, ReplicaId, Request, Role, SnapshotSent, SyncJob, SyncMember, Turn,
};

use slipstream_replication::wire;

use crate::errors::CommandError;
use crate::host::{Effect, SyncOrder};
use crate::node::{Core, Node};
use crate::session::{Session, SessionId};

/// The primary's side.
impl Core {
    /// REPLCONF from a client or a replica: what is answered, if anything is.
    pub(crate) fn replconf(
        &mut self,
        id: SessionId,
        args: slipstream_resp::Args<'_>,
    ) -> Result<Option<String>, CommandError> {
        let mut actions = Vec::new();
        let turn = Turn { now: self.clock.moment(), log: &self.log };
        let answer = self.replication.replicas.on_replconf(turn, ReplicaId(id.0), args, &mut actions);
        self.perform_replicas(actions);
        match answer {
            Ok(replicas::Answer::Ok(text)) => Ok(Some(text.to_owned())),
            Ok(replicas::Answer::Dialect(own)) => {
                let clock = own.or_else(|| self.replication.link.primary_clock(self.clock.moment()));
                Ok(Some(clock.map_or("OK slipstream1".into(), |clock| format!("OK slipstream1 {}", clock.0))))
            }
            Ok(replicas::Answer::Silence) => Ok(None),
            Err(error) => Err(CommandError::text(error.to_string())),
        }
    }

    /// PSYNC or SYNC.
    pub(crate) fn attach_replica(
        &mut self,
        session: &mut Session,
        request: Request<'_>,
    ) -> Result<(), CommandError> {
        let peer = match &session.peer {
            crate::session::Endpoint::Tcp(ip, _) => ip.to_string(),
            _ => String::new(),
        };
        let newcomer = Newcomer { id: ReplicaId(session.id.0), peer: &peer, request };
        let turn = Turn { now: self.clock.moment(), log: &self.log };
        let mut actions = Vec::new();
        let outcome = self.replication.replicas.on_sync(turn, newcomer, &mut actions);
        // The answers belong to the session whose command runs: they wait until it is back in its place.
        self.deferred_replica_actions.extend(actions);
        outcome.map_err(|refusal| CommandError::text(refusal.to_string()))?;
        // One that is sent to fetch its snapshot elsewhere still asks, and is answered.
        if !self.replication.replicas.is_redirected(ReplicaId(session.id.0)) {
            self.leave(session);
            session.role = crate::session::Role::Replica;
        }
        Ok(())
    }

    pub(super) fn perform_replicas(&mut self, actions: Vec<replicas::Action>) {
        self.deferred_replica_actions.extend(actions);
    }

    /// The connection of a session that may be a replica's is about to be closed.
    pub(crate) fn lose_replica(&mut self, id: SessionId) {
        let mut actions = Vec::new();
        self.replication.replicas.on_closed(self.clock.moment(), ReplicaId(id.0), &mut actions);
        self.perform_replicas(actions);
    }

    /// A session is gone that may have been a replica's, or have had replies held.
    pub(crate) fn replica_closed(&mut self, id: SessionId) {
        self.lose_replica(id);
        self.replication.replicas.cancel_wait(replicas::WaiterId::Replies(id.0));
    }

    pub(super) fn send_to(&mut self, replica: ReplicaId, bytes: &[u8]) {
        let id = SessionId(replica.0);
        if let Some(session) = self.sessions.get_mut(id) {
            session.output.raw(bytes);
            self.sessions.mark(id);
        }
    }

    /// Writes a message of this node's own to the log; where it lies there.
    pub(super) fn append_message(&mut self, args: &[&[u8]]) -> Range<Offset> {
        let at = self.propagation.message(&mut self.log, args);
        self.replication.replicas.on_message(at.clone());
        at
    }
}

impl Node {
    /// Lets the machines do what is due, and does what they want.
    pub(crate) fn replication_turn(&mut self) {
        let now = self.core.clock.moment();
        self.core.follow_ack_rule();
        self.core.retry_disk();
        let found = self.core.go_on_looking(&self.keyspace);
        self.core.on_rewound(&mut self.keyspace, found);
        let mut actions = Vec::new();
        self.core.follow_age_limits(&mut actions);
        self.core.replication.link.set_priority(self.core.config.replica_priority, &mut actions);
        let durable = self.core.aof.is_enabled().then(|| self.core.aof.durable());
        self.core.replication.link.set_durable(durable);
        self.core.replication.link.on_turn(now, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
        self.core.continue_failover(&mut self.keyspace);
        if self.core.is_replica() {
            let link_up = self.core.replication.link.is_up();
            self.core.replication.replicas.set_role(now, Role::Replica { link_up });
        }
        let mut actions = Vec::new();
        let turn = Turn { now, log: &self.core.log };
        self.core.replication.replicas.on_turn(turn, &mut actions);
        self.core.keep_pace();
        self.core.perform_replicas(actions);
        self.settle_replicas();
        self.verification_turn();
        self.core.end_token_waits();
    }

    /// Does what the replicas' side wants done.
    pub(crate) fn settle_replicas(&mut self) {
        while !self.core.deferred_replica_actions.is_empty() {
            for action in std::mem::take(&mut self.core.deferred_replica_actions) {
                self.perform_replica(action);
            }
        }
    }

    pub(super) fn perform_replica(&mut self, action: replicas::Action) {
        use replicas::Action;
        let core = &mut self.core;
        match action {
            Action::ActivateLog => {
                core.log.activate(&mut core.rng);
                core.propagation.select_again();
                core.propagation.note_selected(core.log.end(), core.stream_database());
            }
            Action::DeactivateLog => core.log.deactivate(&mut core.rng),
            // What is saved last is what replicas have: nothing goes behind it.
            Action::AppendPing | Action::AppendGetAck | Action::AppendClock if core.is_saving_last() => {}
            Action::AppendPing => drop(core.append_message(&[b"ping"])),
            Action::AppendGetAck => {
                let at = core.append_message(&[b"REPLCONF", b"GETACK", b"*"]);
                core.replication.replicas.on_asked(at);
            }
            Action::AppendClock => {
                let clock = wire::clock(core.clock.moment());
                core.append_message(&clock.each_ref().map(String::as_bytes));
            }
            Action::StartSync(job) => self.start_sync(job),
            Action::JoinSync(SyncMember { job, replica, framing }) => {
                let replica = SessionId(replica.0);
                core.effects.push(Effect::JoinSync { job: job.0, replica, framing });
            }
            Action::SealSync(job) => core.effects.push(Effect::SealSync(job.0)),
            Action::EndSync(job) => core.effects.push(Effect::EndSync(job.0)),
            Action::Send { replica, bytes } => core.send_to(replica, &bytes),
            Action::StartStream { replica, from } => {
                if let Some(session) = core.sessions.get_mut(SessionId(replica.0)) {
                    session.role = crate::session::Role::Replica;
                }
                let batch = core.config.repl_disable_tcp_nodelay;
                core.effects.push(Effect::StartStream { replica: SessionId(replica.0), from, batch });
            }
            Action::EndStream { replica, rest, end } => {
                core.effects.push(Effect::EndStream { replica: SessionId(replica.0), rest, end });
            }
            Action::AskAgain(replica) => {
                core.send_to(replica, wire::HISTORY_CHANGED);
                if let Some(session) = core.sessions.get_mut(SessionId(replica.0)) {
                    session.role = crate::session::Role::ReturningReplica;
                }
            }
            Action::Close(replica) => core.effects.push(Effect::Disconnect(SessionId(replica.0))),
            Action::WaitOver { waiter, acked } => core.wait_over(waiter, acked),
            Action::Log(level, text) => core.notice(level, &text),
        }
    }

    pub(super) fn start_sync(&mut self, job: SyncJob) {
        let now = self.core.clock.moment();
        let target = match job.reader {
            Reader::Unproved => slipstream_rdb::Target::Redis10,
            Reader::Valkey9 | Reader::Dialect => slipstream_rdb::Target::Valkey80,
        };
        let framed = (job.reader == Reader::Dialect).then(|| self.keyspace.seed());
        let mut actions = Vec::new();
        let mut content = self.core.snapshot_part(&self.keyspace, job.part);
        if framed.is_some() && job.part == Part::Whole {
            content.preface.aux.push_total_keys(self.keyspace.len());
        }
        if let Some(feature) = slipstream_rdb::unsupported_in(&self.keyspace, target)
            && job.part == Part::Whole
        {
            let reason = format!("the replica's format has no {feature}, which the data needs");
            self.core.replication.replicas.on_sync_failed(now, job.id, &reason, &mut actions);
            return self.core.perform_replicas(actions);
        }
        let database = self.core.stream_database();
        self.core.propagation.select_again();
        let order = SyncOrder { job: job.id.0, content, target, framed };
        self.core.effects.push(Effect::StartSync(Box::new(order)));
        self.core.replication.replicas.on_sync_started(now, job.id, database, &mut actions);
        self.core.perform_replicas(actions);
    }

    /// A spool holds its whole snapshot, of so many bytes; or that cannot be.
    pub fn sync_encoded(&mut self, job: u64, result: Result<u64, String>) {
        self.report_sync(|replicas, turn, actions| match result {
            Ok(length) => replicas.on_sync_encoded(turn.now, JobId(job), length, actions),
            Err(reason) => replicas.on_sync_failed(turn.now, JobId(job), &reason, actions),
        });
    }

    /// A spool wants to forget what all its replicas have taken; with the reason if the disk makes it.
    pub fn sync_outgrown(&mut self, job: u64, disk_failure: Option<String>) {
        self.report_sync(|replicas, turn, actions| match disk_failure {
            None => replicas.on_sync_outgrown(JobId(job), actions),
            Some(reason) => replicas.on_sync_cramped(turn.now, JobId(job), &reason, actions),
        });
    }

    /// A replica's socket took some of its snapshot.
    pub fn sync_progress(&mut self, id: SessionId, bytes: SnapshotSent) {
        let id = ReplicaId(id.0);
        self.report_sync(|replicas, turn, actions| {
            replicas.on_snapshot_progress(turn.now, id, bytes, actions);
        });
    }

    /// A replica's socket took all of its snapshot, or failed.
    pub fn sync_sent(&mut self, id: SessionId, result: Result<(), String>) {
        let id = ReplicaId(id.0);
        self.report_sync(|replicas, turn, actions| match result {
            Ok(()) => replicas.on_snapshot_sent(turn, id, actions),
            Err(reason) => replicas.on_snapshot_unsent(turn.now, id, &reason, actions),
        });
    }

    fn report_sync(
        &mut self,
        report: impl FnOnce(&mut replicas::Replicas, Turn<'_>, &mut Vec<replicas::Action>),
    ) {
        self.core.tick_clock();
        let mut actions = Vec::new();
        let turn = Turn { now: self.core.clock.moment(), log: &self.core.log };
        report(&mut self.core.replication.replicas, turn, &mut actions);
        self.core.perform_replicas(actions);
        self.settle_replicas();
    }

    /// The stream of a replica was handed to its socket up to `offset`.
    pub fn replica_sent(&mut self, id: SessionId, offset: Offset) {
        let replica = ReplicaId(id.0);
        let Some(cursor) = self.core.replication.replicas.get(replica).and_then(|replica| replica.sent())
        else {
            return;
        };
        // What two threads tell of one socket may come in another order.
        if offset <= cursor {
            return;
        }
        let bytes = offset.since(cursor);
        self.core.stats.repl_output += bytes;
        if let Some(session) = self.core.sessions.get_mut(id) {
            session.traffic.1 += bytes;
        }
        self.core.replication.replicas.on_sent(replica, offset);
    }

    /// The stream of a replica has ended at `offset`, and its session has its socket again.
    pub fn stream_ended(&mut self, id: SessionId, offset: Offset) {
        self.replica_sent(id, offset);
        self.core.replication.replicas.on_stream_ended(ReplicaId(id.0), offset);
        // What it digests for this node it will not tell.
        self.verification_lost(ReplicaId(id.0));
    }

    /// A replica whose stream flows acknowledged what it has.
    pub fn replica_acked(&mut self, id: SessionId, ack: replicas::Ack) {
        let now = self.core.clock.moment();
        if let Some(session) = self.core.sessions.get_mut(id) {
            session.last_active = now;
        }
        let mut actions = Vec::new();
        let turn = Turn { now, log: &self.core.log };
        self.core.replication.replicas.on_ack(turn, ReplicaId(id.0), ack, &mut actions);
        self.core.perform_replicas(actions);
        self.settle_replicas();
    }

    /// So many acknowledgements of a replica came past its session, with so many bytes: they count as the requests
    /// that they are.
    pub fn count_acks(&mut self, id: SessionId, requests: u64, bytes: u64) {
        let core = &mut self.core;
        core.stats.net_input += bytes;
        core.stats.reads_processed += 1;
        let Some(entry) = core.table.find(b"replconf") else { return };
        (0..requests).for_each(|_| core.account(entry, 0));
        if let Some(session) = core.sessions.get_mut(id) {
            session.traffic.0 += bytes;
            session.last_command = entry.command.full_name;
        }
    }

    /// Whether somebody waits for what replicas acknowledge: it is to be told at once then, and in time
    /// otherwise.
    pub fn awaits_acks(&self) -> bool {
        self.core.replication.replicas.is_awaited() || self.core.shutdown.is_some()
    }
}

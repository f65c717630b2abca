//! Replication as the node does it: the two machines, and their actions put
//! into effect on the log, the data and the sessions.
//!
//! The machines decide ([`slipstream_replication`]); nothing here does. A role
//! changes in [`Core::follow`] and [`Core::promote`] only.

use slipstream_keyspace::Keyspace;
use slipstream_log::{Offset, Slice};
use slipstream_replication::link::{self, Endpoint, Link, Position};
use slipstream_replication::replicas::{
    self, Newcomer, OutputLimit, Reader, ReplicaId, Request, Role, SyncJob, Turn,
};
use slipstream_replication::{Level, Moment, Replicas};

use crate::apply::Stream;
use crate::config::Config;
use crate::errors::CommandError;
use crate::host::{Effect, LoadedData, SyncOrder};
use crate::node::{Core, Node};
use crate::session::{Flow, Session, SessionId, Wait};

/// Both sides of replication of one node.
#[derive(Debug)]
pub struct Replication {
    /// The replicas of this node.
    pub replicas: Replicas,
    /// The link to its primary.
    pub link: Link,
    /// The open connection to it, for CLIENT LIST.
    pub(crate) opened: Option<OpenLink>,
    /// What came over the link and is not applied yet.
    pub(crate) stream: Stream,
    /// Where the stream joins the snapshot being loaded.
    joins: Option<Position>,
    /// The number of the connection to the primary: what the shell still tells of an earlier one, while it
    /// has not done what ended that, is not heard.
    connection: u64,
    /// The number of the snapshot being loaded, likewise.
    load: u64,
}

/// An open connection to the primary, as a client of this node.
#[derive(Clone, Debug)]
pub(crate) struct OpenLink {
    /// Its number among the sessions.
    pub(crate) id: SessionId,
    /// The primary's end.
    pub(crate) peer: crate::session::Endpoint,
    /// This node's end.
    pub(crate) local: crate::session::Endpoint,
    /// Its file descriptor.
    pub(crate) descriptor: i64,
    /// When it was opened.
    pub(crate) since: Moment,
}

impl Replication {
    /// A primary without replicas.
    pub fn new(config: &Config, now: Moment, rng: fastrand::Rng) -> Self {
        Replication {
            replicas: Replicas::new(now, replica_settings(config), rng),
            link: Link::new(link_settings(config)),
            opened: None,
            stream: Stream::default(),
            joins: None,
            connection: 0,
            load: 0,
        }
    }

    /// Takes over changed directives.
    pub fn set_config(&mut self, config: &Config) {
        self.replicas.set_settings(replica_settings(config));
        self.link.set_settings(link_settings(config));
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Moment> {
        [self.replicas.deadline(), self.link.deadline()].into_iter().flatten().min()
    }
}

fn replica_settings(config: &Config) -> replicas::Settings {
    let limit = config.client_output_buffer_limit.replica;
    let delay = if config.repl_diskless_sync { u64::from(config.repl_diskless_sync_delay) * 1000 } else { 0 };
    let max = usize::try_from(config.repl_diskless_sync_max_replicas).ok().filter(|max| *max > 0);
    replicas::Settings {
        timeout_ms: u64::from(config.repl_timeout) * 1000,
        ping_period_ms: u64::from(config.repl_ping_replica_period) * 1000,
        sync_delay_ms: delay,
        sync_max_replicas: max,
        backlog_ttl_ms: Some(config.repl_backlog_ttl * 1000).filter(|ttl| *ttl > 0),
        output_limit: OutputLimit { hard: limit.hard, soft: limit.soft, soft_ms: limit.soft_seconds * 1000 },
    }
}

fn link_settings(config: &Config) -> link::Settings {
    let announced = config.replica_announce_port;
    link::Settings {
        user: config.primary_user.clone(),
        password: config.primary_password.clone(),
        announced_port: if announced == 0 { config.port } else { announced },
        announced_ip: config.replica_announce_ip.clone(),
        timeout_ms: u64::from(config.repl_timeout) * 1000,
    }
}

/// Roles.
impl Core {
    /// Whether this node follows a primary.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.replication.link.primary().is_some()
    }

    /// Whether it follows a primary and does not hear from it: its data may be stale.
    pub fn is_cut_off(&self) -> bool {
        self.is_replica() && !self.replication.link.is_up()
    }

    /// Replicas that are in step, by `min-replicas-max-lag`.
    pub fn good_replicas(&self) -> usize {
        let max_lag = u64::from(self.config.min_replicas_max_lag);
        self.replication.replicas.good(self.clock.moment(), max_lag)
    }

    /// Online replicas that have not acknowledged everything: address and acknowledged offset.
    pub fn lagging_replicas(&self) -> Vec<(String, Offset)> {
        let lagging = self.replication.replicas.lagging(self.log.end());
        lagging.map(|replica| (replica.to_string(), replica.acked)).collect()
    }

    /// Replicas that have everything, and all online ones.
    pub fn replicas_in_step(&self) -> (usize, usize) {
        let online = self.replication.replicas.iter().filter(|replica| replica.is_online()).count();
        (self.replication.replicas.acked(self.log.end()), online)
    }

    /// Follows a primary from now on, instead of whatever this node was before.
    pub fn follow(&mut self, keyspace: &mut Keyspace, primary: Endpoint) {
        let now = self.clock.moment();
        if !self.is_replica() {
            self.unblock_all();
        }
        keyspace.set_deletes_due(false);
        // Where this node stands, this database is selected, whoever goes on from here.
        self.replication.stream = Stream::starting_in(self.stream_database());
        // What EXEC has done before is part of the history that is told to the primary.
        self.propagation.send(&mut self.log);
        let mut actions = Vec::new();
        self.replication.link.follow(now, primary, &mut actions);
        self.perform_link(keyspace, actions);
        self.replication.replicas.set_role(now, Role::Replica { link_up: false });
    }

    /// Becomes a primary with the data it has. Its history forks here: who has no more may continue.
    pub fn promote(&mut self, keyspace: &mut Keyspace) {
        if !self.is_replica() {
            return;
        }
        let now = self.clock.moment();
        let mut actions = Vec::new();
        self.replication.link.stop(&mut actions);
        self.perform_link(keyspace, actions);
        self.replication.stream = Stream::default();
        if self.log.is_active() {
            self.log.promote(&mut self.rng);
        }
        self.propagation.select_again();
        keyspace.set_deletes_due(true);
        self.replication.replicas.set_role(now, Role::Primary);
        self.disconnect_replicas();
    }

    pub(crate) fn disconnect_replicas(&mut self) {
        let mut actions = Vec::new();
        self.replication.replicas.disconnect_all(self.clock.moment(), &mut actions);
        self.perform_replicas(actions);
    }

    /// Clients that wait for something that a replica cannot give are told so.
    fn unblock_all(&mut self) {
        for id in self.waiting_sessions(&Wait::Replicas) {
            self.end_wait(id, |reply| {
                reply.error(
                    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
                );
            });
        }
    }

    /// Ends WAIT of one client with a reply; whether it waited.
    pub(crate) fn end_wait(
        &mut self,
        id: SessionId,
        write: impl FnOnce(&mut slipstream_resp::Reply),
    ) -> bool {
        let waits = self.sessions.get(id).is_some_and(|s| s.flow == Flow::Waiting(Wait::Replicas));
        if waits {
            self.replication.replicas.cancel_wait(replicas::WaiterId(id.0));
            self.answer(id, write);
            self.wake(id);
        }
        waits
    }
}

/// The primary's side.
impl Core {
    /// REPLCONF from a client or a replica. `true` if there is an answer.
    pub(crate) fn replconf(
        &mut self,
        id: SessionId,
        args: slipstream_resp::Args<'_>,
    ) -> Result<bool, CommandError> {
        let mut actions = Vec::new();
        let turn = Turn { now: self.clock.moment(), log: &self.log };
        let answer = self.replication.replicas.on_replconf(turn, ReplicaId(id.0), args, &mut actions);
        self.perform_replicas(actions);
        match answer {
            Ok(answer) => Ok(answer == replicas::Answer::Ok),
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
        session.role = crate::session::Role::Replica;
        Ok(())
    }

    fn perform_replicas(&mut self, actions: Vec<replicas::Action>) {
        self.deferred_replica_actions.extend(actions);
    }

    fn send_to(&mut self, replica: ReplicaId, bytes: &[u8]) {
        let id = SessionId(replica.0);
        if let Some(session) = self.sessions.get_mut(id) {
            session.output.raw(bytes);
            self.sessions.mark(id);
        }
    }

    fn append_message(&mut self, args: &[&[u8]]) {
        self.propagation.push_message(args);
        self.propagation.flush(&mut self.log);
    }
}

impl Node {
    /// Lets the machines do what is due, and does what they want.
    pub(crate) fn replication_turn(&mut self) {
        let now = self.core.clock.moment();
        let mut actions = Vec::new();
        self.core.replication.link.on_deadline(now, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
        if self.core.is_replica() {
            let link_up = self.core.replication.link.is_up();
            self.core.replication.replicas.set_role(now, Role::Replica { link_up });
        }
        let mut actions = Vec::new();
        let turn = Turn { now, log: &self.core.log };
        self.core.replication.replicas.on_turn(turn, &mut actions);
        self.core.perform_replicas(actions);
        self.settle_replicas();
    }

    /// Does what the replicas' side wants done.
    pub(crate) fn settle_replicas(&mut self) {
        while !self.core.deferred_replica_actions.is_empty() {
            for action in std::mem::take(&mut self.core.deferred_replica_actions) {
                self.perform_replica(action);
            }
        }
    }

    fn perform_replica(&mut self, action: replicas::Action) {
        use replicas::Action;
        let core = &mut self.core;
        match action {
            Action::ActivateLog => {
                core.log.activate(&mut core.rng);
                core.propagation.select_again();
            }
            Action::DeactivateLog => core.log.deactivate(&mut core.rng),
            Action::AppendPing => core.append_message(&[b"ping"]),
            Action::AppendGetAck => core.append_message(&[b"REPLCONF", b"GETACK", b"*"]),
            Action::StartSync(job) => self.start_sync(job),
            // Its sockets are closed, and so the job that writes to them ends.
            Action::CancelSync(_) => {}
            Action::Send { replica, bytes } => core.send_to(replica, &bytes),
            // The shell reads the cursor of whoever is online.
            Action::StartStream { replica, .. } => {
                if core.config.repl_disable_tcp_nodelay {
                    core.effects.push(Effect::BatchStream(SessionId(replica.0)));
                }
            }
            Action::Close(replica) => core.effects.push(Effect::Disconnect(SessionId(replica.0))),
            Action::WaitOver { waiter, acked } => {
                let id = SessionId(waiter.0);
                core.answer(id, |reply| reply.count(acked));
                core.wake(id);
            }
            Action::Log(level, text) => core.notice(level, &text),
        }
    }

    fn start_sync(&mut self, job: SyncJob) {
        let content = self.core.snapshot_job(&self.keyspace);
        self.core.propagation.select_again();
        let target = match job.reader {
            Reader::Unproved => slipstream_rdb::Target::Redis10,
            Reader::Valkey9 => slipstream_rdb::Target::Valkey80,
        };
        // It is encoded as it is sent: from here on the replicas hear nothing else.
        self.core.replication.replicas.on_snapshot_ready(self.core.clock.moment(), job.id);
        let replicas = job.replicas.iter().map(|replica| SessionId(replica.0)).collect();
        let order = SyncOrder { replicas, content, target, framing: job.framing };
        self.core.effects.push(Effect::SendSnapshot(Box::new(order)));
    }

    /// A replica's socket took some of its snapshot.
    pub fn sync_progress(&mut self, id: SessionId) {
        let now = self.core.clock.moment();
        self.core.replication.replicas.on_snapshot_progress(now, ReplicaId(id.0));
    }

    /// A replica's socket took all of its snapshot, or failed.
    pub fn sync_sent(&mut self, id: SessionId, result: Result<(), String>) {
        self.core.tick_clock();
        match result {
            Ok(()) => {
                let mut actions = Vec::new();
                let turn = Turn { now: self.core.clock.moment(), log: &self.core.log };
                self.core.replication.replicas.on_snapshot_sent(turn, ReplicaId(id.0), &mut actions);
                self.core.perform_replicas(actions);
                self.settle_replicas();
            }
            Err(reason) => {
                self.core
                    .notice(Level::Warning, &format!("Sending the snapshot to a replica failed: {reason}"));
                self.core.effects.push(Effect::Disconnect(id));
            }
        }
    }

    /// Replicas that have not been sent everything.
    pub fn streaming_replicas(&self) -> Vec<SessionId> {
        let end = self.core.log.end();
        let behind = |replica: &&replicas::Replica| {
            replica.is_online() && replica.cursor().is_some_and(|cursor| cursor < end)
        };
        self.core.replication.replicas.iter().filter(behind).map(|replica| SessionId(replica.id.0)).collect()
    }

    /// The log blocks that a replica has not been sent, at most `max` of them.
    pub fn replica_blocks(&self, id: SessionId, max: usize) -> Vec<Slice> {
        let replica = self.core.replication.replicas.get(ReplicaId(id.0));
        let cursor = replica.filter(|replica| replica.is_online()).and_then(|replica| replica.cursor());
        let slices = cursor.and_then(|cursor| self.core.log.slices_from(cursor));
        slices.map(|slices| slices.take(max).collect()).unwrap_or_default()
    }

    /// A replica's socket took so many bytes of them.
    pub fn replica_took(&mut self, id: SessionId, bytes: usize) {
        self.core.stats.repl_output += bytes as u64;
        let replica = ReplicaId(id.0);
        if let Some(cursor) = self.core.replication.replicas.get(replica).and_then(|replica| replica.cursor())
        {
            self.core.replication.replicas.on_sent(replica, cursor.advanced(bytes));
        }
    }

    /// A session that may have been a replica is gone.
    pub(crate) fn replica_closed(&mut self, session: &Session) {
        let mut actions = Vec::new();
        let now = self.core.clock.moment();
        self.core.replication.replicas.on_closed(now, ReplicaId(session.id.0), &mut actions);
        if session.flow == Flow::Waiting(Wait::Replicas) {
            self.core.replication.replicas.cancel_wait(replicas::WaiterId(session.id.0));
        }
        self.core.perform_replicas(actions);
        self.settle_replicas();
    }
}

/// The replica's side.
impl Core {
    pub(crate) fn perform_link(&mut self, keyspace: &mut Keyspace, actions: Vec<link::Action<'_>>) {
        use link::Action;
        for action in actions {
            match action {
                Action::Connect(Endpoint { host, port }) => {
                    self.replication.connection += 1;
                    let number = self.replication.connection;
                    self.effects.push(Effect::Connect { number, host, port });
                }
                Action::Send(bytes) => self.effects.push(Effect::LinkSend(bytes)),
                Action::Close => {
                    self.replication.connection += 1;
                    self.replication.stream.forget_rest();
                    self.effects.push(Effect::LinkClose);
                }
                Action::PauseReading => self.effects.push(Effect::LinkPause),
                Action::ResumeReading => self.effects.push(Effect::LinkResume),
                Action::SnapshotBegin { position, .. } => {
                    self.replication.joins = position;
                    self.replication.load += 1;
                    self.effects.push(Effect::LoadBegin(self.replication.load));
                }
                Action::SnapshotBytes(bytes) => self.effects.push(Effect::LoadBytes(bytes.into_owned())),
                Action::SnapshotEnd => self.effects.push(Effect::LoadEnd),
                Action::SnapshotAbort => {
                    self.replication.load += 1;
                    self.effects.push(Effect::LoadAbort);
                }
                Action::Continue { id } => self.continue_under(id),
                Action::Apply(bytes) => self.apply(keyspace, &bytes),
                Action::Log(level, text) => self.notice(level, &text),
            }
        }
    }

    /// The primary goes on from where this node stands, perhaps under a new name.
    fn continue_under(&mut self, id: Option<slipstream_log::ReplicationId>) {
        self.replication.stream.forget_rest();
        if let Some(id) = id.filter(|id| *id != self.log.history().id) {
            self.log.adopt_id(id);
            self.disconnect_replicas();
        }
    }

    /// The database that whoever reads the log has selected at its end.
    pub(crate) fn stream_database(&self) -> usize {
        if self.is_replica() {
            self.replication.stream.database()
        } else {
            self.propagation.selected().unwrap_or(0)
        }
    }

    /// What this node's data is a copy of.
    fn position(&self) -> Option<Position> {
        self.log.is_active().then(|| Position { id: self.log.history().id, offset: self.log.end() })
    }
}

impl Node {
    /// Says between which ends the connection to the primary is; it is told before it is said to be open.
    pub fn link_opened(
        &mut self,
        peer: crate::session::Endpoint,
        local: crate::session::Endpoint,
        descriptor: i64,
    ) {
        let (id, since) = (self.core.sessions.next_id(), self.core.clock.moment());
        self.core.replication.opened = Some(OpenLink { id, peer, local, descriptor, since });
    }

    /// Connection `number` to the primary is open.
    pub fn link_connected(&mut self, number: u64) {
        if number != self.core.replication.connection {
            return;
        }
        self.core.tick_clock();
        self.core.replication.stream.forget_rest();
        let resume = self.core.position();
        let mut actions = Vec::new();
        self.core.replication.link.on_connected(self.core.clock.moment(), resume, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
    }

    /// It is gone, or could not be opened.
    pub fn link_closed(&mut self, number: u64, reason: &str) {
        if number != self.core.replication.connection {
            return;
        }
        self.core.replication.connection += 1;
        self.core.tick_clock();
        self.core.replication.stream.forget_rest();
        let mut actions = Vec::new();
        self.core.replication.link.on_closed(self.core.clock.moment(), reason, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
        self.replication_turn();
    }

    /// The primary sent something.
    pub fn link_received(&mut self, number: u64, bytes: &[u8]) {
        if number != self.core.replication.connection {
            return;
        }
        self.core.tick_clock();
        self.core.turn_has_input = true;
        self.core.stats.repl_input += bytes.len() as u64;
        let mut actions = Vec::new();
        self.core.replication.link.on_received(self.core.clock.moment(), bytes, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
        self.settle_replicas();
        self.run_woken();
    }

    /// The link is not read for now since the decoder is behind: its silence is ours.
    pub fn load_is_behind(&mut self) {
        self.core.replication.link.on_load_progress(self.core.clock.moment());
    }

    /// The snapshot of this number is loaded, or cannot be.
    pub fn loaded_sync(&mut self, number: u64, result: Result<LoadedData, String>) {
        if number != self.core.replication.load {
            return;
        }
        self.core.replication.load += 1;
        self.core.tick_clock();
        let now = self.core.clock.moment();
        let mut actions = Vec::new();
        match result {
            Err(reason) => self.core.replication.link.on_load_failed(now, &reason, &mut actions),
            Ok(data) => {
                self.core.disconnect_replicas();
                let db = data.loaded.aux.replication().map_or(0, |point| point.stream_database);
                let offset = self.adopt_position();
                self.core.replication.stream = Stream::starting_in(db);
                self.core.propagation.set_selected(None);
                self.replace_data(data);
                self.core.replication.link.on_loaded(now, offset, &mut actions);
            }
        }
        self.core.perform_link(&mut self.keyspace, actions);
        self.replication_turn();
    }

    /// The log goes on where the stream joins the snapshot.
    fn adopt_position(&mut self) -> Offset {
        let core = &mut self.core;
        match core.replication.joins.take() {
            Some(position) => core.log.adopt_snapshot(position.id, position.offset),
            // A primary that does not tell: a history of our own.
            None => {
                core.log.deactivate(&mut core.rng);
                core.log.activate(&mut core.rng);
            }
        }
        core.log.end()
    }

    /// Goes on from what a loaded file says of replication.
    pub(crate) fn continue_history(&mut self, data: &LoadedData) {
        let Some(point) = data.loaded.aux.replication() else { return };
        let Some(id) = slipstream_log::ReplicationId::parse(&point.id) else { return };
        let core = &mut self.core;
        core.log.adopt_snapshot(id, Offset(u64::try_from(point.offset).unwrap_or(0)));
        if core.config.replicaof.is_some() {
            core.replication.stream = Stream::starting_in(point.stream_database);
        } else {
            // Whoever has no more than this may continue with what is written from here on.
            core.log.promote(&mut core.rng);
        }
    }

    /// Follows the primary that the configuration names.
    pub(crate) fn follow_configured(&mut self) {
        if let Some(primary) = self.core.config.replicaof.clone() {
            let db = self.core.replication.stream.database();
            self.core.follow(&mut self.keyspace, Endpoint { host: primary.host, port: primary.port });
            self.core.replication.stream = Stream::starting_in(db);
        }
    }
}

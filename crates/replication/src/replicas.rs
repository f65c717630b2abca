//! The primary's side of replication: the replicas of this node, which may itself be a replica.
//!
//! Decides who may continue and who needs a snapshot, gathers full syncs, knows what each replica still needs
//! of the log and what it has acknowledged, keeps links alive and gives up those that are dead or too far
//! behind. Bytes of the stream never pass through here: a replica's stream is the log itself, read by the
//! shell from the replica's cursor on.
//!
//! Invariant: a replica receives newlines only before its snapshot begins. Behind it every byte is a byte of
//! the stream and counts.
//!
//! Contract with the engine: actions are done in order and at once, so that nothing is written to the log
//! between the call and its actions; [`Replicas::on_turn`] is called at the end of each turn of the loop and
//! at [`Replicas::deadline`].

mod profile;

mod replica;

mod sync;

mod wait;

use std::collections::BTreeMap;
use std::fmt;

use slipstream_log::{Log, Offset, Refusal, ReplicationId};
use slipstream_resp::Args;
use slipstream_resp::number::parse_i64;

use self::replica::{Phase, Protocol, Stage};
use crate::{Level, Moment};

pub use self::profile::{Profile, Reader, ReplconfError};
pub use self::replica::{Replica, ReplicaState};
pub use self::sync::{Framing, JobId, SyncJob};
pub use self::wait::{Wait, WaiterId};

/// Signs of life to those who wait, and the watch over those who are silent, in milliseconds.
const TICK_MS: u64 = 1000;

/// The session of a replica, or of a client that may become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

/// What the operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `repl-timeout` in milliseconds.
    pub timeout_ms: u64,
    /// `repl-ping-replica-period` in milliseconds.
    pub ping_period_ms: u64,
    /// `repl-diskless-sync-delay` in milliseconds; 0 without `repl-diskless-sync`.
    pub sync_delay_ms: u64,
    /// `repl-diskless-sync-max-replicas`: so many need not wait for more.
    pub sync_max_replicas: Option<usize>,
    /// `repl-backlog-ttl` in milliseconds; `None` for ever.
    pub backlog_ttl_ms: Option<u64>,
    /// `client-output-buffer-limit replica`.
    pub output_limit: OutputLimit,
}

/// How far a replica may be behind, in bytes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Never so far; 0 for no limit. Counts as the backlog's size if that is more, since that much is kept
    /// anyway.
    pub hard: u64,
    /// Not so far for longer than `soft_ms`; 0 for no limit.
    pub soft: u64,
    /// See `soft`.
    pub soft_ms: u64,
}

/// What this node is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It writes the log: it pings, and may ask for acknowledgements.
    Primary,
    /// It copies the log of another and adds nothing to it.
    Replica {
        /// Whether the stream from its primary flows.
        link_up: bool,
    },
}

/// What the replicas are looked at with: the time and the log, as they are in this turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The time.
    pub now: Moment,
    /// The log that the replicas read.
    pub log: &'a Log,
}

/// How a session asks for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// `SYNC`.
    Sync,
    /// `PSYNC id next-byte`.
    Psync {
        /// The history that it has; `?` for none.
        id: &'a [u8],
        /// The byte that it needs next.
        next_byte: i64,
    },
}

/// A session that asks for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomer<'a> {
    /// The session.
    pub id: ReplicaId,
    /// The address of its socket; empty if that has none.
    pub peer: &'a str,
    /// What it asks for.
    pub request: Request<'a>,
}

/// A request for data that is refused. The text is the error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncRefused {
    /// This node is a replica that has no link to its own primary.
    NoLink,
}

impl fmt::Display for SyncRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncRefused::NoLink => f.write_str("NOMASTERLINK Can't SYNC while not connected with my master"),
        }
    }
}

impl std::error::Error for SyncRefused {}

/// What is answered to a REPLCONF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+OK`.
    Ok,
    /// Nothing at all: acknowledgements, and requests for them, have no reply.
    Silence,
}

/// What the replicas want done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Activate the log: from now on it has a reader.
    ActivateLog,
    /// Deactivate the log: it has had no reader for too long.
    DeactivateLog,
    /// Append a `ping` to the log.
    AppendPing,
    /// Append a `REPLCONF GETACK *` to the log.
    AppendGetAck,
    /// Take a snapshot now, and let the log say again which database is selected. Report `on_snapshot_ready`
    /// when the first bytes are there, then `on_snapshot_progress` and `on_snapshot_sent` for each replica,
    /// or
    /// `on_sync_failed`.
    StartSync(SyncJob),
    /// Nobody wants that snapshot any more. Forget it, and report nothing of it.
    CancelSync(JobId),
    /// Write to a replica, outside the stream.
    Send {
        /// To whom.
        replica: ReplicaId,
        /// What.
        bytes: Vec<u8>,
    },
    /// From now on send the log from `from` on, and report `on_sent`.
    StartStream {
        /// To whom.
        replica: ReplicaId,
        /// From where.
        from: Offset,
    },
    /// Close the session, after an attempt to write what was sent before.
    Close(ReplicaId),
    /// A client that waited has its answer.
    WaitOver {
        /// Which client.
        waiter: WaiterId,
        /// How many replicas have acknowledged.
        acked: usize,
    },
    /// A line for the log.
    Log(Level, String),
}

/// What has been counted, for INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// `sync_full`.
    pub full: u64,
    /// `sync_partial_ok`.
    pub partial_ok: u64,
    /// `sync_partial_err`.
    pub partial_err: u64,
    /// Replicas closed for being too far behind.
    pub output_limit_closes: u64,
}

/// All replicas of this node.
#[derive(Debug)]
pub struct Replicas {
    settings: Settings,
    rng: fastrand::Rng,
    role: Role,
    /// What sessions have said with REPLCONF that have not asked for data yet.
    profiles: BTreeMap<ReplicaId, Profile>,
    replicas: BTreeMap<ReplicaId, Replica>,
    next_job: u64,
    waits: BTreeMap<WaiterId, Wait>,
    acks_requested: bool,
    /// Due while there are replicas.
    next_tick: Moment,
    next_ping: Moment,
    /// Since when there has been no replica; `None` while there is one, on a replica, and once the log is
    /// dropped.
    alone_since: Option<Moment>,
    counters: Counters,
}

impl Replicas {
    /// No replicas yet.
    pub fn new(now: Moment, settings: Settings, rng: fastrand::Rng) -> Replicas {
        Replicas {
            settings,
            rng,
            role: Role::Primary,
            profiles: BTreeMap::new(),
            replicas: BTreeMap::new(),
            next_job: 0,
            waits: BTreeMap::new(),
            acks_requested: false,
            next_tick: now,
            next_ping: now,
            alone_since: Some(now),
            counters: Counters::default(),
        }
    }

    /// Changes the settings; they count from now on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Says what this node is. The time without replicas counts from the moment it becomes a primary.
    pub fn set_role(&mut self, now: Moment, role: Role) {
        let was_primary = self.role == Role::Primary;
        self.role = role;
        if was_primary != (role == Role::Primary) {
            self.next_ping = now.after_ms(self.settings.ping_period_ms);
            self.watch_solitude(now);
        }
    }

    /// A session said something with REPLCONF; `options` is what follows the command's name.
    pub fn on_replconf(
        &mut self,
        turn: Turn<'_>,
        id: ReplicaId,
        options: Args<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Answer, ReplconfError> {
        if !options.len().is_multiple_of(2) {
            return Err(ReplconfError::Syntax);
        }
        for at in (0..options.len()).step_by(2) {
            let (option, value) = (&options[at], &options[at + 1]);
            if option.eq_ignore_ascii_case(b"ack") {
                if let Some(ack) = Ack::parse(options.from(at)) {
                    self.on_ack(turn, id, ack, actions);
                }
                return Ok(Answer::Silence);
            }
            if option.eq_ignore_ascii_case(b"getack") {
                return Ok(Answer::Silence);
            }
            let profile = match self.replicas.get_mut(&id) {
                Some(replica) => &mut replica.profile,
                None => self.profiles.entry(id).or_default(),
            };
            profile.set(option, value)?;
        }
        Ok(Answer::Ok)
    }

    /// A session asks for data. From now on it is a replica, unless it is refused. Asking again changes
    /// nothing.
    pub fn on_sync(
        &mut self,
        turn: Turn<'_>,
        newcomer: Newcomer<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), SyncRefused> {
        if self.replicas.contains_key(&newcomer.id) {
            return Ok(());
        }
        if self.role == (Role::Replica { link_up: false }) {
            return Err(SyncRefused::NoLink);
        }
        let mut replica = self.arrive(turn.now, newcomer);
        actions.push(notice(format!("Replica {replica} asks for synchronization")));
        match continuation(&newcomer.request, turn.log) {
            Ok(from) => self.continue_stream(turn, &mut replica, from, actions),
            Err(why) => self.queue_full_sync(turn.log, &replica, why, actions),
        }
        self.replicas.insert(replica.id, replica);
        Ok(())
    }

    /// A replica sent an empty line: a sign of life while it loads.
    pub fn on_newline(&mut self, now: Moment, replica: ReplicaId) {
        if let Some(replica) = self.replicas.get_mut(&replica) {
            replica.heard = now;
        }
    }

    /// The stream of a replica has been handed to its socket up to `offset`.
    pub fn on_sent(&mut self, replica: ReplicaId, offset: Offset) {
        if let Some(Phase::Online { cursor }) = self.replicas.get_mut(&replica).map(|r| &mut r.phase) {
            *cursor = offset;
        }
    }

    /// A session is gone; to be called for all that ever used REPLCONF, PSYNC or SYNC.
    pub fn on_closed(&mut self, now: Moment, id: ReplicaId, actions: &mut Vec<Action>) {
        self.profiles.remove(&id);
        if let Some(replica) = self.replicas.get(&id) {
            actions.push(notice(format!("Connection with replica {replica} lost.")));
            self.forget(now, id, actions);
        }
    }

    /// Closes all replicas, for they must learn of a new history: after a promotion, when the primary's id
    /// has changed, and before this node's data is replaced.
    pub fn disconnect_all(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let ids: Vec<ReplicaId> = self.replicas.keys().copied().collect();
        for id in ids {
            self.drop_replica(now, id, actions);
        }
    }

    /// Does what is due at the end of a turn.
    pub fn on_turn(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        self.end_waits(turn.now, actions);
        self.enforce_output_limits(turn, actions);
        if !self.replicas.is_empty() && self.next_tick <= turn.now {
            self.next_tick = turn.now.after_ms(TICK_MS);
            self.drop_silent(turn.now, actions);
            self.send_newlines(actions);
        }
        self.start_syncs(turn, actions);
        self.write_to_stream(turn.now, actions);
        self.expire_log(turn, actions);
    }

    /// When `on_turn` is due although nothing happens.
    pub fn deadline(&self) -> Option<Moment> {
        let has_replicas = !self.replicas.is_empty();
        let pings = has_replicas && self.role == Role::Primary;
        [
            has_replicas.then_some(self.next_tick),
            pings.then_some(self.next_ping),
            self.sync_deadline(),
            self.wait_deadline(),
            self.log_expiry(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// What can be asked of the replicas.
impl Replicas {
    /// All replicas, in the order of their sessions.
    pub fn iter(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values()
    }

    /// One replica.
    pub fn get(&self, id: ReplicaId) -> Option<&Replica> {
        self.replicas.get(&id)
    }

    /// How many there are (`connected_slaves`).
    pub fn len(&self) -> usize {
        self.replicas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// The oldest byte of the log that a replica still needs, for [`Log::trim`].
    pub fn oldest_needed(&self) -> Option<Offset> {
        self.replicas.values().filter_map(Replica::cursor).min()
    }

    /// How many are online and were heard within `max_lag_seconds` (`min-replicas-max-lag`).
    pub fn good(&self, now: Moment, max_lag_seconds: u64) -> usize {
        self.online().filter(|replica| replica.lag_seconds(now) <= max_lag_seconds).count()
    }

    /// Those online that have not acknowledged everything up to `end`, for a shutdown that waits for them.
    pub fn lagging(&self, end: Offset) -> impl Iterator<Item = &Replica> {
        self.online().filter(move |replica| replica.acked < end)
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Counts from zero again.
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    fn online(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values().filter(|replica| replica.is_online())
    }
}

/// Why a newcomer needs a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoContinuation {
    /// It did not ask to continue.
    NotAsked,
    /// It asked to, from that byte.
    Refused { id: Option<ReplicationId>, next_byte: i64, refusal: Refusal },
}

/// From where the stream continues, if it can.
fn continuation(request: &Request<'_>, log: &Log) -> Result<Offset, NoContinuation> {
    let Request::Psync { id, next_byte } = *request else { return Err(NoContinuation::NotAsked) };
    if id == b"?" {
        return Err(NoContinuation::NotAsked);
    }
    let id = ReplicationId::parse(id);
    let refused = |refusal| NoContinuation::Refused { id, next_byte, refusal };
    let id = id.ok_or(refused(Refusal::UnknownHistory))?;
    let from = Offset::from_next_byte(next_byte).ok_or(refused(Refusal::Gone))?;
    log.can_continue(&id, from).map_err(refused)?;
    Ok(from)
}

/// Arrivals and departures.
impl Replicas {
    fn arrive(&mut self, now: Moment, newcomer: Newcomer<'_>) -> Replica {
        self.alone_since = None;
        if self.replicas.is_empty() {
            self.next_tick = now.after_ms(TICK_MS);
            self.next_ping = now.after_ms(self.settings.ping_period_ms);
        }
        Replica {
            id: newcomer.id,
            profile: self.profiles.remove(&newcomer.id).unwrap_or_default(),
            peer: newcomer.peer.to_owned(),
            acked: Offset(0),
            durable: Offset(0),
            heard: now,
            protocol: match newcomer.request {
                Request::Sync => Protocol::Sync,
                Request::Psync { .. } => Protocol::Psync,
            },
            phase: Phase::Queued { since: now },
            over_soft_limit: None,
        }
    }

    fn continue_stream(
        &mut self,
        turn: Turn<'_>,
        replica: &mut Replica,
        from: Offset,
        actions: &mut Vec<Action>,
    ) {
        self.counters.partial_ok += 1;
        let bytes = if replica.profile.takes_new_ids {
            format!("+CONTINUE {}\r\n", turn.log.history().id)
        } else {
            "+CONTINUE\r\n".to_owned()
        };
        actions.push(Action::Send { replica: replica.id, bytes: bytes.into_bytes() });
        let backlog = turn.log.end().since(from);
        actions.push(notice(format!(
            "Partial resynchronization request from {replica} accepted. Sending {backlog} bytes of backlog \
             starting from offset {}.",
            from.next_byte()
        )));
        replica.phase = Phase::Online { cursor: from };
        replica.acked = from;
        actions.push(Action::StartStream { replica: replica.id, from });
    }

    fn queue_full_sync(
        &mut self,
        log: &Log,
        replica: &Replica,
        why: NoContinuation,
        actions: &mut Vec<Action>,
    ) {
        match why {
            NoContinuation::NotAsked => {
                actions.push(notice(format!("Full resync requested by replica {replica}")));
            }
            NoContinuation::Refused { id, next_byte, refusal } => {
                self.counters.partial_err += 1;
                log_refusal(log, replica, (id, next_byte, refusal), actions);
            }
        }
        self.counters.full += 1;
        if !log.is_active() {
            actions.push(Action::ActivateLog);
        }
    }

    /// Closes a replica of our own accord.
    fn drop_replica(&mut self, now: Moment, id: ReplicaId, actions: &mut Vec<Action>) {
        actions.push(Action::Close(id));
        self.forget(now, id, actions);
    }

    fn forget(&mut self, now: Moment, id: ReplicaId, actions: &mut Vec<Action>) {
        let job = self.replicas.remove(&id).and_then(|replica| replica.job());
        if let Some(job) = job.filter(|job| self.members_of(*job).next().is_none()) {
            actions.push(Action::CancelSync(job));
        }
        self.watch_solitude(now);
    }

    fn watch_solitude(&mut self, now: Moment) {
        if self.replicas.is_empty() && self.role == Role::Primary {
            self.alone_since = Some(now);
        } else {
            self.alone_since = None;
        }
    }
}

fn log_refusal(
    log: &Log,
    replica: &Replica,
    (id, next_byte, refusal): (Option<ReplicationId>, i64, Refusal),
    actions: &mut Vec<Action>,
) {
    let none = || "0".repeat(ReplicationId::LEN);
    let previous = log.history().previous;
    let text = match refusal {
        Refusal::UnknownHistory => format!(
            "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{}', my \
             replication IDs are '{}' and '{}')",
            id.map_or_else(|| "?".to_owned(), |id| id.to_string()),
            log.history().id,
            previous.map_or_else(none, |(id, _)| id.to_string()),
        ),
        Refusal::PastFork => format!(
            "Partial resynchronization not accepted: Requested offset for second ID was {next_byte}, but I can \
             reply up to {}",
            previous.map_or(0, |(_, fork)| fork.next_byte()),
        ),
        Refusal::Inactive | Refusal::Gone | Refusal::Ahead => format!(
            "Unable to partial resync with replica {replica} for lack of backlog (Replica request was: {next_byte})."
        ),
    };
    actions.push(notice(text));
    if refusal == Refusal::Ahead {
        actions.push(warning(format!(
            "Warning: replica {replica} tried to PSYNC with an offset that is greater than the master \
             replication offset."
        )));
    }
}

/// What a replica reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ack {
    applied: Offset,
    durable: Option<Offset>,
}

impl Ack {
    /// Reads `ACK offset [FACK offset]`. What is not that is ignored: there is no reply to complain in.
    fn parse(options: Args<'_>) -> Option<Ack> {
        let offset = |at: usize| u64::try_from(parse_i64(options.get(at)?)?).ok().map(Offset);
        let applied = offset(1)?;
        let has_durable = options.get(2).is_some_and(|option| option.eq_ignore_ascii_case(b"fack"));
        Some(Ack { applied, durable: if has_durable { offset(3) } else { None } })
    }
}

/// What happens in a replica's time.
impl Replicas {
    fn on_ack(&mut self, turn: Turn<'_>, id: ReplicaId, ack: Ack, actions: &mut Vec<Action>) {
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        // Nobody can have what has not been written; a lie would end somebody's WAIT.
        let end = turn.log.end();
        replica.acked = replica.acked.max(ack.applied.min(end));
        replica.durable = replica.durable.max(ack.durable.unwrap_or_default().min(end));
        replica.heard = turn.now;
        match &mut replica.phase {
            Phase::Loading { from } => {
                let from = *from;
                replica.start_stream(turn.now, from, actions);
            }
            Phase::Syncing { stage: Stage::Sending { answered, .. }, .. } => *answered = true,
            _ => {}
        }
        self.end_waits(turn.now, actions);
    }

    fn enforce_output_limits(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let limit = self.settings.output_limit;
        let mut over = Vec::new();
        for replica in self.replicas.values_mut() {
            let Some(cursor) = replica.cursor() else { continue };
            let behind = turn.log.end().since(cursor);
            let is_over_soft = limit.soft > 0 && behind >= limit.soft;
            replica.over_soft_limit = is_over_soft.then(|| replica.over_soft_limit.unwrap_or(turn.now));
            let too_long =
                replica.over_soft_limit.is_some_and(|since| turn.now.ms_since(since) > limit.soft_ms);
            let too_far = limit.hard > 0 && behind >= limit.hard.max(turn.log.backlog_size());
            if too_long || too_far {
                over.push(replica.id);
            }
        }
        for id in over {
            let replica = &self.replicas[&id];
            let text = "scheduled to be closed ASAP for overcoming of output buffer limits.";
            actions.push(warning(format!("Client {replica} {text}")));
            self.counters.output_limit_closes += 1;
            self.drop_replica(turn.now, id, actions);
        }
    }

    fn drop_silent(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let timeout_ms = self.settings.timeout_ms;
        let is_silent =
            |replica: &&Replica| replica.silent_since().is_some_and(|since| now.ms_since(since) > timeout_ms);
        let silent: Vec<ReplicaId> = self.replicas.values().filter(is_silent).map(|r| r.id).collect();
        for id in silent {
            let replica = &self.replicas[&id];
            let what = if replica.job().is_some() { "full sync" } else { "streaming sync" };
            actions.push(warning(format!("Disconnecting timedout replica ({what}): {replica}")));
            self.drop_replica(now, id, actions);
        }
    }

    /// Tells those whose snapshot has not begun that they are not forgotten. Behind a mark's head nothing but
    /// the snapshot may be sent, and in the stream a newline would count.
    fn send_newlines(&self, actions: &mut Vec<Action>) {
        for replica in self.replicas.values() {
            if replica.state() == ReplicaState::WaitSnapshot {
                actions.push(Action::Send { replica: replica.id, bytes: b"\n".to_vec() });
            }
        }
    }

    fn write_to_stream(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let asked = std::mem::take(&mut self.acks_requested);
        if self.replicas.is_empty() || self.role != Role::Primary {
            return;
        }
        if self.next_ping <= now {
            self.next_ping = now.after_ms(self.settings.ping_period_ms);
            actions.push(Action::AppendPing);
        }
        if asked {
            actions.push(Action::AppendGetAck);
        }
    }

    fn expire_log(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let (Some(since), Some(expiry)) = (self.alone_since, self.log_expiry()) else { return };
        if turn.now < expiry {
            return;
        }
        self.alone_since = None;
        if turn.log.is_active() {
            let seconds = turn.now.seconds_since(since);
            let text =
                format!("Replication backlog freed after {seconds} seconds without connected replicas.");
            actions.push(notice(text));
            actions.push(Action::DeactivateLog);
        }
    }

    /// When a primary without replicas drops its log.
    fn log_expiry(&self) -> Option<Moment> {
        Some(self.alone_since?.after_ms(self.settings.backlog_ttl_ms?))
    }
}

fn notice(text: impl Into<String>) -> Action {
    Action::Log(Level::Notice, text.into())
}

fn warning(text: impl Into<String>) -> Action {
    Action::Log(Level::Warning, text.into())
}

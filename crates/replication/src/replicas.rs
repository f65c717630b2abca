//! The primary's side of replication: the replicas of this node, which may itself be a replica.
//!
//! Decides who may continue and who needs a snapshot, gathers full syncs, knows what each replica still needs
//! of the log and what it has acknowledged, keeps links alive and gives up those that are dead or too far
//! behind. Bytes of the stream never pass through here: a replica's stream is the log itself, read by the
//! shell from the replica's cursor on.
//!
//! Invariant: a replica receives newlines only before its snapshot begins. Behind it every byte is a byte of
//! the stream and counts, up to the one line that ends the stream of a replica that knows it (`parting.rs`).
//!
//! Contract with the engine: actions are done in order and at once, so that nothing is written to the log
//! between the call and its actions; [`Replicas::on_turn`] is called at the end of each turn of the loop and
//! at [`Replicas::deadline`].

mod action;

mod arrival;

mod failures;

mod hearing;

mod limits;

mod pacing;

mod pairing;

mod parting;

mod profile;

mod replica;

mod sync;

mod watch;

mod wait;

mod heartbeat;

use std::collections::BTreeMap;
use std::ops::Range;

use slipstream_log::Offset;
use slipstream_resp::Args;

use self::failures::Failures;
use self::heartbeat::{Heartbeat, Written};
use self::limits::Departed;
use self::pacing::Pacing;
use self::pairing::Kept;
use self::replica::Phase;
use self::sync::Job;
use self::wait::Waits;
use crate::events::{Events, Journal};
use crate::{Moment, wire};

pub use self::action::{Action, Counters, OutputLimit, Role, Settings, Turn};
pub use self::arrival::{Newcomer, Request, SyncRefused};
pub use self::hearing::{Heard, Hearing};
pub use self::pacing::Pace;
pub use self::parting::Change;
pub use self::profile::{Part, Profile, Reader, ReplconfError, TwoLinks};
pub use self::replica::{Replica, ReplicaState, SnapshotSent, SyncProgress};
pub use self::sync::{Framing, JobId, SyncJob, SyncMember};
pub use self::wait::{Measure, Wait, WaiterId};
pub use self::watch::Ack;

/// Signs of life to those who wait, and the watch over those who are silent, in milliseconds.
const TICK_MS: u64 = 1000;

/// The session of a replica, or of a client that may become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

/// What is answered to a REPLCONF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+OK`, and what else this simple string says.
    Ok(&'static str),
    /// `+OK slipstream1`: both speak this project's dialect. Behind it the clock of whoever writes the log,
    /// where this node does.
    Dialect(Option<Moment>),
    /// Nothing at all: acknowledgements, and requests for them, have no reply.
    Silence,
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
    jobs: BTreeMap<JobId, Job>,
    /// Those that were cut off and are expected back.
    departed: Vec<Departed>,
    next_job: u64,
    failures: Failures,
    /// By the carrier of each.
    kept: BTreeMap<ReplicaId, Kept>,
    pacing: Pacing,
    waits: Waits,
    acks_requested: bool,
    /// When the stream last asked for acknowledgements.
    acks_asked: Option<Moment>,
    /// Where it did, and the messages behind that.
    question: Range<Offset>,
    heartbeat: Heartbeat,
    written: Written,
    journal: Journal,
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
            jobs: BTreeMap::new(),
            departed: Vec::new(),
            next_job: 0,
            failures: Failures::default(),
            kept: BTreeMap::new(),
            pacing: Pacing::new(now),
            waits: Waits::default(),
            acks_requested: false,
            acks_asked: None,
            question: Offset(0)..Offset(0),
            heartbeat: Heartbeat::default(),
            written: Written::default(),
            journal: Journal::default(),
            next_tick: now,
            next_ping: now,
            alone_since: Some(now),
            counters: Counters::default(),
        }
    }

    /// Changes the settings; they count from now on, the period of PINGs from the last one.
    pub fn set_settings(&mut self, settings: Settings) {
        let (old, new) = (self.settings.ping_period_ms, settings.ping_period_ms);
        self.next_ping = Moment(self.next_ping.0.saturating_add(new).saturating_sub(old));
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
        let mut answer = Answer::Ok("OK");
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
            let is_told_in_stream =
                [b"beat".as_slice(), b"priority"].iter().any(|name| option.eq_ignore_ascii_case(name));
            self.check_link(id, option, value)?;
            let two_links = self.settings.two_links;
            let profile = match self.replicas.get_mut(&id) {
                Some(replica) => &mut replica.profile,
                None => self.profiles.entry(id).or_default(),
            };
            profile.set(option, value)?;
            if is_told_in_stream {
                return Ok(Answer::Silence);
            }
            // Else it is a connection that wants a snapshot and nothing more.
            profile.carries_snapshot &= two_links;
            if option.eq_ignore_ascii_case(b"capa") && value.eq_ignore_ascii_case(wire::DIALECT) {
                answer = Answer::Dialect((self.role == Role::Primary).then_some(turn.now));
            }
        }
        Ok(answer)
    }

    /// A session asks for data. From now on it is a replica, unless it is refused. Asking again changes
    /// nothing.
    pub fn on_sync(
        &mut self,
        turn: Turn<'_>,
        newcomer: Newcomer<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), SyncRefused> {
        let may_ask = self.is_redirected(newcomer.id) || self.is_told(newcomer.id);
        if self.replicas.contains_key(&newcomer.id) && !may_ask {
            return Ok(());
        }
        if self.role == (Role::Replica { link_up: false }) {
            return if self.have_ask_later(turn.now, newcomer.id) {
                Ok(())
            } else {
                Err(SyncRefused::NoLink)
            };
        }
        if self.profile(newcomer.id).is_some_and(Profile::is_out_of_reach) {
            return Err(SyncRefused::FilteredWithoutMark);
        }
        if self.is_redirected(newcomer.id) {
            return self.on_second_request(turn, newcomer, actions);
        }
        self.check_main(newcomer.id)?;
        self.take_again(newcomer.id);
        let mut replica = self.arrive(turn.now, newcomer);
        self.complete_carrier(&mut replica);
        actions.push(Action::notice(format!("Replica {replica} asks for synchronization")));
        match arrival::continuation(&newcomer.request, turn.log) {
            Ok(from) => self.continue_stream(turn, &mut replica, from, actions),
            Err(why) => match self.redirection(&newcomer, &replica.profile) {
                Some(way) => self.redirect(turn, &mut replica, (way, why), actions),
                None => self.queue_full_sync(turn, &replica, why, actions),
            },
        }
        self.replicas.insert(replica.id, replica);
        Ok(())
    }

    /// A replica sent an empty line: a sign of life while it loads.
    pub fn on_sign_of_life(&mut self, now: Moment, replica: ReplicaId) {
        if let Some(replica) = self.replicas.get_mut(&replica) {
            replica.heard = now;
        }
    }

    /// The stream of a replica has been handed to its socket up to `offset`.
    pub fn on_sent(&mut self, replica: ReplicaId, offset: Offset) {
        let phase = self.replicas.get_mut(&replica).map(|replica| &mut replica.phase);
        if let Some(Phase::Online { cursor } | Phase::Buffering { cursor } | Phase::Parting { cursor, .. }) =
            phase
        {
            *cursor = offset;
        }
    }

    /// A session is gone; to be called for all that ever used REPLCONF, PSYNC or SYNC.
    pub fn on_closed(&mut self, now: Moment, id: ReplicaId, actions: &mut Vec<Action>) {
        self.profiles.remove(&id);
        if let Some(replica) = self.replicas.get(&id) {
            actions.push(Action::notice(format!("Connection with replica {replica} lost.")));
            // A carrier that is closed may have brought everything; its main connection tells.
            if replica.profile.carries_snapshot {
                self.keep_for_main(now, id);
            } else {
                self.journal.note(now, replica.to_string(), "closed: connection lost");
                self.note_failure(now, id, "its connection was lost");
            }
            self.forget(now, id, actions);
        }
    }

    /// Does what is due at the end of a turn.
    pub fn on_turn(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        self.note_written(turn);
        self.end_waits(turn.now, actions);
        self.drop_unreachable(turn, actions);
        self.enforce_output_limits(turn, actions);
        self.keep_pace(turn, actions);
        self.tell_parting(turn.now, actions);
        if !self.replicas.is_empty() && self.next_tick <= turn.now {
            self.next_tick = turn.now.after_ms(TICK_MS);
            self.watch_drains(turn.now);
            self.drop_silent(turn.now, actions);
            self.send_newlines(actions);
        }
        self.start_syncs(turn, actions);
        self.expire_jobs(turn, actions);
        self.expire_kept(turn.now);
        self.write_to_stream(turn, actions);
        self.expire_log(turn, actions);
    }

    /// When `on_turn` is due although nothing happens.
    pub fn deadline(&self) -> Option<Moment> {
        let has_replicas = !self.replicas.is_empty();
        let pings = has_replicas && self.role == Role::Primary;
        [
            has_replicas.then_some(self.next_tick),
            pings.then_some(self.next_ping),
            self.clock_deadline().filter(|_| pings),
            self.sync_deadline(),
            self.kept_deadline(),
            self.pacing_deadline(),
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
    /// All replicas, in the order of their sessions. The connection that brings a replica its snapshot is none
    /// of its own.
    pub fn iter(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values().filter(|replica| !replica.profile.carries_snapshot)
    }

    /// The full syncs that are under way: by whom, at what and how far.
    pub fn syncs(&self) -> impl Iterator<Item = (&Replica, &'static str, SyncProgress)> {
        self.replicas.values().filter_map(|replica| {
            let (phase, progress) = replica.sync()?;
            Some((replica, phase, progress))
        })
    }

    /// One replica.
    pub fn get(&self, id: ReplicaId) -> Option<&Replica> {
        self.replicas.get(&id)
    }

    /// How many there are (`connected_slaves`).
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// The oldest byte of the log that a replica still needs, for [`Log::trim`](slipstream_log::Log::trim).
    pub fn oldest_needed(&self) -> Option<Offset> {
        let departed = self.departed.iter().map(|departed| departed.offset);
        let kept = self.kept.values().map(|kept| kept.from);
        self.replicas.values().filter_map(Replica::needs).chain(departed).chain(kept).min()
    }

    /// How many are online and were heard within `max_lag_seconds` (`min-replicas-max-lag`).
    pub fn good(&self, now: Moment, max_lag_seconds: u64) -> usize {
        self.online().filter(|replica| replica.lag_seconds(now) <= max_lag_seconds).count()
    }

    /// Those online that have not acknowledged everything up to `end`, for a shutdown that waits for them.
    pub fn lagging(&self, end: Offset) -> impl Iterator<Item = &Replica> {
        self.online().filter(move |replica| !self.has_all(replica, end))
    }

    /// Whether a replica has acknowledged everything up to `end`, the end of the log, or all but the last question
    /// for acknowledgements and messages behind it. Redis and Valkey answer that question with the offset before
    /// it, and name the one behind it up to a second later; data is in neither.
    pub fn has_all(&self, replica: &Replica, end: Offset) -> bool {
        let acked = replica.applied();
        acked >= end || self.question.end == end && acked >= self.question.start
    }

    /// What happened of late to links of replicas, by the names of these.
    pub fn events(&self) -> impl Iterator<Item = (&str, &Events)> {
        self.journal.iter()
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

#[cfg(test)]
mod tests;

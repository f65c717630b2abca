//! How a session becomes a replica, and how it ceases to be one.
//!
//! Here is decided who may continue the stream. The rule itself is the log's; this reads the request, answers
//! it and says in the log why somebody needs a snapshot.

use std::fmt;

use slipstream_log::{Log, Offset, Refusal, ReplicationId};

use super::pacing::Waited;
use super::replica::{Phase, Protocol, Replica, SyncProgress};
use super::{Action, Profile, ReplicaId, Replicas, Role, TICK_MS, Turn};
use crate::Moment;

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
    /// A part of the data is never sent with a length, and the replica takes no marks.
    FilteredWithoutMark,
    /// The connection that this one is to bring a snapshot for does not wait for it.
    NoMain,
}

impl fmt::Display for SyncRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncRefused::NoMain => f.write_str("ERR The main connection does not wait for a snapshot"),
            SyncRefused::NoLink => f.write_str("NOMASTERLINK Can't SYNC while not connected with my master"),
            SyncRefused::FilteredWithoutMark => f.write_str("ERR Filtered replica requires EOF capability"),
        }
    }
}

impl std::error::Error for SyncRefused {}

/// Why a newcomer needs a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoContinuation {
    /// It did not ask to continue.
    NotAsked,
    /// It asked to, from that byte.
    Refused { id: Option<ReplicationId>, next_byte: i64, refusal: Refusal },
}

/// From where the stream continues, if it can.
pub(super) fn continuation(request: &Request<'_>, log: &Log) -> Result<Offset, NoContinuation> {
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
    /// What a session has said of itself.
    pub(super) fn profile(&self, id: ReplicaId) -> Option<&Profile> {
        self.profiles.get(&id).or_else(|| self.replicas.get(&id).map(|replica| &replica.profile))
    }

    pub(super) fn arrive(&mut self, now: Moment, newcomer: Newcomer<'_>) -> Replica {
        self.alone_since = None;
        if self.replicas.is_empty() {
            self.next_tick = now.after_ms(TICK_MS);
            self.next_ping = now.after_ms(self.settings.ping_period_ms);
        }
        let mut replica = Replica {
            id: newcomer.id,
            profile: self.profiles.remove(&newcomer.id).unwrap_or_default(),
            peer: newcomer.peer.to_owned(),
            acked: Offset(0),
            confirmed: false,
            durable: Offset(0),
            heard: now,
            arrived: now,
            protocol: match newcomer.request {
                Request::Sync => Protocol::Sync,
                Request::Psync { .. } => Protocol::Psync,
            },
            phase: Phase::Queued { since: now, not_before: now },
            sync: SyncProgress::begin(now),
            over_soft_limit: None,
            moved: (Offset(0), now),
            observed: None,
            waited: Waited::NOTHING,
        };
        self.is_back(&replica);
        if let Some(not_before) = self.failures.not_before(&replica) {
            replica.phase = Phase::Queued { since: now, not_before };
        }
        replica
    }

    pub(super) fn continue_stream(
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
        actions.push(Action::notice(format!(
            "Partial resynchronization request from {replica} accepted. Sending {backlog} bytes of backlog \
             starting from offset {}.",
            from.next_byte()
        )));
        self.journal.note(turn.now, replica.to_string(), format!("partial resync from {from}, online"));
        replica.phase = Phase::Online { cursor: from };
        // Where it asks to continue it may not be what it was there: it has yet to say what it has applied.
        replica.acked = from;
        replica.confirmed = false;
        actions.push(Action::StartStream { replica: replica.id, from });
    }

    pub(super) fn queue_full_sync(
        &mut self,
        Turn { now, log }: Turn<'_>,
        replica: &Replica,
        why: NoContinuation,
        actions: &mut Vec<Action>,
    ) {
        self.explain_full_sync(Turn { now, log }, replica, why, actions);
        self.counters.full += 1;
        self.failures.explain(replica, actions);
        if !log.is_active() {
            actions.push(Action::ActivateLog);
        }
    }

    pub(super) fn explain_full_sync(
        &mut self,
        Turn { now, log }: Turn<'_>,
        replica: &Replica,
        why: NoContinuation,
        actions: &mut Vec<Action>,
    ) {
        match why {
            NoContinuation::NotAsked => {
                self.journal.note(now, replica.to_string(), "full resync: it asked for everything");
                actions.push(Action::notice(format!("Full resync requested by replica {replica}")));
            }
            NoContinuation::Refused { id, next_byte, refusal } => {
                self.counters.partial_err += 1;
                let text =
                    format!("full resync: asked to continue from {next_byte}: {}", refusal_words(refusal));
                self.journal.note(now, replica.to_string(), text);
                log_refusal(log, replica, (id, next_byte, refusal), actions);
            }
        }
    }

    /// Closes a replica of our own accord, with all its connections.
    pub(super) fn drop_replica(&mut self, now: Moment, id: ReplicaId, why: &str, actions: &mut Vec<Action>) {
        let main = self.replicas.get(&id).and_then(|replica| replica.profile.main);
        actions.push(Action::Close(id));
        if let Some(replica) = self.replicas.get(&id) {
            self.journal.note(now, replica.to_string(), why);
        }
        self.forget(now, id, actions);
        let needs_it = |main: &ReplicaId| self.replicas.get(main).is_some_and(Replica::is_syncing);
        if let Some(main) = main.filter(needs_it) {
            self.drop_replica(now, main, why, actions);
        }
    }

    pub(super) fn forget(&mut self, now: Moment, id: ReplicaId, actions: &mut Vec<Action>) {
        self.expect_back(now, id);
        let Some(replica) = self.replicas.remove(&id) else { return };
        if let Some(job) = replica.job() {
            self.settle_job(now, job, actions);
        }
        for carrier in self.carriers_of(id) {
            actions.push(Action::Close(carrier));
            self.forget(now, carrier, actions);
        }
        self.watch_solitude(now);
    }

    pub(super) fn watch_solitude(&mut self, now: Moment) {
        if self.replicas.is_empty() && self.role == Role::Primary {
            self.alone_since = Some(now);
        } else {
            self.alone_since = None;
        }
    }
}

fn refusal_words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Inactive => "no log is kept",
        Refusal::UnknownHistory => "unknown history",
        Refusal::PastFork => "it went on behind the fork",
        Refusal::Gone => "no longer in the backlog",
        Refusal::Ahead => "it is ahead",
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
            log.forks().find(|(known, _)| Some(*known) == id).map_or(0, |(_, fork)| fork.next_byte()),
        ),
        Refusal::Inactive | Refusal::Gone | Refusal::Ahead => format!(
            "Unable to partial resync with replica {replica} for lack of backlog (Replica request was: {next_byte})."
        ),
    };
    actions.push(Action::notice(text));
    if refusal == Refusal::Ahead {
        actions.push(Action::warning(format!(
            "Warning: replica {replica} tried to PSYNC with an offset that is greater than the master \
             replication offset."
        )));
    }
}

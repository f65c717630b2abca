//! What happens in a replica's time: acknowledgements, signs of life, and what they lead to.
//!
//! Here are all the timers of the primary's side but those of full syncs and of clients that wait.

use std::ops::Range;

use slipstream_log::Offset;
use slipstream_resp::Args;
use slipstream_resp::number::parse_i64;

use super::replica::{Phase, Protocol, Replica, ReplicaState, Stage};
use super::{Action, ReplicaId, Replicas, Role, Turn};
use crate::Moment;
use crate::link::EAGER_MS;

/// What a replica reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// All before this is applied.
    pub applied: Offset,
    /// All before this is on disk, if it keeps the stream there.
    pub durable: Option<Offset>,
}

impl Ack {
    /// Reads a whole `REPLCONF ACK offset [FACK offset]`; `None` for every other request.
    pub fn from_request(args: Args<'_>) -> Option<Ack> {
        let is_ack = matches!(args.len(), 3 | 5)
            && args[0].eq_ignore_ascii_case(b"replconf")
            && args[1].eq_ignore_ascii_case(b"ack");
        if is_ack { Ack::parse(args.from(1)) } else { None }
    }

    /// Reads `ACK offset [FACK offset]`. What is not that is ignored: there is no reply to complain in.
    pub(super) fn parse(options: Args<'_>) -> Option<Ack> {
        let offset = |at: usize| u64::try_from(parse_i64(options.get(at)?)?).ok().map(Offset);
        let applied = offset(1)?;
        let has_durable = options.get(2).is_some_and(|option| option.eq_ignore_ascii_case(b"fack"));
        Some(Ack { applied, durable: if has_durable { offset(3) } else { None } })
    }
}

/// What happens in a replica's time.
impl Replicas {
    /// A replica says how far it is.
    pub fn on_ack(&mut self, turn: Turn<'_>, id: ReplicaId, ack: Ack, actions: &mut Vec<Action>) {
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        if matches!(replica.phase, Phase::Parting { .. }) {
            // What it has of a history that has ended says nothing of the one that goes on.
            replica.heard = turn.now;
            return;
        }
        // Nobody can have what has not been written; a lie would end somebody's WAIT.
        let end = turn.log.end();
        replica.acked = replica.applied().max(ack.applied.min(end));
        replica.confirmed = true;
        replica.durable = replica.durable.max(ack.durable.unwrap_or_default().min(end));
        replica.heard = turn.now;
        match &mut replica.phase {
            Phase::Loading { from } => {
                let from = *from;
                replica.start_stream(turn.now, from, actions);
                self.journal.note(turn.now, replica.to_string(), "online");
            }
            Phase::Syncing { stage: Stage::Sending { answered, .. }, .. } => *answered = true,
            Phase::Buffering { cursor } => {
                replica.phase = Phase::Online { cursor: *cursor };
                self.journal.note(turn.now, replica.to_string(), "online");
                actions.push(Action::notice(format!("Synchronization with replica {replica} succeeded")));
            }
            _ => {}
        }
        self.note_success(id);
        self.end_waits(turn.now, actions);
    }

    pub(super) fn drop_silent(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let timeout_ms = self.settings.timeout_ms;
        let is_silent =
            |replica: &&Replica| replica.silent_since().is_some_and(|since| now.ms_since(since) > timeout_ms);
        let silent: Vec<ReplicaId> = self.replicas.values().filter(is_silent).map(|r| r.id).collect();
        for id in silent {
            let Some(replica) = self.replicas.get(&id) else { continue };
            let what = if replica.job().is_some() { "full sync" } else { "streaming sync" };
            actions.push(Action::warning(format!("Disconnecting timedout replica ({what}): {replica}")));
            self.note_failure(now, id, "it took nothing for repl-timeout seconds");
            self.drop_replica(now, id, "closed: timeout", actions);
        }
    }

    /// Tells those whose snapshot has not begun that they are not forgotten. Behind a mark's head nothing but
    /// the snapshot may be sent, and in the stream a newline would count.
    pub(super) fn send_newlines(&self, actions: &mut Vec<Action>) {
        for replica in self.replicas.values() {
            // What a redirected one gets next is its stream, and whoever reads its socket may know that already.
            let waits = !matches!(replica.phase, Phase::Redirected | Phase::Parting { .. });
            if replica.state() == ReplicaState::WaitSnapshot && waits {
                actions.push(Action::Send { replica: replica.id, bytes: b"\n".to_vec() });
            }
        }
    }

    /// Sends no PING for a while, so that the end of the log stands still; not for so long that a replica
    /// would give the link up.
    pub fn hold_pings(&mut self, now: Moment) {
        self.next_ping = self.next_ping.max(now.after_ms(self.settings.timeout_ms / 2));
    }

    /// PINGs are sent as usual again.
    pub fn release_pings(&mut self, now: Moment) {
        self.next_ping = self.next_ping.min(now.after_ms(self.settings.ping_period_ms));
    }

    pub(super) fn write_to_stream(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let now = turn.now;
        let asked = std::mem::take(&mut self.acks_requested);
        if self.replicas.is_empty() || self.role != Role::Primary {
            return;
        }
        let pings = self.next_ping <= now;
        if pings {
            self.next_ping = now.after_ms(self.settings.ping_period_ms);
            actions.push(Action::AppendPing);
        }
        if asked && self.must_ask(now) {
            self.acks_asked = Some(now);
            actions.push(Action::AppendGetAck);
        }
        self.write_clock(turn, pings, actions);
    }

    /// Replicas that speak this project's dialect go on to acknowledge unasked for a while; others are asked
    /// each time.
    fn must_ask(&self, now: Moment) -> bool {
        let is_stock =
            |replica: &Replica| replica.protocol == Protocol::Psync && !replica.profile.speaks_dialect;
        let long_ago = self.acks_asked.is_none_or(|asked| now.ms_since(asked) >= EAGER_MS / 2);
        long_ago || self.has_new_listener() || self.online().any(is_stock)
    }

    /// This node wrote a question for acknowledgements to the log.
    pub fn on_asked(&mut self, at: Range<Offset>) {
        self.question = at;
    }

    /// This node wrote a message of its own to the log that changes no data.
    pub fn on_message(&mut self, at: Range<Offset>) {
        if self.question.end == at.start {
            self.question.end = at.end;
        }
    }

    pub(super) fn expire_log(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let (Some(since), Some(expiry)) = (self.alone_since, self.log_expiry()) else { return };
        if turn.now < expiry {
            return;
        }
        self.alone_since = None;
        if turn.log.is_active() {
            let seconds = turn.now.seconds_since(since);
            let text =
                format!("Replication backlog freed after {seconds} seconds without connected replicas.");
            actions.push(Action::notice(text));
            actions.push(Action::DeactivateLog);
        }
    }

    /// When a primary without replicas drops its log.
    pub(super) fn log_expiry(&self) -> Option<Moment> {
        Some(self.alone_since?.after_ms(self.settings.backlog_ttl_ms?))
    }
}

//! Replicas that stay attached when the history changes: under another name, or since other data takes its place.
//!
//! ```text
//!  Online ── the history changes ──► Draining ── all before it is sent ──► Waiting ── this node can answer ──► Told
//!                                                                                                              │
//!  Online, or Queued, or Redirected, as whoever arrives ◄─────────────────────────────── PSYNC over the same connection
//! ```
//!
//! Who announced that it knows the line [`HISTORY_CHANGED`](crate::wire::HISTORY_CHANGED) gets it behind the last byte
//! of the stream that it knows, which ends a command outside a transaction, and asks again. Its session is again one
//! that negotiates, and keeps what it announced. It is told only when it can be answered: until then it stays where it
//! is, as the replicas of a node do whose own link is down. If that link is lost between the line and the question,
//! the line, later, is the answer. Everybody else is closed: peers that do not know the line,
//! those in a full sync, and those that are far behind.
//!
//! Invariant: between the end of a stream and the answer to PSYNC a replica counts nowhere, whatever it acknowledges.

use slipstream_log::{Log, Offset, Slice};

use super::replica::{Parting, Phase, Protocol, Replica};
use super::{Action, ReplicaId, Replicas, Role, Turn};
use crate::Moment;

/// Who has more than this still to be sent, in bytes, is closed: when the log is another one, nothing else accounts
/// for it.
const MOST_REST: u64 = 16 << 20;

/// What becomes of a node's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It goes on under another id from where it ends: after a promotion, or as the primary's does.
    Renamed,
    /// What lies behind an offset was never a part of it: the log goes on from there, under another id or not.
    Rewound(Offset),
    /// It ends, and other data takes its place.
    Replaced,
}

impl Change {
    /// From where the log has what a replica will ask for that has it from `held` on before the change.
    fn keeps(self, held: Offset) -> Option<Offset> {
        match self {
            Change::Renamed => Some(held),
            Change::Rewound(to) => Some(held.min(to)),
            Change::Replaced => None,
        }
    }
}

impl Replicas {
    /// All replicas must learn that the history changes. To be called before the log is another one.
    pub fn change_history(&mut self, turn: Turn<'_>, change: Change, actions: &mut Vec<Action>) {
        self.departed.clear();
        let ids: Vec<ReplicaId> = self.replicas.keys().copied().collect();
        for id in ids {
            // Gone with its other connection.
            let Some(replica) = self.replicas.get_mut(&id) else { continue };
            if let Phase::Parting { held, .. } = &mut replica.phase {
                *held = held.and_then(|held| change.keeps(held));
            } else if let Some((cursor, rest)) = replica.rest(turn.log) {
                let held = change.keeps(cursor);
                replica.phase = Phase::Parting { cursor, held, stage: Parting::Draining };
                replica.moved = (cursor, turn.now);
                replica.confirmed = false;
                self.journal.note(turn.now, replica.to_string(), "the history changes, it is to ask again");
                actions.push(Action::EndStream { replica: id, rest, end: turn.log.end() });
            } else {
                self.drop_replica(turn.now, id, "closed: another history or other data", actions);
            }
        }
        self.kept.clear();
    }

    /// The stream of a replica has ended at `offset`, and its session has its socket back.
    pub fn on_stream_ended(&mut self, id: ReplicaId, offset: Offset) {
        let phase = self.replicas.get_mut(&id).map(|replica| &mut replica.phase);
        if let Some(Phase::Parting { cursor, stage: stage @ Parting::Draining, .. }) = phase {
            *cursor = offset;
            *stage = Parting::Waiting;
        }
    }

    /// Whether it has been told that the history changed, and is to ask again.
    pub(super) fn is_told(&self, id: ReplicaId) -> bool {
        let phase = self.replicas.get(&id).map(|replica| replica.phase);
        matches!(phase, Some(Phase::Parting { stage: Parting::Told, .. }))
    }

    /// Tells those whose stream has ended, if this node can answer what they will ask.
    pub(super) fn tell_parting(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.role == (Role::Replica { link_up: false }) {
            return;
        }
        for replica in self.replicas.values_mut() {
            if let Phase::Parting { stage: stage @ Parting::Waiting, .. } = &mut replica.phase {
                *stage = Parting::Told;
                replica.heard = now;
                // How it takes a full sync it says each time.
                let profile = &mut replica.profile;
                (profile.two_links, profile.main, profile.carrier) = (None, None, None);
                let text = format!("Replica {replica} is told that the history has changed, and asks again");
                actions.push(Action::notice(text));
                actions.push(Action::AskAgain(replica.id));
            }
        }
    }

    /// One that was told asks, and by now this node cannot answer: it is told again when that is over. Whether it was
    /// told.
    pub(super) fn have_ask_later(&mut self, now: Moment, id: ReplicaId) -> bool {
        let Some(replica) = self.replicas.get_mut(&id) else { return false };
        let Phase::Parting { stage: stage @ Parting::Told, .. } = &mut replica.phase else { return false };
        *stage = Parting::Waiting;
        replica.heard = now;
        true
    }

    /// Notes whose rest is being taken: one that takes nothing is silent.
    pub(super) fn watch_drains(&mut self, now: Moment) {
        for replica in self.replicas.values_mut() {
            if let Phase::Parting { cursor, stage: Parting::Draining, .. } = replica.phase
                && cursor != replica.moved.0
            {
                replica.moved = (cursor, now);
            }
        }
    }

    /// One that was told asks again: it is a newcomer that has said already what it is.
    pub(super) fn take_again(&mut self, id: ReplicaId) {
        if self.is_told(id)
            && let Some(replica) = self.replicas.remove(&id)
        {
            self.profiles.insert(id, replica.profile);
        }
    }
}

impl Replica {
    /// Where its stream is and what is left of it, if the connection can outlast that.
    fn rest(&self, log: &Log) -> Option<(Offset, Vec<Slice>)> {
        let Phase::Online { cursor } = self.phase else { return None };
        let is_near = log.end().since(cursor) <= MOST_REST;
        let stays = self.profile.stays && self.protocol == Protocol::Psync && is_near;
        let rest = stays.then(|| log.blocks_from(cursor)).flatten()?;
        Some((cursor, rest.collect()))
    }
}

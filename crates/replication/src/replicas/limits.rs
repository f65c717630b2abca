//! How far behind a replica may be, and what is kept for one that was cut off for that.
//!
//! What a replica has not taken lies in the log, beyond a bound on disk. While it reads, or its full sync is under
//! way, it may be behind as far as that reaches: to cut it off would cost another full sync, and then the same
//! again. `client-output-buffer-limit replica` is for one that does not read. That one has repl-timeout to come
//! back and continue.

use slipstream_log::{Log, Offset};

use super::replica::{Phase, Protocol};
use super::{Action, Replica, ReplicaId, Replicas, Turn};
use crate::Moment;

/// Who took something within so many milliseconds reads.
const READS_MS: u64 = 1000;

/// So much may lie between two sockets: sent, and lost with the connection.
const IN_FLIGHT: u64 = 32 << 20;

/// So many that were cut off are expected back; of more than that, the latest.
const MAX_DEPARTED: usize = 1024;

/// One that was cut off, and from where it will want to continue.
#[derive(Debug)]
pub(super) struct Departed {
    address: String,
    port: i64,
    pub(super) offset: Offset,
    until: Moment,
}

/// Limits.
impl Replicas {
    pub(super) fn enforce_output_limits(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let limit = self.settings.output_limit;
        let mut over = Vec::new();
        for replica in self.replicas.values_mut() {
            let Some(cursor) = replica.cursor() else { continue };
            let behind = turn.log.end().since(cursor);
            let is_over_soft = limit.soft > 0 && behind >= limit.soft;
            replica.over_soft_limit = is_over_soft.then(|| replica.over_soft_limit.unwrap_or(turn.now));
            let too_long =
                replica.over_soft_limit.is_some_and(|since| turn.now.ms_since(since) > limit.soft_ms);
            // Who continues is as far behind as the log reaches: to close it for that would be to do so for ever.
            let too_far = limit.hard > 0 && behind >= limit.hard.max(turn.log.reaches_anyway());
            let is_spared = replica.reads(turn.now) && is_kept_for_readers(turn.log, behind);
            if (too_long || too_far) && !is_spared {
                over.push(replica.id);
            }
        }
        for id in over {
            // Gone with its other connection.
            let Some(replica) = self.replicas.get(&id) else { continue };
            let text = "scheduled to be closed ASAP for overcoming of output buffer limits.";
            actions.push(Action::warning(format!("Client {replica} {text}")));
            if replica.is_online() {
                let offset = replica.needs().unwrap_or(replica.acked);
                self.keep_for_return(turn.now, id, offset);
            }
            self.counters.output_limit_closes += 1;
            self.drop_replica(turn.now, id, "closed: output limit", actions);
        }
        let log = turn.log;
        self.departed.retain(|departed| {
            departed.until > turn.now && is_kept_for_readers(log, log.end().since(departed.offset))
        });
    }

    /// One that is lost while it loads asks to continue when it has loaded.
    pub(super) fn expect_back(&mut self, now: Moment, id: ReplicaId) {
        let Some(replica) = self.replicas.get(&id) else { return };
        if let Phase::Loading { from } = replica.phase {
            self.keep_for_return(now, id, from);
        }
    }

    /// Keeps the log from `offset` on for a replica that goes; once, however often it goes.
    fn keep_for_return(&mut self, now: Moment, id: ReplicaId, offset: Offset) {
        let Some(replica) = self.replicas.get(&id) else { return };
        let (address, port) = (replica.address().to_owned(), replica.port());
        self.departed.retain(|departed| departed.address != address || departed.port != port);
        if self.departed.len() == MAX_DEPARTED {
            self.departed.remove(0);
        }
        let until = now.after_ms(self.settings.timeout_ms);
        self.departed.push(Departed { address, port, offset, until });
    }

    /// Closes those who need what the log has lost: the disk that held it failed.
    pub(super) fn drop_unreachable(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        let reach = turn.log.reach();
        let is_lost = |replica: &&Replica| replica.cursor().is_some_and(|cursor| cursor < reach);
        let lost: Vec<_> = self.replicas.values().filter(is_lost).map(|replica| replica.id).collect();
        for id in lost {
            let Some(replica) = self.replicas.get(&id) else { continue };
            actions
                .push(Action::warning(format!("The log does not reach back to replica {replica} any more.")));
            self.drop_replica(turn.now, id, "closed: the log does not reach back to it any more", actions);
        }
    }

    /// Nothing more needs to be kept for a replica that was cut off: it is back.
    pub(super) fn is_back(&mut self, replica: &Replica) {
        self.departed
            .retain(|departed| departed.address != replica.address() || departed.port != replica.port());
    }
}

/// Whether what is kept for one so far behind has a bound that it is within.
fn is_kept_for_readers(log: &Log, behind: u64) -> bool {
    log.most_for_readers().is_some_and(|most| behind <= most)
}

impl Replica {
    /// The first byte of the log that it may still ask for: what it was sent and has not acknowledged may be lost
    /// on the way.
    pub(super) fn needs(&self) -> Option<Offset> {
        let cursor = self.cursor()?;
        let unsure = Offset(cursor.0.saturating_sub(IN_FLIGHT));
        let acknowledges = self.is_online() && self.protocol == Protocol::Psync;
        Some(if acknowledges { cursor.min(self.acked.max(unsure)) } else { cursor })
    }

    /// Whether it takes what it is sent. A full sync is watched by its own clock.
    fn reads(&mut self, now: Moment) -> bool {
        let cursor = self.sent().unwrap_or_default();
        if cursor != self.moved.0 || self.is_syncing() {
            self.moved = (cursor, now);
        }
        now.ms_since(self.moved.1) < READS_MS
    }
}

//! A primary that starts without its data waits for a replica that has it.
//!
//! It lost its disk, or never saved; the replicas it had have copies. If it served at once, it would be an empty
//! primary with new writes beside old copies, and a sentinel that sees it answer would let it be. So for
//! `primary-empty-start-wait` seconds it answers as a node that is not to be used: commands on the data with
//! LOADING, PING with an error that sentinels do not count as a sign of life, so that they promote a replica.
//! Whoever asks to copy it is told LOADING too, and keeps what it has.
//!
//! ```text
//! start ── no keys, and the state file knows replicas that were ahead of what was loaded ──► waiting
//! waiting ── REPLICAOF host port, REPLICAOF NO ONE, the time is over ──► as usual
//! ```
//!
//! The time counts from the first such start, and not from each: whoever restarts a node that does not answer
//! PING does not make it wait for ever.

use slipstream_keyspace::Keyspace;
use slipstream_log::Offset;
use slipstream_replication::{Level, Moment};

use crate::errors::CommandError;
use crate::node::Core;
use crate::state::{KnownReplica, NodeState};

/// The wait.
#[derive(Debug)]
pub(crate) struct EmptyStart {
    began: Moment,
    /// How much of it earlier lives have waited, in milliseconds.
    spent_ms: u64,
    /// Why.
    pub(crate) reason: String,
}

impl Core {
    /// Whether this node waits for one of its replicas to take its place.
    pub(crate) fn is_awaiting_claim(&self) -> bool {
        self.replication.empty_start.is_some()
    }

    /// Milliseconds that it still waits.
    pub(crate) fn claim_wait_left(&self) -> Option<u64> {
        Some(self.claim_deadline()?.ms_since(self.clock.moment()))
    }

    /// When it waits no longer.
    pub(crate) fn claim_deadline(&self) -> Option<Moment> {
        let wait = self.replication.empty_start.as_ref()?;
        let patience = u64::from(self.config.primary_empty_start_wait) * 1000;
        Some(wait.began.after_ms(patience.saturating_sub(wait.spent_ms)))
    }

    /// What a client is told meanwhile whose command needs the data.
    pub(crate) fn awaits_claim_error(&self, is_ping: bool) -> CommandError {
        CommandError::awaits_claim(is_ping, self.claim_wait_left().unwrap_or(0).div_ceil(1000))
    }

    /// Waits, if the data is gone that replicas have.
    pub(crate) fn begin_empty_start(&mut self, keyspace: &Keyspace) {
        let Some(mut state) = self.replication.remembering.found.take() else { return };
        let has_data = (0..keyspace.databases()).any(|db| !keyspace.db(db).is_empty());
        if has_data || self.is_replica() || state.keys == 0 || self.config.primary_empty_start_wait == 0 {
            return;
        }
        let ahead = self.ahead_of_loaded(&state);
        let Some(first) = ahead.first() else { return };
        let reason = format!(
            "it had {} keys, and {} of its replicas had a copy, {} up to offset {}",
            state.keys,
            ahead.len(),
            first.address,
            first.offset
        );
        let now = self.clock.unix().0;
        let since = *state.waiting_since.get_or_insert(now);
        // A clock that went back tells nothing of how long it was.
        let spent_ms = u64::try_from(now - since).unwrap_or(0);
        let began = self.clock.moment();
        self.replication.empty_start = Some(EmptyStart { began, spent_ms, reason: reason.clone() });
        let left = self.claim_wait_left().unwrap_or(0).div_ceil(1000);
        if left == 0 {
            return self.end_empty_start("its time was over before this start");
        }
        let text = format!(
            "This node starts without data, but {reason}: for {left} s it waits for one of them to take its place, \
             and serves nobody (primary-empty-start-wait). REPLICAOF NO ONE starts it as it is."
        );
        self.notice(Level::Warning, &text);
        self.keep_state(state);
    }

    /// The replicas that have more of this node's history than was loaded; the one that has most comes first.
    fn ahead_of_loaded(&self, state: &NodeState) -> Vec<KnownReplica> {
        let loaded = self.loaded_of(state);
        let mut ahead = state.replicas.clone();
        ahead.retain(|replica| loaded.is_none_or(|loaded| replica.offset > loaded));
        ahead.sort_by_key(|replica| std::cmp::Reverse(replica.offset));
        ahead
    }

    /// How much of the history that the state file knows was loaded, if any of it was.
    fn loaded_of(&self, state: &NodeState) -> Option<Offset> {
        if !self.log.is_active() {
            return None;
        }
        // What was loaded is the history before the one that began with this start, or goes on in its own.
        let history = self.log.history();
        let loaded = [Some((history.id, self.log.end())), history.previous].into_iter().flatten();
        let known = [state.position, state.previous].into_iter().flatten();
        { loaded }.find(|(id, _)| known.clone().any(|known| known.id == *id)).map(|(_, offset)| offset)
    }

    /// The wait is over.
    pub(crate) fn end_empty_start(&mut self, why: &str) {
        if self.replication.empty_start.take().is_some() {
            self.notice(Level::Warning, &format!("This node waits for its replicas no longer: {why}"));
        }
    }

    /// The same, if nobody came in time.
    pub(crate) fn end_empty_start_if_due(&mut self) {
        if self.claim_deadline().is_some_and(|deadline| deadline <= self.clock.moment()) {
            self.end_empty_start("none of them took its place. It serves what it has, which is nothing");
        }
    }
}

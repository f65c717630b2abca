//! A primary that starts without what its replicas have waits for one of them to take its place.
//!
//! It lost its disk, or never saved; the replicas it had have copies. If it served at once, it would be an empty
//! primary with new writes beside old copies, and a sentinel that sees it answer would let it be. Or it was killed,
//! and clients were answered since replicas had their writes (`min-replicas-to-ack`), which its own disk may lack: if it
//! served at once, its replicas would give those writes up. So for `primary-empty-start-wait` seconds it answers as a
//! node that is not to be used: commands on the data with LOADING, PING with an error that sentinels do not count as a
//! sign of life, so that they promote a replica. Whoever asks to copy it is told LOADING too, and keeps what it has.
//!
//! ```text
//! start ── no keys, and the state file knows replicas that were ahead of what was loaded ─────► waiting
//! start ── sentinels of this project watched it, what was answered was on replicas, and
//!          nothing says that it ended in order ───────────────────────────────────────────────► waiting
//! waiting ── REPLICAOF host port, REPLICAOF NO ONE, the time is over ──► as usual
//! ```
//!
//! The time counts from the first such start, and not from each: whoever restarts a node that does not answer
//! PING does not make it wait for ever. Meanwhile the history is still the one that was loaded: it goes on with whoever
//! takes the place, and only a node that serves after all begins one of its own.

use slipstream_keyspace::Keyspace;
use slipstream_log::Offset;
use slipstream_replication::{Level, Moment};

use crate::errors::CommandError;
use crate::node::Core;
use crate::state::{KnownReplica, NodeState};

/// The wait.
#[derive(Debug)]
pub(crate) struct ClaimWait {
    began: Moment,
    /// How much of it earlier lives have waited, in milliseconds.
    spent_ms: u64,
    /// For what.
    pub(crate) lack: Lack,
    /// Who it may wait for, as far as it knows.
    pub(crate) replicas: Vec<KnownReplica>,
    /// On how many of them a write was when it was answered.
    pub(crate) promised: u32,
}

/// What a primary starts without, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// All its data.
    Data(String),
    /// Writes that were answered, perhaps.
    Writes(String),
}

impl Lack {
    /// How that is known.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Lack::Data(reason) | Lack::Writes(reason) => reason,
        }
    }
}

impl Core {
    /// Whether this node waits for one of its replicas to take its place.
    pub fn is_awaiting_claim(&self) -> bool {
        self.replication.claim.is_some()
    }

    /// Milliseconds that it still waits.
    pub(crate) fn claim_wait_left(&self) -> Option<u64> {
        Some(self.claim_deadline()?.ms_since(self.clock.moment()))
    }

    /// When it waits no longer.
    pub(crate) fn claim_deadline(&self) -> Option<Moment> {
        let wait = self.replication.claim.as_ref()?;
        let patience = u64::from(self.config.primary_empty_start_wait) * 1000;
        Some(wait.began.after_ms(patience.saturating_sub(wait.spent_ms)))
    }

    /// What a client is told meanwhile whose command needs the data.
    pub(crate) fn awaits_claim_error(&self, is_ping: bool) -> CommandError {
        let lacks_data = matches!(self.replication.claim, Some(ClaimWait { lack: Lack::Data(_), .. }));
        let seconds = self.claim_wait_left().unwrap_or(0).div_ceil(1000);
        CommandError::awaits_claim(is_ping, (lacks_data, seconds))
    }

    /// What a node that is about to serve as a primary lacks, if it is to wait for that.
    pub(crate) fn lack(&self, keyspace: &Keyspace) -> Option<Lack> {
        let state = self.replication.remembering.found.as_ref()?;
        if self.is_replica() || self.config.replicaof.is_some() || self.config.primary_empty_start_wait == 0 {
            return None;
        }
        self.lacks_data(state, keyspace)
            .map(Lack::Data)
            .or_else(|| self.may_lack_writes(state).map(Lack::Writes))
    }

    fn lacks_data(&self, state: &NodeState, keyspace: &Keyspace) -> Option<String> {
        let has_data = (0..keyspace.databases()).any(|db| !keyspace.db(db).is_empty());
        if has_data || state.keys == 0 {
            return None;
        }
        let ahead = self.ahead_of_loaded(state);
        let first = ahead.first()?;
        Some(format!(
            "it had {} keys, and {} of its replicas had a copy, {} up to offset {}",
            state.keys,
            ahead.len(),
            first.address,
            first.offset
        ))
    }

    fn may_lack_writes(&self, state: &NodeState) -> Option<String> {
        let copies = state.promised_copies()?;
        let loaded = self.loaded_of(state);
        let ended_at = state.position.filter(|_| state.has_ended).map(|position| position.offset);
        let is_whole = loaded.is_some() && ended_at.is_some() && loaded >= ended_at;
        // Without copies nothing was answered.
        (state.had_copies() && !is_whole).then(|| {
            let loaded = loaded.map_or_else(|| "none of it was loaded".to_owned(), |at| format!("up to offset {at}"));
            format!("writes were answered when {copies} replicas had them, it did not end in order, and its disk has its history {loaded}")
        })
    }

    /// Whether what is loaded may turn out to lack something. Then nothing is deleted from it meanwhile.
    pub(crate) fn may_await_claim(&self) -> bool {
        let state = self.replication.remembering.found.as_ref();
        self.config.primary_empty_start_wait > 0
            && state.is_some_and(|state| state.promised_copies().is_some())
    }

    /// Waits for a replica that has what this node lacks.
    pub(crate) fn await_claim(&mut self, keyspace: &mut Keyspace, lack: Lack) {
        let Some(mut state) = self.replication.remembering.found.take() else { return };
        let now = self.clock.unix().0;
        let since = *state.waiting_since.get_or_insert(now);
        // A clock that went back tells nothing of how long it was.
        let spent_ms = u64::try_from(now - since).unwrap_or(0);
        let began = self.clock.moment();
        let what = match lack {
            Lack::Data(_) => "starts without data",
            Lack::Writes(_) => "may start without writes that were answered",
        };
        let text = format!("This node {what}: {}", lack.reason());
        let (replicas, promised) = (state.replicas.clone(), state.promised);
        self.replication.claim = Some(ClaimWait { began, spent_ms, lack, replicas, promised });
        let left = self.claim_wait_left().unwrap_or(0).div_ceil(1000);
        if left == 0 {
            return self.serve_unclaimed(keyspace, "its time was over before this start");
        }
        let text = format!(
            "{text}. For {left} s it waits for one of its replicas to take its place, and serves nobody \
             (primary-empty-start-wait). REPLICAOF NO ONE starts it as it is."
        );
        self.notice(Level::Warning, &text);
        self.rest_or_expire(keyspace);
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
        let loaded = self.log.is_active().then(|| self.log.history().id)?;
        let mut known = [state.position, state.previous].into_iter().flatten();
        known.any(|known| known.id == loaded).then(|| self.log.end())
    }

    /// The history that was loaded is this node's to go on with. It forks, however this node ended: more may have been
    /// told than is on disk, the history may be somebody else's, or the files a copy. Whoever has no more than was loaded
    /// may continue with what is written from here on.
    pub(crate) fn lead(&mut self) {
        if self.log.is_active() {
            self.log.promote(&mut self.rng);
        }
    }

    /// Somebody has taken the place, and is followed.
    pub(super) fn end_claim_wait(&mut self, why: &str) -> bool {
        let waited = self.replication.claim.take().is_some();
        if waited {
            self.notice(Level::Warning, &format!("This node waits for its replicas no longer: {why}"));
        }
        waited
    }

    /// Nobody is to take the place.
    pub(crate) fn serve_unclaimed(&mut self, keyspace: &mut Keyspace, why: &str) {
        if self.end_claim_wait(why) {
            self.lead();
            self.activate_for_aof();
            self.rest_or_expire(keyspace);
        }
    }

    /// The same, if nobody came in time.
    pub(crate) fn serve_unclaimed_if_due(&mut self, keyspace: &mut Keyspace) {
        if self.claim_deadline().is_none_or(|deadline| deadline > self.clock.moment()) {
            return;
        }
        let has = match self.replication.claim.as_ref().map(|wait| &wait.lack) {
            Some(Lack::Data(_)) => "what it has, which is nothing",
            _ => "what it has; its replicas give up what they have beyond that",
        };
        self.serve_unclaimed(keyspace, &format!("none of them took its place. It serves {has}"));
    }
}

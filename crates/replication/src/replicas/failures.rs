//! Full syncs that failed: whoever fails twice in a row for the same reason waits before the next one.
//!
//! A snapshot that cannot be taken to its end costs as much as one that can, and replicas ask again at once.
//! A replica is known by its address and port here, since it comes back as another session; what is known of
//! it is forgotten when it acknowledges the stream.

use std::collections::BTreeMap;

use super::replica::{Phase, Replica};
use super::{Action, ReplicaId, Replicas};
use crate::Moment;

/// The wait after the second failure; it doubles with each further one.
const FIRST_WAIT_MS: u64 = 2000;

/// At most so often.
const MAX_DOUBLINGS: u32 = 5;

/// Replicas of which failures are remembered.
const REMEMBERED: usize = 256;

/// What has failed, by replica.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_replica: BTreeMap<String, Failure>,
    latest: Option<String>,
}

#[derive(Debug)]
struct Failure {
    reason: String,
    /// How often in a row.
    times: u32,
    at: Moment,
}

impl Failure {
    fn wait_ms(&self) -> u64 {
        match self.times {
            0 | 1 => 0,
            times => FIRST_WAIT_MS << (times - 2).min(MAX_DOUBLINGS),
        }
    }
}

impl Failures {
    /// When the next full sync of a replica may begin, if not at once.
    pub(super) fn not_before(&self, replica: &Replica) -> Option<Moment> {
        let failure = self.by_replica.get(&key(replica)?)?;
        Some(failure.at.after_ms(failure.wait_ms()))
    }

    /// Says why a replica has to wait, if it has to.
    pub(super) fn explain(&self, replica: &Replica, actions: &mut Vec<Action>) {
        let Some(failure) = key(replica).and_then(|key| self.by_replica.get(&key)) else { return };
        let Failure { reason, times, .. } = failure;
        if let wait @ 1.. = failure.wait_ms() {
            let seconds = wait / 1000;
            actions.push(Action::warning(format!(
                "Full sync of replica {replica} failed {times} times in a row ({reason}): the next one begins \
                 {seconds} seconds after the last"
            )));
        }
    }

    fn note(&mut self, now: Moment, replica: &Replica, reason: &str) {
        self.latest = Some(format!("{replica}: {reason}"));
        let Some(key) = key(replica) else { return };
        if self.by_replica.len() >= REMEMBERED && !self.by_replica.contains_key(&key) {
            self.by_replica.pop_first();
        }
        let reason = reason.to_owned();
        let failure =
            self.by_replica.entry(key).or_insert(Failure { reason: String::new(), times: 0, at: now });
        let times = if failure.reason == reason { failure.times.saturating_add(1) } else { 1 };
        *failure = Failure { reason, times, at: now };
    }

    fn forget(&mut self, replica: &Replica) {
        if !self.by_replica.is_empty()
            && let Some(key) = key(replica)
        {
            self.by_replica.remove(&key);
        }
    }
}

/// By what a replica is known when it comes back; one without address and port is not.
fn key(replica: &Replica) -> Option<String> {
    let port = replica.profile.port?;
    Some(format!("{}:{port}", replica.address()))
}

impl Replicas {
    /// The latest full sync that failed: whose, and why.
    pub fn latest_sync_failure(&self) -> Option<&str> {
        self.failures.latest.as_deref()
    }

    /// A replica is about to be lost; if that ends a full sync, it has failed.
    pub(super) fn note_failure(&mut self, now: Moment, id: ReplicaId, reason: &str) {
        let Some(replica) = self.replicas.get(&id) else { return };
        if matches!(replica.phase, Phase::Syncing { .. } | Phase::Loading { .. } | Phase::Buffering { .. }) {
            self.failures.note(now, replica, reason);
        }
    }

    /// A replica acknowledges the stream: whatever failed before is over.
    pub(super) fn note_success(&mut self, id: ReplicaId) {
        if let Some(replica) = self.replicas.get(&id) {
            self.failures.forget(replica);
        }
    }
}

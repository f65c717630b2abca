//! REPLICA VERIFY put into effect, on both sides.
//!
//! The primary's machine decides ([`slipstream_replication::verify`]). Here marks go into the log, snapshots
//! are taken exactly there, other threads digest them, and whoever waits gets the answer. On a replica a mark
//! comes down the stream: the snapshot is taken between the commands before and behind it, and what another
//! thread makes of it goes back over the link. A snapshot is held no longer than its verification lasts.

use slipstream_keyspace::{KeyDigest, Keyspace, RangeDigest, Snapshot};
use slipstream_replication::replicas::{Replica, ReplicaId};
use slipstream_replication::verify::{
    Action, Candidate, Demand, Key, Listing, Message, Outcome, Range, Refused, Report, Verify,
};
use slipstream_replication::{Level, Moment};
use slipstream_resp::{Reply, encode_request};

use super::digesting::{DigestOrder, DigestOutcome, DigestTicket, Digested, Digesting};
use crate::errors::CommandError;
use crate::host::Effect;
use crate::node::{Core, Node};
use crate::session::Wait;

/// A snapshot that a replica holds longer than this, in milliseconds, is forgotten: its primary gave up.
const HOLD_MS: u64 = 20 * 60 * 1000;

const STOCK: &str = "it does not speak Slipstream's dialect, so it cannot digest its data at an offset; compare \
                     DEBUG DIGEST on both sides while nothing is written";

/// Verifications of this node's replicas, and of this node by its primary.
#[derive(Debug, Default)]
pub(crate) struct Verifying {
    pub(crate) machine: Verify,
    /// The data at the mark of the verification that is under way.
    own: Option<Held>,
    /// The data at the mark of the primary's verification.
    asked: Option<Held>,
    digesting: Digesting,
    /// When the next one begins by itself.
    due: Option<Moment>,
}

/// A snapshot for a verification.
struct Held {
    run: u64,
    snapshot: Snapshot,
    until: Moment,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("run", &self.run).finish_non_exhaustive()
    }
}

/// The primary's side.
impl Core {
    /// Begins a verification of one replica, named as in INFO, or of all that are online. `Some` if it is over
    /// at once.
    pub(crate) fn verify_replicas(
        &mut self,
        keyspace: &mut Keyspace,
        whom: Option<&str>,
    ) -> Result<Option<Report>, CommandError> {
        if self.is_replica() {
            return Err(CommandError::fixed(
                "ERR REPLICA VERIFY is for a primary; ask the one this node follows",
            ));
        }
        // A key that was found due is gone here and not yet in the log: its deletion goes before the mark.
        self.collect_expired(keyspace);
        self.propagation.flush_each(&mut self.log);
        let now = self.clock.moment();
        let online = self.replication.replicas.iter().filter(|replica| replica.is_online());
        let candidates = online.map(candidate).filter(|c| whom.is_none_or(|name| c.name == name)).collect();
        let mut actions = Vec::new();
        let started = self.replication.verifying.machine.start(now, self.log.end(), candidates, &mut actions);
        started.map_err(|refused: Refused| CommandError::text(refused.to_string()))?;
        self.perform_verify(keyspace, actions);
        let machine = &self.replication.verifying.machine;
        Ok(machine.last().filter(|_| machine.running().is_none()).cloned())
    }

    fn perform_verify(&mut self, keyspace: &Keyspace, actions: Vec<Action>) {
        for action in actions {
            match action {
                // A verification that ends since this node is no primary any more has nobody to tell.
                Action::Mark(_) if self.is_replica() => {}
                Action::Mark(message) => drop(self.append_message(&[b"ping", message.as_bytes()])),
                Action::DigestRanges { run } => {
                    let held = self.hold(keyspace, run);
                    self.digest(DigestTicket { asked: false, run }, held.snapshot.clone(), None);
                    self.replication.verifying.own = Some(held);
                }
                Action::ListKeys { run, ranges } => {
                    if let Some(held) = &self.replication.verifying.own {
                        let snapshot = held.snapshot.clone();
                        self.digest(DigestTicket { asked: false, run }, snapshot, Some(ranges));
                    }
                }
                Action::Finished(report) => self.verified(&report),
            }
        }
    }

    fn hold(&self, keyspace: &Keyspace, run: u64) -> Held {
        Held { run, snapshot: keyspace.snapshot(), until: self.clock.moment().after_ms(HOLD_MS) }
    }

    fn digest(&mut self, ticket: DigestTicket, snapshot: Snapshot, ranges: Option<Vec<u16>>) {
        let order = self.replication.verifying.digesting.begin(DigestOrder { ticket, snapshot, ranges });
        self.effects.extend(order.map(|order| Effect::Digest(Box::new(order))));
    }

    fn verified(&mut self, report: &Report) {
        self.replication.verifying.own = None;
        for copied in &report.copies {
            let text = format!("Verification of replica {}: {}", copied.name, in_words(&copied.outcome));
            let level = match copied.outcome {
                Outcome::Different { .. } => Level::Warning,
                _ => Level::Notice,
            };
            self.notice(level, &text);
        }
        self.finish_waits(Wait::Verification, |reply| write_report(reply, report));
    }

    /// A replica has answered: the value of `REPLCONF verify`.
    pub(crate) fn on_verify_message(&mut self, keyspace: &Keyspace, replica: ReplicaId, message: &[u8]) {
        let Ok(message) = Message::parse(message) else {
            // No error reply: to a replica it would be a part of the stream.
            return self.notice(Level::Warning, "A replica's answer to a verification cannot be read");
        };
        let (now, mut actions) = (self.clock.moment(), Vec::new());
        let machine = &mut self.replication.verifying.machine;
        match message {
            Message::Ranges { run, ranges } => {
                machine.on_ranges(now, (Some(replica), run), ranges, &mut actions);
            }
            Message::Keys { run, listing } => {
                machine.on_keys(now, (Some(replica), run), listing, &mut actions);
            }
            Message::Failed { run, reason } => {
                machine.on_failed(now, (Some(replica), run), &reason, &mut actions);
            }
        }
        self.perform_verify(keyspace, actions);
    }
}

/// The replica's side.
impl Core {
    /// A PING with a message came down the stream: perhaps the primary wants to know how the data is here.
    pub(crate) fn on_ping_message(&mut self, keyspace: &Keyspace, message: &[u8]) {
        let Some(demand) = Demand::parse(message) else { return };
        if !self.replication.link.is_asked_by_stream() {
            return;
        }
        match demand {
            Demand::Ranges { run } if self.has_stale_keys() => {
                let reason = "it restores keys that it wrote behind a fork".to_owned();
                self.tell_primary(&Message::Failed { run, reason });
            }
            Demand::Ranges { run } => {
                let held = self.hold(keyspace, run);
                self.digest(DigestTicket { asked: true, run }, held.snapshot.clone(), None);
                self.replication.verifying.asked = Some(held);
            }
            Demand::Keys { run, ranges } => {
                let held = self.replication.verifying.asked.as_ref().filter(|held| held.run == run);
                match held.map(|held| held.snapshot.clone()) {
                    Some(snapshot) => {
                        self.digest(DigestTicket { asked: true, run }, snapshot, Some(ranges));
                    }
                    None => {
                        let reason = "it has its data at the mark no more".to_owned();
                        self.tell_primary(&Message::Failed { run, reason });
                    }
                }
            }
            Demand::End { .. } => {
                self.replication.verifying.asked = None;
                self.replication.verifying.digesting.forget_asked();
            }
        }
    }

    fn answer_primary(&mut self, run: u64, outcome: DigestOutcome) {
        let is_wanted = self.replication.verifying.asked.as_ref().is_some_and(|held| held.run == run);
        if !is_wanted || !self.replication.link.is_up() {
            return;
        }
        let message = match outcome {
            DigestOutcome::Ranges(ranges) => Message::Ranges { run, ranges: to_ranges(ranges) },
            DigestOutcome::Keys(keys, complete) => Message::Keys { run, listing: to_listing(keys, complete) },
            DigestOutcome::Failed(reason) => Message::Failed { run, reason },
        };
        self.tell_primary(&message);
    }

    fn tell_primary(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        let message = message.encode();
        encode_request(&mut bytes, [b"REPLCONF".as_slice(), b"verify", &message].into_iter());
        self.effects.push(Effect::LinkSend(bytes));
    }
}

impl Node {
    /// Another thread has digested a snapshot, or could not.
    pub fn digested(&mut self, digested: Digested) {
        self.core.tick_clock();
        let next = self.core.replication.verifying.digesting.end();
        self.core.effects.extend(next.map(|order| Effect::Digest(Box::new(order))));
        let Digested { ticket: DigestTicket { asked, run }, outcome } = digested;
        if let DigestOutcome::Failed(reason) = &outcome {
            let text = format!("The data cannot be digested for a verification: {reason}");
            self.core.notice(Level::Warning, &text);
        }
        if asked {
            return self.core.answer_primary(run, outcome);
        }
        let (now, mut actions) = (self.core.clock.moment(), Vec::new());
        let machine = &mut self.core.replication.verifying.machine;
        match outcome {
            DigestOutcome::Ranges(ranges) => {
                machine.on_ranges(now, (None, run), to_ranges(ranges), &mut actions);
            }
            DigestOutcome::Keys(keys, complete) => {
                machine.on_keys(now, (None, run), to_listing(keys, complete), &mut actions);
            }
            DigestOutcome::Failed(reason) => {
                let reason = format!("the primary cannot digest its data: {reason}");
                machine.on_failed(now, (None, run), &reason, &mut actions);
            }
        }
        self.core.perform_verify(&self.keyspace, actions);
        self.run_woken();
    }

    /// Does what is due: gives up what takes too long, begins what `replica-verify-interval` asks for.
    pub(super) fn verification_turn(&mut self) {
        let core = &mut self.core;
        let (now, mut actions) = (core.clock.moment(), Vec::new());
        if core.is_replica() {
            core.replication.verifying.machine.stop(now, &mut actions);
        }
        core.replication.verifying.machine.on_deadline(now, &mut actions);
        core.perform_verify(&self.keyspace, actions);
        let link_up = core.replication.link.is_up();
        core.replication.verifying.asked.take_if(|held| held.until <= now || !link_up);
        let interval = u64::from(core.config.replica_verify_interval) * 1000;
        let due = core.replication.verifying.due;
        if interval == 0 || core.is_replica() {
            core.replication.verifying.due = None;
        } else if due.is_none_or(|due| due <= now) {
            core.replication.verifying.due = Some(now.after_ms(interval));
            if due.is_some() {
                // Without replicas, or while somebody else verifies them, there is nothing to do.
                core.verify_replicas(&mut self.keyspace, None).ok();
            }
        }
    }

    /// A replica is gone.
    pub(crate) fn verification_lost(&mut self, replica: ReplicaId) {
        let (now, mut actions) = (self.core.clock.moment(), Vec::new());
        self.core.replication.verifying.machine.on_closed(now, replica, &mut actions);
        self.core.perform_verify(&self.keyspace, actions);
    }
}

impl Verifying {
    /// None yet.
    pub(super) fn new(rng: &mut fastrand::Rng) -> Verifying {
        Verifying { machine: Verify::numbered_from(rng.u32(..)), ..Verifying::default() }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let asked = self.asked.as_ref().map(|held| held.until);
        [self.machine.deadline(), asked, self.due].into_iter().flatten().min()
    }
}

fn candidate(replica: &Replica) -> Candidate {
    let unable = (!replica.profile.speaks_dialect).then(|| STOCK.to_owned());
    Candidate { id: replica.id, name: replica.to_string(), unable }
}

fn to_ranges(ranges: Vec<RangeDigest>) -> Vec<Range> {
    ranges.into_iter().map(|RangeDigest { keys, sum }| Range { keys, sum }).collect()
}

fn to_listing(keys: Vec<KeyDigest>, complete: bool) -> Listing {
    let key = |KeyDigest { db, key, digest }| Key { db, name: key.into_vec(), digest };
    Listing { keys: keys.into_iter().map(key).collect(), complete }
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Equal => "equal".to_owned(),
        Outcome::Different { ranges, keys, .. } => {
            format!(
                "DIFFERENT in {} ranges of keys, {} keys named by REPLICA VERIFY",
                ranges.len(),
                keys.len()
            )
        }
        Outcome::Failed(reason) | Outcome::Incapable(reason) => format!("not compared: {reason}"),
    }
}

/// The reply of REPLICA VERIFY: one map for each replica.
pub(crate) fn write_report(reply: &mut Reply, report: &Report) {
    reply.array(report.copies.len());
    for copied in &report.copies {
        let pairs = match &copied.outcome {
            Outcome::Equal => 3,
            Outcome::Different { .. } => 6,
            Outcome::Failed(_) | Outcome::Incapable(_) => 4,
        };
        reply.map(pairs);
        reply.bulk(b"replica");
        reply.bulk(copied.name.as_bytes());
        reply.bulk(b"status");
        reply.bulk(copied.outcome.as_str().as_bytes());
        reply.bulk(b"offset");
        reply.bulk_integer(i64::try_from(report.offset.0).unwrap_or(i64::MAX));
        match &copied.outcome {
            Outcome::Equal => {}
            Outcome::Failed(reason) | Outcome::Incapable(reason) => {
                reply.bulk(b"reason");
                reply.bulk(reason.as_bytes());
            }
            Outcome::Different { ranges, keys, complete } => {
                reply.bulk(b"ranges");
                reply.array(ranges.len());
                ranges.iter().for_each(|range| reply.integer((*range).into()));
                reply.bulk(b"keys");
                reply.array(keys.len());
                for difference in keys {
                    reply.array(3);
                    reply.integer(difference.db.into());
                    reply.bulk(&difference.key);
                    reply.bulk(difference.how.as_str().as_bytes());
                }
                reply.bulk(b"complete");
                reply.bulk(if *complete { b"yes" } else { b"no" });
            }
        }
    }
}

//! Who is down: as this sentinel sees it, and as a quorum sees it.
//!
//! A primary is subjectively down when one of these is so:
//! - it has not answered PING in order for down-after;
//! - its host refuses connections (`fast-down`), for longer than a restart of a connection takes; a primary that fences
//!   itself is given down-after all the same, since a firewall may refuse in the place of a process that lives;
//! - it says that it is a replica: at once if the server it names says that it is the primary, after down-after if that
//!   one follows it in turn, else later;
//! - its process is new and has not become ready within `master-reboot-down-after-period`;
//! - it came back without data, and its replicas guard what they have: none of them has its history by now.
//!
//! It is objectively down when as many sentinels as the quorum say so, each within the last seconds.

use std::collections::BTreeMap;

use slipstream_replication::{Level, Moment};

use crate::contact::Contact;
use crate::core::Core;
use crate::failover::Failover;
use crate::group::{Group, OPINION_PERIODS};
use crate::info::{Role, is_history};
use crate::notices::Subject;
use crate::options::GroupOptions;
use crate::peer::{Member, Peer};
use crate::server::{LeaseTerms, Server};

/// For so long every attempt must be refused before a primary is down by that.
pub(crate) const REFUSED_FOR: u64 = 100;
/// A new answer of another sentinel is asked for that often while the primary has just gone down.
const ASK_AT_FIRST: u64 = 100;
/// For so long it has just gone down.
const AT_FIRST: u64 = 2000;

/// Whether a contact has been silent for too long.
fn is_silent(core: &mut Core, contact: &Contact, down_after: u64) -> bool {
    core.is_due(contact.last_valid.after_ms(down_after.saturating_add(1)))
}

impl Server {
    fn is_refusing(&self, core: &mut Core, options: &GroupOptions) -> bool {
        let may_be_fast = options.fast_down && self.info_at.is_some() && !self.report.is_fencing;
        may_be_fast
            && self.contact.refused_since.is_some_and(|since| core.is_due(since.after_ms(REFUSED_FOR)))
    }

    fn is_rebooting_too_long(&self, core: &mut Core, options: &GroupOptions) -> bool {
        let period = options.reboot_down_after;
        period > 0 && self.rebooted_at.is_some_and(|at| core.is_due(at.after_ms(period.saturating_add(1))))
    }
}

impl Group {
    /// Sees who is down by now, and who is not any more.
    pub(crate) fn detect(&mut self, core: &mut Core, peers: &BTreeMap<String, Peer>) {
        let is_down = self.sees_primary_down(core);
        if is_down {
            self.called_down_at = Some(core.now);
        }
        self.note_primary(core, is_down);
        let down_after = self.options.down_after;
        let mut changed = Vec::new();
        for replica in self.replicas.values_mut() {
            let is_down = is_silent(core, &replica.contact, down_after);
            if is_down != replica.down_since.is_some() {
                replica.down_since = is_down.then_some(core.now);
                replica.is_known_gone &= is_down;
                changed.push((replica.number, is_down));
            }
        }
        for (number, is_down) in changed {
            if let Some(replica) = self.server(number) {
                self.tell(core, (Level::Warning, sdown(is_down)), Subject::Replica(replica), "");
            }
        }
        self.detect_members(core, peers);
        self.agree(core);
    }

    fn detect_members(&mut self, core: &mut Core, peers: &BTreeMap<String, Peer>) {
        let down_after = self.options.down_after;
        let mut changed = Vec::new();
        for (id, member) in &mut self.members {
            let Some(contact) = peers.get(id).map(|peer| &peer.contact) else { continue };
            member.is_reachable = contact.is_up();
            let is_down = is_silent(core, contact, down_after);
            if is_down != member.down_since.is_some() {
                member.down_since = is_down.then_some(core.now);
                changed.push((id.clone(), contact, is_down));
            }
        }
        for (id, contact, is_down) in changed {
            self.tell(core, (Level::Warning, sdown(is_down)), Subject::Sentinel(&id, contact), "");
        }
    }

    fn sees_primary_down(&self, core: &mut Core) -> bool {
        let primary = &self.primary;
        // Each has to be asked, so that whatever is not so yet is looked at again when it may be.
        let reasons = [
            is_silent(core, &primary.contact, self.terms().down_after),
            primary.is_refusing(core, &self.options),
            primary.is_rebooting_too_long(core, &self.options),
            self.primary_is_replica(core),
            self.primary_is_outdone(),
        ];
        reasons.contains(&true)
    }

    /// By what the primary is judged. One that fences itself takes writes by what it was told: what was set since, and it
    /// has not heard of, does not shorten that.
    pub(crate) fn terms(&self) -> LeaseTerms {
        let set = LeaseTerms { down_after: self.options.down_after, quorum: self.options.quorum };
        let told = self.primary.lease_terms.filter(|_| self.primary.report.is_fencing).unwrap_or(set);
        LeaseTerms { down_after: set.down_after.max(told.down_after), quorum: set.quorum.max(told.quorum) }
    }

    /// The primary says that it is a replica.
    fn primary_is_replica(&self, core: &mut Core) -> bool {
        // The leader of a planned switchover has told it so.
        let is_told = self.failover.as_ref().is_some_and(Failover::holds_writes);
        if self.primary.role != Role::Replica || is_told {
            return false;
        }
        // What it follows may be a primary that nobody has seen yet; in a circle there is none, and whom a process follows
        // that has just begun nobody has told it.
        let is_sure = self.is_in_circle() || self.primary.is_new(core);
        let unseen = if is_sure { 0 } else { core.timings.info_period * 2 };
        let patience = self.options.down_after.saturating_add(unseen);
        self.handed_over_to().is_some() || core.is_due(self.primary.role_since.after_ms(patience))
    }

    /// The primary follows a replica, and that one, directly or over others, the primary: a planned switchover was begun,
    /// and its leader is gone.
    fn is_in_circle(&self) -> bool {
        let is_heard =
            |replica: &Server| replica.role_heard_at.is_some_and(|at| at > self.primary.role_since);
        let mut below = &self.primary;
        for _ in 0..self.replicas.len() {
            let above = self.replicas.values().find(|replica| below.follows(&replica.contact));
            let Some(above) = above.filter(|above| above.role == Role::Replica && is_heard(above)) else {
                return false;
            };
            if self.is_named_by(above) {
                return true;
            }
            below = above;
        }
        false
    }

    /// The replica that the primary has handed its role to: each of the two says so.
    pub(crate) fn handed_over_to(&self) -> Option<&Server> {
        let named = self.primary.report.primary.as_ref().filter(|_| self.primary.role == Role::Replica);
        let took_over = |replica: &&Server| {
            replica.role == Role::Primary
                && replica.contact.is_up()
                // One that waits for another to take its place has taken nobody's.
                && !replica.report.awaits_claim
                // One that was started again since may have lost what it took over.
                && replica.info_at.is_some_and(|at| at >= replica.contact.line.since)
                && match named {
                    Some(_) => {
                        let is_heir = self.is_heir(replica) && replica.was_promoted();
                        self.primary.follows(&replica.contact) && (self.has_same_history(replica) || is_heir)
                    }
                    // It said nothing before it ended: the history of the other goes on where its own ends. So does that
                    // of one that was started again, with what it had on disk.
                    None => self.is_heir(replica) && self.has_all(replica) && replica.was_replica(),
                }
        };
        self.replicas.values().find(took_over)
    }

    /// Nobody was seen further on in the history that a promoted replica goes on from: the primary did not live on, with
    /// other replicas, when it was promoted.
    fn has_all(&self, heir: &Server) -> bool {
        let of_before = |server: &&Server| server.report.history == heir.report.history_before;
        let reached = self.servers().filter(of_before).map(|server| server.report.offset).max();
        reached.is_none_or(|reached| reached < heir.report.fork)
    }

    /// The history that the primary had as such; empty if it has not said which since it was promoted, or to this sentinel.
    fn led(&self) -> &str {
        self.primary.led.as_ref().filter(|led| led.is_own).map_or("", |led| &led.history)
    }

    /// Both are on the history that the primary had as such; if this sentinel has never heard of that, they have both gone on
    /// from the same place to the history that they are on, which a copy of the other's data has not.
    fn has_same_history(&self, replica: &Server) -> bool {
        let (own, other) = (&self.primary.report, &replica.report);
        if self.primary.led.is_some() {
            return !other.history.is_empty() && other.history == self.led();
        }
        let is_one = own.history == other.history && own.history_before == other.history_before;
        is_history(&own.history_before) && is_one && own.fork == other.fork
    }

    /// A replica was promoted from the history that the primary had when it was last heard.
    fn is_heir(&self, replica: &Server) -> bool {
        let history = self.led();
        !history.is_empty() && replica.report.history_before == history && replica.report.history != history
    }

    /// The primary has come back without what its replicas have: it waits for one of them to take its place, or they guard
    /// their data.
    fn primary_is_outdone(&self) -> bool {
        let awaits_claim = self.primary.role == Role::Primary && self.primary.report.awaits_claim;
        awaits_claim || self.primary_is_refused()
    }

    /// Replicas guard their data against the primary's, and nobody copies it.
    pub(crate) fn primary_is_refused(&self) -> bool {
        let guards = |replica: &Server| {
            replica.role == Role::Replica
                && replica.report.is_guarding
                && replica.down_since.is_none()
                && self.is_named_by(replica)
        };
        // Who guards data of its own beside others that have the primary's is the one that is wrong.
        let follows = |replica: &Server| {
            let report = &replica.report;
            replica.role == Role::Replica
                && replica.down_since.is_none()
                && report.is_link_up
                && report.history == self.primary.report.history
        };
        self.replicas.values().any(guards) && !self.replicas.values().any(follows)
    }

    fn note_primary(&mut self, core: &mut Core, is_down: bool) {
        if is_down == self.is_down() {
            return;
        }
        self.primary.down_since = is_down.then_some(core.now);
        self.tell(core, (Level::Warning, sdown(is_down)), Subject::Primary, "");
        for member in self.members.values_mut() {
            // All are asked at once.
            member.asked_at = None;
            member.sees_down = None;
        }
    }

    /// Whether as many as the quorum see the primary down.
    fn agree(&mut self, core: &mut Core) {
        let sentinels = 1 + self.members.values().filter(|member| member.sees_down_now(core)).count();
        let quorum = usize::try_from(self.terms().quorum).unwrap_or(usize::MAX);
        let is_agreed = self.is_down() && sentinels >= quorum;
        if is_agreed == self.agreed_down_since.is_some() {
            return;
        }
        self.agreed_down_since = is_agreed.then_some(core.now);
        if is_agreed {
            let count = format!("#quorum {sentinels}/{quorum}");
            self.tell(core, (Level::Warning, "+odown"), Subject::Primary, &count);
        } else {
            self.tell(core, (Level::Warning, "-odown"), Subject::Primary, "");
        }
    }

    /// Between two questions for the others' opinion.
    pub(crate) fn ask_period(&self, core: &Core) -> u64 {
        let is_new = |since: Moment| core.now.ms_since(since) < AT_FIRST;
        let is_electing = self.failover.as_ref().is_some_and(|failover| failover.is_electing());
        if self.primary.down_since.is_some_and(is_new) || is_electing {
            core.timings.ask_period.min(ASK_AT_FIRST)
        } else {
            core.timings.ask_period
        }
    }
}

impl Member {
    /// Whether it said lately that it sees the primary down.
    fn sees_down_now(&self, core: &mut Core) -> bool {
        let Some((true, at)) = self.sees_down else { return false };
        !core.is_due(at.after_ms(core.timings.ask_period * OPINION_PERIODS + 1))
    }
}

fn sdown(is_down: bool) -> &'static str {
    if is_down { "+sdown" } else { "-sdown" }
}

//! The other replicas follow the new primary: some at a time, the next as soon as one is done.
//! Whoever cannot be reached is left for when it comes back ([`Group::correct`]).

use slipstream_replication::{Level, Moment};

use super::Step;
use super::selecting::Detachment;
use crate::core::Core;
use crate::group::Group;
use crate::info::Role;
use crate::line::Awaited;
use crate::notices::Subject;
use crate::server::{Server, Turning};

impl Group {
    /// The old primary of a planned switchover is turned first of all, and its clients' writes are refused from then on.
    pub(super) fn turn_old_primary(&mut self, core: &mut Core, number: u64) {
        let place = self.primary_place(core);
        let Group { replicas, options, .. } = self;
        let mut reachable = replicas.values_mut().filter(|replica| replica.contact.is_up());
        let Some(old) = reachable.find(|replica| replica.number == number) else { return };
        old.turn_to(core, options, Some((&place.0, place.1)));
        let client = options.command("CLIENT").to_owned();
        old.contact.order(core, &[&client, "UNPAUSE"], Awaited::Order("CLIENT UNPAUSE"));
        old.turning = Turning::Sent(core.now);
    }

    /// Where the primary is, as replicas are told.
    pub(crate) fn primary_place(&self, core: &Core) -> (String, u16) {
        let contact = &self.primary.contact;
        (contact.shown_host(core.globals.announce_hostnames).to_owned(), contact.address.port)
    }

    pub(super) fn turn_replicas(&mut self, core: &mut Core, since: Moment) -> Step {
        self.note_progress(core);
        if core.is_due(since.after_ms(self.options.failover_timeout)) {
            return self.end_for_timeout(core);
        }
        if self.agreed_down_since.is_some() {
            let text = format!("The new primary of {} is down: nobody is turned to it any more.", self.name);
            core.log(Level::Warning, text);
            self.tell(core, (Level::Warning, "+failover-end"), Subject::Primary, "");
            self.end_turning();
            return Step::End;
        }
        self.turn_next(core);
        let is_open = |replica: &&Server| can_be_turned(replica) && replica.turning != Turning::Done;
        if self.replicas.values().any(|replica| is_open(&replica)) {
            return Step::Stay;
        }
        self.tell(core, (Level::Warning, "+failover-end"), Subject::Primary, "");
        self.end_turning();
        Step::End
    }

    /// Sees who follows by now.
    fn note_progress(&mut self, core: &mut Core) {
        let mut events = Vec::new();
        let primary = &self.primary.contact;
        for replica in self.replicas.values_mut() {
            let told = match replica.turning {
                Turning::Sent(at) | Turning::InProgress(at) => at,
                Turning::No | Turning::Done => continue,
            };
            let follows = replica.role == Role::Replica
                && replica.role_heard_at.is_some_and(|at| at >= told)
                && replica.report.primary.as_ref().is_some_and(|address| primary.is_at(address));
            if follows && matches!(replica.turning, Turning::Sent(_)) {
                replica.turning = Turning::InProgress(told);
                events.push((replica.number, "+slave-reconf-inprog"));
            }
            if follows && replica.report.is_link_up {
                replica.turning = Turning::Done;
                events.push((replica.number, "+slave-reconf-done"));
            } else if !follows && core.is_due(told.after_ms(core.timings.replica_reconf_timeout)) {
                replica.turning = Turning::Done;
                events.push((replica.number, "-slave-reconf-sent-timeout"));
            }
        }
        for (number, event) in events {
            if let Some(replica) = self.server(number) {
                self.tell(core, (Level::Notice, event), Subject::Replica(replica), "");
            }
        }
    }

    /// Tells as many as may be turned at a time.
    fn turn_next(&mut self, core: &mut Core) {
        let most = usize::try_from(self.options.parallel_syncs).unwrap_or(usize::MAX);
        let is_turning =
            |replica: &&Server| matches!(replica.turning, Turning::Sent(_) | Turning::InProgress(_));
        let busy = self.replicas.values().filter(|replica| can_be_turned(replica)).filter(is_turning).count();
        let mut waiting = |replica: &&Server| {
            can_be_turned(replica) && replica.turning == Turning::No && replica.may_be_corrected(core)
        };
        let next: Vec<u64> =
            self.replicas.values().filter(&mut waiting).map(|replica| replica.number).collect();
        for number in next.into_iter().take(most.saturating_sub(busy)) {
            self.turn(core, (number, "+slave-reconf-sent"));
        }
    }

    /// Tells one replica whom it follows from now on.
    pub(crate) fn turn(&mut self, core: &mut Core, (number, event): (u64, &'static str)) {
        let place = self.primary_place(core);
        let Group { replicas, options, .. } = self;
        let Some(replica) = replicas.values_mut().find(|replica| replica.number == number) else { return };
        replica.turn_to(core, options, Some((&place.0, place.1)));
        replica.turning = Turning::Sent(core.now);
        replica.corrected_at = Some(core.now);
        if let Some(replica) = self.server(number) {
            self.tell(core, (Level::Notice, event), Subject::Replica(replica), "");
        }
    }

    fn end_for_timeout(&mut self, core: &mut Core) -> Step {
        self.tell(core, (Level::Warning, "+failover-end-for-timeout"), Subject::Primary, "");
        self.tell(core, (Level::Warning, "+failover-end"), Subject::Primary, "");
        let untold = |replica: &&Server| replica.contact.is_up() && replica.turning == Turning::No;
        let rest: Vec<u64> = self.replicas.values().filter(untold).map(|replica| replica.number).collect();
        for number in rest {
            self.turn(core, (number, "+slave-reconf-sent-be"));
        }
        self.end_turning();
        Step::End
    }

    fn end_turning(&mut self) {
        for replica in self.replicas.values_mut() {
            (replica.turning, replica.detachment) = (Turning::No, Detachment::default());
        }
    }
}

/// Whoever is gone is turned when it comes back, and whoever loads its data, and obeys nobody meanwhile, when it has it.
fn can_be_turned(replica: &Server) -> bool {
    replica.contact.is_up() && replica.down_since.is_none() && !replica.report.is_loading
}

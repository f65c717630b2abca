//! A planned switchover: the primary is none any more before the target becomes one.
//!
//! It is told to follow the target, which has everything by then, and the target is promoted when it says that it does.
//! So there are never two primaries, whoever dies on the way: with a leader that is gone, both are replicas of each other
//! and nobody takes writes, which the other sentinels see ([`Group::is_in_circle`]) and mend by a failover. Its clients
//! wait meanwhile; they are sent away once they can be told where to go.

use slipstream_replication::{Level, Moment};

use super::{Phase, Step};
use crate::core::Core;
use crate::group::Group;
use crate::info::Role;
use crate::line::Awaited;
use crate::notices::Subject;

/// ROLE is asked again after that.
const POLL: u64 = 100;

impl Group {
    /// Tells the primary to follow the target.
    pub(super) fn step_down(&mut self, core: &mut Core, (number, paused_at): (u64, Moment)) -> Step {
        let names = core.globals.announce_hostnames;
        let Some(target) = self.server(number) else {
            return self.abort_switchover(core, "-failover-abort-slave-timeout");
        };
        let (host, port) = (target.contact.shown_host(names).to_owned(), target.contact.address.port);
        self.order_primary(core, (&host, &port.to_string()));
        Step::Go(Phase::SteppingDown { target: number, since: core.now, paused_at })
    }

    /// Tells the primary whom it follows, and asks what it is then. It is not told to remember that: the switch may come
    /// to nothing.
    fn order_primary(&mut self, core: &mut Core, (host, port): (&str, &str)) {
        let Group { primary, options, .. } = self;
        let request = [options.command("SLAVEOF"), host, port];
        primary.contact.order(core, &request, Awaited::ReplicaOf(core.now));
        primary.contact.order(core, &[options.command("ROLE")], Awaited::Role);
        primary.role_asked_at = Some(core.now);
    }

    /// Looks whether the primary says that it follows the target.
    pub(super) fn await_step_down(
        &mut self,
        core: &mut Core,
        (number, since): (u64, Moment),
        paused_at: &mut Moment,
    ) -> Step {
        let primary = &self.primary;
        let named = primary.report.primary.as_ref().filter(|_| primary.role == Role::Replica);
        let target = self.server(number);
        let is_there = named.zip(target).is_some_and(|(named, target)| target.contact.is_at(named));
        if is_there && primary.role_heard_at.is_some_and(|at| at >= since) {
            let text = format!("{}: the primary has stepped down for its replica.", self.name);
            core.log(Level::Notice, text);
            return Step::Go(self.promote(core, (number, Some(*paused_at))));
        }
        let is_gone = !primary.contact.is_up() || target.is_none_or(|target| !target.contact.is_up());
        let is_refused = primary.disobeys(since);
        if is_gone || is_refused || core.is_due(since.after_ms(self.options.switchover_timeout / 2)) {
            self.take_back(core);
            self.tell(core, (Level::Warning, "-failover-abort-master-timeout"), Subject::Primary, "");
            return Step::End;
        }
        self.keep_paused(core, paused_at);
        let Group { primary, options, .. } = self;
        if primary.role_asked_at.is_none_or(|at| core.is_due(at.after_ms(POLL))) {
            primary.ask_role(core, options);
            core.is_due(core.now.after_ms(POLL));
        }
        Step::Stay
    }

    /// The primary is one again, and its clients go on. If it cannot be told, it is found out later what it is.
    pub(super) fn take_back(&mut self, core: &mut Core) {
        self.order_primary(core, ("NO", "ONE"));
        self.release_primary(core);
    }

    /// Writes wait until it is known who is the primary.
    pub(super) fn keep_paused(&mut self, core: &mut Core, paused_at: &mut Moment) {
        if core.is_due(paused_at.after_ms(self.options.switchover_timeout / 2)) {
            *paused_at = core.now;
            self.pause_primary(core);
        }
    }
}

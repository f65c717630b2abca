//! A replica becomes the primary, and the group changes with it.
//!
//! ROLE goes with SLAVEOF NO ONE, so its reply shows the promotion; if the connection breaks in between, the next one
//! shows it.

use slipstream_replication::{Level, Moment};

use super::selecting::Detachment;
use super::{Phase, Step};
use crate::core::Core;
use crate::group::Group;
use crate::info::Role;
use crate::line::Awaited;
use crate::notices::Subject;
use crate::options::GroupOptions;
use crate::server::Server;

/// ROLE is asked again after that.
const POLL: u64 = 100;
/// A planned switchover's promotion is given up after so many times the time that writes may wait.
const PAUSES: u64 = 3;

impl Server {
    /// Makes it follow another, or nobody, in one transaction: it also keeps that in its configuration file, and lets its
    /// clients go, who ask the sentinels then. ROLE behind it shows how it went.
    pub(crate) fn turn_to(&mut self, core: &mut Core, options: &GroupOptions, primary: Option<(&str, u16)>) {
        let port = primary.map_or(String::new(), |(_, port)| port.to_string());
        let (host, port) = primary.map_or(("NO", "ONE"), |(host, _)| (host, port.as_str()));
        let client = options.command("CLIENT");
        let requests: [&[&str]; 6] = [
            &[options.command("MULTI")],
            &[options.command("SLAVEOF"), host, port],
            &[options.command("CONFIG"), "REWRITE"],
            &[client, "KILL", "TYPE", "normal"],
            &[client, "KILL", "TYPE", "pubsub"],
            &[options.command("EXEC")],
        ];
        for request in requests {
            self.contact.order(core, request, Awaited::Nothing);
        }
        self.contact.order(core, &[options.command("ROLE")], Awaited::Role);
        self.role_asked_at = Some(core.now);
        self.detachment = Detachment::default();
    }
}

impl Group {
    /// Tells a replica to be the primary. `paused_at` is when writes began to wait for that.
    pub(super) fn promote(&mut self, core: &mut Core, (number, paused_at): (u64, Option<Moment>)) -> Phase {
        let Group { primary, replicas, options, .. } = self;
        if let Some(target) = replicas.values_mut().chain([primary]).find(|server| server.number == number) {
            target.turn_to(core, options, None);
        }
        if let Some(replica) = self.server(number) {
            self.tell(core, (Level::Notice, "+failover-state-wait-promotion"), Subject::Replica(replica), "");
        }
        Phase::Promoting { target: number, since: core.now, paused_at }
    }

    /// Looks whether the target says that it is the primary.
    pub(super) fn await_promotion(
        &mut self,
        core: &mut Core,
        epoch: u64,
        (number, since): (u64, Moment),
        paused_at: &mut Option<Moment>,
    ) -> Step {
        let Some(target) = self.server(number) else {
            return self.abort_promotion(core, (number, paused_at.is_some()));
        };
        let says_so = target.role_heard_at.is_some_and(|at| at >= since) && target.role == Role::Primary;
        if says_so {
            return self.switch_to_promoted(core, epoch, (number, paused_at.is_some()));
        }
        let is_down = target.down_since.is_some() || target.contact.refused_since.is_some();
        let bound = match paused_at {
            Some(_) => {
                self.options.switchover_timeout.saturating_mul(PAUSES).min(self.options.failover_timeout)
            }
            None => self.options.failover_timeout,
        };
        if is_down || core.is_due(since.after_ms(bound)) {
            return self.abort_promotion(core, (number, paused_at.is_some()));
        }
        if let Some(paused_at) = paused_at {
            self.keep_paused(core, paused_at);
        }
        let Group { replicas, options, .. } = self;
        if let Some(target) = replicas.values_mut().find(|replica| replica.number == number)
            && target.role_asked_at.is_none_or(|at| core.is_due(at.after_ms(POLL)))
        {
            target.ask_role(core, options);
            core.is_due(core.now.after_ms(POLL));
        }
        Step::Stay
    }

    fn abort_promotion(&mut self, core: &mut Core, (number, is_paused): (u64, bool)) -> Step {
        if is_paused {
            // Should it have heard the order after all, the primary's word is the last one.
            let names = core.globals.announce_hostnames;
            let Group { primary, replicas, options, .. } = self;
            let place = (primary.contact.shown_host(names).to_owned(), primary.contact.address.port);
            if let Some(target) = replicas.values_mut().find(|replica| replica.number == number) {
                target.turn_to(core, options, Some((&place.0, place.1)));
            }
            self.take_back(core);
        }
        self.abort(core, "-failover-abort-slave-timeout")
    }

    /// The replica is the primary now: for this sentinel at once, for the others when that is on disk.
    fn switch_to_promoted(&mut self, core: &mut Core, epoch: u64, (number, is_paused): (u64, bool)) -> Step {
        if let Some(replica) = self.server(number) {
            self.tell(core, (Level::Warning, "+promoted-slave"), Subject::Replica(replica), "");
        }
        if core.simulated.crash_after_promotion {
            return self.crash(core);
        }
        self.tell(core, (Level::Warning, "+failover-state-reconf-slaves"), Subject::Primary, "");
        let Some(address) = self.server(number).map(|replica| replica.contact.address.clone()) else {
            return Step::End;
        };
        self.config_epoch = epoch;
        self.lost_attempts = 0;
        let old = self.primary.number;
        self.switch_primary(core, &address, true);
        if is_paused {
            self.turn_old_primary(core, old);
        }
        Step::Go(Phase::Turning { since: core.now })
    }
}

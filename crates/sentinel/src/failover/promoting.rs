//! A replica becomes the primary, and the group changes with it.
//!
//! ROLE goes with SLAVEOF NO ONE, so its reply shows the promotion; if the connection breaks in between, the next one
//! shows it. SLAVEOF goes in one transaction with what should come with it; where that is refused, by a right that is
//! missing or a command that has another name there, SLAVEOF counts alone.

use slipstream_replication::{Level, Moment};
use slipstream_resp::Value;

use super::selecting::Detachment;
use super::{Phase, Step};
use crate::core::Core;
use crate::group::Group;
use crate::info::Role;
use crate::line::Awaited;
use crate::notices::Subject;
use crate::options::GroupOptions;
use crate::server::{Server, Turning};

/// ROLE is asked again after that.
const POLL: u64 = 100;
/// A planned switchover's promotion is given up after so many times the time that writes may wait.
const PAUSES: u64 = 3;

/// Whom a server was told to follow, or nobody, in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) at: Moment,
    pub(crate) primary: Option<(String, u16)>,
}

/// What is awaited of its steps, one after another.
fn turn_awaited(at: Moment) -> impl Iterator<Item = Awaited> {
    [Awaited::ReplicaOf(at)]
        .into_iter()
        .chain(["CONFIG REWRITE", "CLIENT KILL", "CLIENT KILL"].map(Awaited::Order))
}

impl Server {
    /// Makes it follow another, or nobody, in one transaction: it also keeps that in its configuration file, and lets its
    /// clients go, who ask the sentinels then. ROLE behind it shows how it went.
    pub(crate) fn turn_to(&mut self, core: &mut Core, options: &GroupOptions, primary: Option<(&str, u16)>) {
        let primary = primary.map(|(host, port)| (host.to_owned(), port));
        let turn = Turn { at: core.now, primary };
        self.contact.order(core, &[options.command("MULTI")], Awaited::Order("MULTI"));
        self.order_turn(core, options, &turn);
        self.contact.order(core, &[options.command("EXEC")], Awaited::Exec(turn));
        self.ask_how_it_went(core, options);
        self.detachment = Detachment::default();
    }

    /// What a turn consists of.
    fn order_turn(&mut self, core: &mut Core, options: &GroupOptions, turn: &Turn) {
        let (host, port) = match &turn.primary {
            Some((host, port)) => (host.as_str(), port.to_string()),
            None => ("NO", "ONE".to_owned()),
        };
        let client = options.command("CLIENT");
        let requests: [&[&str]; 4] = [
            &[options.command("SLAVEOF"), host, &port],
            &[options.command("CONFIG"), "REWRITE"],
            &[client, "KILL", "TYPE", "normal"],
            &[client, "KILL", "TYPE", "pubsub"],
        ];
        for (request, awaited) in requests.into_iter().zip(turn_awaited(turn.at)) {
            self.contact.order(core, request, awaited);
        }
    }

    fn ask_how_it_went(&mut self, core: &mut Core, options: &GroupOptions) {
        self.contact.order(core, &[options.command("ROLE")], Awaited::Role);
        self.role_asked_at = Some(core.now);
    }
}

impl Group {
    /// A server was told then whom to follow.
    pub(crate) fn on_told_to_follow(&mut self, number: u64, (at, reply): (Moment, &Value)) {
        let (Some((server, _)), Value::Error(reason)) = (self.server_mut(number), reply) else { return };
        server.disobeyed_at = server.disobeyed_at.max(Some(at));
        // It will, as soon as INFO says that it has loaded its data.
        if reason.starts_with("LOADING") {
            (server.report.is_loading, server.info_asked_at) = (true, None);
            server.turning = Turning::No;
        }
    }

    /// A server was told that in a transaction.
    pub(crate) fn on_turned(&mut self, core: &mut Core, number: u64, (turn, reply): (&Turn, &Value)) {
        match reply {
            Value::Array(results) => {
                for (awaited, result) in turn_awaited(turn.at).zip(results) {
                    self.note_answer(core, number, (&awaited, result));
                    if let Awaited::ReplicaOf(at) = awaited {
                        self.on_told_to_follow(number, (at, result));
                    }
                }
            }
            // Without MULTI each of them was done by itself.
            Value::Error(reason) if reason.starts_with("ERR EXEC without MULTI") => {}
            Value::Error(reason) if reason.starts_with("EXECABORT") => {
                self.turn_step_by_step(core, number, turn)
            }
            _ => self.on_told_to_follow(number, (turn.at, reply)),
        }
    }

    /// One step spoiled the others: each is ordered by itself, unless it was SLAVEOF that is refused, or it is over.
    fn turn_step_by_step(&mut self, core: &mut Core, number: u64, turn: &Turn) {
        let is_meant = match (&turn.primary, self.failover.as_ref().map(|failover| &failover.phase)) {
            (Some(place), _) => *place == self.primary_place(core),
            (None, Some(Phase::Promoting { target, .. })) => *target == number,
            (None, _) => false,
        };
        let options = self.options.clone();
        let Some((server, _)) = self.server_mut(number).filter(|_| is_meant) else { return };
        let is_order = |awaited: &Awaited| matches!(awaited, Awaited::ReplicaOf(_) | Awaited::Exec(_));
        // What it was told since counts.
        if server.disobeys(turn.at) || server.contact.line.awaited.iter().any(is_order) {
            return;
        }
        let turn = Turn { at: core.now, primary: turn.primary.clone() };
        server.order_turn(core, &options, &turn);
        server.ask_how_it_went(core, &options);
    }

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
        let is_refused = target.disobeys(since);
        // It was connected to again since it was told, and is still a replica: it has not heard it, or is another process.
        let opened = target.contact.line.since;
        let has_missed_it = opened > since
            && target.role == Role::Replica
            && target.role_heard_at.is_some_and(|at| at >= opened);
        let bound = match paused_at {
            Some(_) => {
                self.options.switchover_timeout.saturating_mul(PAUSES).min(self.options.failover_timeout)
            }
            None => self.options.failover_timeout,
        };
        if is_down || is_refused || has_missed_it || core.is_due(since.after_ms(bound)) {
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

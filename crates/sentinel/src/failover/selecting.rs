//! Which replica is promoted: the offsets of this moment, and what must not be lost.
//!
//! All replicas that can be reached are asked once more; whoever answers may be chosen. Of those the best has, in this
//! order: the lowest priority (0 is never promoted), no more than `promote-max-lag-bytes` behind the furthest, the wanted
//! zone, the highest offset, the lowest run id. Where no acknowledged write may be lost, the offset comes first, and so
//! many must have answered that one of them has every acknowledged write: of R replicas, R − N + 1 where each write is on
//! N of them.

use std::cmp::Reverse;

use slipstream_replication::{Level, Moment};

use super::{Cause, Step};
use crate::core::Core;
use crate::group::Group;
use crate::info::Role;
use crate::line::Awaited;
use crate::notices::Subject;
use crate::options::{GroupOptions, SafeFailover};
use crate::server::Server;

/// The most that is waited for those who can be reached.
const PATIENCE: u64 = 500;

/// What counts of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    pub(super) number: u64,
    pub(super) priority: u32,
    pub(super) zone: &'a str,
    pub(super) offset: u64,
    pub(super) run_id: &'a str,
    /// Of which history its data is.
    pub(super) history: &'a str,
}

/// How candidates are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranking<'a> {
    pub(super) max_lag: u64,
    pub(super) zone: &'a str,
    /// The primary's history; offsets of another cannot be compared with it.
    pub(super) history: &'a str,
    /// Whether no acknowledged write may be lost.
    pub(super) is_safe: bool,
}

/// Why nobody was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoChoice {
    /// There is none that may be promoted.
    None,
    /// One that may not be promoted is further than all that may.
    BehindUnpromotable,
}

/// The best of the candidates.
pub(super) fn best(candidates: &[Candidate<'_>], ranking: Ranking<'_>) -> Result<u64, NoChoice> {
    let is_same = |candidate: &&Candidate<'_>| candidate.history == ranking.history;
    let has_same = candidates.iter().any(|candidate| is_same(&candidate));
    let candidates: Vec<&Candidate<'_>> =
        candidates.iter().filter(|candidate| !has_same || is_same(candidate)).collect();
    let furthest = candidates.iter().map(|candidate| candidate.offset).max().unwrap_or(0);
    let rank = |candidate: &&&Candidate<'_>| {
        let lag = furthest - candidate.offset;
        (
            ranking.is_safe && lag > 0,
            candidate.priority,
            ranking.max_lag > 0 && lag > ranking.max_lag,
            !ranking.zone.is_empty() && candidate.zone != ranking.zone,
            Reverse(candidate.offset),
            candidate.run_id.to_owned(),
        )
    };
    let promotable = candidates.iter().filter(|candidate| candidate.priority > 0);
    let best = promotable.min_by_key(rank).ok_or(NoChoice::None)?;
    if ranking.is_safe && best.offset < furthest {
        return Err(NoChoice::BehindUnpromotable);
    }
    Ok(best.number)
}

/// How many of `replicas` must answer so that one of them has every write that `copies` of them have; 0 if none must, or
/// nobody can have any.
pub(super) fn answers_needed(safe: SafeFailover, copies: u32, replicas: usize) -> usize {
    let copies = usize::try_from(copies).unwrap_or(usize::MAX);
    match safe {
        SafeFailover::No => 0,
        SafeFailover::Auto if copies == 0 => 0,
        _ if replicas == 0 => 0,
        SafeFailover::Auto | SafeFailover::Yes => {
            (replicas + 1).saturating_sub(copies.max(1)).max(1).min(replicas)
        }
    }
}

impl Group {
    /// Asks all replicas where they are.
    pub(super) fn begin_selection(&mut self, core: &mut Core) {
        self.servers_mut().for_each(|server| server.selected_at = None);
        self.ask_where_they_are(core);
    }

    /// Asks those who were not asked, or have come back since.
    fn ask_where_they_are(&mut self, core: &mut Core) {
        let Group { replicas, options, .. } = self;
        for replica in replicas.values_mut() {
            let is_asked = replica.contact.line.awaited.contains(&Awaited::Selection);
            if replica.contact.is_up() && replica.selected_at.is_none() && !is_asked {
                replica.contact.order(core, &[options.command("INFO")], Awaited::Selection);
            }
        }
    }

    /// Chooses, once all who can be reached have answered.
    pub(super) fn select(
        &mut self,
        core: &mut Core,
        cause: Cause,
        (since, waits_for): (Moment, &mut Option<String>),
    ) -> Step {
        if cause == Cause::Down && !self.leases_are_over(core) {
            return Step::Stay;
        }
        self.ask_where_they_are(core);
        let is_open = |replica: &Server| {
            replica.contact.is_up() && replica.down_since.is_none() && replica.selected_at.is_none()
        };
        if self.replicas.values().any(is_open) && !core.is_due(since.after_ms(PATIENCE)) {
            return Step::Stay;
        }
        let answered: Vec<&Server> = self.replicas.values().filter(|replica| has_answered(replica)).collect();
        if let Some(heir) = self.handed_over_to().filter(|heir| has_answered(heir)) {
            let number = heir.number;
            return self.choose(core, cause, number);
        }
        let candidates: Vec<Candidate<'_>> =
            answered.iter().map(|replica| self.candidate(replica, self.is_fit(core, replica))).collect();
        let history = self.history_to_compare(&candidates);
        let comparable = candidates.iter().filter(|candidate| candidate.history == history).count();
        // Whoever has nothing of that history has none of its writes.
        let strangers = candidates.len() - comparable;
        let copies = self.copies();
        let needed = match cause {
            Cause::Down => {
                let replicas = self.countable(core).saturating_sub(strangers);
                answers_needed(self.options.safe_failover, copies, replicas)
            }
            // Nothing is lost in a planned one, and a forced one asks for no guarantee.
            Cause::Planned | Cause::Forced => 0,
        };
        if comparable < needed {
            let known = self.replicas.len();
            let text = format!(
                "{comparable} of {known} replicas answered, {needed} are needed so that no acknowledged write is lost (min-replicas-to-ack {copies}, safe-failover)"
            );
            return self.wait_for_answers(core, since, (waits_for, text));
        }
        let GroupOptions { promote_max_lag_bytes, promote_zone, .. } = &self.options;
        let ranking =
            Ranking { max_lag: *promote_max_lag_bytes, zone: promote_zone, history, is_safe: needed > 0 };
        match best(&candidates, ranking) {
            Ok(number) => self.choose(core, cause, number),
            Err(NoChoice::BehindUnpromotable) => {
                let text = "a replica that may not be promoted has writes that no other has".to_owned();
                self.wait_for_answers(core, since, (waits_for, text))
            }
            Err(NoChoice::None) => self.abort(core, "-failover-abort-no-good-slave"),
        }
    }

    /// A primary that fences itself and still answers takes writes until its leases are over: nobody renews them by now.
    fn leases_are_over(&self, core: &mut Core) -> bool {
        let down_after = self.options.down_after;
        let has_leases = self.primary.report.is_fencing
            && core.now.ms_since(self.primary.contact.last_valid) <= down_after;
        !has_leases || self.agreed_down_since.is_none_or(|since| core.is_due(since.after_ms(down_after)))
    }

    /// Waits for more answers, and says why, once for each reason.
    fn wait_for_answers(
        &mut self,
        core: &mut Core,
        since: Moment,
        (waits_for, text): (&mut Option<String>, String),
    ) -> Step {
        if core.is_due(since.after_ms(self.options.failover_timeout)) {
            return self.abort(core, "-failover-abort-no-good-slave");
        }
        if waits_for.as_ref() != Some(&text) {
            core.log(Level::Warning, format!("The failover of {} waits: {text}.", self.name));
            *waits_for = Some(text);
        }
        core.is_due(core.now.after_ms(PATIENCE));
        Step::Stay
    }

    /// One that is not fit counts with its offset, and is not promoted. One that went a way of its own, as a primary, has
    /// the primary's history up to where it left that.
    fn candidate<'a>(&self, replica: &'a Server, is_fit: bool) -> Candidate<'a> {
        let report = &replica.report;
        let history = &self.primary.report.history;
        let has_left = report.history != *history && report.history_before == *history;
        let (history, offset) = match has_left {
            true => (&report.history_before, report.fork.saturating_sub(1).min(report.offset)),
            false => (&report.history, report.offset),
        };
        Candidate {
            number: replica.number,
            priority: if is_fit { report.priority } else { 0 },
            zone: &report.zone,
            offset,
            run_id: &report.run_id,
            history,
        }
    }

    /// On how many replicas an acknowledged write is. Who never heard the primary takes the replicas' word: they have the
    /// same configuration.
    fn copies(&self) -> u32 {
        if self.primary.info_at.is_some() {
            return self.primary.report.min_replicas_to_ack;
        }
        let told = self.replicas.values().map(|replica| replica.report.min_replicas_to_ack);
        told.filter(|copies| *copies > 0).min().unwrap_or(0)
    }

    /// The primary's history; if that is not known, the one of whoever is furthest.
    fn history_to_compare<'a>(&'a self, candidates: &[Candidate<'a>]) -> &'a str {
        let known = self.primary.report.history.as_str();
        let furthest = candidates.iter().max_by_key(|candidate| candidate.offset);
        if known.is_empty() { furthest.map_or("", |candidate| candidate.history) } else { known }
    }

    /// Replicas that may have acknowledged a write: all but those that were gone while the primary was last seen without
    /// them.
    fn countable(&self, core: &Core) -> usize {
        let margin = core.timings.ping_period * 2;
        let listed_at = self.primary.role_heard_at;
        let may_have = |replica: &&Server| {
            let was_gone = replica
                .down_since
                .is_some_and(|since| listed_at.is_some_and(|at| since.after_ms(margin) < at));
            !was_gone || listed_at.is_some_and(|at| replica.listed_at == Some(at))
        };
        self.replicas.values().filter(may_have).count()
    }

    /// Whether a replica that answered may be promoted at all.
    fn is_fit(&self, core: &Core, replica: &Server) -> bool {
        // As in Redis: whose link had been down long before the primary was has old data.
        let primary = &self.primary;
        // One that says it is a replica is none to copy from since then, and is called down later.
        let gone_since = match primary.role {
            Role::Primary => primary.down_since,
            Role::Replica => primary.down_since.map(|since| since.min(primary.role_since)),
        };
        let primary_down = gone_since.map_or(0, |since| core.now.ms_since(since));
        let longest = self.options.down_after.saturating_mul(10).saturating_add(primary_down);
        let is_stale = !replica.report.is_link_up && replica.report.link_down_ms > longest;
        !is_stale && !replica.report.is_stopped
    }

    fn choose(&mut self, core: &mut Core, cause: Cause, number: u64) -> Step {
        if let Some(replica) = self.server(number) {
            self.tell(core, (Level::Warning, "+selected-slave"), Subject::Replica(replica), "");
            self.tell(
                core,
                (Level::Notice, "+failover-state-send-slaveof-noone"),
                Subject::Replica(replica),
                "",
            );
        }
        match cause {
            Cause::Planned => self.begin_catching_up(core, number),
            Cause::Down | Cause::Forced => Step::Go(self.promote(core, (number, None))),
        }
    }
}

fn has_answered(replica: &Server) -> bool {
    replica.contact.is_up() && replica.selected_at.is_some()
}

#[cfg(test)]
mod tests;

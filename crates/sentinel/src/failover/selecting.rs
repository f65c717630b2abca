//! Which replica is promoted: the offsets of this moment, and what must not be lost.
//!
//! All replicas that can be reached are asked once more; whoever answers may be chosen. Of those the best has, in this
//! order: the lowest priority (0 is never promoted), no more than `promote-max-lag-bytes` behind the furthest, the wanted
//! zone, the highest offset, the lowest run id. Where no acknowledged write may be lost, the offset comes first, and so
//! many must have answered that one of them has every acknowledged write: of R replicas, R − N + 1 where each write is on
//! N of them. Before they are asked they leave the primary (REPLICA DETACH), so that it can acknowledge nothing any more
//! that they have not told: fewer than N are left to it.
//!
//! A primary that is back, and waits for a replica to take its place since its disk may lack something, is left in its
//! place if none of them has more than itself. Shortly before it would serve whatever it lacks, whoever has more is good
//! enough.

mod counting;
mod detaching;
mod fitness;
mod histories;
mod ranking;

use slipstream_replication::{Level, Moment};

use self::counting::answers_needed;
pub(crate) use self::detaching::Detachment;
use self::histories::Told;
use self::ranking::{Candidate, NoChoice, Ranking, best};
use super::{Cause, Phase, Step};
use crate::core::Core;
use crate::group::Group;
use crate::info::{Role, is_history};
use crate::line::Awaited;
use crate::notices::Subject;
use crate::options::{GroupOptions, SafeFailover};
use crate::server::Server;

/// The most that is waited for those who can be reached.
const PATIENCE: u64 = 500;
/// A primary that waits for no longer than this is replaced by whoever has more than itself.
const LAST_CHANCE: u64 = 3000;
/// One whose answer does not count yet is asked again after that.
const POLL: u64 = 100;

/// A choice that is not made yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selecting {
    since: Moment,
    /// When replicas were first asked; not while the primary may take writes.
    asked_at: Option<Moment>,
    /// Why it waits, as it was said last.
    waits_for: Option<String>,
}

impl Group {
    /// Whoever was asked before is asked anew.
    pub(super) fn begin_selection(&mut self, core: &Core) -> Phase {
        self.servers_mut().for_each(Server::forget_selection);
        Phase::Selecting(Selecting { since: core.now, asked_at: None, waits_for: None })
    }

    /// Asks all replicas where they are: those who were not asked, or have come back since.
    fn ask_where_they_are(&mut self, core: &mut Core, (cause, epoch): (Cause, u64)) {
        let is_safe = self.is_safe(cause);
        if is_safe {
            self.detach_replicas(core, epoch);
        }
        let Group { replicas, options, .. } = self;
        for replica in replicas.values_mut().filter(|replica| replica.contact.is_up()) {
            let is_asked = replica.contact.line.awaited.contains(&Awaited::Selection)
                || replica.selected_at.is_some_and(|at| !core.is_due(at.after_ms(POLL)));
            if !is_asked && !has_answered(core, replica, is_safe) {
                replica.contact.order(core, &[options.command("INFO")], Awaited::Selection);
            }
        }
    }

    /// Whether no acknowledged write may be lost: not in a planned one, where nothing is lost anyway, and not in a forced
    /// one, which asks for no guarantee.
    fn is_safe(&self, cause: Cause) -> bool {
        let wants = match self.options.safe_failover {
            SafeFailover::No => false,
            SafeFailover::Auto => self.copies() > 0,
            SafeFailover::Yes => true,
        };
        wants && matches!(cause, Cause::Down | Cause::Wanted)
    }

    /// Chooses, once all who can be reached have answered.
    pub(super) fn select(
        &mut self,
        core: &mut Core,
        (cause, epoch): (Cause, u64),
        state: &mut Selecting,
    ) -> Step {
        if matches!(cause, Cause::Down | Cause::Wanted)
            && let Some(text) = self.may_take_writes(core)
        {
            // Its replicas stay with it, and what they have said does not last.
            if state.asked_at.take().is_some() {
                self.let_go(core, epoch);
                self.servers_mut().for_each(Server::forget_selection);
            }
            return self.wait_for_answers(core, epoch, (state, text));
        }
        // Whose data is moved must be known as it is, and so must be who may have been told to keep its place.
        let is_asked = cause == Cause::Planned || self.primary.is_awaiting_claim();
        let asked_at = *state.asked_at.get_or_insert_with(|| {
            if is_asked {
                self.primary.ask_info(core, &self.options);
            }
            core.now
        });
        self.ask_where_they_are(core, (cause, epoch));
        let is_safe = self.is_safe(cause);
        let is_open = |replica: &Server| {
            replica.contact.is_up() && replica.down_since.is_none() && !has_answered(core, replica, is_safe)
        };
        let is_unknown = is_asked && self.primary.info_at.is_none_or(|at| at < asked_at);
        let is_open = is_unknown || self.replicas.values().any(is_open);
        if is_open && !core.is_due(asked_at.after_ms(PATIENCE)) {
            return Step::Stay;
        }
        if let Some(heir) = self.handed_over_to().filter(|heir| has_answered(core, heir, is_safe)) {
            let number = heir.number;
            return self.choose(core, cause, number);
        }
        match self.best_of_those_who_answered(core, (cause, is_safe)) {
            Ok(Choice::Replica(number)) => self.choose(core, cause, number),
            Ok(Choice::Primary) => self.leave_in_place(core, epoch),
            Err(Obstacle::NobodyIsFit) => {
                self.tell_who_is_unfit(core, cause);
                self.abort_selection(core, epoch)
            }
            Err(Obstacle::Waits(text)) => self.wait_for_answers(core, epoch, (state, text)),
        }
    }

    /// The best of the replicas that have answered, if enough of them have, or the primary, if that waits for one that has
    /// more, and none does.
    fn best_of_those_who_answered(
        &self,
        core: &Core,
        (cause, is_safe): (Cause, bool),
    ) -> Result<Choice, Obstacle> {
        let answered = self.replicas.values().filter(|replica| has_answered(core, replica, is_safe));
        // What is moved is the primary's data, so its replicas only are asked whether they have it.
        let answered = answered.filter(|replica| cause != Cause::Planned || self.is_in_sync(replica));
        let answered: Vec<&Server> = answered.collect();
        let last = self.last_history(core, &answered);
        let candidates: Vec<Candidate<'_>> = answered
            .iter()
            .map(|replica| candidate(replica, (last, self.unfitness(core, cause, replica).is_none())))
            .collect();
        let comparable = candidates.iter().filter(|candidate| candidate.history == last.history).count();
        // The primary itself, where it waits for one that has more.
        let is_replacing = matches!(cause, Cause::Down | Cause::Wanted);
        let waiting = Some(&self.primary).filter(|primary| is_replacing && primary.is_awaiting_claim());
        let waiting = waiting.map(|primary| candidate(primary, (last, true)));
        if waiting.is_some() && self.replicas.is_empty() {
            let text = "the primary waits for replicas that this sentinel does not know yet";
            return Err(Obstacle::Waits(text.to_owned()));
        }
        // Soon it serves without what they have: nothing is gained by waiting for more of them.
        let is_safe = is_safe && !(waiting.is_some() && self.primary.claim_ends_soon(core));
        if is_safe {
            let has_none = waiting.is_none() && comparable == 0;
            self.check_answers((&candidates, last.history), has_none).map_err(Obstacle::Waits)?;
        }
        let GroupOptions { promote_max_lag_bytes, promote_zone, .. } = &self.options;
        let is_safe = is_safe && comparable > 0;
        let ranking =
            Ranking { max_lag: *promote_max_lag_bytes, zone: promote_zone, history: last.history, is_safe };
        let is_outdone =
            |own: &Candidate<'_>| candidates.iter().any(|candidate| has_more(candidate, own, last.history));
        if waiting.as_ref().is_some_and(|own| !is_outdone(own)) {
            return Ok(Choice::Primary);
        }
        best(&candidates, ranking).map(Choice::Replica).map_err(|reason| match reason {
            NoChoice::None if waiting.is_none() => Obstacle::NobodyIsFit,
            NoChoice::None | NoChoice::BehindUnpromotable => {
                Obstacle::Waits("a replica that may not be promoted has writes that no other has".to_owned())
            }
        })
    }

    /// Whether so many have answered that one of them has every write that was acknowledged; else why not. The primary may
    /// come back with what nobody who answered has any of.
    fn check_answers(
        &self,
        (candidates, last): (&[Candidate<'_>], &str),
        has_none: bool,
    ) -> Result<(), String> {
        // Whoever has nothing has none of its writes; nor is one missed whose writes others have, and that went astray.
        let is_stranger = |candidate: &&Candidate<'_>| {
            let is_covered = self.server(candidate.number).is_some_and(|server| server.is_covered);
            candidate.history != last && (candidate.offset == 0 || is_covered)
        };
        let strangers = candidates.iter().filter(is_stranger).count();
        let comparable = candidates.iter().filter(|candidate| candidate.history == last).count();
        let (copies, countable) = (self.copies(), self.countable().saturating_sub(strangers));
        let needed = answers_needed(copies, countable);
        if comparable < needed {
            return Err(format!(
                "{comparable} of {countable} replicas that may have them answered, {needed} are needed so that no acknowledged write is lost (min-replicas-to-ack {copies}, safe-failover)"
            ));
        }
        if has_none && !candidates.is_empty() {
            return Err("no replica that answered has any data of the primary (safe-failover)".to_owned());
        }
        Ok(())
    }

    /// Lets the primary serve as it is.
    fn leave_in_place(&mut self, core: &mut Core, epoch: u64) -> Step {
        let text = format!("{}: the primary has all that its replicas have: it keeps its place.", self.name);
        core.log(Level::Notice, text);
        let Group { primary, options, .. } = self;
        let request = [options.command("SLAVEOF"), "NO", "ONE"];
        primary.contact.order(core, &request, Awaited::ReplicaOf(core.now));
        primary.ask_info(core, options);
        self.abort_selection(core, epoch)
    }

    /// The primary's last history; if nothing is known of it, the one of whoever is furthest.
    fn last_history<'a>(&'a self, core: &Core, answered: &[&'a Server]) -> Told<'a> {
        let report = &self.primary.report;
        let known = match &self.primary.led {
            // Nobody has anything of what it has led since it came back without their data.
            _ if self.primary_is_refused() => Told::default(),
            Some(led) => Told { history: &led.history, before: &led.before, fork: led.fork, at: led.at },
            None => Told {
                history: &report.history,
                before: &report.history_before,
                fork: report.fork,
                // One that waits for another to take its place may have lost several histories: any replica's is later.
                at: self.primary.info_at.filter(|_| !report.awaits_claim).unwrap_or_default(),
            },
        };
        let copies = |replica: &&&Server| {
            let report = &replica.report;
            report.was_link_up && report.offset > 0 && self.is_named_by(replica)
        };
        let told = |replica: &&'a Server| Told {
            history: &replica.report.history,
            before: &replica.report.history_before,
            fork: replica.report.fork,
            at: Moment(core.now.0.saturating_sub(replica.report.link_down_ms)),
        };
        let told: Vec<Told<'a>> = answered.iter().filter(copies).map(told).collect();
        let last = histories::last(known, &told);
        if !last.history.is_empty() {
            return last;
        }
        let has_data = |replica: &&&Server| replica.report.offset > 0;
        let furthest = answered.iter().filter(has_data).max_by_key(|replica| replica.report.offset);
        furthest.map_or(last, |replica| Told { history: &replica.report.history, ..last })
    }

    /// Why a primary that is not heard may take writes all the same. One that fences itself does until its leases are over:
    /// nobody renews them once a quorum sees it down.
    fn may_take_writes(&self, core: &mut Core) -> Option<String> {
        let Some(since) = self.agreed_down_since else {
            return Some("no quorum sees the primary down; FORCE would not ask".to_owned());
        };
        let last_valid = self.primary.contact.last_valid;
        let longest = self.terms().down_after;
        if !self.primary.report.is_fencing || core.now.ms_since(last_valid) > longest {
            return None;
        }
        let runs = !core.is_due(since.after_ms(longest));
        runs.then(|| "the leases of the primary, which fences itself, may still run".to_owned())
    }

    /// Waits for more answers, and says why, once for each reason.
    fn wait_for_answers(
        &mut self,
        core: &mut Core,
        epoch: u64,
        (state, text): (&mut Selecting, String),
    ) -> Step {
        if core.is_due(state.since.after_ms(self.options.failover_timeout)) {
            return self.abort_selection(core, epoch);
        }
        if state.waits_for.as_ref() != Some(&text) {
            core.log(Level::Warning, format!("The failover of {} waits: {text}.", self.name));
            state.waits_for = Some(text);
        }
        core.is_due(core.now.after_ms(PATIENCE));
        Step::Stay
    }

    /// On how many replicas an acknowledged write is. Who has not heard the primary since it was started has what it was
    /// told before on disk; who never did takes the replicas' word: they have the same configuration.
    pub(crate) fn copies(&self) -> u32 {
        if self.primary.info_at.is_some() {
            return self.primary.report.min_replicas_to_ack;
        }
        if self.copies_told > 0 {
            return self.copies_told;
        }
        let told = self.replicas.values().map(|replica| replica.report.min_replicas_to_ack);
        told.filter(|copies| *copies > 0).min().unwrap_or(0)
    }

    fn abort_selection(&mut self, core: &mut Core, epoch: u64) -> Step {
        self.let_go(core, epoch);
        self.abort(core, "-failover-abort-no-good-slave")
    }

    /// Replicas that may have acknowledged a write that no other has: all but those that are gone, as the primary and this
    /// sentinel saw it at one time, and whose writes so many others have as the primary wants.
    fn countable(&self) -> usize {
        let is_out = |replica: &&Server| replica.is_known_gone && replica.is_gone() && replica.is_covered;
        self.replicas.values().filter(|replica| !is_out(replica)).count()
    }

    /// Whether a replica copies the primary as it is, by whatever name and over whatever other replica. A link may look up
    /// for a while to a primary that was started again; its history is another then.
    fn is_in_sync(&self, replica: &Server) -> bool {
        replica.report.is_link_up && replica.report.history == self.primary.report.history
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
            Cause::Down | Cause::Wanted | Cause::Forced => Step::Go(self.promote(core, (number, None))),
        }
    }
}

/// Who is to be the primary.
enum Choice {
    /// This one of the replicas.
    Replica(u64),
    /// Who was it before.
    Primary,
}

/// Whether one has more of the primary's last history than another, or all that there is of another one.
fn has_more(one: &Candidate<'_>, other: &Candidate<'_>, last: &str) -> bool {
    match (one.history == last, other.history == last) {
        (true, true) => one.offset > other.offset,
        (is_of_last, _) => is_of_last,
    }
}

/// Why nobody is chosen yet.
enum Obstacle {
    /// There is none that may be promoted.
    NobodyIsFit,
    /// More must be known first.
    Waits(String),
}

impl Server {
    /// It waits for another to take its place, as it says since it was connected to.
    fn is_awaiting_claim(&self) -> bool {
        let is_told = self.info_at.is_some_and(|at| at >= self.contact.line.since);
        self.role == Role::Primary && self.report.awaits_claim && self.contact.is_up() && is_told
    }

    /// It waits for another no longer than that.
    fn claim_ends_soon(&self, core: &Core) -> bool {
        let left = self.report.claim_seconds_left.saturating_mul(1000);
        let ends = self.info_at.unwrap_or_default().after_ms(left);
        ends <= core.now.after_ms(LAST_CHANCE)
    }

    /// It was not asked, for the choice that begins.
    fn forget_selection(&mut self) {
        (self.selected_at, self.detachment) = (None, Detachment::default());
    }
}

/// Whether a replica has told where it stands. While it may copy from its primary that is not its last word.
fn has_answered(core: &Core, replica: &Server, is_safe: bool) -> bool {
    replica.contact.is_up() && replica.selected_at.is_some() && !(is_safe && replica.may_copy(core))
}

/// One that is not fit counts with its offset, and is not promoted. Offsets are places in the primary's last history: one
/// that went a way of its own has it up to where it left, one that is still on the history before has it up to its fork,
/// and one that went another way from there up to the nearer of the two.
fn candidate<'a>(replica: &'a Server, (last, is_fit): (Told<'a>, bool)) -> Candidate<'a> {
    let report = &replica.report;
    let up_to = |fork: u64| if fork == 0 { report.offset } else { report.offset.min(fork - 1) };
    let (history, offset) = if report.history == last.history {
        (last.history, report.offset)
    } else if report.history_before == last.history && is_history(last.history) {
        (last.history, up_to(report.fork))
    } else if report.history == last.before && is_history(last.before) {
        (last.history, up_to(last.fork))
    } else if report.history_before == last.before && is_history(last.before) {
        (last.history, up_to(last.fork).min(up_to(report.fork)))
    } else {
        (report.history.as_str(), report.offset)
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

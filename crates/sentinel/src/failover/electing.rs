//! How one sentinel comes to lead a failover: the Raft rule, and short waits instead of long ones.
//!
//! Who sees the primary objectively down waits for a random moment, so that one asks while the others have not begun,
//! then stands in a new epoch with its own vote. Whoever has voted for another waits for that one: while it hears that
//! sentinel ask, and for a little longer. An election that cannot be won any more is over at once, and the next epoch
//! begins after another random pause, which grows with each election that was lost in a row.

use slipstream_replication::{Level, Moment};

use super::{Cause, Failover, Phase, Step};
use crate::action::Version;
use crate::core::Core;
use crate::group::Group;
use crate::notices::Subject;

/// The most that is waited before the first candidacy, for each sentinel of the group.
const PAUSE_EACH: u64 = 15;
/// The least that an election gets.
const SHORTEST: u64 = 250;
/// So often an operator's order stands again after an election that was lost.
const TRIES: u32 = 5;
/// A forced failover waits for votes that long, milliseconds.
const FORCED: u64 = 500;
/// For so long whoever was voted for is not disturbed after it was last heard.
pub(crate) const PATIENCE: u64 = 1500;

impl Group {
    /// Wants to lead a failover, if the primary is down and nobody else is at it.
    pub(super) fn begin_if_down(&mut self, core: &mut Core) {
        if self.failover.is_some() || self.agreed_down_since.is_none() || !core.is_due(self.not_before) {
            return;
        }
        self.begin(core, Cause::Down);
    }

    /// Begins a failover.
    pub(crate) fn begin(&mut self, core: &mut Core, cause: Cause) {
        let pause = match cause {
            Cause::Down if self.members.is_empty() => 0,
            Cause::Down => self.random_pause(core, self.lost_attempts),
            Cause::Planned | Cause::Wanted | Cause::Forced => 0,
        };
        let phase = Phase::Waiting { start: core.now.after_ms(pause) };
        let tries = if cause == Cause::Down { 0 } else { TRIES };
        self.failover = Some(Failover { cause, epoch: 0, voted_before: self.vote.epoch, tries, phase });
    }

    /// So that one asks while the others have not begun: longer after each election that was lost.
    fn random_pause(&self, core: &mut Core, lost: u32) -> u64 {
        let sentinels = u64::try_from(self.members.len()).unwrap_or(1).min(10) + 1;
        core.rng.u64(..PAUSE_EACH * sentinels * (1 + u64::from(lost.min(6))))
    }

    /// Stands for election in a new epoch, with a vote of its own.
    pub(super) fn stand(&mut self, core: &mut Core) -> Version {
        let epoch = core.epoch + 1;
        core.see_epoch(epoch, &self.options.notification_script);
        self.tell(core, (Level::Warning, "+try-failover"), Subject::Primary, "");
        let id = core.id.clone();
        self.vote(core, (&id, epoch)).unwrap_or_else(|| core.changed())
    }

    /// Asks for votes once its own is on disk.
    pub(super) fn await_own_vote(&mut self, core: &mut Core, version: Version) -> Step {
        if !core.has_stored(version) {
            if core.durability.failure.is_some() {
                return self.abort(core, "-failover-abort-not-elected");
            }
            return Step::Stay;
        }
        for member in self.members.values_mut() {
            member.asked_at = None;
        }
        Step::Go(Phase::Electing { since: core.now })
    }

    /// Looks whether the election is won, or lost.
    pub(super) fn count_votes(
        &mut self,
        core: &mut Core,
        (cause, epoch): (Cause, u64),
        (since, tries): (Moment, u32),
    ) -> Step {
        let (votes, needed) = (self.votes_for_us(core, epoch), self.votes_needed());
        if votes >= needed {
            return self.win(core);
        }
        let open = self.votes_open(epoch);
        let is_over = core.is_due(since.after_ms(self.election_time(core, cause)));
        // A forced one goes on without those who cannot be asked; not against one who stands in the same epoch.
        if cause == Cause::Forced && (is_over || open == 0) && !self.has_rival(core, epoch) {
            core.log(
                Level::Warning,
                format!("A forced failover of {}: it goes on with {votes} votes of {needed}.", self.name),
            );
            return self.win(core);
        }
        if votes + open >= needed && !is_over {
            return Step::Stay;
        }
        if tries > 0 {
            let pause = self.random_pause(core, TRIES - tries);
            core.log(
                Level::Notice,
                format!("The election of {} in epoch {epoch} is lost; it stands again.", self.name),
            );
            return Step::Again(core.now.after_ms(pause));
        }
        self.abort(core, "-failover-abort-not-elected")
    }

    /// Whether somebody has voted for another in this epoch or a later one.
    fn has_rival(&self, core: &Core, epoch: u64) -> bool {
        let votes = self.members.values().filter_map(|member| member.vote.as_ref());
        votes.into_iter().any(|(leader, in_epoch)| *in_epoch >= epoch && *leader != core.id)
    }

    /// How long an election takes at most: longer after each that was lost.
    fn election_time(&self, core: &Core, cause: Cause) -> u64 {
        let most = core.timings.election_timeout.min(self.options.failover_timeout);
        let time = (self.options.down_after / 2).max(SHORTEST) << self.lost_attempts.min(8);
        match cause {
            Cause::Down => time.min(most),
            Cause::Planned | Cause::Wanted => most.min(2000),
            Cause::Forced => most.min(FORCED),
        }
    }

    fn win(&mut self, core: &mut Core) -> Step {
        self.tell(core, (Level::Warning, "+elected-leader"), Subject::Primary, "");
        if core.simulated.crash_after_election {
            return self.crash(core);
        }
        self.tell(core, (Level::Notice, "+failover-state-select-slave"), Subject::Primary, "");
        Step::Go(self.begin_selection(core))
    }

    /// SENTINEL SIMULATE-FAILURE.
    pub(super) fn crash(&mut self, core: &mut Core) -> Step {
        core.log(
            Level::Warning,
            "Failure simulation: this sentinel ends now, as told by SENTINEL SIMULATE-FAILURE.",
        );
        core.actions.push(crate::Action::Crash);
        Step::End
    }

    /// Whoever leads instead is given time.
    pub(crate) fn let_others_try(&mut self, core: &mut Core) {
        self.not_before = self.not_before.max(core.now.after_ms(PATIENCE));
    }

    /// The next attempt comes after a short random pause, which grows with every attempt that came to nothing.
    pub(super) fn back_off(&mut self, core: &mut Core) {
        let most =
            (100_u64 << self.lost_attempts.min(10)).min(self.options.failover_timeout.max(200)).min(10_000);
        let pause = core.rng.u64(most / 4..most);
        self.lost_attempts += 1;
        self.not_before = core.now.after_ms(pause);
    }
}

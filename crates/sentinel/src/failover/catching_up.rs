//! A planned switchover: writes wait at the primary until the chosen replica has all of them.
//!
//! CLIENT PAUSE WRITE and ROLE go to the primary in one piece, so the offset that ROLE tells is one at which no client
//! writes any more. Then the replica is asked for its offset until it is there. The pause is bounded by
//! `switchover-timeout`; if the replica is not there in time, the primary's clients go on and nothing has changed.

use slipstream_replication::{Level, Moment};

use super::{Phase, Step};
use crate::core::Core;
use crate::group::Group;
use crate::line::Awaited;
use crate::notices::Subject;

/// Between two questions for the replica's offset.
const POLL: u64 = 3;

/// A switchover whose replica is not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatchingUp {
    pub(crate) target: u64,
    /// When the primary was told to let writes wait.
    pub(crate) since: Moment,
    /// Whether it has said that they do.
    pub(crate) is_paused: bool,
    /// The primary's offset since then.
    pub(crate) goal: Option<u64>,
    /// When the replica was asked last.
    asked_at: Option<Moment>,
    /// What it said since the goal is known.
    pub(crate) reached: Option<u64>,
    /// The primary does not know how to pause, in its own words.
    pub(crate) refusal: Option<String>,
}

impl Group {
    pub(super) fn begin_catching_up(&mut self, core: &mut Core, target: u64) -> Step {
        self.pause_primary(core);
        let options = &self.options;
        self.primary.contact.order(core, &[options.command("ROLE")], Awaited::Role);
        Step::Go(Phase::CatchingUp(CatchingUp {
            target,
            since: core.now,
            is_paused: false,
            goal: None,
            asked_at: None,
            reached: None,
            refusal: None,
        }))
    }

    /// Lets writes at the primary wait, from now on for the switchover's time.
    pub(super) fn pause_primary(&mut self, core: &mut Core) {
        let milliseconds = self.options.switchover_timeout.to_string();
        let command = self.options.command("CLIENT").to_owned();
        self.primary.contact.order(core, &[&command, "PAUSE", &milliseconds, "WRITE"], Awaited::Pause);
    }

    /// Lets the primary's clients write again.
    pub(super) fn release_primary(&mut self, core: &mut Core) {
        let command = self.options.command("CLIENT").to_owned();
        self.primary.contact.order(core, &[&command, "UNPAUSE"], Awaited::Order("CLIENT UNPAUSE"));
    }

    pub(super) fn catch_up(&mut self, core: &mut Core, state: &mut CatchingUp) -> Step {
        // Half of the pause is for the promotion.
        let deadline = state.since.after_ms(self.options.switchover_timeout / 2);
        let is_gone = self.server(state.target).is_none_or(|target| !target.contact.is_up());
        if !self.primary.contact.is_up() || state.refusal.is_some() {
            let reason = state.refusal.as_deref().unwrap_or("its connection is lost").to_owned();
            core.log(
                Level::Warning,
                format!("{}: the primary cannot let its writes wait: {reason}", self.name),
            );
            return self.abort_switchover(core, "-failover-abort-master-timeout");
        }
        if is_gone || core.is_due(deadline) {
            let event = if state.goal.is_some() {
                "-failover-abort-slave-timeout"
            } else {
                "-failover-abort-master-timeout"
            };
            return self.abort_switchover(core, event);
        }
        if let (Some(goal), Some(reached)) = (state.goal, state.reached)
            && reached >= goal
        {
            let text =
                format!("{}: writes wait at offset {goal}, and the replica has all of them.", self.name);
            core.log(Level::Notice, text);
            return self.step_down(core, (state.target, state.since));
        }
        self.poll_target(core, state);
        Step::Stay
    }

    fn poll_target(&mut self, core: &mut Core, state: &mut CatchingUp) {
        if state.goal.is_none() || !state.asked_at.is_none_or(|at| core.is_due(at.after_ms(POLL))) {
            return;
        }
        let command = self.options.command("ROLE").to_owned();
        if let Some((target, _)) = self.server_mut(state.target) {
            target.contact.ask(core, &[&command], Awaited::Role);
        }
        state.asked_at = Some(core.now);
        core.is_due(core.now.after_ms(POLL));
    }

    pub(super) fn abort_switchover(&mut self, core: &mut Core, event: &'static str) -> Step {
        self.release_primary(core);
        self.tell(core, (Level::Warning, event), Subject::Primary, "");
        Step::End
    }
}

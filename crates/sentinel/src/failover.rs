//! A failover that this sentinel leads, or wants to lead.
//!
//! ```text
//!   o_down, SENTINEL FAILOVER
//!           │ a short random pause        epoch and own vote on disk
//!           ▼
//!        Waiting ───────► Voting ──────────────────► Electing
//!           ▲                                         │    │ votes of a majority, and of the quorum
//!           └── again, in a new epoch ◄───────────────┘    ▼
//!                                                      Selecting    all replicas tell their offsets
//!                       planned: writes wait            │     │
//!                      CatchingUp ◄─────────────────────┘     │ the best one is chosen
//!        too late, aborted ◄──┤ it has all                    │
//!                             ▼                               │
//!                        SteppingDown    SLAVEOF to the old primary
//!        too late, aborted ◄──┤ it says that it is none any more
//!                             ▼                               ▼
//!                         Promoting ◄─────────────────────────┘    SLAVEOF NO ONE, ROLE
//!                             │ it says that it is the primary
//!                             ▼
//!                          Turning ──► done                        the others follow it
//! ```
//! Until a server is told what it is from now on, a failover is given up whenever somebody else was voted for in a later epoch,
//! or when the primary is well again. Behind that it is seen through.

pub(crate) mod catching_up;
pub(crate) mod electing;
pub(crate) mod promoting;
pub(crate) mod selecting;
pub(crate) mod stepping_down;
pub(crate) mod turning;

use slipstream_replication::{Level, Moment};

use crate::action::Version;
use crate::core::Core;
use crate::group::Group;
use crate::notices::Subject;
use crate::peer::Member;

/// Why there is a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The primary is down, as a quorum sees it.
    Down,
    /// An operator wants the primary's role moved, and nothing lost.
    Planned,
    /// The same, and the primary does not answer: as if it were down.
    Wanted,
    /// An operator wants a replica promoted, at any price.
    Forced,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It begins then, if nobody was voted for by then.
    Waiting { start: Moment },
    /// This sentinel's vote for itself is not on disk yet.
    Voting { version: Version },
    /// Others are asked for their votes.
    Electing { since: Moment },
    /// Replicas are asked for their offsets.
    Selecting(selecting::Selecting),
    /// Writes wait at the primary until the target has all.
    CatchingUp(catching_up::CatchingUp),
    /// The primary was told to follow the target.
    SteppingDown { target: u64, since: Moment, paused_at: Moment },
    /// The target was told to be primary.
    Promoting { target: u64, since: Moment, paused_at: Option<Moment> },
    /// The others are turned to the new primary.
    Turning { since: Moment },
}

/// One failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failover {
    pub(crate) cause: Cause,
    /// Its epoch, from [`Phase::Voting`] on; 0 before.
    pub(crate) epoch: u64,
    /// The epoch of this sentinel's last vote before.
    pub(crate) voted_before: u64,
    /// Elections that it may lose and stand again: an operator's order is not repeated by itself.
    pub(crate) tries: u32,
    pub(crate) phase: Phase,
}

/// What one step of a failover leads to.
pub(crate) enum Step {
    /// It stays as it is.
    Stay,
    /// The next phase; it is looked at at once.
    Go(Phase),
    /// It begins anew, then.
    Again(Moment),
    /// It is over, or given up.
    End,
}

impl Failover {
    /// Redis' word for it in SENTINEL MASTER.
    pub(crate) fn word(&self) -> &'static str {
        match self.phase {
            Phase::Waiting { .. } | Phase::Voting { .. } | Phase::Electing { .. } => "wait_start",
            Phase::Selecting(_) => "select_slave",
            Phase::CatchingUp(_) | Phase::SteppingDown { .. } => "send_slaveof_noone",
            Phase::Promoting { .. } => "wait_promotion",
            Phase::Turning { .. } => "reconf_slaves",
        }
    }

    /// Whether others' votes are asked for.
    pub(crate) fn is_electing(&self) -> bool {
        matches!(self.phase, Phase::Electing { .. })
    }

    /// The epoch in which others are asked for their votes: its own vote is on disk, and nobody is promoted yet.
    pub(crate) fn candidacy(&self) -> Option<u64> {
        match self.phase {
            Phase::Waiting { .. } | Phase::Voting { .. } | Phase::Turning { .. } => None,
            _ => Some(self.epoch),
        }
    }

    /// Whether no server was told yet what it is from now on.
    pub(crate) fn may_be_given_up(&self) -> bool {
        !matches!(self.phase, Phase::SteppingDown { .. } | Phase::Promoting { .. } | Phase::Turning { .. })
    }

    /// Whether writes wait at the primary. Messages wait there, too, and whatever comes behind them.
    pub(crate) fn holds_writes(&self) -> bool {
        match &self.phase {
            Phase::CatchingUp(_) | Phase::SteppingDown { .. } => true,
            Phase::Promoting { paused_at, .. } => paused_at.is_some(),
            _ => false,
        }
    }
}

impl Group {
    /// Begins, goes on with, or gives up a failover.
    pub(crate) fn fail_over(&mut self, core: &mut Core) {
        self.begin_if_down(core);
        while let Some(mut failover) = self.failover.take() {
            let step = match self.reason_to_give_up(core, &failover) {
                Some(reason) => {
                    self.give_up(core, &failover, reason);
                    Step::End
                }
                None => self.step(core, &mut failover),
            };
            match step {
                Step::Stay => {
                    self.failover = Some(failover);
                    return;
                }
                Step::Go(phase) => self.failover = Some(Failover { phase, ..failover }),
                Step::Again(start) => {
                    let (phase, tries) = (Phase::Waiting { start }, failover.tries - 1);
                    let voted_before = self.vote.epoch;
                    self.failover = Some(Failover { phase, tries, voted_before, epoch: 0, ..failover });
                }
                Step::End => {}
            }
        }
    }

    fn step(&mut self, core: &mut Core, failover: &mut Failover) -> Step {
        let (cause, epoch, tries) = (failover.cause, failover.epoch, failover.tries);
        match &mut failover.phase {
            Phase::Waiting { start } => {
                if !core.is_due(*start) {
                    return Step::Stay;
                }
                let version = self.stand(core);
                failover.epoch = core.epoch;
                Step::Go(Phase::Voting { version })
            }
            Phase::Voting { version } => self.await_own_vote(core, *version),
            Phase::Electing { since } => self.count_votes(core, (cause, epoch), (*since, tries)),
            Phase::Selecting(selecting) => self.select(core, (cause, epoch), selecting),
            Phase::CatchingUp(catching_up) => self.catch_up(core, catching_up),
            Phase::SteppingDown { target, since, paused_at } => {
                self.await_step_down(core, (*target, *since), paused_at)
            }
            Phase::Promoting { target, since, paused_at } => {
                self.keep_detached(core, epoch);
                self.await_promotion(core, epoch, (*target, *since), paused_at)
            }
            Phase::Turning { since } => {
                self.keep_detached(core, epoch);
                self.turn_replicas(core, *since)
            }
        }
    }

    /// Why a failover that has not promoted anybody must not go on.
    fn reason_to_give_up(&self, core: &Core, failover: &Failover) -> Option<&'static str> {
        if !failover.may_be_given_up() {
            return None;
        }
        if failover.cause == Cause::Down && self.agreed_down_since.is_none() {
            return Some("the primary is not down any more");
        }
        let answers = self.primary.contact.is_up() && !self.is_down();
        if failover.cause == Cause::Wanted && failover.epoch > 0 && answers {
            return Some("the primary answers after all, and can be asked to step down");
        }
        // Each answer to its questions says whom that sentinel voted for last.
        let newer = |member: &Member| {
            let vote = member.vote.as_ref();
            vote.is_some_and(|(leader, epoch)| *leader != core.id && *epoch > failover.epoch)
        };
        if failover.epoch > 0 && self.members.values().any(newer) {
            return Some("another sentinel was voted for in a later epoch");
        }
        let is_overtaken =
            self.vote.leader != core.id && self.vote.epoch > failover.epoch.max(failover.voted_before);
        let is_late = failover.epoch > 0 && self.config_epoch >= failover.epoch;
        (is_overtaken || is_late).then_some("another sentinel leads a newer one")
    }

    /// This process stood still: if others have had the time to elect somebody else, they may have.
    pub(crate) fn give_up_after_stall(&mut self, core: &mut Core, late: u64) {
        if late < electing::PATIENCE / 2 {
            return;
        }
        if let Some(failover) = self.failover.take_if(|failover| failover.may_be_given_up()) {
            self.give_up(core, &failover, "this process stood still");
        }
    }

    /// Gives it up, and takes back what was done for it.
    pub(crate) fn give_up(&mut self, core: &mut Core, failover: &Failover, reason: &str) {
        match failover.phase {
            Phase::Selecting(_) => self.let_go(core, failover.epoch),
            Phase::CatchingUp(_) => self.release_primary(core),
            _ => {}
        }
        let text =
            format!("The failover of {} in epoch {} is given up: {reason}.", self.name, failover.epoch);
        core.log(Level::Notice, text);
        self.let_others_try(core);
    }

    /// An attempt is over without a promotion, and Redis has a name for why.
    pub(crate) fn abort(&mut self, core: &mut Core, event: &'static str) -> Step {
        self.tell(core, (Level::Warning, event), Subject::Primary, "");
        self.back_off(core);
        Step::End
    }
}

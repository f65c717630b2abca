//! A failover that this sentinel leads, or wants to lead: its phases.
//!
//! ```text
//!  o_down, SENTINEL FAILOVER
//!          │ a short random pause         epoch and own vote on disk        majority
//!          ▼                                                     
//!       Waiting ─────────► Voting ──────────────────► Electing ─────────► Selecting
//!          ▲                                             │ lost              │ asks all for their offsets
//!          └── again, in a new epoch ◄───────────────────┘                   │
//!                                                 planned: writes wait       │ the best is chosen
//!       Turning ◄──────── Promoting ◄──────────── CatchingUp ◄───────────────┤
//!          │ told         SLAVEOF NO ONE, ROLE        │ too late             │ unplanned
//!          ▼                  ▲                       ▼ aborted, released    │
//!        done                 └──────────────────────────────────────────────┘
//! ```

use slipstream_replication::Moment;

use crate::action::Version;

/// Why there is a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The primary is down, as a quorum sees it.
    Down,
    /// An operator wants the primary's role moved, and nothing lost.
    Planned,
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
    Selecting { since: Moment, is_told: bool },
    /// Writes wait at the primary until the target has all.
    CatchingUp {
        target: u64,
        /// The offset at which writes stopped, once it is known.
        goal: Option<u64>,
        since: Moment,
    },
    /// The target was told to be primary.
    Promoting { target: u64, since: Moment },
    /// The others are turned to the new primary.
    Turning { since: Moment },
}

/// One failover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failover {
    pub(crate) cause: Cause,
    /// Its epoch, from [`Phase::Voting`] on; 0 before.
    pub(crate) epoch: u64,
    pub(crate) phase: Phase,
    /// When the phase began: SENTINEL MASTER.
    pub(crate) changed_at: Moment,
}

impl Failover {
    /// Redis' word for it in SENTINEL MASTER.
    pub(crate) fn word(&self) -> &'static str {
        match self.phase {
            Phase::Waiting { .. } | Phase::Voting { .. } | Phase::Electing { .. } => "wait_start",
            Phase::Selecting { .. } => "select_slave",
            Phase::CatchingUp { .. } => "wait_sync",
            Phase::Promoting { .. } => "wait_promotion",
            Phase::Turning { .. } => "reconf_slaves",
        }
    }
}

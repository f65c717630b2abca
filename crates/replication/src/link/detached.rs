//! A link that is kept closed for a while.
//!
//! Sentinels choose a new primary by what the replicas have. What a replica has told them must stay all that its present
//! primary can count on, or a write that is acknowledged in between would be lost with it. So it leaves that primary
//! before it is asked, and comes back when the time is over, when it is let go, or when it is told whom to follow.
//! Who keeps it away is known by an epoch: one that was left behind does not let go for one that leads now.

use super::phase::Phase;
use super::{Action, Link};
use crate::Moment;

/// Until when a link is kept closed, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detachment {
    pub(super) until: Moment,
    epoch: u64,
}

/// Somebody with a later epoch keeps the link closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptByAnother;

impl Link {
    /// Whether it is kept closed.
    pub fn is_detached(&self, now: Moment) -> bool {
        self.detached.is_some_and(|detached| detached.until > now)
    }

    /// Closes the connection and makes none for so many milliseconds; with 0 it is made again at once.
    pub fn detach(
        &mut self,
        now: Moment,
        (ms, epoch): (u64, u64),
        actions: &mut Vec<Action<'_>>,
    ) -> Result<(), KeptByAnother> {
        let before = self.detached.filter(|detached| detached.until > now);
        if before.is_some_and(|before| before.epoch > epoch) {
            return Err(KeptByAnother);
        }
        let until = now.after_ms(ms);
        self.detached = (ms > 0).then_some(Detachment { until, epoch });
        match &self.phase {
            Phase::Idle | Phase::Halted { .. } => {}
            Phase::Waiting { .. } if ms == 0 => {
                if before.is_some() {
                    self.connect(now, actions);
                }
            }
            Phase::Waiting { until: planned } => self.phase = Phase::Waiting { until: until.max(*planned) },
            _ if ms == 0 => {}
            _ => {
                self.events.note(now, format!("kept closed for {ms} ms: a new primary is being chosen"));
                self.leave(actions);
                self.lose(now, actions);
            }
        }
        Ok(())
    }
}

//! Clients that wait until enough replicas have what they wrote.
//!
//! A waiter asks the replicas for an acknowledgement once; the requests of one turn become one in the stream.

use slipstream_log::Offset;

use super::{Action, Replica, Replicas};
use crate::Moment;

/// Names a client that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The end of its last write.
    pub offset: Offset,
    /// How many replicas must have acknowledged that.
    pub replicas: usize,
    /// When it gives up; `None` for never.
    pub until: Option<Moment>,
}

impl Replicas {
    /// How many replicas have acknowledged everything up to `offset`.
    pub fn acked(&self, offset: Offset) -> usize {
        self.online().filter(|replica| replica.acked >= offset).count()
    }

    /// A client waits. If enough replicas have acknowledged already, that is said at once.
    pub fn on_wait(&mut self, waiter: WaiterId, wait: Wait, actions: &mut Vec<Action>) {
        let acked = self.acked(wait.offset);
        if acked >= wait.replicas {
            actions.push(Action::WaitOver { waiter, acked });
        } else {
            self.waits.insert(waiter, wait);
            self.request_acks();
        }
    }

    /// A client waits no more: it is gone, or was unblocked.
    pub fn cancel_wait(&mut self, waiter: WaiterId) {
        self.waits.remove(&waiter);
    }

    /// Asks all replicas for an acknowledgement at the end of this turn.
    pub fn request_acks(&mut self) {
        self.acks_requested = true;
    }

    /// Answers those who have waited long enough or have what they waited for.
    pub(super) fn end_waits(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let acked: Vec<Offset> = self.online().map(|replica: &Replica| replica.acked).collect();
        self.waits.retain(|waiter, wait| {
            let count = acked.iter().filter(|offset| **offset >= wait.offset).count();
            let is_over = count >= wait.replicas || wait.until.is_some_and(|until| until <= now);
            if is_over {
                actions.push(Action::WaitOver { waiter: *waiter, acked: count });
            }
            !is_over
        });
    }

    pub(super) fn wait_deadline(&self) -> Option<Moment> {
        self.waits.values().filter_map(|wait| wait.until).min()
    }
}

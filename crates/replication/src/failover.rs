//! A planned failover: this primary hands over to one of its replicas, and follows it from then on.
//!
//! ```text
//!              begin               a target has everything, or late with FORCE             answered
//! no-failover ──────► waiting-for-sync ──────────────────────────────────► failover-in-progress ──► no-failover
//!      ▲                     │ abort, late, no target left                        │ refused, abort,      (replica)
//!      │                     ▼                                                    ▼ late before the request left
//!      └──────────────── Release ◄──────────────────────────────────────── Retake, Release
//! ```
//! While it waits, nothing is written: the engine holds writes back from `begin` to [`Action::Release`], so
//! that the end of the log stands still until the target has acknowledged all of it. No acknowledged write can
//! be lost then, and the target's history forks exactly where this node stands: both go on without a full sync.
//!
//! The second phase has a bound, which Redis lacks. What it may do depends on whether the request to take over
//! has left. Before, nobody else can have become primary, and this node goes on as the one it was. After, the
//! target may have taken over although no answer came: then two primaries are worse than none, this node stays
//! its replica, and only says so and lets its clients go on.

use std::fmt;

use slipstream_log::Offset;

use crate::link::Endpoint;
use crate::replicas::Replica;
use crate::{Level, Moment, Replicas};

/// Longest time for the target to answer, in milliseconds.
const TAKEOVER_MS: u64 = 10_000;

/// For so long a replica of better rank that lags is waited for, in milliseconds.
const PREFERENCE_MS: u64 = 100;

/// The rank of who told none: that of a replica whose `replica-priority` nobody has changed.
const USUAL_RANK: u32 = 100;

/// A failover of one node, or none.
#[derive(Clone, Debug, Default)]
pub struct Failover {
    state: State,
}

/// See the diagram above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    None,
    Waiting {
        target: Option<Endpoint>,
        deadline: Option<Moment>,
        force: bool,
        /// Whether only a replica counts that told its rank.
        ranked: bool,
        /// Until when one of better rank is waited for.
        prefers_until: Option<Moment>,
    },
    InProgress {
        target: Endpoint,
        deadline: Moment,
        /// Whether the request to take over has left.
        asked: bool,
        /// Whether what the target lacks is given up.
        forced: bool,
    },
}

/// What FAILOVER asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// To whom; `None` is to whoever has everything first, and has the best rank of those that told one.
    pub target: Option<Endpoint>,
    /// Longest wait for a target to have everything, in milliseconds; `None` for ever.
    pub timeout_ms: Option<u64>,
    /// Whether to hand over after that time to a target that has not.
    pub force: bool,
    /// Without a target: only to a replica that told its rank, which others than nodes of this project do not.
    pub ranked: bool,
}

/// What a failover wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the replicas for acknowledgements, now and not at their next beat.
    RequestAcks,
    /// Follow this one, and ask it to take over.
    HandOver(Endpoint),
    /// Be the primary again.
    Retake,
    /// It is over: take up what was held back.
    Release,
    /// A line for the log.
    Log(Level, String),
}

/// Why a failover cannot begin. Displays as the wire text without its `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One is under way.
    AlreadyInProgress,
    /// This node is a replica itself.
    IsReplica,
    /// There is nobody to hand over to.
    NoReplicas,
    /// `FORCE` needs to know to whom, and when.
    ForceNeedsBoth,
    /// The target is none of this node's replicas.
    NotAReplica,
    /// The target has no stream yet.
    NotOnline,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::AlreadyInProgress => "ERR FAILOVER already in progress.",
            Refusal::IsReplica => "ERR FAILOVER is not valid when server is a replica.",
            Refusal::NoReplicas => "ERR FAILOVER requires connected replicas.",
            Refusal::ForceNeedsBoth => {
                "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
            }
            Refusal::NotAReplica => "ERR FAILOVER target HOST and PORT is not a replica.",
            Refusal::NotOnline => "ERR FAILOVER target replica is not online.",
        })
    }
}

impl Failover {
    /// Begins, on a node that is a primary if `is_primary`. From now on writes are to be held back.
    pub fn begin(
        &mut self,
        now: Moment,
        order: Order,
        (is_primary, replicas): (bool, &Replicas),
        actions: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        self.check(&order, is_primary, replicas)?;
        let to = order.target.as_ref().map_or("any replica".to_owned(), ToString::to_string);
        actions.push(Action::notice(format!("FAILOVER requested to {to}.")));
        actions.push(Action::RequestAcks);
        let Order { target, timeout_ms, force, ranked } = order;
        let deadline = timeout_ms.map(|ms| now.after_ms(ms));
        let prefers_until = Some(now.after_ms(PREFERENCE_MS)).filter(|_| target.is_none());
        self.state = State::Waiting { target, deadline, force, ranked, prefers_until };
        Ok(())
    }

    fn check(&self, order: &Order, is_primary: bool, replicas: &Replicas) -> Result<(), Refusal> {
        if self.is_under_way() {
            return Err(Refusal::AlreadyInProgress);
        }
        if !is_primary {
            return Err(Refusal::IsReplica);
        }
        if replicas.is_empty() {
            return Err(Refusal::NoReplicas);
        }
        if order.force && (order.target.is_none() || order.timeout_ms.is_none()) {
            return Err(Refusal::ForceNeedsBoth);
        }
        let Some(target) = &order.target else { return Ok(()) };
        let replica = replicas.iter().find(|replica| is_at(replica, target)).ok_or(Refusal::NotAReplica)?;
        if replica.is_online() { Ok(()) } else { Err(Refusal::NotOnline) }
    }

    /// Looks at the replicas, and at the end of the log that they are to have.
    pub fn on_turn(&mut self, now: Moment, replicas: &Replicas, end: Offset, actions: &mut Vec<Action>) {
        match &self.state {
            State::None => {}
            State::Waiting { deadline, .. } => {
                if deadline.is_some_and(|deadline| deadline <= now) {
                    self.on_late_target(now, actions);
                } else {
                    self.look_for_target(now, replicas, end, actions);
                }
            }
            State::InProgress { deadline, .. } => {
                if *deadline <= now {
                    self.on_late_answer(actions);
                }
            }
        }
    }

    fn look_for_target(&mut self, now: Moment, replicas: &Replicas, end: Offset, actions: &mut Vec<Action>) {
        let State::Waiting { target, deadline, force, ranked, prefers_until } = &mut self.state else {
            unreachable!("called in this state")
        };
        let (target, ranked) = (target.as_ref(), *ranked);
        let is_candidate = |replica: &&Replica| match target {
            Some(target) => is_at(replica, target),
            None => endpoint(replica).is_some() && may_be_chosen(replica, ranked),
        };
        let candidates = || replicas.iter().filter(is_candidate);
        // While this lasts nobody is let in: who is gone does not come back.
        if candidates().next().is_none() && !(*force && deadline.is_some()) {
            return self.abort("No replica is left to fail over to", actions);
        }
        *prefers_until = prefers_until.filter(|until| now < *until);
        let in_step = |replica: &&Replica| replica.is_online() && replicas.has_all(replica, end);
        let best = candidates().filter(in_step).min_by_key(|replica| rank(replica));
        let is_better =
            |replica: &Replica| replica.is_online() && best.is_some_and(|best| rank(replica) < rank(best));
        if prefers_until.is_some() && candidates().any(is_better) {
            return;
        }
        if let Some(target) = best.and_then(endpoint) {
            actions.push(Action::notice(format!("Failover target {target} is synced, failing over.")));
            self.hand_over(now, (target, false), actions);
        }
    }

    fn on_late_target(&mut self, now: Moment, actions: &mut Vec<Action>) {
        match &self.state {
            State::Waiting { target: Some(target), force: true, .. } => {
                let target = target.clone();
                actions
                    .push(Action::notice(format!("FAILOVER to {target} time out exceeded, failing over.")));
                self.hand_over(now, (target, true), actions);
            }
            _ => self.abort("Replica never caught up before timeout", actions),
        }
    }

    fn hand_over(&mut self, now: Moment, (target, forced): (Endpoint, bool), actions: &mut Vec<Action>) {
        actions.push(Action::HandOver(target.clone()));
        self.state = State::InProgress { target, deadline: now.after_ms(TAKEOVER_MS), asked: false, forced };
    }

    /// The time that somebody else has for it is over.
    pub fn give_up(&mut self, actions: &mut Vec<Action>) {
        match self.state {
            State::None => {}
            State::Waiting { .. } => self.abort("Replica never caught up before timeout", actions),
            State::InProgress { .. } => self.on_late_answer(actions),
        }
    }

    fn on_late_answer(&mut self, actions: &mut Vec<Action>) {
        let State::InProgress { target, asked, .. } = &self.state else {
            unreachable!("called in this state")
        };
        if !asked {
            return self.abort("The target was not reached in time", actions);
        }
        actions.push(Action::Log(
            Level::Warning,
            format!(
                "FAILOVER to {target}: no answer. It may have taken over, so this node stays its replica. If it \
                 is lost, REPLICAOF NO ONE makes this node the primary again."
            ),
        ));
        self.finish(actions);
    }

    /// The request to take over is on its way.
    pub fn on_asked(&mut self) {
        if let State::InProgress { asked, .. } = &mut self.state {
            *asked = true;
        }
    }

    /// The target has taken over.
    pub fn on_accepted(&mut self, actions: &mut Vec<Action>) {
        if let State::InProgress { target, .. } = &self.state {
            actions.push(Action::notice(format!("FAILOVER to {target} done: it is the primary.")));
            self.finish(actions);
        }
    }

    /// The target has refused, and is no primary.
    pub fn on_refused(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.state, State::InProgress { .. }) {
            self.abort("Failover target rejected psync request", actions);
        }
    }

    /// Ends it, whatever it has come to: this node is the primary.
    pub fn abort(&mut self, reason: &str, actions: &mut Vec<Action>) {
        let (to, retakes) = match &self.state {
            State::None => return,
            State::Waiting { target: None, .. } => ("any replica".to_owned(), false),
            State::Waiting { target: Some(target), .. } => (target.to_string(), false),
            State::InProgress { target, .. } => (target.to_string(), true),
        };
        actions.push(Action::notice(format!("FAILOVER to {to} aborted: {reason}")));
        if retakes {
            actions.push(Action::Retake);
        }
        self.finish(actions);
    }

    fn finish(&mut self, actions: &mut Vec<Action>) {
        self.state = State::None;
        actions.push(Action::Release);
    }

    /// When `on_turn` is due although nothing happens.
    pub fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::None => None,
            State::Waiting { deadline, prefers_until, .. } => {
                [*deadline, *prefers_until].into_iter().flatten().min()
            }
            State::InProgress { deadline, .. } => Some(*deadline),
        }
    }

    /// Whether one is under way.
    pub fn is_under_way(&self) -> bool {
        self.state != State::None
    }

    /// Whether this node has stepped down and its target has not answered.
    pub fn is_in_progress(&self) -> bool {
        matches!(self.state, State::InProgress { .. })
    }

    /// Whether it hands over to a target that may not have everything.
    pub fn is_forced(&self) -> bool {
        matches!(self.state, State::InProgress { forced: true, .. })
    }

    /// The word for INFO's `master_failover_state`.
    pub fn as_str(&self) -> &'static str {
        match self.state {
            State::None => "no-failover",
            State::Waiting { .. } => "waiting-for-sync",
            State::InProgress { .. } => "failover-in-progress",
        }
    }
}

impl Action {
    fn notice(text: String) -> Action {
        Action::Log(Level::Notice, text)
    }
}

/// Where others reach a replica; nowhere if it did not say on which port.
fn endpoint(replica: &Replica) -> Option<Endpoint> {
    let port = u16::try_from(replica.port()).ok().filter(|port| *port > 0)?;
    Some(Endpoint { host: replica.address().to_owned(), port })
}

/// Whether nobody has said that it is not to be promoted.
fn may_be_chosen(replica: &Replica, ranked: bool) -> bool {
    match replica.profile.priority {
        None => !ranked,
        Some(priority) => priority > 0,
    }
}

/// The lower the better.
fn rank(replica: &Replica) -> u32 {
    replica.profile.priority.unwrap_or(USUAL_RANK)
}

fn is_at(replica: &Replica, target: &Endpoint) -> bool {
    endpoint(replica).as_ref() == Some(target)
}

#[cfg(test)]
mod tests;

//! A link whose other end is asked to become the primary: the demoted side of a planned failover.
//!
//! ```text
//!  Wanted ── PSYNC … FAILOVER ──► Asked ── +CONTINUE, +FULLRESYNC ──► accepted
//!    ▲                             │  ▲ │
//!    │ refused                     │  │ └─ it says that it is a primary ──► Probing ── +CONTINUE ──► accepted
//!    └─────────────────────────────┤  │                                     (PSYNC)
//!                                  │  └── asked again
//!                                  └─ connection lost ──► Doubtful
//! ```
//! A connection that is lost behind the request leaves a doubt: the target may be the primary by now. It then
//! answers the request, when it comes again, as it would to one that somebody else had promoted. Redis takes
//! both for a refusal, and so ends with two primaries. Here a plain PSYNC finds out: who continues this
//! node's stream from its very end has all of its data.

use super::action::{Action, Position, Takeover};
use super::answers::Decision;
use super::phase::Phase;
use super::{ATTEMPT_MS, Link};
use crate::{Moment, wire};

/// See the diagram above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// Nothing of the kind.
    No,
    Wanted,
    Asked {
        /// Whether an earlier request has had no answer.
        doubt: bool,
    },
    Doubtful,
    Probing {
        doubt: bool,
    },
}

impl Asking {
    /// After the loss of the connection.
    pub(super) fn after_loss(self) -> Asking {
        match self {
            Asking::Asked { .. } | Asking::Doubtful | Asking::Probing { doubt: true } => Asking::Doubtful,
            Asking::Probing { doubt: false } | Asking::Wanted => Asking::Wanted,
            Asking::No => Asking::No,
        }
    }
}

impl Link {
    /// Whether it follows nobody but one that takes over.
    pub fn asks_to_take_over(&self) -> bool {
        self.asking != Asking::No
    }

    /// The words behind `PSYNC id offset`, if there are any to be. Redis and Valkey read only the first.
    pub(super) fn ask_to_take_over(&mut self, actions: &mut Vec<Action<'_>>) -> &'static [&'static [u8]] {
        let doubt = match self.asking {
            Asking::Wanted => false,
            Asking::Doubtful => true,
            Asking::No | Asking::Asked { .. } | Asking::Probing { .. } => return &[],
        };
        self.asking = Asking::Asked { doubt };
        actions.push(Action::Takeover(Takeover::Asked));
        if self.needs_all { &[b"FAILOVER", b"COMPLETE"] } else { &[b"FAILOVER"] }
    }

    /// What the answer to PSYNC says about the takeover. Gives the decision back if the link is to go by it.
    pub(super) fn on_takeover_answer(
        &mut self,
        now: Moment,
        (line, decision): (&str, Decision),
        resume: Position,
        actions: &mut Vec<Action<'_>>,
    ) -> Option<Decision> {
        match (self.asking, &decision) {
            (
                Asking::Asked { .. },
                Decision::Continue { .. } | Decision::FullSync { .. } | Decision::TwoLinks(_),
            )
            | (Asking::Probing { .. }, Decision::Continue { .. })
            | (Asking::Probing { doubt: true }, Decision::FullSync { .. } | Decision::TwoLinks(_)) => {
                self.asking = Asking::No;
                actions.push(Action::Takeover(Takeover::Accepted));
                return Some(decision);
            }
            (Asking::Asked { doubt }, Decision::Unsupported) if says_primary(line) => {
                actions.push(Action::notice("The target is a primary already: does it continue our stream?"));
                self.asking = Asking::Probing { doubt };
                self.send_psync(now, resume, &[], actions);
            }
            (Asking::Asked { doubt: true } | Asking::Probing { doubt: true }, Decision::NotNow) => {
                return Some(decision);
            }
            _ => self.on_takeover_refused(now, line, actions),
        }
        None
    }

    fn on_takeover_refused(&mut self, now: Moment, line: &str, actions: &mut Vec<Action<'_>>) {
        actions.push(Action::warning(format!("The target does not take over: {line}")));
        self.leave(actions);
        self.asking = Asking::Wanted;
        self.heard = None;
        self.phase = Phase::Waiting { until: now.after_ms(ATTEMPT_MS) };
        actions.push(Action::Takeover(Takeover::Refused));
    }

    pub(super) fn send_psync(
        &mut self,
        now: Moment,
        position: Position,
        words: &[&[u8]],
        actions: &mut Vec<Action<'_>>,
    ) {
        let (id, next_byte) = (position.id.to_string(), position.offset.next_byte().to_string());
        let mut request: Vec<&[u8]> = vec![b"PSYNC", id.as_bytes(), next_byte.as_bytes()];
        request.extend(words);
        actions.push(Action::Send(wire::request(&request)));
        self.await_decision(now, Some(position));
    }
}

/// Whether a refusal says that there was nobody to promote. Redis and Valkey use the same words.
fn says_primary(line: &str) -> bool {
    line.contains("PSYNC FAILOVER can't be sent to a master")
}

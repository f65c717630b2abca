//! The primary's history has changed, and it says so in the stream: it is asked again over the same connection.
//!
//! ```text
//!  Streaming ── +HISTORY ──► Introducing ──► Inquiring ──► AwaitingDecision ──► as after any handshake
//! ```
//!
//! The line stands where a request would begin, so it is the engine that finds it; what is applied by then is all
//! that has come. Everything is said again but the password, since the primary may be another kind of node by now: one
//! that writes the log itself, or does no longer. Until it says that it cannot continue the stream, or does not answer,
//! the link counts as up: nothing is missing meanwhile.
//!
//! Only a primary that has said that it speaks this project's dialect is understood. One that says so again and again
//! without a stream in between is given up like any that breaks the protocol.

use slipstream_log::Offset;

use super::action::{Action, Position, Standing};
use super::phase::Phase;
use super::{Link, greeting};
use crate::{Moment, wire};

/// So often the history may change at one place.
const MOST_CHANGES: u32 = 16;

/// How often the history has changed where it changed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    at: Offset,
    count: u32,
}

impl Changes {
    fn note(&mut self, at: Offset) {
        let before = if self.at == at { self.count } else { 0 };
        *self = Changes { at, count: before + 1 };
    }
}

impl Link {
    /// Whether a line in the place of a request may tell that the history has changed.
    pub fn may_be_told(&self) -> bool {
        self.dialect && matches!(self.phase, Phase::Streaming(_))
    }

    /// Such a line has come, and all before it is applied. The connection asks to go on from there.
    pub fn on_history_changed(&mut self, now: Moment, standing: Standing, actions: &mut Vec<Action<'_>>) {
        let Phase::Streaming(streaming) = &self.phase else { return };
        let Some(resume) = standing.resume.filter(|_| streaming.acknowledges) else {
            return self.fail(now, "Master ends a history that has no name".to_owned(), actions);
        };
        if streaming.received != resume.offset.advanced(wire::HISTORY_CHANGED.len()) {
            return self.fail(now, "Master goes on behind the end of its history".to_owned(), actions);
        }
        self.stays_up = self.is_up();
        self.introduce_again(now, standing, resume, actions);
    }

    /// The primary, told of by itself that its history has changed, cannot answer for now: it says when it can.
    pub(super) fn on_asked_again(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        let place = match &self.phase {
            // With values of keys that it has fetched it stands nowhere yet.
            Phase::AwaitingDecision { resume, restoration: None, .. } => *resume,
            _ => None,
        };
        let Some(resume) = place.filter(|_| self.dialect) else {
            return self.fail(now, "Master has something asked again that was not asked".to_owned(), actions);
        };
        let standing = match self.standing {
            standing if standing.resume == Some(resume) => standing,
            // It has gone back to there, and what was before that is no place of its own any more.
            standing => Standing { resume: Some(resume), earlier: None, ..standing },
        };
        self.introduce_again(now, standing, resume, actions);
    }

    fn introduce_again(
        &mut self,
        now: Moment,
        standing: Standing,
        resume: Position,
        actions: &mut Vec<Action<'_>>,
    ) {
        self.changes.note(resume.offset);
        if self.changes.count > MOST_CHANGES {
            self.changes = Changes::default();
            return self.fail(now, "Master changes its history again and again".to_owned(), actions);
        }
        self.standing = standing;
        // Where this node stands may lie behind the fork.
        self.is_stranger = true;
        (self.dialect, self.writes_log) = (false, false);
        self.freshness.on_connected();
        self.events.note(now, format!("the history changes at {}", resume.offset));
        actions.push(Action::notice("Master's history has changed: asking it over the same connection"));
        let (requests, steps) = greeting::profile(&self.settings, self.may_take_two_links());
        actions.push(Action::Send(requests));
        let (awaited, lines) = (steps.into(), Default::default());
        self.phase = Phase::Introducing { resume: Some(resume), awaited, lines, since: now };
    }

    /// Where the stream stands still, if the link counts as up meanwhile.
    pub(super) fn staying_at(&self) -> Option<Offset> {
        match &self.phase {
            Phase::Introducing { resume, .. }
            | Phase::Inquiring { resume, .. }
            | Phase::AwaitingDecision { resume, restoration: None, .. } => {
                resume.filter(|_| self.stays_up).map(|resume| resume.offset)
            }
            _ => None,
        }
    }

    /// The answer was something else than the stream: the link is down from now on.
    pub(super) fn note_end_of_stay(&mut self, now: Moment) {
        if self.stays_up && !self.is_up() {
            self.stays_up = false;
            self.down_since.get_or_insert(now);
            self.tries.on_down();
        }
    }
}

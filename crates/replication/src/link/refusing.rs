//! A history whose data the engine will not have, and how the link waits for the primary to offer another.
//!
//! What was refused once stays refused, however much it grows. To ask a stock primary for its data again would
//! make it begin a snapshot for nothing, so the link asks it with INFO, once a second and over one connection,
//! whose history it has, and asks for data when that is another. A primary that does not tell is asked for data
//! ever more rarely.

use slipstream_log::ReplicationId;

use super::action::{Action, Position};
use super::phase::Phase;
use super::replies::ReplyReader;
use super::upstream::Upstream;
use super::{ATTEMPT_MS, Link};
use crate::{Moment, wire};

/// Longest answer to INFO that is read, in bytes.
pub(super) const LONGEST_INFO: usize = 1 << 20;

/// Data that is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    /// The history; unknown after SYNC.
    id: Option<ReplicationId>,
    reason: String,
}

impl Link {
    /// The snapshot could be loaded, but the engine will not have its data. No snapshot of this history is
    /// received any more until `follow`: what is too little today is not welcome tomorrow.
    pub fn on_load_refused(&mut self, now: Moment, reason: &str, actions: &mut Vec<Action<'_>>) {
        let Phase::Loading { position, .. } = &self.phase else {
            panic!("refused a snapshot that is not complete or was aborted");
        };
        let id = position.map(|position| position.id);
        self.blocked = Some(Blocked { id, reason: reason.to_owned() });
        self.on_load_failed(now, reason, actions);
    }

    /// The data of this history was refused before, in an earlier life of this node.
    pub fn refuse(&mut self, id: ReplicationId, reason: String) {
        self.blocked = Some(Blocked { id: Some(id), reason });
    }

    /// Nothing is refused any more.
    pub fn unblock(&mut self) {
        self.blocked = None;
    }

    /// Why the data that the primary offers is refused, if it is.
    pub fn blocked(&self) -> Option<&str> {
        self.blocked.as_ref().map(|blocked| &*blocked.reason)
    }

    /// Whose data is refused, where the primary has told.
    pub fn refused_history(&self) -> Option<ReplicationId> {
        self.blocked.as_ref()?.id
    }

    pub(super) fn is_blocked(&self, id: ReplicationId) -> bool {
        self.refused_history() == Some(id)
    }

    /// The primary offers again what was refused.
    pub(super) fn on_blocked(&mut self, now: Moment, actions: &mut Vec<Action<'_>>) {
        self.failed_syncs = self.failed_syncs.saturating_add(1);
        let text = self.refused_again();
        self.fail(now, text, actions);
    }

    fn refused_again(&self) -> String {
        format!("Full resync refused again: {}", self.blocked().unwrap_or_default())
    }

    /// Asks the primary whose history it has; `again` if it has told before over this connection.
    pub(super) fn inquire(
        &mut self,
        now: Moment,
        resume: Option<Position>,
        again: bool,
        actions: &mut Vec<Action<'_>>,
    ) {
        actions.push(Action::Send(wire::request(&[b"INFO", b"replication"])));
        self.phase = Phase::Inquiring { resume, answer: ReplyReader::new(LONGEST_INFO), since: now, again };
    }

    /// Whether a primary with this history could offer nothing but what is refused.
    pub(super) fn would_refuse(&self, upstream: &Upstream, resume: Option<&Position>) -> bool {
        let known = resume.into_iter().chain(&self.standing.earlier);
        self.refused_history().is_some_and(|refused| upstream.is(&refused)) && !upstream.knows_any(known)
    }

    /// Asks it again in a moment.
    pub(super) fn wait_for_another_history(
        &mut self,
        now: Moment,
        resume: Option<Position>,
        again: bool,
        actions: &mut Vec<Action<'_>>,
    ) {
        if !again {
            let text = self.refused_again();
            self.events.note(now, text.clone());
            actions.push(Action::warning(text));
        }
        // It costs the primary next to nothing: should the connection be lost, the next attempt comes soon.
        self.failed_syncs = 1;
        self.phase = Phase::Refusing { resume, until: now.after_ms(ATTEMPT_MS) };
    }
}

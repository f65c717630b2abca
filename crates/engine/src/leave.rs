//! What a session gives up when it ends, or begins anew.
//!
//! The one list of all places that know of a session beside its own fields:
//! whoever adds such a place adds it here.

use crate::node::Core;
use crate::session::Session;

impl Core {
    /// Makes `session` forgotten wherever it watches, listens or is in the middle of something: its connection is
    /// closed, it asked for RESET, it is evicted, or it becomes a replica.
    pub(crate) fn leave(&mut self, session: &mut Session) {
        crate::commands::transactions::discard(self, session);
        self.monitors.remove(session.id);
        self.forget_wait(session.id);
        session.wait_memory = 0;
        session.sentinel = None;
        self.pubsub.leave(session);
        self.stop_tracking(session);
        self.limit_age(session, None);
    }
}

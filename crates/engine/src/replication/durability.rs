//! Clients that wait for replicas, and how they are answered.
//!
//! The machine says when a wait is over ([`slipstream_replication::replicas::WaiterId`]); here its client gets
//! the reply, and its requests are taken up again.

use slipstream_replication::replicas::{Measure, WaiterId};
use slipstream_resp::Reply;

use crate::errors::CommandError;
use crate::node::Core;
use crate::session::{Flow, SessionId, Wait};

impl Wait {
    /// Which reports of replicas end it.
    pub(crate) fn measure(&self) -> Measure {
        match self {
            Wait::Files => Measure::Durable,
            _ => Measure::Applied,
        }
    }

    /// Writes what WAIT or WAITAOF replies when so many replicas have reported.
    pub(crate) fn answer(&self, reply: &mut Reply, reported: usize) {
        if *self == Wait::Files {
            reply.array(2);
            // This node has no append-only file that anything could be in.
            reply.integer(0);
        }
        reply.count(reported);
    }
}

impl Core {
    /// What something of a session waited for has happened, or took too long.
    pub(super) fn wait_over(&mut self, waiter: WaiterId, reported: usize) {
        match waiter {
            WaiterId::Command(number) => self.answer_wait(SessionId(number), reported),
            WaiterId::Replies(_) => {}
        }
    }

    fn answer_wait(&mut self, id: SessionId, reported: usize) {
        if let Some(wait) = self.replica_wait(id) {
            self.answer(id, |reply| wait.answer(reply, reported));
            self.wake(id);
        }
    }

    /// What a session waits for, if that is something of the replicas.
    fn replica_wait(&self, id: SessionId) -> Option<Wait> {
        match &self.sessions.get(id)?.flow {
            Flow::Waiting(wait @ (Wait::Replicas | Wait::Files)) => Some(wait.clone()),
            _ => None,
        }
    }

    /// CLIENT UNBLOCK: ends WAIT or WAITAOF as its time would, or with an error; whether the client waited.
    pub(crate) fn unblock(&mut self, id: SessionId, error: Option<CommandError>) -> bool {
        let Some(wait) = self.replica_wait(id) else { return false };
        let offset = self.sessions.get(id).map_or_else(Default::default, |session| session.last_write);
        let reported = self.replication.replicas.reported(wait.measure(), offset);
        self.replication.replicas.cancel_wait(WaiterId::Command(id.0));
        self.answer(id, |reply| match &error {
            Some(error) => reply.error(error.as_str()),
            None => wait.answer(reply, reported),
        });
        self.wake(id);
        true
    }

    /// Clients that wait for something that a replica cannot give are told so.
    pub(super) fn unblock_all(&mut self) {
        let waiting = [Wait::Replicas, Wait::Files].map(|wait| self.waiting_sessions(&wait));
        for id in waiting.into_iter().flatten() {
            self.unblock(id, Some(CommandError::UNBLOCKED_BY_ROLE));
        }
    }
}

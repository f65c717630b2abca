//! Clients that wait for replicas or the disk: with WAIT and WAITAOF, or with replies that are held back.
//!
//! The machine says when a wait is over ([`slipstream_replication::replicas::WaiterId`]); here its client gets
//! what it waits for. A session whose replies are held has one wait in the machine, for the first of them.
//!
//! Held is the reply of each write under `min-replicas-to-ack`, also of one that changed nothing: what it
//! reports may be the work of a write that no replica has yet. An error is held where its command wrote before it
//! failed, as a script may. The same holds for the disk under `appendfsync always`.

use slipstream_log::Offset;
use slipstream_replication::Moment;
use slipstream_replication::replicas::{self, Measure, WaiterId};
use slipstream_resp::Reply;

use crate::errors::CommandError;
use crate::held::{Held, Hold};
use crate::node::Core;
use crate::session::{Session, SessionId, Wait};

/// The directives on held replies, as they were when replies were last looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AckRule {
    replicas: usize,
    timeout_ms: u64,
}

impl Wait {
    /// Which reports of replicas end it.
    pub(crate) fn measure(&self) -> Measure {
        match self {
            Wait::Files => Measure::Durable,
            _ => Measure::Applied,
        }
    }

    /// Writes what WAIT or WAITAOF replies when so many replicas have reported, and this node's disk has it or not.
    pub(crate) fn answer(&self, reply: &mut Reply, is_durable: bool, reported: usize) {
        if *self == Wait::Files {
            reply.array(2);
            reply.integer(is_durable.into());
        }
        reply.count(reported);
    }
}

impl Core {
    /// What something of a session waited for has happened, or took too long.
    pub(super) fn wait_over(&mut self, waiter: WaiterId, reported: usize) {
        match waiter {
            WaiterId::Command(number) => self.answer_wait(SessionId(number), reported),
            WaiterId::Replies(number) => self.release(SessionId(number)),
        }
    }

    fn answer_wait(&mut self, id: SessionId, reported: usize) {
        // Where the replicas have it, the disk may be still to come.
        if let Some(wait) = self.waits.of(id)
            && !self.awaits_disk(id)
        {
            let is_durable = self.is_durable_for(id);
            self.finish_wait(id, |reply| wait.answer(reply, is_durable, reported));
        }
    }

    /// Answers WAIT or WAITAOF by what is reported so far.
    pub(crate) fn answer_as_reported(&mut self, id: SessionId, wait: Wait) {
        let offset = self.sessions.get(id).map_or(Offset(0), |session| session.last_write);
        let reported = self.replication.replicas.reported(wait.measure(), offset);
        let is_durable = self.is_durable_for(id);
        self.finish_wait(id, |reply| wait.answer(reply, is_durable, reported));
    }

    /// Whether what a session wrote is on this node's disk.
    fn is_durable_for(&self, id: SessionId) -> bool {
        self.is_on_disk(self.sessions.get(id).map_or(Offset(0), |session| session.last_write))
    }

    /// Whether everything before `offset` is on this node's disk.
    pub(crate) fn is_on_disk(&self, offset: Offset) -> bool {
        self.aof.is_on() && offset <= self.aof.durable()
    }

    /// This node leaves the history that its clients wrote to.
    pub(super) fn leave_written(&mut self) {
        for session in self.sessions.iter_mut() {
            session.last_write = Offset(0);
            session.promised = None;
        }
        self.give_up_each(&CommandError::NOT_ACKNOWLEDGED_BY_ROLE, Hold::needs_replicas);
    }
}

/// Held replies.
impl Core {
    /// A write of `session` was answered from `start` on; the log ended at `before` then. The answer is held if
    /// replicas or the disk must have the write first.
    pub(crate) fn hold_reply(
        &mut self,
        session: &mut Session,
        reply: &Reply,
        (start, before): (usize, Offset),
    ) {
        session.wrote_in = Some(self.stats.turns);
        let wanted = session.durability.unwrap_or(self.config.min_replicas_to_ack as usize);
        let answer = &reply.as_bytes()[start..];
        let holds = wanted > 0 || self.aof.holds_replies();
        if !holds || self.is_replica() || answer.is_empty() {
            return;
        }
        if answer[0] == b'-' && self.log.end() == before {
            return;
        }
        let offset = self.propagation.changes_end(&self.log);
        let is_acked =
            wanted == 0 || self.replication.replicas.reported(Measure::Confirmed, offset) >= wanted;
        let on_disk = self.aof.holds_replies() && self.aof.durable() < offset;
        if is_acked && !on_disk {
            return;
        }
        let place = reply.position() - answer.len() as u64..reply.position();
        let until = if is_acked { None } else { self.hold_until() };
        let hold = Hold { place, offset, replicas: if is_acked { 0 } else { wanted }, on_disk, until };
        if session.held.is_empty() && !is_acked {
            self.replication.replicas.wait(WaiterId::Replies(session.id.0), wait_for(&hold));
        }
        session.held.push(hold);
        if on_disk {
            self.await_release(session.id, offset);
        }
        if !is_acked {
            self.replication.replicas.request_acks();
        }
    }

    fn hold_until(&self) -> Option<Moment> {
        let timeout = self.config.min_replicas_ack_timeout;
        (timeout > 0).then(|| self.clock.moment().after_ms(timeout))
    }

    /// Lets those replies of a session go that are acknowledged or late.
    pub(crate) fn release(&mut self, id: SessionId) {
        if self.is_fenced() {
            return self.give_up_late(id);
        }
        let durable = self.aof.mark();
        let Some(session) = self.sessions.get_mut(id) else { return };
        let replicas = &mut self.replication.replicas;
        let mark = |wanted| replicas.mark(Measure::Confirmed, wanted);
        let error = CommandError::NOT_ACKNOWLEDGED;
        let reply = (&mut session.output, error.as_str());
        let late = session.held.settle(self.clock.moment(), (mark, durable), reply);
        session.promised = session.held.take_kept().or(session.promised);
        let is_behind = |hold: &&Hold| mark(hold.replicas) < Some(hold.offset);
        match session.held.first().filter(is_behind) {
            Some(hold) => {
                let wait = wait_for(hold);
                replicas.wait(WaiterId::Replies(id.0), wait);
            }
            // The disk tells when it has the first of them.
            None => replicas.cancel_wait(WaiterId::Replies(id.0)),
        }
        self.count_unacknowledged(late);
        self.sessions.mark(id);
    }

    /// This node is no primary any more: nobody will acknowledge what it wrote. What waits for the disk alone still may.
    pub(crate) fn give_up_held(&mut self, session: &mut Session) {
        self.give_up(session, &CommandError::NOT_ACKNOWLEDGED_BY_ROLE, Hold::needs_replicas);
    }

    /// Other data took the place of what was written here, before the disk had that.
    pub(crate) fn give_up_all_held(&mut self) {
        self.give_up_each(&CommandError::NOT_ACKNOWLEDGED_BY_ROLE, |_| true);
    }

    /// What is acknowledged now is so too late: the fence has fallen.
    fn give_up_late(&mut self, id: SessionId) {
        if let Some(mut session) = self.sessions.take(id) {
            self.give_up(&mut session, &CommandError::NOT_ACKNOWLEDGED_BY_FENCE, |_| true);
            self.sessions.insert(session);
        }
    }

    /// Replies for which `fails` holds wait in vain, and the error says why.
    pub(crate) fn give_up_each(&mut self, error: &CommandError, fails: impl Fn(&Hold) -> bool + Copy) {
        for id in self.holding_sessions().collect::<Vec<_>>() {
            if let Some(mut session) = self.sessions.take(id) {
                self.give_up(&mut session, error, fails);
                self.sessions.insert(session);
                // What is left may wait for replicas.
                self.release(id);
            }
        }
    }

    fn give_up(&mut self, session: &mut Session, error: &CommandError, fails: impl Fn(&Hold) -> bool) {
        let lost = session.held.fail(fails, (&mut session.output, error.as_str()));
        self.replication.replicas.cancel_wait(WaiterId::Replies(session.id.0));
        self.count_unacknowledged(lost);
        self.sessions.mark(session.id);
    }

    fn count_unacknowledged(&mut self, replies: usize) {
        (0..replies).for_each(|_| self.stats.count_error(CommandError::NOT_ACKNOWLEDGED.code()));
    }

    fn holding_sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().filter(|session| !session.held.is_empty()).map(|session| session.id)
    }

    /// Replies that are held, of all clients.
    pub(crate) fn held_replies(&self) -> usize {
        self.sessions.iter().map(|session| session.held.len()).sum()
    }

    /// A directive that was relaxed counts for what is held already: it is how an operator lets clients go on
    /// when replicas are lost.
    pub(super) fn follow_ack_rule(&mut self) {
        let config = &self.config;
        let rule = AckRule {
            replicas: config.min_replicas_to_ack as usize,
            timeout_ms: config.min_replicas_ack_timeout,
        };
        let old = std::mem::replace(&mut self.replication.ack_rule, rule);
        if rule == old {
            return;
        }
        let until = (rule.timeout_ms != old.timeout_ms).then(|| self.hold_until());
        for id in self.holding_sessions().collect::<Vec<_>>() {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            relax(&mut session.held, session.durability.is_none().then_some(rule.replicas), until);
            self.release(id);
        }
    }
}

fn relax(held: &mut Held, most: Option<usize>, until: Option<Option<Moment>>) {
    for hold in held.iter_mut() {
        hold.replicas = most.map_or(hold.replicas, |most| hold.replicas.min(most));
        hold.until = until.unwrap_or(hold.until);
    }
}

fn wait_for(hold: &Hold) -> replicas::Wait {
    let Hold { offset, replicas, until, .. } = *hold;
    replicas::Wait { offset, replicas, measure: Measure::Confirmed, until }
}

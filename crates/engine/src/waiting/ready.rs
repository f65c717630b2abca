//! Serving those who wait for keys.
//!
//! A key that is touched is ready; once the command, the transaction or the script that touched it is over, whoever
//! waits for it is tried in turn: the command runs again from its beginning, as a unit of its own behind the one that
//! touched the key. What it touches itself becomes ready too, and the round ends when nothing is. What comes behind a
//! served command in its client's pipeline waits until all are served.
//!
//! Here a second session is out of its place beside the one whose request runs: [`Core::beneath`] names that.

use slipstream_keyspace::{Keyspace, UnixMillis};

use super::keys::{KeyWait, Kind};
use crate::command::flag;
use crate::dispatch::Machine;
use crate::node::{Core, Node, Phase};
use crate::session::{Flow, SessionId, Wait};

/// What became of one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tried {
    /// It is not concerned, or ran.
    Done,
    /// CLIENT PAUSE holds it back.
    Held,
}

impl Node {
    /// Serves those who wait for keys that were touched by anything else than a request.
    pub(crate) fn serve_ready(&mut self) {
        if self.core.waits.has_ready() {
            self.core.serve_ready(&mut self.keyspace);
        }
    }

    /// Between two turns: a client that waits for a key that has what it waits for, though nothing holds it back. There
    /// is none. Only lists and sorted sets count, and only those without a deadline: where clocks are set, one that was
    /// over may be to come again, and nobody is told.
    pub fn overlooked(&self) -> Option<SessionId> {
        let core = &self.core;
        if core.is_held_back() || core.phase == Phase::Loading {
            return None;
        }
        let is_there = |id: SessionId| {
            let flags = core.waits.command(id).map_or(0, |command| command.entry.command.flags);
            core.waits.awaited(id).any(|(db, key, kind)| {
                let value = self.keyspace.db(db).peek(key, UnixMillis(i64::MAX));
                kind != Kind::Stream && value.and_then(|value| Kind::of(&value)) == Some(kind)
            }) && !core.pause.holds(flags)
                && !core.replication.pacing.holds(flags, core.log.end())
        };
        core.waits.who(Wait::Keys).into_iter().find(|id| is_there(*id))
    }
}

impl Core {
    /// Serves those who wait for keys that were touched, unless something is under way that they are not to see the
    /// middle of: then it is done behind that.
    #[cold]
    pub(crate) fn serve_ready(&mut self, keyspace: &mut Keyspace) {
        if self.is_held_back() || self.waits.is_serving || self.phase == Phase::Loading {
            return;
        }
        self.waits.is_serving = true;
        self.beneath = self.running.take();
        let mut held = Vec::new();
        while let Some((db, key)) = self.waits.keys.next_ready() {
            if self.serve_key(keyspace, (db, &key)) == Tried::Held {
                held.push((db, key));
            }
        }
        held.iter().for_each(|(db, key)| self.waits.keys.touched(*db, key));
        self.running = self.beneath.take();
        self.waits.is_serving = false;
    }

    /// Whether something is under way that nobody is to see the middle of.
    fn is_held_back(&self) -> bool {
        self.propagation.is_grouping() || self.busy.is_some() || self.is_replaying()
    }

    /// Tries all who waited for a key when this began, the longest waiting first.
    fn serve_key(&mut self, keyspace: &mut Keyspace, place: (usize, &[u8])) -> Tried {
        let last = self.waits.keys.last_ticket();
        let mut ticket = 0;
        let mut tried = Tried::Done;
        while let Some((next, id)) = self.waits.keys.behind(place, ticket)
            && next <= last
        {
            if !self.is_of_interest(keyspace, place) {
                break;
            }
            // Those behind one who is held back may only read.
            if self.concerns(keyspace, id, place) && self.serve(keyspace, id) == Tried::Held {
                tried = Tried::Held;
            }
            ticket = next;
        }
        tried
    }

    /// Whether anybody who waits for a key is to be tried, as it is now.
    fn is_of_interest(&self, keyspace: &Keyspace, (db, key): (usize, &[u8])) -> bool {
        let value = keyspace.db(db).peek(key, self.visible_from());
        let kind = value.and_then(|value| Kind::of(&value));
        let queues = &self.waits.keys;
        queues.is_missed((db, key)) || kind.is_some_and(|kind| queues.is_awaited((db, key), kind))
    }

    fn visible_from(&self) -> UnixMillis {
        self.clock.unix()
    }

    /// Whether a key is as a session wants it, or is not and never will be.
    fn concerns(&self, keyspace: &Keyspace, id: SessionId, (db, key): (usize, &[u8])) -> bool {
        let Some(command) = self.waits.command(id) else { return false };
        let waits = self.sessions.get(id).is_some_and(|session| session.flow == Flow::Waiting(Wait::Keys));
        let value = keyspace.db(db).peek(key, self.visible_from());
        waits && (command.ends_without_key || value.and_then(|value| Kind::of(&value)) == Some(command.kind))
    }

    /// Tries the command of a session again.
    fn serve(&mut self, keyspace: &mut Keyspace, id: SessionId) -> Tried {
        let flags = self.waits.command(id).map_or(0, |command| command.entry.command.flags);
        if self.pause.holds(flags) || self.is_paced(flags) {
            return Tried::Held;
        }
        let (Some(mut command), Some(mut session)) = (self.waits.take_command(id), self.sessions.take(id))
        else {
            return Tried::Done;
        };
        let mut reply = std::mem::take(&mut session.output);
        session.flow = Flow::Ready;
        self.running = Some(id);
        Machine { keyspace, core: self, session: &mut session, reply: &mut reply }.try_again(&mut command);
        if !self.own_pushes.is_empty() {
            self.write_own_pushes(&session, &mut reply);
        }
        self.running = None;
        session.output = reply;
        if session.flow == Flow::Waiting(Wait::Keys) {
            self.waits.put_command(id, command);
        } else {
            self.end_caching(&session, command.request.args());
            self.forget_wait(id);
            session.wait_memory = 0;
        }
        self.check_limits(&mut session);
        self.sessions.mark(id);
        let is_served = !matches!(session.flow, Flow::Waiting(_));
        self.sessions.insert(session);
        if is_served {
            self.wake(id);
        }
        Tried::Done
    }

    /// Counts a command that waited, now that it has its answer.
    pub(super) fn count_waited(&mut self, id: SessionId, has_failed: bool) {
        let Some(command) = self.waits.take_command(id) else { return };
        let KeyWait { entry, spent, request, .. } = *command;
        self.command_stats[entry.index].failed += u64::from(has_failed);
        self.account(entry, spent);
        if let Some(session) = self.sessions.take(id) {
            self.note_slow(&session, entry, request.args(), spent);
            self.end_caching(&session, request.args());
            self.sessions.insert(session);
        }
    }
}

impl Machine<'_> {
    /// Runs a command that waits once more: what is counted and shown by its first run is not done again.
    fn try_again(&mut self, command: &mut KeyWait) {
        let (entry, args) = (command.entry, command.request.args());
        if let Some(error) = self.refusal(entry, &args, entry.command.flags) {
            self.reject(Some(entry), &error);
            return;
        }
        let (start, end) = (self.reply.len(), self.core.log.end());
        command.spent += self.perform(entry, args).unwrap_or(0);
        if self.core.log.end() != end {
            self.session.last_write = self.core.log.end();
        }
        if matches!(self.session.flow, Flow::Waiting(_)) {
            return;
        }
        self.session.suppress_reply(self.reply, start);
        self.core.account(entry, command.spent);
        self.core.note_slow(self.session, entry, args, command.spent);
        if entry.command.has(flag::WRITE) {
            self.core.hold_reply(self.session, self.reply, (start, end));
        }
    }
}

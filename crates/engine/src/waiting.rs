//! Clients that wait: all of them, whatever they wait for.
//!
//! A session in [`Flow::Waiting`] has a place in [`Waits`], with the time at which it is given up. What ends a wait
//! is known elsewhere: keys by who touches them ([`keys`], [`ready`]), replicas and the disk by who reports, tokens by
//! their offsets, jobs by their end. Whoever knows calls [`Core::finish_wait`] with the answer; time, CLIENT UNBLOCK and a change of role call
//! [`Core::end_wait`], which knows how each kind is answered then. Both make the wait forgotten in all places.
//!
//! Invariant: a session is here exactly while its flow is `Waiting`, but for the moment of being served.

pub(crate) mod keys;
mod ready;
mod timeout;

use std::collections::{BTreeMap, BTreeSet};

use slipstream_replication::Moment;
use slipstream_replication::replicas::WaiterId;
use slipstream_resp::Reply;

use crate::call::Call;
use crate::errors::CommandError;
use crate::node::Core;
use crate::session::{Flow, SessionId, Wait};
use crate::touched::Observers;

use self::keys::{KeyQueues, KeyWait, Places};

/// Everybody who waits.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    all: BTreeMap<SessionId, Waiter>,
    by_time: BTreeSet<(Moment, SessionId)>,
    keys: KeyQueues,
    /// Whether those who wait for keys are being served.
    is_serving: bool,
}

#[derive(Debug)]
struct Waiter {
    wait: Wait,
    until: Option<Moment>,
    /// Where it stands, and its command, but while that is tried again.
    on_keys: Option<(Places, Option<Box<KeyWait>>)>,
}

/// Why a wait ends without what was waited for.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Its time is over, or counts as over.
    TimedOut,
    /// Somebody or something does not let it go on.
    Failed(CommandError),
}

impl Waits {
    fn insert(&mut self, id: SessionId, waiter: Waiter) {
        self.remove(id);
        self.by_time.extend(waiter.until.map(|until| (until, id)));
        self.all.insert(id, waiter);
    }

    fn remove(&mut self, id: SessionId) -> Option<Waiter> {
        let waiter = self.all.remove(&id)?;
        if let Some(until) = waiter.until {
            self.by_time.remove(&(until, id));
        }
        if let Some((places, _)) = &waiter.on_keys {
            self.keys.leave(places);
        }
        Some(waiter)
    }

    /// What a session waits for.
    pub(crate) fn of(&self, id: SessionId) -> Option<Wait> {
        self.all.get(&id).map(|waiter| waiter.wait)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many of them wait for a limited time.
    pub(crate) fn timed(&self) -> usize {
        self.by_time.len()
    }

    /// When the next one has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.by_time.first().map(|(until, _)| *until)
    }

    /// A key was touched.
    pub(crate) fn touched(&mut self, db: usize, key: &[u8]) {
        self.keys.touched(db, key);
    }

    /// The keys of one database that somebody waits for.
    pub(crate) fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.keys.keys(db)
    }

    /// How many keys are waited for, and how many of them also for their end.
    pub(crate) fn count_keys(&self) -> (usize, usize) {
        self.keys.counts()
    }

    /// Whether keys were touched for which somebody waits.
    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        !self.keys.ready.is_empty()
    }

    /// The keys that a session waits for, with their database and what they are to hold.
    fn awaited(&self, id: SessionId) -> impl Iterator<Item = (usize, &[u8], keys::Kind)> {
        let waiter = self.all.get(&id).and_then(|waiter| waiter.on_keys.as_ref());
        let command = waiter.and_then(|(places, command)| Some((places, command.as_deref()?.kind)));
        command.into_iter().flat_map(|(places, kind)| places.all().map(move |(db, key)| (db, key, kind)))
    }

    /// The command of who waits for keys.
    fn command(&self, id: SessionId) -> Option<&KeyWait> {
        self.all.get(&id)?.on_keys.as_ref()?.1.as_deref()
    }

    /// Takes it out, to try it again or since it is over.
    fn take_command(&mut self, id: SessionId) -> Option<Box<KeyWait>> {
        self.all.get_mut(&id)?.on_keys.as_mut()?.1.take()
    }

    fn put_command(&mut self, id: SessionId, command: Box<KeyWait>) {
        if let Some((_, place)) = self.all.get_mut(&id).and_then(|waiter| waiter.on_keys.as_mut()) {
            *place = Some(command);
        }
    }

    /// The first run of a command that waits for keys took so many microseconds.
    pub(crate) fn tried(&mut self, id: SessionId, micros: u64) {
        if let Some((_, Some(command))) = self.all.get_mut(&id).and_then(|waiter| waiter.on_keys.as_mut()) {
            command.spent += micros;
        }
    }

    /// Those who wait for exactly this, in the order in which they connected.
    fn who(&self, wait: Wait) -> Vec<SessionId> {
        self.all.iter().filter(|(_, waiter)| waiter.wait == wait).map(|(id, _)| *id).collect()
    }
}

impl Call<'_> {
    /// The client waits from now on, and its command writes no reply.
    pub(crate) fn wait(&mut self, wait: Wait, until: Option<Moment>) {
        self.core.waits.insert(self.session.id, Waiter { wait, until, on_keys: None });
        self.session.flow = Flow::Waiting(wait);
    }
}

impl Core {
    /// A session has what it waited for, and this is the answer.
    pub(crate) fn finish_wait(&mut self, id: SessionId, write: impl FnOnce(&mut Reply)) {
        self.forget_wait(id);
        self.answer(id, write);
        self.wake(id);
    }

    /// The same for all who wait for this.
    pub(crate) fn finish_waits(&mut self, wait: Wait, write: impl Fn(&mut Reply)) {
        for id in self.waits.who(wait) {
            self.finish_wait(id, &write);
        }
    }

    /// Ends the wait of a session without what it waited for; whether it did wait, for something that can end so.
    pub(crate) fn end_wait(&mut self, id: SessionId, ending: Ending) -> bool {
        let Some(wait) = self.waits.of(id) else { return false };
        if matches!(wait, Wait::Save | Wait::Shutdown | Wait::Verification | Wait::Reload | Wait::Migration) {
            return false;
        }
        match ending {
            Ending::Failed(error) => {
                self.stats.count_error(error.code());
                self.count_waited(id, true);
                self.finish_wait(id, |reply| reply.error(error.as_str()));
            }
            Ending::TimedOut => self.answer_late(id, wait),
        }
        true
    }

    /// The answer to who has waited long enough.
    fn answer_late(&mut self, id: SessionId, wait: Wait) {
        match wait {
            Wait::Replicas | Wait::Files => self.answer_as_reported(id, wait),
            Wait::Offset => self.finish_wait(id, |reply| reply.integer(0)),
            Wait::Store => self.answer_store_late(id),
            Wait::Keys => {
                self.count_waited(id, false);
                self.finish_wait(id, Reply::null_array);
            }
            Wait::Save | Wait::Shutdown | Wait::Verification | Wait::Reload | Wait::Migration => {}
        }
    }

    /// Answers those who have waited long enough.
    pub(crate) fn end_late_waits(&mut self) {
        let now = self.clock.moment();
        while let Some((until, id)) = self.waits.by_time.first().copied()
            && until <= now
        {
            self.end_wait(id, Ending::TimedOut);
        }
    }

    /// Clients that wait for something that a replica cannot give, or not from its new primary, are told so, and closed.
    pub(crate) fn end_waits_on_role_change(&mut self) {
        self.abandon_migration();
        for id in [Wait::Replicas, Wait::Files, Wait::Keys]
            .into_iter()
            .flat_map(|wait| self.waits.who(wait))
            .collect::<Vec<_>>()
        {
            self.end_wait(id, Ending::Failed(CommandError::UNBLOCKED_BY_ROLE));
            if let Some(session) = self.sessions.get_mut(id) {
                session.flow = Flow::Closing;
            }
        }
    }

    /// A session waits no more: it is answered, or gone.
    pub(crate) fn forget_wait(&mut self, id: SessionId) {
        let Some(waiter) = self.waits.remove(id) else { return };
        match waiter.wait {
            Wait::Replicas | Wait::Files => {
                self.replication.replicas.cancel_wait(WaiterId::Command(id.0));
                self.forget_disk_wait(id);
            }
            Wait::Offset => self.forget_token(id),
            Wait::Store => self.stores.forget(id),
            Wait::Keys => {
                let somebody = !self.waits.keys.is_empty();
                self.observers.set(Observers::WAITS, somebody);
                if let Some(session) = self.sessions.get_mut(id) {
                    session.wait_memory = 0;
                }
            }
            Wait::Save | Wait::Shutdown | Wait::Verification | Wait::Reload | Wait::Migration => {}
        }
    }

    /// Writes the reply that a waiting session is owed.
    fn answer(&mut self, id: SessionId, write: impl FnOnce(&mut Reply)) {
        let Some(mut session) = self.sessions.take(id) else { return };
        let mut reply = std::mem::take(&mut session.output);
        let start = reply.len();
        write(&mut reply);
        session.suppress_reply(&mut reply, start);
        session.output = reply;
        self.sessions.insert(session);
        self.sessions.mark(id);
    }
}

//! Clients that wait until the sentinel's state is on disk: for the answer to a change, or for a vote.
//! They are run again when something was stored, and answered without it when that takes too long.

use std::collections::BTreeMap;

use slipstream_resp::{OwnedRequest, Reply};
use slipstream_sentinel::Version;
use slipstream_sentinel::commands::Answered;

use super::Asked;
use crate::call::Call;
use crate::errors::CommandError;
use crate::node::Core;
use crate::session::{SessionId, Wait};

/// For so long, in milliseconds: who asks for a vote counts the time.
const PATIENCE: u64 = 2000;

/// What a client waits for.
#[derive(Debug)]
enum StoreWait {
    /// This version is on disk: then `OK` is the answer.
    Change(Version),
    /// Anything is: then its command runs again.
    Vote {
        /// The subcommand.
        name: &'static str,
        request: OwnedRequest,
    },
}

/// Who waits.
#[derive(Debug, Default)]
pub(crate) struct StoreWaits {
    /// The log's level was set at run time: it is stored too.
    pub(super) has_log_level: bool,
    /// The level that the configuration says, where the state has a file of its own.
    pub(super) configured_level: Option<String>,
    all: BTreeMap<SessionId, StoreWait>,
}

impl StoreWaits {
    /// A session waits no more.
    pub(crate) fn forget(&mut self, id: SessionId) {
        self.all.remove(&id);
    }
}

impl Call<'_> {
    /// The answer is `OK` once all that has changed is on disk.
    pub(crate) fn wait_until_stored(&mut self) {
        let wait =
            StoreWait::Change(self.core.sentinel.as_ref().map_or(Version(0), |sentinel| sentinel.newest()));
        self.wait_for_store(wait);
    }

    /// The command runs again when something was stored.
    pub(crate) fn wait_for_vote(&mut self) {
        let wait = StoreWait::Vote { name: self.entry.command.name, request: OwnedRequest::new(self.args) };
        self.wait_for_store(wait);
    }

    fn wait_for_store(&mut self, wait: StoreWait) {
        let until = self.core.clock.moment().after_ms(PATIENCE);
        self.core.stores.all.insert(self.session.id, wait);
        self.wait(Wait::Store, Some(until));
    }
}

impl Core {
    /// A version is on disk, and all before it, or could not be stored.
    pub(super) fn answer_stored(&mut self, version: Version, is_good: bool) {
        for id in self.stores.all.keys().copied().collect::<Vec<_>>() {
            match self.stores.all.get(&id) {
                Some(StoreWait::Change(wanted)) if *wanted <= version => self.answer_change(id, is_good),
                Some(StoreWait::Vote { .. }) => self.ask_for_vote_again(id, false),
                _ => {}
            }
        }
    }

    /// A session has waited long enough.
    pub(crate) fn answer_store_late(&mut self, id: SessionId) {
        match self.stores.all.get(&id) {
            Some(StoreWait::Vote { .. }) => self.ask_for_vote_again(id, true),
            _ => self.answer_change(id, false),
        }
    }

    fn answer_change(&mut self, id: SessionId, is_good: bool) {
        self.finish_wait(id, |reply| match is_good {
            true => reply.ok(),
            false => reply.error(CommandError::STATE_NOT_STORED.as_str()),
        });
    }

    fn ask_for_vote_again(&mut self, id: SessionId, is_late: bool) {
        let Some(StoreWait::Vote { name, request }) = self.stores.all.remove(&id) else { return };
        let protocol = self.sessions.get(id).map(|session| session.output.protocol()).unwrap_or_default();
        let mut reply = Reply::new(protocol);
        let answered = self.ask_sentinel(&Asked { name, args: request.args(), is_late }, &mut reply);
        match answered {
            Ok(Answered::Later) => {
                self.stores.all.insert(id, StoreWait::Vote { name, request });
            }
            Ok(_) => {
                self.finish_wait(id, |output| output.raw(reply.as_bytes()));
            }
            Err(error) => {
                self.finish_wait(id, |output| output.error(error.as_str()));
            }
        }
    }
}

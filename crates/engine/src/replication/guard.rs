//! The guard of a replica's data: it is not given up for much less of something unrelated.
//!
//! A primary that lost its disk and came back empty offers every replica a full sync of nothing, and Redis'
//! replicas take it: afterwards no copy is left. Here the data of a full sync is built beside the old, so the
//! question can be asked when all of it is known, whoever the primary is: does it belong to a history that this
//! node knows, and if not, how many keys would go?
//!
//! Consent is an operator's `REPLICAOF host port FORCE`, or the guard switched off. A plain REPLICAOF is none:
//! orchestrators and sentinels send the same words to a whole group when they take the wrong node for the
//! primary. What is deleted by the stream, FLUSHALL included, is no concern of the guard.

use slipstream_keyspace::Keyspace;

use crate::host::LoadedData;
use crate::node::Core;
use crate::reclaim::Content;

impl Core {
    /// The next full sync is wanted whatever it brings.
    pub(crate) fn consent_to_sync(&mut self) {
        self.replication.consents = true;
    }

    /// Why the data of a full sync is refused, if it is.
    pub(super) fn refusal_of(&self, keyspace: &Keyspace, data: &LoadedData) -> Option<String> {
        let percent = u64::from(self.config.replica_guard_shrink_percent);
        if !self.may_refuse_sync(keyspace) {
            return None;
        }
        let (present, offered) = (keyspace.len(), data.keyspace.len());
        let gone = present.saturating_sub(offered);
        if gone == 0 || gone * 100 < present * percent {
            return None;
        }
        let primary = self.replication.link.primary()?;
        Some(format!(
            "its history is unknown here and has {offered} keys in place of {present}; to take it, send REPLICAOF \
             {} {} FORCE",
            primary.host, primary.port
        ))
    }

    /// What was refused before this node was restarted stays refused, if it follows the same primary.
    pub(super) fn refuse_as_before(&mut self, keyspace: &Keyspace) {
        let Some(state) = &self.replication.remembering.found else { return };
        let Some((id, reason)) = state.refused.clone() else { return };
        let follows_the_same = state.primary.as_ref() == self.replication.link.primary();
        if follows_the_same && !keyspace.is_empty() && self.config.replica_guard_shrink_percent > 0 {
            self.replication.link.refuse(id, reason);
        }
    }

    /// Whether the data of the full sync that is under way might be refused.
    pub(super) fn may_refuse_sync(&self, keyspace: &Keyspace) -> bool {
        self.config.replica_guard_shrink_percent > 0
            && !keyspace.is_empty()
            && !self.replication.consents
            && !self.knows_joined_history()
    }

    /// Whether the snapshot is of the history that this node's data belongs to, or of one that goes on from it.
    fn knows_joined_history(&self) -> bool {
        let Some(position) = self.replication.joins else { return false };
        let history = self.log.history();
        let previous = history.previous.as_ref().map(|(id, _)| *id);
        let goes_on = self.replication.link.parent_of(position.id);
        let has_all = goes_on.is_some_and(|at| at.id == history.id && at.offset >= self.log.end());
        position.id == history.id || Some(position.id) == previous || has_all
    }

    /// Data that is refused is dropped away from the executor.
    pub(super) fn discard_refused(&mut self, data: LoadedData) {
        self.replication.joins = None;
        let keys = usize::try_from(data.keyspace.len()).unwrap_or(usize::MAX);
        self.discard_keys(Content::Keyspace(data.keyspace), keys, keys);
    }
}

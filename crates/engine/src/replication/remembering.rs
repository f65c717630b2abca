//! What the next life of this node will know of this one: when the state file is written, and with what.
//!
//! A node has one from the moment that it follows somebody or has a replica whose stream flows; what was never
//! part of a group leaves no file. It lies beside the snapshot and is named after it, since nodes that share a
//! folder have snapshots of different names. Who follows whom, whose history it is and whether there is data at
//! all is written within a second, how far things went every ten.
//!
//! A history whose data was refused stays refused after a restart, for what came of the data meanwhile is no more
//! welcome than before.
//!
//! A replica that is lost is remembered for `repl-timeout` more: by then it is back, or gone for good.

use std::collections::BTreeMap;

use slipstream_keyspace::Keyspace;
use slipstream_log::Offset;
use slipstream_replication::link::{Endpoint, Position};
use slipstream_replication::{Level, Moment};

use crate::host::Effect;
use crate::node::{Core, Node, Phase};
use crate::state::{KnownReplica, NodeState};

/// The file is written at most so often, in milliseconds.
const PERIOD_MS: u64 = 1000;

/// How far things went is written at least so often while they go on, in milliseconds.
const OFFSET_PERIOD_MS: u64 = 10_000;

/// What is remembered, and was written of it.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    /// What the life before left behind, until it is known what has become of that.
    pub(super) found: Option<NodeState>,
    /// Whether there is a file already.
    has_file: bool,
    /// Replicas whose stream flows, or did a moment ago, by host and port: up to where, and when that was.
    replicas: BTreeMap<(String, u16), (Offset, Moment)>,
    written: Option<Written>,
    has_failed: bool,
}

/// What is in the file.
#[derive(Debug)]
struct Written {
    state: NodeState,
    /// The folder and the name.
    place: (String, String),
    at: Moment,
}

impl Node {
    /// What the state file says; to be called before the node is started.
    pub fn remember(&mut self, file: Result<Option<Vec<u8>>, String>) {
        let state = match file {
            Ok(None) => return,
            Ok(Some(content)) => NodeState::parse(&content).map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        let name = self.core.state_file();
        let remembering = &mut self.core.replication.remembering;
        remembering.has_file = true;
        match state {
            Ok(state) => remembering.found = Some(state),
            Err(reason) => {
                let text = format!("The state file {name} tells nothing: {reason}. Starting as without one.");
                self.core.notice(Level::Warning, &text);
            }
        }
    }

    /// The state file is written, or could not be.
    pub fn kept_state(&mut self, result: Result<(), String>) {
        let had_failed =
            std::mem::replace(&mut self.core.replication.remembering.has_failed, result.is_err());
        match result {
            Err(reason) if !had_failed => {
                let text = format!("The state file cannot be written: {reason}. Replication goes on.");
                self.core.notice(Level::Warning, &text);
            }
            Ok(()) if had_failed => self.core.notice(Level::Notice, "The state file is written again"),
            _ => {}
        }
    }
}

impl Core {
    /// The name of the state file in `dir`.
    pub fn state_file(&self) -> String {
        format!("{}.state", self.config.dbfilename)
    }

    /// Has the state file written if it says something that is no longer so.
    pub(crate) fn keep_state_if_due(&mut self, keyspace: &Keyspace) {
        if self.has_no_state_yet() {
            return;
        }
        self.note_replicas();
        let state = self.describe(keyspace);
        if self.is_due(&state) {
            self.keep_state(state);
        }
    }

    /// Has it written for the last time.
    pub(crate) fn keep_last_state(&mut self, keyspace: &Keyspace) {
        if self.has_no_state_yet() {
            return;
        }
        self.note_replicas();
        let state = self.describe(keyspace);
        let is_written =
            self.replication.remembering.written.as_ref().is_some_and(|written| written.state == state);
        if self.has_state(&state) && !is_written {
            self.keep_state(state);
        }
    }

    /// It is known what has become of what the last life left behind.
    pub(crate) fn forget_last_life(&mut self) {
        self.replication.remembering.found = None;
    }

    /// Whether what is loaded so far is not what there was, be it that a shutdown was begun meanwhile, or it is not known
    /// yet what this node is: what the last life left behind is for the next one as well.
    fn has_no_state_yet(&self) -> bool {
        let is_unknown = self.is_awaiting_claim() || self.pause.returning().is_some();
        self.phase == Phase::Loading || self.loading.is_some() || is_unknown
    }

    pub(super) fn keep_state(&mut self, state: NodeState) {
        let name = self.state_file();
        let content = state.encode();
        let place = (self.config.dir.clone(), self.config.dbfilename.clone());
        let at = self.clock.moment();
        let remembering = &mut self.replication.remembering;
        remembering.has_file = true;
        remembering.written = Some(Written { state, place, at });
        self.effects.push(Effect::KeepState { name, content });
    }

    /// Whether this node has something that its next life should know.
    fn has_state(&self, state: &NodeState) -> bool {
        self.replication.remembering.has_file || state.primary.is_some() || !state.replicas.is_empty()
    }

    fn is_due(&self, state: &NodeState) -> bool {
        let Some(written) = &self.replication.remembering.written else { return self.has_state(state) };
        if written.state.promised_copies() != state.promised_copies() {
            // Clients may be answered by that already.
            return true;
        }
        let is_elsewhere = written.place != (self.config.dir.clone(), self.config.dbfilename.clone());
        if is_elsewhere || !written.state.is_like(state) {
            return self.clock.moment() >= written.at.after_ms(PERIOD_MS);
        }
        written.state != *state && self.clock.moment() >= written.at.after_ms(OFFSET_PERIOD_MS)
    }

    /// Looks at who is there. One that did not say where it listens, as a tool that reads along, is no copy.
    fn note_replicas(&mut self) {
        let now = self.clock.moment();
        let patience = u64::from(self.config.repl_timeout) * 1000;
        let Self { replication, .. } = self;
        let known = &mut replication.remembering.replicas;
        for replica in replication.replicas.iter().filter(|replica| replica.is_online()) {
            if let Some(port) = u16::try_from(replica.port()).ok().filter(|port| *port > 0) {
                // One that has not said anything yet has at least begun to take what lies before its cursor.
                let said = Some(replica.acked).filter(|acked| *acked > Offset(0));
                let offset = said.or_else(|| replica.cursor()).unwrap_or_default();
                known.insert((replica.address().to_owned(), port), (offset, now));
            }
        }
        known.retain(|_, (_, seen)| now.ms_since(*seen) <= patience);
    }

    fn describe(&self, keyspace: &Keyspace) -> NodeState {
        let (history, link) = (self.log.history(), &self.replication.link);
        // With stale keys the data is that of no offset.
        let is_kept = self.log.is_active() && !self.has_stale_keys();
        let keys: usize = (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum();
        let replicas = self.replication.remembering.replicas.iter().map(|((host, port), (offset, _))| {
            KnownReplica { address: Endpoint { host: host.clone(), port: *port }, offset: *offset }
        });
        NodeState {
            primary: link.primary().cloned(),
            position: is_kept.then(|| Position { id: history.id, offset: self.log.end() }),
            previous: history.previous.filter(|_| is_kept).map(|(id, offset)| Position { id, offset }),
            keys: keys as u64,
            replicas: replicas.collect(),
            refused: link.refused_history().zip(link.blocked().map(str::to_owned)),
            waiting_since: None,
            promised: if self.aof.holds_replies() { 0 } else { self.config.min_replicas_to_ack },
            is_watched: self.fence.leases.knows_leases(),
            has_ended: self.is_saving_last(),
        }
    }
}

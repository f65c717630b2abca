//! The replica's side: what the link to the primary wants, put into effect.
//!
//! Bytes of the link come in here and go to the machine, the loader or the stream that is applied. Nothing is
//! decided here. What the shell tells of an earlier connection or load is not heard.

use slipstream_keyspace::Keyspace;
use slipstream_log::Offset;
use slipstream_rdb::Reached;
use slipstream_replication::Level;
use slipstream_replication::link::{self, Endpoint, Position, Rewound, Standing};
use slipstream_replication::replicas::Change;

use super::OpenLink;
use super::progress::SyncProgress;
use super::restoring::Restoring;
use crate::apply::Stream;
use crate::config::DisklessLoad;
use crate::host::{Effect, LoadOrder, LoadedData};
use crate::node::{Core, Node, Phase};
use crate::reclaim::Content;

/// The replica's side.
impl Core {
    pub(crate) fn perform_link(&mut self, keyspace: &mut Keyspace, actions: Vec<link::Action<'_>>) {
        use link::Action;
        for action in actions {
            match action {
                Action::Connect(Endpoint { host, port }) => {
                    self.replication.connection += 1;
                    let number = self.replication.connection;
                    self.effects.push(Effect::Connect { number, host, port });
                }
                Action::Send(bytes) => self.effects.push(Effect::LinkSend(bytes)),
                Action::Close => {
                    self.replication.end_connection();
                    self.replication.stream.forget_rest();
                    self.effects.push(Effect::LinkClose);
                }
                Action::ConnectSide(Endpoint { host, port }) => {
                    self.replication.side += 1;
                    let number = self.replication.side;
                    self.effects.push(Effect::SideConnect { number, host, port });
                }
                Action::SendSide(bytes) => self.effects.push(Effect::SideSend(bytes)),
                Action::CloseSide => {
                    self.replication.side += 1;
                    self.effects.push(Effect::SideClose);
                }
                Action::PauseReading => self.effects.push(Effect::LinkPause),
                Action::ResumeReading => self.effects.push(Effect::LinkResume),
                Action::SnapshotBegin { position, .. } => {
                    self.replication.joins = position;
                    self.replication.load += 1;
                    self.begin_load(keyspace);
                }
                Action::SnapshotBytes(bytes) => self.effects.push(Effect::LoadBytes(bytes.into_owned())),
                Action::SnapshotEnd => self.effects.push(Effect::LoadEnd),
                Action::SnapshotAbort => {
                    self.replication.load += 1;
                    self.replication.progress = None;
                    self.end_flushed_load();
                    self.effects.push(Effect::LoadAbort);
                }
                Action::Rewind { to } => {
                    let outcome = self.rewind(keyspace, to);
                    self.on_rewound(keyspace, outcome);
                }
                Action::Restore { to, fetched } => self.begin_restoring(to, fetched),
                Action::Forget => self.forget_position(),
                Action::Continue { id } => {
                    self.continue_under(id);
                    self.settle_restoring(keyspace);
                }
                Action::Apply(bytes) => self.apply(keyspace, &bytes),
                Action::Takeover(news) => self.on_takeover(keyspace, news),
                Action::Log(level, text) => self.notice(level, &text),
            }
        }
    }

    /// It is known, perhaps, what going back to a fork takes.
    pub(super) fn on_rewound(&mut self, keyspace: &mut Keyspace, outcome: Option<Rewound>) {
        let Some(outcome) = outcome else { return };
        let mut actions = Vec::new();
        self.replication.link.on_rewound(self.clock.moment(), outcome, &mut actions);
        self.perform_link(keyspace, actions);
    }

    fn begin_load(&mut self, keyspace: &Keyspace) {
        let has_data = (0..keyspace.databases()).any(|db| !keyspace.db(db).is_empty());
        let through_file = match self.config.repl_diskless_load {
            DisklessLoad::Disabled => true,
            DisklessLoad::OnEmptyDb => has_data,
            DisklessLoad::Swapdb | DisklessLoad::FlushBeforeLoad => false,
        };
        self.replication.progress = Some(SyncProgress::begin(self.clock.moment()));
        let order = LoadOrder { number: self.replication.load, through_file, keeps: self.keeps_received() };
        self.effects.push(Effect::LoadBegin(order));
    }

    /// Whether the old data goes before the new is there. Not while the guard may yet refuse the new.
    fn flushes_for_load(&self, keyspace: &Keyspace) -> bool {
        self.config.repl_diskless_load == DisklessLoad::FlushBeforeLoad && !self.may_refuse_sync(keyspace)
    }

    /// `flush-before-load`: the old data goes, and clients are told to wait for the new. What this node was a
    /// copy of, it is no longer.
    fn flush_for_load(&mut self, keyspace: &mut Keyspace) {
        self.notice(Level::Notice, "MASTER <-> REPLICA sync: Flushing old data");
        self.change_history(Change::Replaced);
        self.log.deactivate(&mut self.rng);
        let gone = (0..keyspace.databases()).map(|db| keyspace.db(db).len()).sum();
        self.all_keys_changed();
        let garbage = keyspace.clear();
        self.discard_keys(Content::Databases(garbage), gone, gone);
        self.phase = Phase::Loading;
        self.replication.is_flushed = true;
    }

    /// A load into an emptied node is over, whichever way.
    fn end_flushed_load(&mut self) {
        if std::mem::take(&mut self.replication.is_flushed) {
            self.phase = self.phase_after_load();
        }
    }

    /// The primary says in the stream that its history has changed. This node asks again from where it stands.
    pub(crate) fn ask_again(&mut self, keyspace: &mut Keyspace) {
        self.replication.restoring.stop();
        let standing = self.standing();
        let mut actions = Vec::new();
        self.replication.link.on_history_changed(self.clock.moment(), standing, &mut actions);
        self.perform_link(keyspace, actions);
    }

    /// The primary goes on from where this node stands, perhaps under a new name.
    pub(super) fn continue_under(&mut self, id: Option<slipstream_log::ReplicationId>) {
        self.replication.stream.forget_rest();
        if let Some(id) = id.filter(|id| *id != self.log.history().id) {
            self.log.adopt_id(id);
            self.change_history(Change::Renamed);
        }
    }

    /// The database that whoever reads the log has selected at its end.
    pub(crate) fn stream_database(&self) -> usize {
        if self.is_replica() {
            self.replication.stream.database()
        } else {
            let known = self.propagation.selected().or_else(|| self.propagation.selected_at(self.log.end()));
            known.unwrap_or(0)
        }
    }

    /// What this node tells its link.
    fn standing(&self) -> Standing {
        let (resume, earlier) = (self.position(), self.earlier_position());
        Standing { resume, earlier, stale_since: self.stale_since() }
    }

    /// Where this node left the history before its own.
    fn earlier_position(&self) -> Option<Position> {
        let previous = self.log.history().previous.filter(|_| self.log.is_active());
        previous.map(|(id, offset)| Position { id, offset })
    }

    /// What this node's data is a copy of.
    pub(super) fn position(&self) -> Option<Position> {
        self.log.is_active().then(|| Position { id: self.log.history().id, offset: self.log.end() })
    }
}

impl Node {
    /// Says between which ends the connection to the primary is; it is told before it is said to be open.
    pub fn link_opened(
        &mut self,
        peer: crate::session::Endpoint,
        local: crate::session::Endpoint,
        descriptor: i64,
    ) {
        let (id, since) = (self.core.sessions.next_id(), self.core.clock.moment());
        self.core.replication.opened = Some(OpenLink { id, peer, local, descriptor, since });
    }

    /// Connection `number` to the primary is open.
    pub fn link_connected(&mut self, number: u64) {
        if number != self.core.replication.connection {
            return;
        }
        self.core.tick_clock();
        self.core.replication.stream.forget_rest();
        self.core.replication.restoring.stop();
        let standing = self.core.standing();
        let mut actions = Vec::new();
        self.core.replication.link.on_connected(self.core.clock.moment(), standing, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
    }

    /// It is gone, or could not be opened.
    pub fn link_closed(&mut self, number: u64, reason: &str) {
        if number != self.core.replication.connection {
            return;
        }
        self.core.replication.end_connection();
        self.core.tick_clock();
        self.core.replication.stream.forget_rest();
        let mut actions = Vec::new();
        self.core.replication.link.on_closed(self.core.clock.moment(), reason, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
        self.replication_turn();
    }

    /// The primary sent something.
    pub fn link_received(&mut self, number: u64, bytes: &[u8]) {
        if number != self.core.replication.connection {
            return;
        }
        self.core.tick_clock();
        self.core.turn_has_input = true;
        self.core.stats.repl_input += bytes.len() as u64;
        let mut actions = Vec::new();
        self.core.replication.link.on_received(self.core.clock.moment(), bytes, &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
        self.settle_replicas();
        self.run_woken();
    }

    /// Side connection `number` to the primary is open.
    pub fn side_connected(&mut self, number: u64) {
        self.on_side(number, |link, now, actions| link.on_side_connected(now, actions));
    }

    /// It is gone, or could not be opened.
    pub fn side_closed(&mut self, number: u64, reason: &str) {
        self.on_side(number, |link, now, actions| link.on_side_closed(now, reason, actions));
    }

    /// The primary sent something over it.
    pub fn side_received(&mut self, number: u64, bytes: &[u8]) {
        self.core.turn_has_input = true;
        self.core.stats.repl_input += bytes.len() as u64;
        self.on_side(number, |link, now, actions| link.on_side_received(now, bytes, actions));
    }

    fn on_side<'a>(
        &mut self,
        number: u64,
        event: impl FnOnce(&mut link::Link, slipstream_replication::Moment, &mut Vec<link::Action<'a>>),
    ) {
        if number != self.core.replication.side {
            return;
        }
        self.core.tick_clock();
        let mut actions = Vec::new();
        event(&mut self.core.replication.link, self.core.clock.moment(), &mut actions);
        self.core.perform_link(&mut self.keyspace, actions);
    }

    /// The link is not read for now since the decoder is behind: its silence is ours.
    pub fn load_is_behind(&mut self) {
        self.core.replication.link.on_load_progress(self.core.clock.moment());
    }

    /// So much of the snapshot of this number is decoded; that it can be is shown.
    pub fn load_progress(&mut self, number: u64, reached: Reached) {
        if number != self.core.replication.load {
            self.core.drop_received(number);
            return;
        }
        let now = self.core.clock.moment();
        if let Some(progress) = &mut self.core.replication.progress {
            progress.on_decoded(now, reached);
        }
        self.core.replication.link.on_load_progress(now);
        if !self.core.replication.is_flushed && self.core.flushes_for_load(&self.keyspace) {
            self.core.flush_for_load(&mut self.keyspace);
            self.core.tell_broken_watches();
        }
    }

    /// The snapshot of this number is loaded, or cannot be.
    pub fn loaded_sync(&mut self, number: u64, result: Result<LoadedData, String>) {
        if number != self.core.replication.load {
            if result.is_ok_and(|data| data.kept.is_some()) {
                self.core.remove_received(number);
            }
            return;
        }
        self.core.replication.load += 1;
        self.core.tick_clock();
        self.core.end_flushed_load();
        let now = self.core.clock.moment();
        if let Some(progress) = self.core.replication.progress.take()
            && let Ok(LoadedData { loaded, .. }) = &result
        {
            let line = progress.summary(now, loaded.keys_loaded, loaded.length);
            self.core.notice(Level::Notice, &line);
        }
        let mut actions = Vec::new();
        let prepared = result
            .and_then(|data| self.core.prepare_libraries(&data.loaded.functions).map(|new| (data, new)));
        match prepared {
            Err(reason) => self.core.replication.link.on_load_failed(now, &reason, &mut actions),
            Ok((data, libraries)) => match self.core.refusal_of(&self.keyspace, &data) {
                Some(reason) => {
                    self.core.drop_received(number);
                    self.core.discard_refused(data);
                    self.core.replication.link.on_load_refused(now, &reason, &mut actions);
                }
                None => {
                    let (kept, says) = (data.kept, data.loaded.aux.replication());
                    self.core.replace_libraries(libraries);
                    let offset = self.adopt(data);
                    self.core.take_received(number, kept, says.as_ref());
                    self.core.replication.link.on_loaded(now, offset, &mut actions);
                }
            },
        }
        self.core.perform_link(&mut self.keyspace, actions);
        self.replication_turn();
    }

    /// The data of a full sync takes the place of the old. Returns where the log goes on.
    fn adopt(&mut self, data: LoadedData) -> Offset {
        self.core.change_history(Change::Replaced);
        let db = data.loaded.aux.replication().map_or(0, |point| point.stream_database);
        let offset = self.adopt_position();
        self.core.replication.stream = Stream::starting_in(db);
        self.core.replication.consents = false;
        self.core.propagation.set_selected(None);
        self.core.propagation.note_selected(offset, db);
        self.core.replication.restoring = Restoring::default();
        self.core.local_deadlines.clear();
        self.replace_data(data);
        offset
    }

    /// The log goes on where the stream joins the snapshot.
    pub(super) fn adopt_position(&mut self) -> Offset {
        let core = &mut self.core;
        match core.replication.joins.take() {
            Some(position) => {
                let parent = core.replication.link.parent_of(position.id);
                core.log.adopt_snapshot(position.id, position.offset);
                // Replicas of this node may know no other name of their history.
                if let Some(Position { id, offset }) = parent {
                    core.log.remember(id, offset);
                }
            }
            // A primary that does not tell: a history of our own.
            None => {
                core.log.deactivate(&mut core.rng);
                core.log.activate(&mut core.rng);
            }
        }
        core.log.end()
    }

    /// Goes on from what a loaded file says of replication.
    pub(crate) fn continue_history(&mut self, data: &LoadedData) {
        let Some(point) = data.loaded.aux.replication() else { return };
        let Some(id) = slipstream_log::ReplicationId::parse(&point.id) else { return };
        let core = &mut self.core;
        core.log.adopt_snapshot(id, Offset(u64::try_from(point.offset).unwrap_or(0)));
        core.propagation.note_selected(core.log.end(), point.stream_database);
        if core.config.replicaof.is_some() {
            core.replication.stream = Stream::starting_in(point.stream_database);
        }
    }

    /// Follows the primary that the configuration names.
    pub(crate) fn follow_configured(&mut self) {
        if let Some(primary) = self.core.config.replicaof.clone() {
            let db = self.core.replication.stream.database();
            self.core.follow(&mut self.keyspace, Endpoint { host: primary.host, port: primary.port });
            self.core.replication.stream = Stream::starting_in(db);
            self.core.refuse_as_before(&self.keyspace);
        }
    }
}

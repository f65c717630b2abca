//! The append-only file as the node uses it: when the machine is asked, bases from snapshots, and clients that wait
//! for the disk.

use slipstream_keyspace::Keyspace;
use slipstream_log::Offset;
use slipstream_rdb::ReplicationPoint;

use super::{Aof, BaseOrder, FileWait, Report, Turn};
use crate::errors::CommandError;
use crate::host::{Effect, SaveProgress};
use crate::node::{Core, Node, Phase};
use crate::session::{SessionId, Wait};
use crate::stored::LoadedLog;
use crate::waiting::Ending;

impl Node {
    /// The writer of the append-only file told something.
    pub fn aof_reported(&mut self, report: Report) {
        self.core.tick_clock();
        self.core.with_aof(|aof, turn| aof.on_report(turn, report));
        self.core.settle_aof();
        self.read_written_log();
        self.run_woken();
    }

    /// A base was written under its temporary name, of so many bytes, or could not be.
    pub fn aof_base_written(&mut self, number: u64, result: Result<u64, String>) {
        self.core.tick_clock();
        self.core.with_aof(|aof, turn| aof.on_base_written(turn, number, result));
    }

    /// So much of a base is written.
    pub fn aof_base_progress(&mut self, number: u64, progress: SaveProgress) {
        self.core.aof.on_base_progress(number, progress);
    }

    /// The node had to wait for the writer, which was too far behind.
    pub fn aof_was_delayed(&mut self) {
        self.core.aof.stats.delayed += 1;
    }

    /// Lets the append-only file do what is due.
    pub(crate) fn aof_turn(&mut self) {
        self.read_written_log();
        let core = &mut self.core;
        if core.phase == Phase::Loading || !core.aof.is_enabled() && !core.wants_aof() {
            return;
        }
        core.activate_for_aof();
        if core.with_aof(Aof::on_turn) {
            core.begin_base(&self.keyspace);
        }
        core.settle_aof();
        self.run_woken();
    }
}

impl Core {
    fn wants_aof(&self) -> bool {
        self.config.appendonly || self.aof.is_once
    }

    /// The data is loaded: the append-only file goes on behind it. Where the log stands is settled before.
    pub(crate) fn begin_aof(&mut self, found: Option<LoadedLog>) {
        if self.config.appendonly {
            self.activate_for_aof();
            self.with_aof(|aof, turn| aof.start(turn, found));
        }
    }

    /// The file is a reader of the log, and so the log must be active. A replica's begins with its primary's history.
    pub(crate) fn activate_for_aof(&mut self) {
        let follows = self.is_replica() || self.config.replicaof.is_some();
        if self.wants_aof() && !self.log.is_active() && !follows && !self.is_awaiting_claim() {
            self.log.activate(&mut self.rng);
            self.propagation.select_again();
            self.propagation.note_selected(self.log.end(), self.stream_database());
        }
    }

    /// Hands over what was appended to the log in this turn.
    pub(crate) fn feed_aof(&mut self, is_urgent: bool) {
        if self.aof.has_file() && !self.is_reading_its_log() {
            let began = self.host.clock().micros;
            self.with_aof(|aof, turn| aof.feed(turn, is_urgent));
            self.stats.aof_micros += self.host.clock().micros - began;
        }
    }

    /// The process ends: everything goes to disk, and the file tells that nothing was said behind its end.
    pub(crate) fn finish_aof(&mut self) {
        if self.aof.is_enabled() {
            self.with_aof(Aof::finish);
        }
    }

    /// BGREWRITEAOF: whether the rewrite begins at once.
    pub(crate) fn rewrite_aof(&mut self, keyspace: &Keyspace) -> bool {
        let can_begin = self.with_aof(|aof, turn| aof.is_on() && aof.may_rewrite(turn));
        self.aof.is_once |= !self.config.appendonly;
        self.aof.schedule();
        if can_begin {
            self.begin_base(keyspace);
        }
        can_begin || self.saving.running.is_none() && !self.propagation.is_grouping()
    }

    pub(crate) fn rewrite_aof_if_grown(&mut self) {
        self.with_aof(|aof, turn| aof.rewrite_if_grown(turn));
    }

    /// Whether a snapshot that is received is of use as a base.
    pub(crate) fn keeps_received(&self) -> bool {
        self.config.appendonly && self.config.aof_use_rdb_preamble && self.aof.is_enabled()
    }

    /// The data is that of the snapshot of this number, of which so many bytes are kept. Where it says itself that it
    /// is from somewhere else than the primary said, no increment could be told to go on from it.
    pub(crate) fn take_received(&mut self, number: u64, kept: Option<u64>, says: Option<&ReplicationPoint>) {
        let (id, end) = (self.log.history().id, self.log.end());
        let is_here =
            |point: &ReplicationPoint| point.id == *id.as_bytes() && u64::try_from(point.offset) == Ok(end.0);
        match kept.filter(|_| says.is_none_or(is_here)) {
            Some(size) => self.with_aof(|aof, turn| aof.take_received(turn, number, size)),
            None => self.drop_received(number),
        }
    }

    /// The snapshot of this number is of no use.
    pub(crate) fn drop_received(&mut self, number: u64) {
        if self.aof.is_enabled() {
            self.remove_received(number);
        }
    }

    /// The file of the snapshot of this number is of no use, whether the append-only file is on or not by now.
    pub(crate) fn remove_received(&mut self, number: u64) {
        self.with_aof(|aof, _| aof.remove_received(number));
    }

    fn begin_base(&mut self, keyspace: &Keyspace) {
        if self.with_aof(Aof::begin_received) {
            return;
        }
        let keys = (0..keyspace.databases()).map(|index| keyspace.db(index).len() as u64).sum();
        let base = self.with_aof(|aof, turn| aof.begin_rewrite(Turn { keys, ..turn }));
        let job = self.aof_base_job(keyspace);
        let order = BaseOrder { number: base.number, temporary: base.temporary, format: base.format, job };
        self.effects.push(Effect::AofBase(Box::new(order)));
    }

    fn with_aof<R>(&mut self, run: impl FnOnce(&mut Aof, Turn<'_>) -> R) -> R {
        let is_settled = self.phase != Phase::Loading
            && self.propagation.is_empty()
            && !self.propagation.is_grouping()
            && !self.has_stale_keys()
            && !self.is_awaiting_claim();
        let turn = Turn {
            clock: self.clock,
            config: &self.config,
            log: &self.log,
            propagation: &self.propagation,
            database: self.stream_database(),
            is_settled,
            is_saving: self.saving.running.is_some(),
            is_ending: self.shutdown.is_some(),
            needs_snapshot: self.scripting.libraries.len() > 0,
            keys: 0,
        };
        let result = run(&mut self.aof, turn);
        self.effects.extend(self.aof.orders.drain(..).map(Effect::Aof));
        for (level, text) in std::mem::take(&mut self.aof.notices) {
            self.notice(level, &text);
        }
        result
    }
}

/// Clients that wait for the disk.
impl Core {
    /// Lets those go on who have what they waited for.
    fn settle_aof(&mut self) {
        if let Some(durable) = self.aof.ended.take() {
            self.aof.holds.retain(|(offset, _)| *offset <= durable);
            self.give_up_each(&CommandError::NOT_ON_DISK, |hold| hold.on_disk && hold.offset > durable);
        }
        if std::mem::take(&mut self.aof.has_moved) {
            let mark = self.aof.mark();
            while let Some((offset, id)) = self.aof.holds.front().copied()
                && offset <= mark
            {
                self.aof.holds.pop_front();
                self.release(id);
            }
        }
        self.end_file_waits();
    }

    /// Answers clients of WAITAOF that have what they wait for on this node's disk and on those of replicas, or that
    /// wait for a file which there is none of.
    fn end_file_waits(&mut self) {
        let is_enabled = self.aof.is_enabled();
        let end = if is_enabled { self.aof.durable() } else { Offset(u64::MAX) };
        while let Some((id, wait)) = self.aof.waits.take_next(end) {
            if is_enabled {
                self.disk_wait_over(id, wait);
            } else {
                self.end_wait(id, Ending::Failed(CommandError::WAITAOF_WITHOUT_FILE));
            }
        }
    }

    fn disk_wait_over(&mut self, id: SessionId, wait: FileWait) {
        let reported = self.replication.replicas.reported(Wait::Files.measure(), wait.offset);
        // Else the replicas' side tells when they have it.
        if reported >= wait.replicas {
            self.answer_as_reported(id, Wait::Files);
        }
    }

    /// A client waits for this node's disk, and for as many replicas.
    pub(crate) fn await_disk(&mut self, id: SessionId, wait: FileWait) {
        self.aof.waits.insert(id, wait);
    }

    /// Whether a client waits for this node's disk.
    pub(crate) fn awaits_disk(&self, id: SessionId) -> bool {
        self.aof.waits.contains(id)
    }

    /// A client's wait is over, or the client is gone.
    pub(crate) fn forget_disk_wait(&mut self, id: SessionId) {
        self.aof.waits.remove(id);
    }

    /// What replies wait for will not be on disk any more: the data is replaced by a primary's. Told before the log
    /// goes on elsewhere, where its offsets mean something else.
    pub(crate) fn give_up_disk_holds(&mut self) {
        if !self.aof.holds.is_empty() {
            self.aof.holds.clear();
            self.give_up_all_held();
        }
    }

    /// A reply of a session waits until the disk has everything before `offset`.
    pub(crate) fn await_release(&mut self, id: SessionId, offset: Offset) {
        self.aof.holds.push_back((offset, id));
    }

    /// When the next thing is due.
    pub(crate) fn aof_deadline(&self) -> Option<slipstream_replication::Moment> {
        let aof = &self.aof;
        [aof.feed_deadline(&self.log), aof.retry_deadline(self.clock.moment())].into_iter().flatten().min()
    }
}

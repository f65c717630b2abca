//! Snapshots to disk: when they are due, which runs, how the last one ended.
//!
//! Nothing forks: a snapshot is a value, and the shell writes it on another
//! thread while the executor goes on. One is written at a time; one more can be
//! scheduled behind it.

use slipstream_keyspace::Keyspace;
use slipstream_rdb::{Aux, Maker, Preface, ReplicationPoint};
use slipstream_replication::Moment;
use slipstream_replication::replicas::Part;

use crate::config::{Config, SavePoint};
use crate::host::{Clock, Effect, Level, SaveProgress, SaveReason, SnapshotJob};
use crate::node::{Core, Node};
use crate::session::Wait;

/// After a failure the save points try again no sooner than this.
const RETRY_SECONDS: u64 = 5;

/// A snapshot being written.
#[derive(Clone, Copy, Debug)]
pub struct RunningSave {
    /// Its number.
    number: u64,
    /// What for.
    pub reason: SaveReason,
    /// When it began.
    pub began: Clock,
    /// How many of the changes it holds.
    changes: u64,
    /// How many keys it holds.
    pub keys: u64,
    /// How far it is.
    pub progress: SaveProgress,
}

/// Snapshots to disk.
#[derive(Debug)]
pub struct Saving {
    /// Changes of the data since the last good snapshot.
    pub changes: u64,
    /// When that was, in seconds since 1970.
    pub last_save: i64,
    /// The same by the clock that never jumps: save points count from here.
    saved_at: Moment,
    /// When the last attempt began.
    last_attempt: Option<Moment>,
    /// Whether the last one succeeded.
    pub last_ok: bool,
    /// How long the last one took in seconds.
    pub last_seconds: Option<u64>,
    /// How many were written since the start.
    pub saves: u64,
    /// How many were begun.
    begun: u64,
    /// The one being written.
    pub running: Option<RunningSave>,
    /// Whether another is to follow it.
    pub scheduled: bool,
}

impl Saving {
    /// As it is at the start.
    pub fn new(clock: Clock) -> Self {
        Saving {
            changes: 0,
            last_save: clock.unix_micros.div_euclid(1_000_000),
            saved_at: clock.moment(),
            last_attempt: None,
            last_ok: true,
            last_seconds: None,
            saves: 0,
            begun: 0,
            running: None,
            scheduled: false,
        }
    }

    /// Whether writes are refused since the last snapshot failed.
    pub fn blocks_writes(&self, config: &Config) -> bool {
        !self.last_ok && config.stop_writes_on_bgsave_error && !config.save.is_empty()
    }

    /// Whether a save point is reached.
    fn is_due(&self, config: &Config, clock: Clock, is_rewriting: bool) -> bool {
        let now = clock.moment();
        let elapsed = now.seconds_since(self.saved_at);
        let reached = |point: &SavePoint| self.changes >= point.changes && elapsed > point.seconds;
        let since_attempt = self.last_attempt.map_or(u64::MAX, |attempt| now.seconds_since(attempt));
        let may_retry = self.last_ok || since_attempt > RETRY_SECONDS;
        self.running.is_none() && !is_rewriting && may_retry && config.save.iter().any(reached)
    }
}

impl Core {
    /// Begins to write a snapshot.
    pub fn begin_save(&mut self, keyspace: &Keyspace, reason: SaveReason) {
        let clock = self.clock;
        self.saving.last_attempt = Some(clock.moment());
        self.saving.scheduled = false;
        self.saving.begun += 1;
        let number = self.saving.begun;
        let changes = self.saving.changes;
        let keys = (0..keyspace.databases()).map(|db| keyspace.db(db).len() as u64).sum();
        let progress = SaveProgress::default();
        self.saving.running = Some(RunningSave { number, reason, began: clock, changes, keys, progress });
        if reason == SaveReason::Background {
            self.notice(Level::Notice, "Background saving started");
        }
        let job = self.snapshot_job(keyspace);
        self.effects.push(Effect::Save { number, job: Box::new(job) });
    }

    /// BGSAVE CANCEL: what is written in the background is given up, or else what is scheduled. What it replies;
    /// `None` if there is neither.
    pub(crate) fn cancel_save(&mut self) -> Option<&'static str> {
        let saving = &mut self.saving;
        if let Some(save) = saving.running.take_if(|save| save.reason == SaveReason::Background) {
            saving.last_seconds = Some((self.clock.micros - save.began.micros) / 1_000_000);
            self.notice(Level::Notice, "Background saving cancelled");
            self.effects.push(Effect::CancelSave);
            Some("Background saving cancelled")
        } else if std::mem::take(&mut saving.scheduled) {
            self.notice(Level::Notice, "Scheduled background saving cancelled");
            Some("Scheduled background saving cancelled")
        } else {
            None
        }
    }

    /// A snapshot of this moment with the facts that belong into its head.
    pub fn snapshot_job(&mut self, keyspace: &Keyspace) -> SnapshotJob {
        let preface = Preface { aux: self.aux(false), functions: self.scripting.libraries.codes() };
        SnapshotJob { snapshot: keyspace.snapshot(), preface }
    }

    /// The same as the base of an append-only file.
    pub(crate) fn aof_base_job(&mut self, keyspace: &Keyspace) -> SnapshotJob {
        let preface = Preface { aux: self.aux(true), functions: self.scripting.libraries.codes() };
        SnapshotJob { snapshot: keyspace.snapshot(), preface }
    }

    /// The same of a part of the data: keys are in the whole alone.
    pub(crate) fn snapshot_part(&mut self, keyspace: &Keyspace, part: Part) -> SnapshotJob {
        if part == Part::Whole {
            return self.snapshot_job(keyspace);
        }
        let nothing = Keyspace::new(keyspace.databases(), [0; 4], *keyspace.encoding());
        let mut job = self.snapshot_job(&nothing);
        if part == Part::Nothing {
            job.preface.functions.clear();
        }
        job
    }
}

impl Node {
    /// The shell wrote snapshot `number` to disk, or could not.
    pub fn saved(&mut self, number: u64, result: Result<(), String>) {
        self.core.tick_clock();
        let Some(running) = self.core.saving.running.take_if(|save| save.number == number) else { return };
        let clock = self.core.clock;
        let saving = &mut self.core.saving;
        // Whoever asked for one to be saved at once is told; writes are refused after one in the background alone.
        let is_told = running.reason != SaveReason::Background;
        saving.last_ok = result.is_ok() || is_told && saving.last_ok;
        saving.last_seconds = Some((clock.micros - running.began.micros) / 1_000_000);
        if result.is_ok() {
            saving.changes = saving.changes.saturating_sub(running.changes);
            saving.last_save = clock.unix_micros.div_euclid(1_000_000);
            saving.saved_at = clock.moment();
            saving.saves += 1;
        }
        match &result {
            Ok(()) => self.core.notice(Level::Notice, "DB saved on disk"),
            Err(reason) => {
                self.core.notice(Level::Warning, &format!("Error saving the DB on disk: {reason}"));
            }
        }
        self.answer_saved(running.reason, &result);
        // A shutdown that cannot save is over: what is due is deleted again, before the writes that it held back.
        self.core.rest_or_expire(&mut self.keyspace);
        if self.core.saving.scheduled && self.core.saving.running.is_none() {
            self.core.begin_save(&self.keyspace, SaveReason::Background);
        }
        self.run_woken();
    }

    /// The shell has written so much of snapshot `number`.
    pub fn save_progress(&mut self, number: u64, progress: SaveProgress) {
        if let Some(running) = self.core.saving.running.as_mut().filter(|save| save.number == number) {
            running.progress = progress;
        }
    }

    fn answer_saved(&mut self, reason: SaveReason, result: &Result<(), String>) {
        // The snapshot of a shutdown takes the place of one that a client waits for.
        self.core.finish_waits(Wait::Save, |reply| match result {
            Ok(()) => reply.ok(),
            Err(reason) => reply.error(&format!("ERR saving the DB on disk: {reason}")),
        });
        if reason == SaveReason::Shutdown {
            self.core.shutdown_saved(result.is_ok());
        }
    }

    /// Saves if a save point is reached.
    pub(crate) fn save_if_due(&mut self) {
        let is_rewriting = self.core.aof.is_rewriting();
        let saving = &self.core.saving;
        if saving.scheduled && saving.running.is_none() && !is_rewriting {
            return self.core.begin_save(&self.keyspace, SaveReason::Background);
        }
        if self.core.saving.is_due(&self.core.config, self.core.clock, is_rewriting) {
            let changes = self.core.saving.changes;
            let text = format!("{changes} changes since the last save reached a save point. Saving...");
            self.core.notice(Level::Notice, &text);
            self.core.begin_save(&self.keyspace, SaveReason::Background);
        }
    }
}

impl Core {
    /// What the head of a snapshot says about this node.
    fn aux(&mut self, is_aof_base: bool) -> Aux {
        let facts = self.host.facts();
        let maker = Maker {
            version_name: "redis-ver",
            version: crate::REDIS_VERSION,
            created: self.clock.unix_micros.div_euclid(1_000_000),
            used_memory: facts.used_memory as u64,
        };
        // Within EXEC the data is ahead of the log, stale keys are behind it: nobody may continue from a file of
        // that moment.
        let agrees = self.log.is_active() && self.propagation.is_empty() && !self.has_stale_keys();
        let point = agrees.then(|| ReplicationPoint {
            stream_database: self.stream_database(),
            id: *self.log.history().id.as_bytes(),
            offset: i64::try_from(self.log.end().0).unwrap_or(i64::MAX),
        });
        Aux::describe(maker, point.as_ref(), is_aof_base)
    }
}

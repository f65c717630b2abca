//! The append-only file, as the machine that decides what the writer does.
//!
//! ```text
//!        appendonly yes         folder read           base, increment begun          base named
//!  Off ────────────────▶ Opening ────────▶ Pending ───────────────────────▶ Starting ──────────▶ On ◀─────┐
//!   ▲                       │                 ▲ ▲                               │                │ rewrite │ base
//!   │                       │ again           │ └──── that failed ──────────────┘                ▼         │ named,
//!   │                       ▼                 │                                              Rewriting ────┘ or not
//!   ├─ appendonly no ── from any              └──── other data, or the file is lost ────── On, Rewriting
//!   └── the disk has it all, or will not ── Ending ◀── appendonly no, and replies wait for the disk
//! ```
//! The file is a reader of the log: an increment is the log's bytes from an offset on, and what stands before it, a
//! base, is the data as it was there. What the log does not tell, data that is replaced, makes a new base and a new
//! increment; until both are on disk the manifest names the old ones, an older state with its honest position.
//!
//! Pure: it is given the time, the log and what the writer reported, and appends [`Order`]s. What the node does for
//! it, snapshots and clients that wait, is in `aof/serving.rs`. Invariant: an offset counts as durable only when
//! files that the manifest names lead there.

mod commands;
mod feeding;
mod order;
mod receiving;
mod rewriting;
mod serving;
mod sizes;
mod waits;

use std::collections::VecDeque;

use slipstream_aof::{Increment, Manifest, Start, manifest_name};
use slipstream_log::{History, Log, Offset};
use slipstream_replication::{Level, Moment};

use self::receiving::Received;
use self::rewriting::{Attempts, Rewrite};
use self::sizes::Sizes;
pub(crate) use self::waits::FileWait;
use self::waits::FileWaits;
use crate::config::{AppendFsync, Config};
use crate::host::{Clock, SaveProgress};
use crate::propagate::Propagation;
use crate::session::SessionId;
use crate::stored::LoadedLog;

pub use self::commands::write_commands;
pub use self::order::{BaseOrder, Order, Progress, Report};
pub use self::receiving::received_name;

/// What is tried again when the folder or the file cannot be used, waits so long, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The append-only file.
#[derive(Debug, Default)]
pub struct Aof {
    phase: Phase,
    /// What is in the folder, once that is known.
    manifest: Manifest,
    /// The number of the last file that was begun.
    number: u64,
    /// The highest numbers in names of bases and increments that were begun. None of these is used again: a manifest
    /// that was given up may come to name them yet.
    used: (u64, u64),
    /// A manifest that was ordered for the increment of this number, and given up before it was known to be there.
    given_up: Option<(u64, Manifest)>,
    /// The first one since the data was last replaced: what is told of an earlier one is of no interest.
    first_number: u64,
    /// Where the writer's file ends, or will.
    cursor: Cursor,
    written: Offset,
    durable: Offset,
    /// Whether answers under `appendfsync always` rely on the file: not before there is a whole one, where it was
    /// switched on while the node served.
    is_relied_on: bool,
    policy: Option<AppendFsync>,
    /// Why the file cannot be written.
    failure: Option<String>,
    /// Before this nothing is tried again.
    retry_at: Option<Moment>,
    /// An increment that the manifest is about to name, and its number.
    beginning: Option<(u64, Increment)>,
    attempts: Attempts,
    /// A snapshot from the primary that may be the base.
    received: Option<Received>,
    /// Whether a rewrite is to follow what runs.
    is_scheduled: bool,
    /// Whether it is switched on for one base alone: BGREWRITEAOF with `appendonly no`.
    is_once: bool,
    sizes: Sizes,
    stats: Stats,
    /// When the last timestamp was noted, in seconds since 1970.
    noted_at: i64,
    orders: Vec<Order>,
    notices: Vec<(Level, String)>,
    /// Whose replies wait for the disk, by the ends of what was written.
    holds: VecDeque<(Offset, SessionId)>,
    waits: FileWaits,
    /// It was switched off, and the disk has what is before this: replies that wait for more wait in vain.
    ended: Option<Offset>,
    /// Whether waits have to be looked at.
    has_moved: bool,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Off,
    /// The folder is being read.
    Opening,
    /// There is no file to write to: as soon as the data is that of the log's end, one is begun.
    Pending,
    /// A base is being written, and an increment behind it, which no manifest names yet.
    Starting(Rewrite),
    /// The manifest names the increment that is written.
    On,
    /// As before, and a base is being written.
    Rewriting(Rewrite),
    /// Switched off. Replies wait until the disk has what is before this, which the writer was handed last.
    Ending(Offset),
}

/// A place in the log.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// What is before it was handed over.
    end: Offset,
    /// When that was, in microseconds.
    at: u64,
    /// The history that the file names.
    history: Option<History>,
    /// What the log counted of breaks.
    breaks: u64,
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor { end: Offset(0), at: 0, history: None, breaks: 0 }
    }
}

/// Figures for INFO.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stats {
    /// Rewrites begun.
    pub(crate) rewrites: u64,
    /// Whether the last one succeeded.
    pub(crate) last_rewrite_ok: bool,
    /// How long it took, in seconds.
    pub(crate) last_rewrite_seconds: Option<u64>,
    /// How often the node had to wait for the writer.
    pub(crate) delayed: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Stats { rewrites: 0, last_rewrite_ok: true, last_rewrite_seconds: None, delayed: 0 }
    }
}

/// What the machine decides by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) clock: Clock,
    pub(crate) config: &'a Config,
    pub(crate) log: &'a Log,
    /// Which database is selected where in it.
    pub(crate) propagation: &'a Propagation,
    /// The one at its end.
    pub(crate) database: usize,
    /// Whether the data is that of the log's end.
    pub(crate) is_settled: bool,
    /// Whether a snapshot is being saved.
    pub(crate) is_saving: bool,
    /// Whether the process is to end.
    pub(crate) is_ending: bool,
    /// Whether there is something that only a snapshot can hold: function libraries.
    pub(crate) needs_snapshot: bool,
    /// Keys of all databases, where a base is begun.
    pub(crate) keys: u64,
}

impl Turn<'_> {
    fn now(&self) -> Moment {
        self.clock.moment()
    }
}

/// Events.
impl Aof {
    /// Goes on in the files that were loaded at the start, or makes the first ones.
    pub(crate) fn start(&mut self, turn: Turn<'_>, found: Option<LoadedLog>) {
        self.is_relied_on = true;
        self.open(turn);
        let Some(found) = found.filter(|found| !found.manifest.is_empty()) else { return };
        self.sizes = Sizes::found(found.base_size, found.size);
        self.manifest = found.manifest;
        self.phase = Phase::On;
        match (found.resume, self.manifest.increments.last()) {
            (Some(length), Some(last)) => {
                let name = last.file.name.clone();
                self.resume(turn, name, length);
            }
            _ => self.append_increment(turn),
        }
    }

    fn resume(&mut self, turn: Turn<'_>, name: String, length: u64) {
        self.begin_number(turn, turn.log.end());
        self.sizes.resumed(self.number, length);
        let (number, at, head) = (self.number, turn.log.end(), turn.head());
        self.orders.push(Order::Resume { number, name, length, at, head });
    }

    /// Goes on in an increment of its own behind files of others.
    fn append_increment(&mut self, turn: Turn<'_>) {
        let behind = self.manifest.files().last().map(|file| file.name.clone());
        let increment = self.next_increment(turn);
        let name = increment.file.name.clone();
        self.manifest.increments.push(increment);
        let (at, head, manifest) = (turn.log.end(), turn.head(), Some(self.manifest.encode()));
        self.begin_number(turn, at);
        self.orders.push(Order::Begin { number: self.number, name, at, head, manifest, behind });
    }

    /// Does what is due, and what changed directives ask for; whether a base is to be begun.
    pub(crate) fn on_turn(&mut self, turn: Turn<'_>) -> bool {
        match (turn.config.appendonly || self.is_once, &self.phase) {
            (true, Phase::Off) => self.open(turn),
            (false, Phase::Off) | (_, Phase::Ending(_)) => return false,
            (false, _) => {
                self.switch_off(turn);
                return false;
            }
            _ => {}
        }
        self.follow_policy(turn);
        if self.is_broken_off(turn.log) {
            self.leave();
        }
        if self.retry_at.is_some_and(|at| turn.now() < at) {
            return false;
        }
        match self.phase {
            Phase::Opening if self.retry_at.take().is_some() => {
                self.order_open(turn.config);
                false
            }
            Phase::Pending => turn.is_settled && turn.log.is_active() && !self.waits_for_save(turn),
            Phase::On => self.is_scheduled && self.may_rewrite(turn),
            _ => false,
        }
    }

    fn open(&mut self, turn: Turn<'_>) {
        self.phase = Phase::Opening;
        self.policy = None;
        self.order_open(turn.config);
        self.follow_policy(turn);
    }

    /// One snapshot is written at a time, unless somebody relies on this one or the process waits for it.
    fn waits_for_save(&self, turn: Turn<'_>) -> bool {
        turn.is_saving && !turn.is_ending && !self.is_relied_on
    }

    fn order_open(&mut self, config: &Config) {
        let manifest = manifest_name(&config.appendfilename);
        self.orders.push(Order::Open { folder: config.appenddirname.clone(), manifest });
    }

    fn follow_policy(&mut self, turn: Turn<'_>) {
        let is_busy = turn.is_saving || matches!(self.phase, Phase::Starting(_) | Phase::Rewriting(_));
        let policy = match turn.config.no_appendfsync_on_rewrite && is_busy {
            true => AppendFsync::No,
            false => turn.config.appendfsync,
        };
        if self.policy != Some(policy) {
            self.policy = Some(policy);
            self.has_moved = true;
            self.orders.push(Order::Policy(policy));
        }
    }

    /// CONFIG SET appendonly no: what was written is brought to disk, and the files stay as they are. Replies that wait
    /// for that go when it is done; where no files lead there, nobody waits for any.
    fn switch_off(&mut self, turn: Turn<'_>) {
        let is_on = self.is_on();
        if self.is_rewriting() {
            let text = "Killing running AOF rewrite child: the file is switched off";
            self.notices.push((Level::Notice, text.to_owned()));
        }
        self.feed(turn, true);
        self.give_up_rewrite();
        self.give_up_received();
        self.orders.push(Order::Leave);
        if !is_on {
            self.durable = Offset(0);
        }
        if is_on && !self.holds.is_empty() {
            self.phase = Phase::Ending(self.cursor.end);
            self.has_moved = true;
        } else {
            self.forget();
        }
    }

    /// It is off.
    fn forget(&mut self) {
        let Aof { stats, number, durable, used, .. } = *self;
        *self = Aof {
            stats,
            orders: std::mem::take(&mut self.orders),
            notices: std::mem::take(&mut self.notices),
            holds: std::mem::take(&mut self.holds),
            waits: std::mem::take(&mut self.waits),
            number,
            // A file that is removed meanwhile must not be the next one.
            used,
            first_number: number + 1,
            ended: Some(durable),
            has_moved: true,
            ..Aof::default()
        };
    }

    /// The writer told something.
    pub(crate) fn on_report(&mut self, turn: Turn<'_>, report: Report) {
        match report {
            Report::Opened(result) if matches!(self.phase, Phase::Opening) => self.on_opened(turn, result),
            Report::Opened(_) => {}
            Report::Progress(progress) => self.on_progress(progress),
            Report::Failing(reason) => self.on_failing(reason),
            Report::Lost(reason) => self.on_lost(turn, &reason),
            Report::Begun(number, result) => self.on_begun(turn, number, result),
            Report::Published(number, result) => self.on_published(turn, number, result),
            Report::Unremoved(reason) => {
                self.warn(format!("Error removing a file that the AOF does not need any more: {reason}"));
            }
        }
    }

    fn on_opened(&mut self, turn: Turn<'_>, result: Result<Option<Vec<u8>>, String>) {
        let parse = |content: Option<Vec<u8>>| match content {
            None => Ok(Manifest::default()),
            Some(content) => Manifest::parse(&content).map_err(|error| error.to_string()),
        };
        match result.and_then(parse) {
            Ok(manifest) => {
                self.manifest = manifest;
                self.failure = None;
                self.phase = Phase::Pending;
                if self.waits_for_save(turn) {
                    let text = "The append-only file begins when the snapshot that is being saved is done";
                    self.notices.push((Level::Notice, text.to_owned()));
                }
            }
            Err(reason) => {
                self.tell_failure("The folder of the append-only file cannot be used", &reason);
                self.retry_at = Some(turn.now().after_ms(RETRY_MS));
            }
        }
    }

    fn on_progress(&mut self, progress: Progress) {
        if progress.number < self.first_number {
            return;
        }
        self.sizes.set_increment(progress.number, progress.size);
        self.has_moved |= progress.durable > self.durable;
        self.written = self.written.max(progress.written);
        self.durable = self.durable.max(progress.durable);
        if matches!(self.phase, Phase::Ending(end) if end <= self.durable) {
            self.forget();
        }
    }

    fn on_failing(&mut self, reason: Option<String>) {
        if matches!(self.phase, Phase::Ending(_)) && reason.is_some() {
            // It will not be tried again, and who switched it off did not want to wait for it: nor do replies.
            return self.forget();
        }
        if !self.has_file() {
            return;
        }
        match reason {
            Some(reason) => self.tell_failure("Error writing to the AOF file", &reason),
            None => {
                if self.failure.take().is_some() {
                    self.warn("AOF write error looks solved, Redis can write again.".to_owned());
                }
            }
        }
    }

    /// What the file holds behind what is durable may be gone: only a new base with a new increment mends that.
    fn on_lost(&mut self, turn: Turn<'_>, reason: &str) {
        if matches!(self.phase, Phase::Ending(_)) {
            return self.forget();
        }
        if !self.has_file() {
            return;
        }
        self.tell_failure("The AOF file is given up, and a new one is to be begun", reason);
        self.leave();
        self.retry_at = Some(turn.now().after_ms(self.attempts.on_lost()));
    }

    fn tell_failure(&mut self, what: &str, reason: &str) {
        if self.failure.as_deref() != Some(reason) {
            self.warn(format!("{what}: {reason}"));
            self.failure = Some(reason.to_owned());
        }
    }

    fn warn(&mut self, text: String) {
        self.notices.push((Level::Warning, text));
    }

    /// Writes no more behind what is in the file.
    fn leave(&mut self) {
        self.give_up_rewrite();
        self.orders.push(Order::Leave);
        self.first_number = self.number + 1;
        (self.written, self.durable) = (Offset(0), Offset(0));
        self.cursor = Cursor::default();
        self.phase = Phase::Pending;
    }

    fn begin_number(&mut self, turn: Turn<'_>, at: Offset) {
        self.number += 1;
        if self.cursor.history.is_none() {
            self.first_number = self.number;
            // What is before is in other files, or will be.
            self.written = at;
        }
        self.cursor = Cursor {
            end: at,
            at: self.cursor.at,
            history: Some(*turn.log.history()),
            breaks: turn.log.breaks(),
        };
    }

    fn begin_file(&mut self, turn: Turn<'_>, name: String, manifest: Option<Vec<u8>>) {
        self.begin_file_at(turn, turn.log.end(), name, manifest);
    }

    /// Begins a file with what is in the log behind `at`, at the end of a command.
    fn begin_file_at(&mut self, turn: Turn<'_>, at: Offset, name: String, manifest: Option<Vec<u8>>) {
        self.begin_number(turn, at);
        let (number, head) = (self.number, turn.head_at(at));
        self.orders.push(Order::Begin { number, name, at, head, manifest, behind: None });
    }

    fn next_increment(&mut self, turn: Turn<'_>) -> Increment {
        self.next_increment_at(turn, turn.log.end())
    }

    fn next_increment_at(&mut self, turn: Turn<'_>, offset: Offset) -> Increment {
        let start = Start { offset, history: turn.log.history().id };
        let file = self.manifest.next_increment(&turn.config.appendfilename, self.used.1);
        self.used.1 = file.sequence;
        Increment { file, start: Some(start) }
    }
}

/// What others ask.
impl Aof {
    /// Whether `appendonly` is in force.
    pub fn is_enabled(&self) -> bool {
        !matches!(self.phase, Phase::Off | Phase::Ending(_))
    }

    /// What the manifest on disk names, or is about to.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the writer has a file.
    pub(crate) fn has_file(&self) -> bool {
        matches!(self.phase, Phase::Starting(_) | Phase::On | Phase::Rewriting(_))
    }

    /// Whether the manifest names what is written.
    pub fn is_on(&self) -> bool {
        matches!(self.phase, Phase::On | Phase::Rewriting(_))
    }

    /// Whether a base is being written.
    pub fn is_rewriting(&self) -> bool {
        matches!(self.phase, Phase::Starting(_) | Phase::Rewriting(_))
    }

    /// Whether there is no whole file yet, though there is to be one.
    pub(crate) fn is_beginning(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Pending | Phase::Starting(_))
    }

    /// Up to where everything is on disk; nothing while no manifest leads there.
    pub fn durable(&self) -> Offset {
        if self.is_on() { self.durable } else { Offset(0) }
    }

    /// Up to where replies may go that wait for the disk.
    pub(crate) fn mark(&self) -> Offset {
        match self.phase {
            Phase::Ending(_) => self.durable,
            _ if self.holds_replies() => self.durable(),
            _ => Offset(u64::MAX),
        }
    }

    /// Why writes are refused, if they are.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.failure.as_deref().filter(|_| self.is_relied_on && self.is_enabled())
    }

    /// Up to where the system has everything; nothing while no manifest leads there.
    pub fn written(&self) -> Offset {
        if self.is_on() { self.written } else { Offset(0) }
    }

    /// Why the file cannot be written.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Whether a write may be answered only when it is on disk.
    #[inline]
    pub(crate) fn holds_replies(&self) -> bool {
        self.policy == Some(AppendFsync::Always) && self.is_relied_on && self.is_enabled()
    }

    /// What the log must keep for it: everything behind this.
    pub(crate) fn needs(&self) -> Option<Offset> {
        self.has_file().then_some(self.cursor.end)
    }

    /// What the writer has not given to the system, in bytes.
    pub(crate) fn unwritten(&self, log: &Log) -> u64 {
        if self.has_file() { log.end().since(self.written) } else { 0 }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Bytes of all files, and what they were after the last rewrite.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.sizes.all(), self.sizes.at_rewrite())
    }

    /// Whether a base is to be written behind something else, which may be the snapshot that is being saved.
    pub(crate) fn is_scheduled(&self, is_saving: bool) -> bool {
        self.is_scheduled || self.is_to_wait(is_saving)
    }

    /// Whether a base is being written, or its folder is looked at for that.
    pub(crate) fn is_under_way(&self, is_saving: bool) -> bool {
        self.is_rewriting() || matches!(self.phase, Phase::Opening) && !self.is_to_wait(is_saving)
    }

    fn is_to_wait(&self, is_saving: bool) -> bool {
        match self.phase {
            Phase::Pending => true,
            Phase::Opening => self.retry_at.is_some() || is_saving && !self.is_relied_on,
            _ => false,
        }
    }

    pub(crate) fn consecutive_failures(&self) -> u32 {
        self.attempts.failures()
    }

    /// When the rewrite that runs began.
    pub(crate) fn rewriting_since(&self) -> Option<Clock> {
        self.rewrite().map(|rewrite| rewrite.began)
    }

    /// The keys of the base that is being written, and how much of it is.
    pub(crate) fn base_progress(&self) -> Option<(u64, SaveProgress)> {
        self.rewrite().map(|rewrite| (rewrite.keys, rewrite.progress))
    }

    fn rewrite(&self) -> Option<&Rewrite> {
        match &self.phase {
            Phase::Starting(rewrite) | Phase::Rewriting(rewrite) => Some(rewrite),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! A new base, and an increment behind it: by BGREWRITEAOF, since the files have grown, or since the data was
//! replaced.
//!
//! Where files are named already, the manifest names the new increment beside them at once, so that all is there
//! whatever becomes of the base. When the base is on disk the manifest names it instead of all before that increment.

use slipstream_aof::{BaseFormat, File, Increment, Manifest, temporary_name};
use slipstream_replication::{Level, Moment};

use super::{Aof, Order, Phase, Turn};
use crate::host::{Clock, SaveProgress};

/// After so many failures in a row, rewrites are tried ever more rarely, as in Redis.
const PATIENCE: u32 = 3;
const LONGEST_PAUSE_MINUTES: u64 = 60;
const MINUTE_MS: u64 = 60_000;

/// A base on its way.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// The number of the increment behind it.
    number: u64,
    pub(super) began: Clock,
    increment: Increment,
    base: File,
    /// What it is called before it has that name.
    temporary: String,
    /// Keys that the base will have.
    pub(super) keys: u64,
    /// How much of it is written.
    pub(super) progress: SaveProgress,
    /// Whether the increment is there.
    is_begun: bool,
    /// How long the base is, once it is there.
    size: Option<u64>,
    /// What the manifest is to be when it is named.
    manifest: Option<Manifest>,
}

/// What a base is to be written as.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) number: u64,
    pub(crate) temporary: String,
    pub(crate) format: BaseFormat,
}

/// How often a new file could not be made.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: u32,
}

impl Attempts {
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// One more: how long to wait before the next, in milliseconds.
    fn on_failure(&mut self) -> u64 {
        self.failures += 1;
        match self.failures.checked_sub(PATIENCE) {
            None => super::RETRY_MS,
            Some(beyond) => (1u64 << beyond.min(16)).min(LONGEST_PAUSE_MINUTES) * MINUTE_MS,
        }
    }

    /// A file was lost: how long to wait before a new one is begun.
    pub(super) fn on_lost(&mut self) -> u64 {
        super::RETRY_MS
    }

    pub(super) fn forget(&mut self) {
        self.failures = 0;
    }
}

impl Rewrite {
    /// A base that is there under a temporary name, of so many bytes, and an increment that is being begun.
    pub(super) fn received(
        number: u64,
        began: Clock,
        (base, temporary, size): (File, String, u64),
        increment: Increment,
    ) -> Rewrite {
        Rewrite {
            number,
            began,
            increment,
            base,
            temporary,
            keys: 0,
            progress: SaveProgress::default(),
            is_begun: false,
            size: Some(size),
            manifest: None,
        }
    }
}

impl Aof {
    /// BGREWRITEAOF, when something else has to end first.
    pub(crate) fn schedule(&mut self) {
        self.is_scheduled = true;
        self.attempts.forget();
        // A folder that could not be read is read at once.
        self.retry_at = self.retry_at.filter(|_| matches!(self.phase, Phase::Opening)).map(|_| Moment(0));
    }

    /// The files have grown enough, perhaps.
    pub(crate) fn rewrite_if_grown(&mut self, turn: Turn<'_>) {
        let is_early = self.retry_at.is_some_and(|at| turn.now() < at);
        if !matches!(self.phase, Phase::On) || self.is_scheduled || turn.is_saving || is_early {
            return;
        }
        if let Some(growth) = self.sizes.due_growth(turn.config) {
            let text = format!("Starting automatic rewriting of AOF on {growth}% growth");
            self.notices.push((Level::Notice, text));
            self.is_scheduled = true;
        }
    }

    /// Begins an increment at the log's end; the base before it is to be written of the data as it is now.
    pub(crate) fn begin_rewrite(&mut self, turn: Turn<'_>) -> Base {
        self.feed(turn, true);
        self.retry_at = None;
        self.is_scheduled = false;
        self.stats.rewrites += 1;
        let is_snapshot = turn.config.aof_use_rdb_preamble || turn.needs_snapshot;
        let format = if is_snapshot { BaseFormat::Rdb } else { BaseFormat::Commands };
        let base = self.manifest.next_base(&turn.config.appendfilename, format, self.used.0);
        self.used.0 = base.sequence;
        let increment = self.next_increment(turn);
        let name = increment.file.name.clone();
        let is_named = matches!(self.phase, Phase::On);
        let named = is_named.then(|| self.with(&increment).encode());
        self.begin_file(turn, name, named);
        let (number, began) = (self.number, turn.clock);
        self.beginning = is_named.then(|| (number, increment.clone()));
        // One that was given up may still be on its way under the name before.
        let temporary = temporary_name(&format!("{number}-{}", base.name));
        let rewrite = Rewrite {
            number,
            began,
            increment,
            base,
            temporary: temporary.clone(),
            keys: turn.keys,
            progress: SaveProgress::default(),
            is_begun: false,
            size: None,
            manifest: None,
        };
        self.phase = if is_named { Phase::Rewriting(rewrite) } else { Phase::Starting(rewrite) };
        self.notices.push((Level::Notice, "Background append only file rewriting started".to_owned()));
        Base { number, temporary, format }
    }

    /// Whether a rewrite may begin, of files that the manifest names. What it names must be known for that.
    pub(super) fn may_rewrite(&self, turn: Turn<'_>) -> bool {
        turn.is_settled && !turn.is_saving && self.beginning.is_none()
    }

    fn with(&self, increment: &Increment) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest.increments.push(increment.clone());
        manifest
    }

    fn rewrite_of(&mut self, number: u64) -> Option<&mut Rewrite> {
        match &mut self.phase {
            Phase::Starting(rewrite) | Phase::Rewriting(rewrite) if rewrite.number == number => Some(rewrite),
            _ => None,
        }
    }

    pub(super) fn on_begun(&mut self, turn: Turn<'_>, number: u64, result: Result<(), String>) {
        // The manifest names it whatever has become of the rewrite meanwhile.
        if let Some((_, increment)) = self.beginning.take_if(|(named, _)| *named == number)
            && result.is_ok()
        {
            self.manifest.increments.push(increment);
        }
        let Some(rewrite) = self.rewrite_of(number) else {
            // One behind files that were loaded: there is nothing else to write to.
            if let (Err(reason), true) = (result, self.number == number) {
                self.on_lost(turn, &reason);
            }
            return;
        };
        match result {
            Ok(()) => {
                rewrite.is_begun = true;
                self.publish_if_whole();
            }
            Err(reason) => self.on_rewrite_failed(turn, &reason),
        }
    }

    /// So much of the base before the increment of this number is written.
    pub(super) fn on_base_progress(&mut self, number: u64, progress: SaveProgress) {
        if let Some(rewrite) = self.rewrite_of(number) {
            rewrite.progress = progress;
        }
    }

    /// The base before the increment of this number was written, of so many bytes, or could not be.
    pub(crate) fn on_base_written(&mut self, turn: Turn<'_>, number: u64, result: Result<u64, String>) {
        let Some(rewrite) = self.rewrite_of(number) else { return };
        match result {
            Ok(size) => {
                rewrite.size = Some(size);
                self.publish_if_whole();
            }
            Err(reason) => self.on_rewrite_failed(turn, &reason),
        }
    }

    fn publish_if_whole(&mut self) {
        let is_named = matches!(self.phase, Phase::Rewriting(_));
        let mut manifest = self.manifest.clone();
        let (Phase::Starting(rewrite) | Phase::Rewriting(rewrite)) = &mut self.phase else { return };
        if !rewrite.is_begun || rewrite.size.is_none() || rewrite.manifest.is_some() {
            return;
        }
        if !is_named {
            manifest.increments.push(rewrite.increment.clone());
        }
        manifest.replace_base(rewrite.base.clone(), rewrite.increment.file.sequence);
        let name = rewrite.base.name.clone();
        let (number, temporary) = (rewrite.number, rewrite.temporary.clone());
        self.orders.push(Order::Publish { number, temporary, name, manifest: manifest.encode() });
        rewrite.manifest = Some(manifest);
    }

    pub(super) fn on_published(&mut self, turn: Turn<'_>, number: u64, result: Result<(), String>) {
        let is_named = matches!(self.phase, Phase::Rewriting(_));
        let Some(rewrite) = self.rewrite_of(number) else {
            return self.on_published_late(turn, number, result);
        };
        let size = rewrite.size.unwrap_or_default();
        match (result, rewrite.manifest.take()) {
            (Ok(()), Some(manifest)) => {
                self.manifest = manifest;
                self.sizes.rewritten(size, number);
                self.end_rewrite(turn, true);
                self.phase = Phase::On;
                self.is_relied_on = true;
                self.failure = None;
                self.has_moved = true;
                self.attempts.forget();
                self.remove_history(turn);
                self.is_once = false;
                let text = "Background AOF rewrite finished successfully".to_owned();
                self.notices.push((Level::Notice, text));
            }
            (Err(reason), manifest) => {
                // The failure may have come behind the new name: what the manifest on disk may name stays until another
                // one is there.
                rewrite.manifest = manifest;
                let increment = (!is_named).then(|| rewrite.increment.file.clone());
                let left = [Some(rewrite.base.clone()), increment].into_iter().flatten();
                self.manifest.history.extend(left);
                self.on_rewrite_failed(turn, &reason);
            }
            (Ok(()), None) => {}
        }
    }

    /// A base was named, or not, that was given up meanwhile: the manifest on disk is what it is.
    fn on_published_late(&mut self, turn: Turn<'_>, number: u64, result: Result<(), String>) {
        if let Some((_, manifest)) = self.given_up.take_if(|(given_up, _)| *given_up == number)
            && result.is_ok()
        {
            self.manifest = manifest;
            self.remove_history(turn);
        }
    }

    fn remove_history(&mut self, turn: Turn<'_>) {
        if turn.config.aof_disable_auto_gc || self.manifest.history.is_empty() {
            return;
        }
        let names = self.manifest.history.drain(..).map(|file| file.name).collect();
        self.orders.push(Order::Remove { names, manifest: Some(self.manifest.encode()) });
    }

    fn on_rewrite_failed(&mut self, turn: Turn<'_>, reason: &str) {
        let is_named = matches!(self.phase, Phase::Rewriting(_));
        self.warn(format!("Background AOF rewrite failed: {reason}"));
        self.end_rewrite(turn, false);
        if is_named {
            self.give_up_rewrite();
        } else {
            self.failure.get_or_insert(reason.to_owned());
            self.leave();
        }
        let pause = self.attempts.on_failure();
        if pause >= MINUTE_MS {
            let minutes = pause / MINUTE_MS;
            self.warn(format!(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes"
            ));
        }
        self.retry_at = Some(turn.now().after_ms(pause));
    }

    fn end_rewrite(&mut self, turn: Turn<'_>, is_ok: bool) {
        let Some(began) = self.rewriting_since() else { return };
        self.stats.last_rewrite_ok = is_ok;
        self.stats.last_rewrite_seconds = Some((turn.clock.micros - began.micros) / 1_000_000);
    }

    /// A base that is being written is not wanted any more.
    pub(super) fn give_up_rewrite(&mut self) {
        let is_named = matches!(self.phase, Phase::Rewriting(_));
        if let Phase::Starting(rewrite) | Phase::Rewriting(rewrite) = &mut self.phase {
            let mut names = vec![rewrite.temporary.clone()];
            // No manifest names it, and none is on its way that does.
            if !is_named && rewrite.manifest.is_none() {
                names.push(rewrite.increment.file.name.clone());
            }
            self.given_up =
                rewrite.manifest.take().map(|manifest| (rewrite.number, manifest)).or(self.given_up.take());
            self.orders.push(Order::Remove { names, manifest: None });
            self.phase = Phase::On;
        }
    }

    /// When something is tried again. What is late waits for something else.
    pub(crate) fn retry_deadline(&self, now: Moment) -> Option<Moment> {
        let waits = matches!(self.phase, Phase::Opening | Phase::Pending) || self.is_scheduled;
        self.retry_at.filter(|at| waits && now < *at)
    }
}

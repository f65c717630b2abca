//! The loop: waits for readiness, moves bytes, runs the node, does its effects.
//!
//! One thread owns the node and every socket but those of replicas whose full
//! sync is under way or whose stream flows. A turn reads what arrived, runs it, and then, once, sends what it led to:
//! replies, log blocks for replicas, jobs for other threads. Everything that
//! can wake the process is seen in [`EventLoop::turn`].

mod clients;

mod link;

mod replicas;

mod sentinel;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mio::Waker;
use slipstream_aof::Manifest;
use slipstream_engine::{Effect, Level, Node, Source, aof};
use slipstream_storage::LogLoadOptions;

use self::link::Lines;
use self::replicas::Start;
use crate::aof_writer::AofWriter;
use crate::feeder::Feeder;
use crate::jobs::{self, Line, Report, Reporter, SaveOptions, Saves};
use crate::kernel::{self, Claim};
use crate::key_delay::DelaySetting;
use crate::log_disk::LogDisk;
use crate::log_load::LogLoad;
use crate::migrator::Migrator;
use crate::net::{LINK, Ready, SIGNALS, SharedNet, WAKER, Whose};
use crate::reclaimer::Reclaimer;
use crate::sentinel::SentinelShell;
use crate::signals::Signals;
use crate::spool::Spool;
use crate::state_file::StateFile;
use crate::sync_load::SyncLoad;

/// Bytes read from a socket at once.
const READ_SIZE: usize = 64 * 1024;
/// How long the decoder of a full sync gets to make room before it is looked at again.
const DECODER_PATIENCE: Duration = Duration::from_millis(1);

/// The loop and all it owns.
pub struct EventLoop {
    node: Node,
    net: SharedNet,
    /// Snapshots that are being sent, or kept for the next replica.
    spools: HashMap<u64, Arc<Spool>>,
    /// Replicas whose stream is to begin when all before it is sent.
    starting: Vec<Start>,
    feeder: Feeder,
    log_disk: LogDisk,
    lines: Lines,
    log_load: Option<LogLoad>,
    load: Option<SyncLoad>,
    /// Over which connection its snapshot comes.
    load_line: Line,
    saves: Saves,
    aof_writer: AofWriter,
    /// Bases of the append-only file.
    bases: Saves,
    /// `rdb-key-save-delay`, for all that is being written.
    save_delay: DelaySetting,
    signals: Signals,
    reports: Receiver<Report>,
    reporter: Reporter,
    reclaimer: Reclaimer,
    migrator: Rc<RefCell<Migrator>>,
    state_file: StateFile,
    sentinel: SentinelShell,
    buffer: Box<[u8]>,
    exit: Option<i32>,
}

impl EventLoop {
    /// A loop around `node` that serves the sockets of `net`.
    pub(crate) fn new(
        node: Node,
        net: SharedNet,
        migrator: Rc<RefCell<Migrator>>,
        signals: Signals,
    ) -> io::Result<EventLoop> {
        let registry = net.borrow().registry().try_clone()?;
        let waker = Arc::new(Waker::new(&registry, WAKER)?);
        let (sender, reports) = channel();
        let watch = registry.try_clone()?;
        let reporter = Reporter::new(sender, Arc::clone(&waker), registry);
        let log_disk = LogDisk::start(reporter.clone());
        let mut event_loop = EventLoop {
            node,
            net,
            spools: HashMap::new(),
            starting: Vec::new(),
            feeder: Feeder::start(waker, log_disk.clone())?,
            log_disk,
            lines: Lines::default(),
            log_load: None,
            load: None,
            load_line: Line::Main,
            saves: Saves::default(),
            aof_writer: AofWriter::start(reporter.clone())?,
            bases: Saves::default(),
            save_delay: DelaySetting::default(),
            signals,
            reports,
            state_file: StateFile::start(reporter.clone()),
            sentinel: SentinelShell::new(reporter.clone(), watch),
            reporter,
            reclaimer: Reclaimer::start(),
            migrator,
            buffer: vec![0; READ_SIZE].into_boxed_slice(),
            exit: None,
        };
        event_loop.signals.register(event_loop.net.borrow().registry(), SIGNALS)?;
        event_loop.net.borrow_mut().listen()?;
        event_loop.net.borrow_mut().serve_replicas(event_loop.feeder.aside());
        Ok(event_loop)
    }

    /// Serves until the node ends; the process's exit status.
    pub fn run(mut self) -> io::Result<i32> {
        // Where that is not possible it has to wait for its turn as all do.
        kernel::run_promptly().ok();
        self.settle();
        while self.exit.is_none() {
            self.turn()?;
        }
        // Replies that are ready, SHUTDOWN's among them, still go out.
        self.flush_marked();
        self.feeder.finish(&self.node.core.log);
        self.log_disk.finish();
        self.state_file.finish();
        self.sentinel.finish();
        self.aof_writer.finish();
        Ok(self.exit.unwrap_or(0))
    }

    fn turn(&mut self) -> io::Result<()> {
        let patience = self.patience();
        if !self.net.borrow_mut().wait(patience)? {
            return Ok(());
        }
        self.node.begin_turn();
        self.take_news();
        if let Some(progress) = self.aof_writer.take_progress() {
            self.node.aof_reported(aof::Report::Progress(progress));
        }
        while let Some(ready) = self.next_ready() {
            match ready.whose() {
                Whose::Own(WAKER) => self.take_reports(),
                Whose::Own(SIGNALS) => self.take_signals(),
                Whose::Own(token) => {
                    let line = if token == LINK { Line::Main } else { Line::Side };
                    self.lines.note_end(line, ready.ended);
                    self.link_ready(line, ready.readable, ready.writable);
                }
                Whose::Listener(index) => self.accept(index),
                Whose::Line(id) => self.line_ready(id, &ready),
                Whose::Client(id) => self.client_ready(id, &ready),
            }
        }
        if let Some(load) = &mut self.load {
            load.advance();
        }
        self.log_load.take_if(|load| !load.advance(&mut self.node));
        for line in [Line::Main, Line::Side] {
            if self.lines.wants_reading(line) {
                self.link_ready(line, true, false);
            }
        }
        self.settle();
        Ok(())
    }

    /// What is ready next. The command that it leads to may take up what comes behind.
    fn next_ready(&self) -> Option<Ready> {
        self.net.borrow_mut().next_ready()
    }

    /// How long to wait: not at all if something is left to read, else until the node's next deadline.
    fn patience(&self) -> Duration {
        let is_behind = self.load.as_ref().is_some_and(SyncLoad::is_behind);
        // What the decoder has no room for is not read; the stream beside it is, and clients are.
        let reads = |line| self.lines.wants_reading(line) && !(is_behind && line == self.load_line);
        let replays = self.log_load.as_ref().is_some_and(LogLoad::is_behind);
        if replays || [Line::Main, Line::Side].into_iter().any(reads) {
            return Duration::ZERO;
        }
        let sockets = self.net.borrow().patience();
        if is_behind {
            return sockets.map_or(DECODER_PATIENCE, |sockets| sockets.min(DECODER_PATIENCE));
        }
        if self.feeder.expect_acks(self.node.awaits_acks()) {
            return Duration::ZERO;
        }
        let feed = self.feeder.time_left(&self.node.core.log);
        [sockets, feed].into_iter().flatten().fold(self.node.time_left(), Duration::min)
    }

    /// Does everything that the turn led to.
    fn settle(&mut self) {
        self.node.tick();
        self.save_delay.set(self.node.core.config.rdb_key_save_delay);
        self.perform_all();
        self.take_rebound();
        self.feed_replicas();
        self.node.before_replies();
        self.flush_marked();
        self.node.core.spool_memory = self.spools.values().map(|spool| spool.resident()).sum();
        self.node.end_turn();
        let disk_actions = self.node.core.log.take_disk_actions();
        if !disk_actions.is_empty() {
            self.log_disk.perform(disk_actions);
        }
        if self.node.core.shutdown.is_none() && self.exit.is_none() {
            self.signals.forget();
        }
        // Whom the end of the turn closes is gone before the next one.
        if self.perform_all() {
            self.flush_marked();
        }
    }

    /// Does what the node asks for; whether it asked for anything.
    fn perform_all(&mut self) -> bool {
        let mut any = false;
        loop {
            let effects = self.node.take_effects();
            if effects.is_empty() {
                return any;
            }
            any = true;
            for effect in effects {
                self.perform(effect);
            }
            self.tell_sentinel();
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Disconnect(id) => {
                self.flush(id);
                self.drop_connection(id);
            }
            Effect::Save { number, job } => jobs::save(self.reporter.clone(), job, self.save_options(number)),
            Effect::CancelSave => self.saves.cancel(),
            Effect::Aof(order) => {
                if self.aof_writer.order(order) {
                    self.node.aof_was_delayed();
                }
            }
            Effect::AofBase(order) => {
                let options = self.base_options(order.number, &order.temporary);
                jobs::aof_base(self.reporter.clone(), order, options);
            }
            Effect::LoadFile => {
                let path = jobs::full_path(&self.node.core.config.dbfilename);
                let options = self.node.load_options(Source::File);
                jobs::load_file(self.reporter.clone(), path, options);
            }
            Effect::LoadLog(manifest) => {
                let options = self.log_load_options(*manifest);
                self.log_load = Some(LogLoad::begin(self.reporter.clone(), options));
            }
            Effect::StartStream { replica, from, batch } => {
                self.starting.push(Start { replica, from, batch })
            }
            Effect::EndStream { replica, rest, end } => self.end_stream(replica, rest, end),
            Effect::StartSync(order) => self.start_sync(order),
            Effect::JoinSync { job, replica, framing } => self.join_sync(job, replica, framing),
            Effect::SealSync(job) => self.seal_sync(job),
            Effect::EndSync(job) => self.end_sync(job),
            Effect::Connect { number, host, port } => self.connect(Line::Main, number, host, port),
            Effect::SideConnect { number, host, port } => self.connect(Line::Side, number, host, port),
            Effect::SideSend(bytes) => self.link_send(Line::Side, &bytes),
            Effect::SideClose => self.close_link(Line::Side),
            Effect::LinkSend(bytes) => self.link_send(Line::Main, &bytes),
            Effect::LinkClose => self.close_link(Line::Main),
            Effect::LinkPause => self.pause_link(true),
            Effect::LinkResume => self.pause_link(false),
            Effect::LoadBegin(order) => {
                let options = self.node.load_options(Source::Sync);
                self.load_line = self.lines.snapshot_line();
                let folder = jobs::full_path(".");
                let kept_in = self.aof_writer.folder();
                self.load = Some(SyncLoad::begin(self.reporter.clone(), order, options, folder, kept_in));
            }
            Effect::LoadBytes(piece) => {
                if let Some(load) = &mut self.load {
                    load.push(piece);
                }
            }
            Effect::LoadEnd => {
                if let Some(load) = &mut self.load {
                    load.push(Vec::new());
                }
            }
            Effect::LoadAbort => self.load = None,
            Effect::KeepFile { name, content } => {
                jobs::keep_file(self.reporter.clone(), jobs::full_path(&name), content);
            }
            Effect::KeepState { name, content } => self.state_file.replace(jobs::full_path(&name), content),
            Effect::Digest(order) => jobs::digest(self.reporter.clone(), order),
            Effect::Ship(shipment) => self.migrator.borrow_mut().ship(shipment, self.reporter.clone()),
            Effect::Sentinel(action) => self.sentinel.perform(action, &self.node.core.config),
            Effect::SentinelStore { version, path, content } => self.sentinel.keep(version, &path, content),
            Effect::Reclaim(data) => self.reclaimer.drop(data),
            Effect::Exit(status) => self.exit = Some(status),
        }
    }

    fn log_load_options(&mut self, manifest: Manifest) -> LogLoadOptions {
        let base = self.node.load_options(Source::LogBase);
        let config = &self.node.core.config;
        LogLoadOptions {
            manifest,
            folder: jobs::full_path(&config.appenddirname),
            base,
            // A file that goes on being written is whole.
            cuts_tail: config.aof_load_truncated && !self.node.core.is_reading_its_log(),
            corrupt_tail: config.aof_load_corrupt_tail_max_size,
        }
    }

    fn save_options(&self, number: u64) -> SaveOptions {
        self.saves.begin(number);
        let config = &self.node.core.config;
        SaveOptions {
            number,
            saves: self.saves.clone(),
            file: jobs::full_path(&config.dbfilename),
            compress: config.rdbcompression,
            checksum: config.rdbchecksum,
            incremental_sync: config.rdb_save_incremental_fsync,
            key_delay: self.save_delay.clone(),
            claim: self.claim_of_saves(),
        }
    }

    /// Nobody waits for a snapshot but a process that ends.
    fn claim_of_saves(&self) -> Claim {
        if self.node.core.shutdown.is_some() { Claim::Full } else { Claim::Leisure }
    }

    fn base_options(&self, number: u64, temporary: &str) -> SaveOptions {
        self.bases.begin(number);
        let config = &self.node.core.config;
        SaveOptions {
            number,
            saves: self.bases.clone(),
            file: self.aof_writer.folder().join(temporary),
            compress: config.rdbcompression,
            checksum: config.rdbchecksum,
            incremental_sync: config.aof_rewrite_incremental_fsync,
            key_delay: self.save_delay.clone(),
            claim: self.claim_of_saves(),
        }
    }

    fn take_signals(&mut self) {
        for signal in self.signals.take() {
            self.node.signal(signal);
        }
    }

    fn take_reports(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Saved(number, result) => self.node.saved(number, result),
                Report::SaveProgress(number, progress) => self.node.save_progress(number, progress),
                Report::Aof(report) => self.node.aof_reported(report),
                Report::AofBaseProgress(number, progress) => self.node.aof_base_progress(number, progress),
                Report::AofBase(number, result) => self.node.aof_base_written(number, result),
                Report::LoadedFile(result) => {
                    self.node.loaded_file(result.map(|data| data.map(|data| *data)))
                }
                Report::LoadReached(bytes) => self.node.load_reached(bytes),
                Report::LoadedSync(number, result) => {
                    self.node.loaded_sync(number, result.map(|data| *data));
                }
                Report::LoadProgress(number, reached) => self.node.load_progress(number, reached),
                Report::SyncEncoded(job, result) => self.node.sync_encoded(job, result),
                Report::SyncOutgrown(job, failure) => self.node.sync_outgrown(job, failure),
                Report::SyncProgress(id, bytes) => self.node.sync_progress(id, bytes),
                Report::SyncSent(id, result) => {
                    self.net.borrow_mut().end_loan(id);
                    self.node.sync_sent(id, result);
                    if self.net.borrow().connection(id).is_none() {
                        self.node.closed(id);
                    }
                }
                Report::KeptFile(result) => self.node.kept_file(result),
                Report::KeptState(result) => self.node.kept_state(result),
                Report::Shipped(number, shipped) => self.node.shipped(number, shipped),
                Report::Digested(digested) => self.node.digested(*digested),
                Report::DiskWrote { number, offset } => self.node.disk_wrote(number, offset),
                Report::DiskFailed(reason) => self.node.disk_failed(&reason),
                Report::DiskNotice(text) => self.node.core.notice(Level::Notice, &text),
                Report::Connected(line, number, result) => self.connected(line, number, result),
                Report::Sentinel(news) => self.sentinel_news(news),
            }
        }
    }
}

//! The append-only file of a machine: the server's own writer and reader, in threads of virtual time.
//!
//! A thread carries out its orders at once, and is ahead of the world as long as they take: what it tells comes when its
//! time has come, and nothing more is taken up before. A crash in between undoes what had not begun by then.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use slipstream_aof::{BaseFormat, Manifest};
use slipstream_engine::aof::{BaseOrder, Order, Progress, Report, write_commands};
use slipstream_engine::{LoadOptions, LoadedData, LoadedLog, Node, Source, Stored};
use slipstream_storage::{
    Delivery, Intake, LogLoadOptions, Outbox, Reading, Replay, Unwanted, Writer, remove_files, write_new,
};

use super::Process;
use crate::disk::{BAD, Hand};
use crate::environment::{Environment, Inside};
use crate::transfer;

/// How long an order takes to reach the thread, and the longest pause of a load, in microseconds.
const NUDGE: u64 = 200;
const LOAD_PAUSE: u64 = 5000;

/// The most pieces that a turn of a load applies.
const MOST_PIECES: u32 = 40;

/// The thread that writes.
pub(super) struct Appender {
    writer: Writer<Hand, Slot>,
    hand: Hand,
    orders: VecDeque<Order>,
    told: Rc<RefCell<Vec<(u64, Told)>>>,
    /// How far it is, and since when.
    progress: VecDeque<(u64, Progress)>,
    /// When it is to look at its orders.
    wake_at: Option<u64>,
}

/// What it tells.
#[derive(Debug)]
enum Told {
    Report(Report),
    Progress(Progress),
    Wake,
}

/// Where it puts that.
struct Slot {
    hand: Hand,
    told: Rc<RefCell<Vec<(u64, Told)>>>,
}

impl Slot {
    fn put(&self, told: Told) {
        self.told.borrow_mut().push((self.hand.now(), told));
    }
}

impl Outbox for Slot {
    fn report(&self, report: Report) {
        self.put(Told::Report(report));
    }

    fn set_progress(&self, progress: Progress) {
        self.put(Told::Progress(progress));
    }

    fn wake(&self) {
        self.put(Told::Wake);
    }

    /// A world writes less than would have to wait.
    fn took(&self, _: u64) {}

    fn set_stuck(&self, _: bool) {}

    fn remove_beside(&self, folder: &Path, names: Vec<String>) {
        let hand = self.hand.fork();
        let failed = |reason| {
            let told = Told::Report(Report::Unremoved(reason));
            self.told.borrow_mut().push((hand.now(), told));
        };
        remove_files(&hand, folder, &names, failed);
    }
}

impl Appender {
    pub(super) fn new(hand: Hand) -> Appender {
        let told: Rc<RefCell<Vec<(u64, Told)>>> = Rc::default();
        let slot = Slot { hand: hand.clone(), told: Rc::clone(&told) };
        Appender {
            writer: Writer::new(hand.clone(), slot),
            hand,
            orders: VecDeque::new(),
            told,
            progress: VecDeque::new(),
            wake_at: None,
        }
    }

    /// Does what there is to do at `now`; when it goes on.
    fn run(&mut self, now: u64) -> Option<u64> {
        self.hand.wait_until(now);
        while self.hand.now() == now
            && let Some(order) = self.orders.pop_front()
        {
            self.writer.take(order);
        }
        if self.hand.now() == now {
            self.writer.write_and_sync();
        }
        let is_busy = self.hand.now() > now || !self.orders.is_empty();
        if is_busy { Some(self.hand.now()) } else { self.writer.patience().map(|micros| now + micros.max(1)) }
    }

    /// The process ends when all orders are carried out.
    fn finish(&mut self, now: u64) -> u64 {
        self.hand.wait_until(now);
        std::mem::take(&mut self.orders).into_iter().for_each(|order| self.writer.take(order));
        self.writer.write_and_sync();
        self.hand.now()
    }

    /// How far it has told to be by now.
    pub(super) fn take_progress(&mut self, now: u64) -> Option<Progress> {
        let mut newest = None;
        while self.progress.front().is_some_and(|(at, _)| *at <= now) {
            newest = self.progress.pop_front().map(|(_, progress)| progress);
        }
        newest
    }
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").field("orders", &self.orders).finish_non_exhaustive()
    }
}

/// Writing.
impl Process {
    pub(super) fn order_aof(&mut self, env: &mut Environment, order: Order) {
        let Some(appender) = &mut self.appender else { return };
        appender.orders.push_back(order);
        let at = (env.now() + env.rng.u64(1..=NUDGE)).max(appender.hand.now());
        self.plan_aof_turn(env, at);
    }

    fn plan_aof_turn(&mut self, env: &mut Environment, at: u64) {
        let Some(appender) = &mut self.appender else { return };
        if appender.wake_at.is_none_or(|planned| at < planned) {
            appender.wake_at = Some(at);
            self.later(env, at - env.now(), Inside::AofTurn);
        }
    }

    pub(super) fn aof_turn(&mut self, env: &mut Environment) {
        let now = env.now();
        let Some(appender) = &mut self.appender else { return };
        if appender.wake_at.is_none_or(|at| at > now) {
            return;
        }
        appender.wake_at = None;
        self.disk.settle(now);
        let next = appender.run(now);
        let told = std::mem::take(&mut *appender.told.borrow_mut());
        for (at, told) in told {
            match told {
                Told::Report(report) => self.later(env, at - now, Inside::AofReport(report)),
                Told::Wake => self.later(env, at - now, Inside::AofWake),
                Told::Progress(progress) => {
                    if let Some(appender) = &mut self.appender {
                        appender.progress.push_back((at, progress));
                    }
                }
            }
        }
        if let Some(at) = next {
            self.plan_aof_turn(env, at);
        }
    }

    /// The process ends by itself.
    pub(super) fn finish_aof(&mut self, env: &Environment) {
        if let Some(appender) = &mut self.appender {
            self.disk.settle(appender.finish(env.now()));
        }
    }

    pub(super) fn begin_base(&mut self, env: &mut Environment, order: BaseOrder) {
        self.newest_base = order.number;
        let path = self.aof_folder().join(&order.temporary);
        let mut bytes = Vec::new();
        match order.format {
            BaseFormat::Rdb => bytes = transfer::encode(&order.job, order.job.disk_target()),
            BaseFormat::Commands => {
                write_commands(order.job, &mut bytes, &mut |_| {}).expect("memory takes it all");
            }
        }
        let micros = env.draw(&env.options.disk_delay.clone());
        self.later(env, micros, Inside::AofBase(order.number, path, bytes));
    }

    fn aof_folder(&self) -> PathBuf {
        PathBuf::from(&self.config.appenddirname)
    }

    pub(super) fn write_base(&mut self, env: &mut Environment, (number, path): (u64, &Path), bytes: &[u8]) {
        let hand = self.disk.hand(env.now());
        let result = match number == self.newest_base {
            true => write_new(&hand, path, |file| file.write_all(bytes)).map_err(|error| error.to_string()),
            false => Err("it is not wanted any more".to_owned()),
        };
        let result = result.map(|()| bytes.len() as u64);
        self.later(env, hand.now() - env.now(), Inside::AofBaseWritten(number, result));
    }
}

/// What a start reads.
#[derive(Debug)]
pub(super) struct LogLoad {
    hand: Hand,
    deliveries: VecDeque<Delivery<Hand>>,
    replay: Replay,
}

/// What was read and is not applied.
#[derive(Clone, Default)]
struct Basket(Rc<RefCell<VecDeque<Delivery<Hand>>>>);

impl Intake<Hand> for Basket {
    fn deliver(&self, delivery: Delivery<Hand>) -> Result<(), Unwanted> {
        self.0.borrow_mut().push_back(delivery);
        Ok(())
    }

    fn buffer(&self) -> Vec<u8> {
        Vec::new()
    }

    fn load_snapshot(
        &self,
        input: impl Read,
        options: LoadOptions,
        _: u64,
    ) -> Result<Box<LoadedData>, String> {
        slipstream_engine::load(input, options).map(Box::new).map_err(|error| error.to_string())
    }

    fn pace(&mut self, _: u64) {}
}

/// Loading.
impl Process {
    pub(super) fn load_log(&mut self, env: &mut Environment, manifest: Manifest) {
        let Some(node) = &mut self.node else { return };
        let config = &node.core.config;
        let (cuts_tail, corrupt_tail) = (config.aof_load_truncated, config.aof_load_corrupt_tail_max_size);
        let base = node.load_options(Source::LogBase);
        let folder = self.aof_folder();
        let options = LogLoadOptions { manifest, folder, base, cuts_tail, corrupt_tail };
        let (hand, basket) = (self.disk.instant_hand(env.now()), Basket::default());
        Reading::new(hand.clone(), basket.clone(), options).run();
        let deliveries = basket.0.take();
        self.log_load = Some(LogLoad { hand, deliveries, replay: Replay::default() });
        let micros = env.draw(&env.options.disk_delay.clone());
        self.later(env, micros, Inside::LogLoadTurn);
    }

    pub(super) fn log_load_turn(&mut self, env: &mut Environment) {
        let Some(mut load) = self.log_load.take() else { return };
        load.hand.wait_until(env.now());
        let pieces = env.rng.u32(1..=MOST_PIECES);
        let mut is_over = false;
        self.turn(env, |node| {
            if let Some(outcome) = (0..pieces).find_map(|_| load.step(node).transpose()) {
                is_over = true;
                node.loaded_log(outcome);
            }
        });
        if !is_over && self.node.is_some() {
            self.log_load = Some(load);
            let pause = env.rng.u64(1..=LOAD_PAUSE);
            self.later(env, pause, Inside::LogLoadTurn);
        }
    }
}

impl LogLoad {
    fn step(&mut self, node: &mut Node) -> Result<Option<LoadedLog>, String> {
        if self.replay.is_busy() {
            return self.replay.apply(node).map(|_| None);
        }
        let delivery = self.deliveries.pop_front().expect("what is read ends with an end");
        Ok(self.replay.take(delivery, node)?.map(|loaded| *loaded))
    }
}

/// What there is to load.
impl Process {
    pub(super) fn find_stored(&self, env: &Environment) -> Stored {
        self.disk.settle(env.now());
        let hand = self.disk.instant_hand(env.now());
        let find = || slipstream_storage::find(&hand, &self.config, Path::new(""));
        // A start that the disk's trouble ends is one that whoever watches over the process begins again.
        let found = (0..MOST_STARTS).map(|_| find()).find(|found| !is_trouble(found));
        let found = found.expect("a disk does not fail for ever");
        let (stored, notice) =
            found.unwrap_or_else(|reason| panic!("{} cannot start: {reason}", self.place()));
        if let Some(text) = notice {
            env.tell(self.place(), text);
        }
        // That there is none is found out as slowly as the disk pleases.
        if stored == Stored::Nothing { Stored::Snapshot(0) } else { stored }
    }
}

/// How often a start is tried on a disk that fails now and then.
const MOST_STARTS: usize = 1000;

fn is_trouble<T>(found: &Result<T, String>) -> bool {
    found.as_ref().is_err_and(|reason| reason.contains(BAD))
}

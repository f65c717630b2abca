//! The thread that writes the append-only file: it does what the [`Writer`] of the storage says.
//!
//! Whatever waits here has a bound, and whoever hands over more waits.

mod group;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use slipstream_engine::aof::{Order, Progress, Report};
use slipstream_storage::{MOST_WAITING, Outbox, Writer, remove_files};

use self::group::Group;
use crate::jobs::{self, Reporter, full_path, spawn_or_report};
use crate::kernel::Claim;
use crate::system_files::SystemFiles;

/// A handle on the thread.
#[derive(Debug)]
pub(crate) struct AofWriter {
    orders: Sender<Order>,
    shared: Arc<Shared>,
    folder: PathBuf,
    thread: JoinHandle<()>,
}

impl AofWriter {
    /// Starts the thread.
    pub(crate) fn start(reporter: Reporter) -> std::io::Result<AofWriter> {
        let (sender, orders) = channel();
        let shared = Arc::new(Shared::default());
        let told = Told { reporter, shared: Arc::clone(&shared) };
        let work = move || run(Writer::new(SystemFiles, told), |writer| serve(writer, &orders));
        // Replies may wait for it: it does not give way as jobs do.
        let thread = thread::Builder::new().name("aof".to_owned()).spawn(work)?;
        Ok(AofWriter { orders: sender, shared, folder: PathBuf::new(), thread })
    }

    /// Has it do something; whether that had to wait for it.
    pub(crate) fn order(&mut self, order: Order) -> bool {
        if let Order::Open { folder, .. } = &order {
            self.folder = full_path(folder);
        }
        let has_waited = match &order {
            Order::Append { blocks, .. } => {
                self.shared.add(blocks.iter().map(|block| block.len() as u64).sum())
            }
            _ => false,
        };
        let order = match order {
            Order::Open { manifest, .. } => {
                Order::Open { folder: self.folder.display().to_string(), manifest }
            }
            order => order,
        };
        self.orders.send(order).expect("it serves until there are no more orders");
        has_waited
    }

    /// The folder of the files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How far it is, if that has changed.
    pub(crate) fn take_progress(&self) -> Option<Progress> {
        self.shared.has_news.swap(false, Ordering::Acquire).then(|| self.shared.lock().progress)
    }

    /// The process ends: waits until all orders are carried out.
    pub(crate) fn finish(self) {
        drop(self.orders);
        // A thread that panicked has said so.
        self.thread.join().ok();
    }
}

/// Serves until there are no more orders. A panic costs the file, not those who wait: another is begun.
fn run(mut writer: Writer<SystemFiles, Told>, mut serve: impl FnMut(&mut Writer<SystemFiles, Told>)) {
    while catch_unwind(AssertUnwindSafe(|| serve(&mut writer))).is_err() {
        writer.give_up("the thread that writes it panicked");
    }
}

fn serve(writer: &mut Writer<SystemFiles, Told>, orders: &Receiver<Order>) {
    let mut group = Group::default();
    loop {
        let order = match writer.patience() {
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => orders.recv_timeout(Duration::from_micros(patience)),
        };
        match order {
            Ok(order) => take(order, writer, &mut group),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return writer.write_and_sync(),
        }
        gather(orders, writer, &mut group);
        let began = Instant::now();
        writer.write_and_sync();
        group.close(began.elapsed());
    }
}

/// Takes the orders that are there, and those that come before the group is whole.
fn gather(orders: &Receiver<Order>, writer: &mut Writer<SystemFiles, Told>, group: &mut Group) {
    orders.try_iter().for_each(|order| take(order, writer, group));
    let until = Instant::now() + group.limit();
    while !group.is_whole()
        && let Ok(order) = orders.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        take(order, writer, group);
        orders.try_iter().for_each(|order| take(order, writer, group));
    }
}

fn take(order: Order, writer: &mut Writer<SystemFiles, Told>, group: &mut Group) {
    group.add(&order);
    writer.take(order);
}

/// Whom the writer tells: the loop.
#[derive(Debug)]
struct Told {
    reporter: Reporter,
    shared: Arc<Shared>,
}

impl Outbox for Told {
    fn report(&self, report: Report) {
        self.reporter.report(jobs::Report::Aof(report));
    }

    fn set_progress(&self, progress: Progress) {
        self.shared.lock().progress = progress;
        self.shared.has_news.store(true, Ordering::Release);
    }

    fn wake(&self) {
        self.reporter.wake();
    }

    fn took(&self, bytes: u64) {
        self.shared.lock().waiting -= bytes;
        self.shared.has_room.notify_one();
    }

    fn set_stuck(&self, is_stuck: bool) {
        self.shared.lock().is_stuck = is_stuck;
        self.shared.has_room.notify_one();
    }

    fn remove_beside(&self, folder: &Path, names: Vec<String>) {
        let (folder, reporter) = (folder.to_owned(), self.reporter.clone());
        let failed = |reason| jobs::Report::Aof(Report::Unremoved(reason));
        spawn_or_report(("aof-remove", Claim::Background), reporter, failed, move |reporter| {
            remove_files(&SystemFiles, &folder, &names, |reason| reporter.report(failed(reason)));
        });
    }
}

/// Between the loop and the thread.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    has_room: Condvar,
    has_news: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that were handed over and are not written.
    waiting: u64,
    /// Whether nobody is to wait: it cannot be written for now.
    is_stuck: bool,
    progress: Progress,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are right whatever happened to a thread that changed one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More bytes wait; whether the caller had to as well.
    fn add(&self, bytes: u64) -> bool {
        let mut state = self.lock();
        let is_full = |state: &State| state.waiting > MOST_WAITING && !state.is_stuck;
        let mut has_waited = false;
        while is_full(&state) {
            has_waited = true;
            state = self.has_room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting += bytes;
        has_waited
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token, Waker};

    use super::*;

    #[test]
    fn a_panic_is_told_and_the_writer_goes_on() {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (sender, reports) = channel();
        let reporter = Reporter::new(sender, waker, poll.registry().try_clone().unwrap());
        let told = Told { reporter, shared: Arc::default() };
        let mut lives = 0;
        run(Writer::new(SystemFiles, told), |_| {
            lives += 1;
            assert!(lives > 1, "the first ends like this");
        });
        assert_eq!(lives, 2);
        let is_lost =
            |report| matches!(report, jobs::Report::Aof(Report::Lost(reason)) if reason.contains("panicked"));
        assert!(reports.try_iter().any(is_lost));
    }
}

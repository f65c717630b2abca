//! The thread that writes the append-only file: appends, brings to disk, replaces the manifest.
//!
//! Orders come from the engine's machine and are carried out one after the other ([`Order`]); what to do when is not
//! decided here, except for when `appendfsync` has the disk asked. What was appended since the last look becomes one
//! batch behind its seal, written by one call, and one fsync covers all that has come by then: under `appendfsync
//! always` the next group gathers while the disk is busy with this one.
//!
//! A write that fails is taken back and tried again each second; what failed to reach the disk is not trusted any more,
//! and reported as lost. Whatever waits here has a bound, and whoever hands over more waits.

mod files;
mod work;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use slipstream_engine::aof::{Order, Progress};

pub(crate) use self::files::make_folder;

use self::work::Work;
use crate::jobs::{Reporter, full_path};

/// Bytes that may wait to be written.
const MOST_WAITING: u64 = 64 << 20;

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
        let work = Work::new(reporter, Arc::clone(&shared));
        // Replies may wait for it: it does not give way as jobs do.
        let thread = thread::Builder::new().name("aof".to_owned()).spawn(move || work.run(&orders))?;
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
        // A thread that panicked has said so.
        self.orders.send(order).ok();
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

    /// Bytes were written, or given up.
    fn remove(&self, bytes: u64) {
        self.lock().waiting -= bytes;
        self.has_room.notify_one();
    }

    fn set_stuck(&self, is_stuck: bool) {
        self.lock().is_stuck = is_stuck;
        self.has_room.notify_one();
    }

    fn set_progress(&self, progress: Progress) {
        self.lock().progress = progress;
        self.has_news.store(true, Ordering::Release);
    }
}

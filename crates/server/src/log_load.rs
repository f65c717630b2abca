//! Loading an append-only file at the start: a thread reads, the executor applies.
//!
//! What the thread hands on waits in a queue with a bound. The executor applies it for some milliseconds per turn of
//! the loop, so that LOADING is answered, INFO tells how far it is, and a signal ends it at once.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use slipstream_engine::{LoadOptions, LoadedData, LoadedLog, Node};
use slipstream_rdb::Reached;
use slipstream_storage::{Intake, LogLoadOptions, Reading, Replay, Unwanted};

use crate::jobs::{Pace, Report, Reporter};
use crate::key_delay::{DelaySetting, KeyDelay};
use crate::loader::{self, Halves};
use crate::system_files::SystemFiles;

/// Pieces that wait for the executor, at most: few, so that it finds in the cache what the thread has read.
const QUEUED_PIECES: usize = 2;
/// How long the executor applies before it looks at anything else.
const SLICE: Duration = Duration::from_millis(4);

type Delivery = slipstream_storage::Delivery<SystemFiles>;

/// The thread's end of the queue.
struct Inlet {
    reporter: Reporter,
    sender: SyncSender<Delivery>,
    empty: Receiver<Vec<u8>>,
    delay: KeyDelay,
}

impl Intake<SystemFiles> for Inlet {
    fn deliver(&self, delivery: Delivery) -> Result<(), Unwanted> {
        self.sender.send(delivery).map_err(|_| Unwanted)?;
        self.reporter.wake();
        Ok(())
    }

    fn buffer(&self) -> Vec<u8> {
        self.empty.try_recv().unwrap_or_default()
    }

    fn load_snapshot(
        &self,
        input: impl Read,
        options: LoadOptions,
        before: u64,
    ) -> Result<Box<LoadedData>, String> {
        let mut pace = Pace::default();
        let mut on_progress = |reached: Reached| {
            if pace.is_due() {
                self.reporter.report(Report::LoadReached(before + reached.bytes));
            }
            ControlFlow::Continue(())
        };
        loader::load(input, options, Halves::of_file(), &self.reporter, &mut on_progress)
    }

    fn pace(&mut self, commands: u64) {
        self.delay.reach(commands);
    }
}

/// What became of one piece.
enum Step {
    Applied,
    /// Nothing has come.
    Idle,
    Done(Box<LoadedLog>),
}

/// A load under way.
pub(crate) struct LogLoad {
    deliveries: Receiver<Delivery>,
    /// Buffers to be used again.
    spent: Sender<Vec<u8>>,
    replay: Replay,
    /// Whether there is more to do at once.
    is_behind: bool,
}

impl LogLoad {
    /// Begins a load.
    pub(crate) fn begin(reporter: Reporter, options: LogLoadOptions) -> LogLoad {
        let (sender, deliveries) = sync_channel(QUEUED_PIECES);
        let (spent, empty) = channel();
        // Nobody is served before it is done: it gives way to nobody.
        let delay = KeyDelay::new(DelaySetting::new(options.base.key_delay));
        let reading = Reading::new(SystemFiles, Inlet { reporter, sender, empty, delay }, options);
        let thread = thread::Builder::new().name("aof-load".to_owned());
        thread.spawn(move || reading.run()).expect("the system has room for a thread");
        LogLoad { deliveries, spent, replay: Replay::default(), is_behind: false }
    }

    /// Whether there is more to do at once.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Applies what has come, for a slice of time; whether the load goes on.
    pub(crate) fn advance(&mut self, node: &mut Node) -> bool {
        let end = Instant::now() + SLICE;
        self.is_behind = true;
        while Instant::now() < end {
            match self.step(node) {
                Ok(Step::Applied) => {}
                Ok(Step::Idle) => {
                    self.is_behind = false;
                    return true;
                }
                Ok(Step::Done(loaded)) => {
                    node.loaded_log(Ok(*loaded));
                    return false;
                }
                Err(reason) => {
                    node.loaded_log(Err(reason));
                    return false;
                }
            }
        }
        true
    }

    fn step(&mut self, node: &mut Node) -> Result<Step, String> {
        if self.replay.is_busy() {
            if let Some(buffer) = self.replay.apply(node)? {
                // The thread may have ended.
                self.spent.send(buffer).ok();
            }
            return Ok(Step::Applied);
        }
        match self.deliveries.try_recv() {
            Ok(delivery) => Ok(self.replay.take(delivery, node)?.map_or(Step::Applied, Step::Done)),
            Err(TryRecvError::Empty) => Ok(Step::Idle),
            Err(TryRecvError::Disconnected) => panic!("the thread that reads says how it ended"),
        }
    }
}

#[cfg(test)]
mod tests;

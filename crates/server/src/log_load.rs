//! Loading an append-only file at the start: a thread reads, the executor applies.
//!
//! The thread reads the base, and then the increments batch by batch, looks at every checksum, and hands on what is
//! good through a queue with a bound. The executor applies it for some milliseconds per turn of the loop, so that
//! LOADING is answered, INFO tells how far it is, and a signal ends it at once. What is torn off at the end of the
//! last file is cut off when everything before it has been applied, and not before: what cannot be loaded is left as
//! it is.

mod reading;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use slipstream_aof::{At, Manifest};
use slipstream_engine::{Level, LoadOptions, LoadedData, LoadedLog, Node, ReplayError, Replayed};

use crate::jobs::Reporter;
use crate::log_load::reading::Reading;

/// Pieces that wait for the executor, at most.
const QUEUED_PIECES: usize = 16;
/// How long the executor applies before it looks at anything else.
const SLICE: Duration = Duration::from_millis(4);

/// How the operator looks at a file.
const INSPECT: &str =
    "make a backup of your AOF file, then use slipstream check aof --fix <filename.manifest>";

/// How an append-only file is to be loaded.
#[derive(Clone, Debug)]
pub(crate) struct LogLoadOptions {
    /// Its files.
    pub(crate) manifest: Manifest,
    /// The folder that they are in.
    pub(crate) folder: PathBuf,
    /// For a base that is a snapshot.
    pub(crate) base: LoadOptions,
    /// `aof-load-truncated`.
    pub(crate) cuts_tail: bool,
    /// `aof-load-corrupt-tail-max-size`.
    pub(crate) corrupt_tail: u64,
}

/// What the thread hands on, in order.
enum Delivery {
    Notice(Level, String),
    /// The base is a snapshot, and this is its data.
    Base(Box<LoadedData>),
    /// Commands from another file follow.
    File(Arc<str>),
    /// What follows begins there; where the line is in the file.
    At(Box<At>, u64),
    Run(Run),
    /// Nothing behind this is taken.
    Cut {
        file: File,
        length: u64,
    },
    Done(Result<Box<LoadedLog>, String>),
}

/// Whole commands that follow each other.
#[derive(Debug)]
struct Run {
    what: Replayed,
    bytes: Vec<u8>,
    /// Where they lie in the file: from here in `bytes` on, there in the file.
    places: Vec<(usize, u64)>,
    /// Bytes of all files up to the end of these.
    reached: u64,
}

impl Run {
    fn place_of(&self, at: usize) -> u64 {
        let next = self.places.partition_point(|(start, _)| *start <= at);
        let (start, position) = self.places[..next].last().copied().unwrap_or_default();
        position + (at - start) as u64
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
    file: Arc<str>,
    /// What is being applied, and up to where.
    in_hand: Option<(Run, usize)>,
    /// Whether there is more to do at once.
    is_behind: bool,
}

impl LogLoad {
    /// Begins a load.
    pub(crate) fn begin(reporter: Reporter, options: LogLoadOptions) -> LogLoad {
        let (sender, deliveries) = sync_channel(QUEUED_PIECES);
        let (spent, empty) = channel();
        // Nobody is served before it is done: it gives way to nobody.
        let reading = Reading::new(reporter, options, sender, empty);
        let thread = thread::Builder::new().name("aof-load".to_owned());
        thread.spawn(move || reading.run()).expect("the system has room for a thread");
        LogLoad { deliveries, spent, file: Arc::from(""), in_hand: None, is_behind: false }
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
        if self.in_hand.is_some() {
            self.apply(node)?;
            return Ok(Step::Applied);
        }
        match self.deliveries.try_recv() {
            Ok(Delivery::Done(result)) => result.map(Step::Done),
            Ok(delivery) => self.take(delivery, node).map(|()| Step::Applied),
            Err(TryRecvError::Empty) => Ok(Step::Idle),
            Err(TryRecvError::Disconnected) => panic!("the thread that reads says how it ended"),
        }
    }

    fn take(&mut self, delivery: Delivery, node: &mut Node) -> Result<(), String> {
        match delivery {
            Delivery::Notice(level, text) => node.core.notice(level, &text),
            Delivery::Base(data) => node.replay_base(*data),
            Delivery::File(name) => {
                self.file = name;
                node.replay_file();
            }
            Delivery::At(at, position) => {
                node.replay_at(&at).map_err(|reason| self.bad_format(position, &reason))?
            }
            Delivery::Run(run) => self.in_hand = Some((run, 0)),
            Delivery::Cut { file, length } => cut(&file, length)
                .map_err(|error| format!("Error truncating the AOF file {}: {error}", self.file))?,
            Delivery::Done(_) => unreachable!("the caller ends with it"),
        }
        Ok(())
    }

    fn apply(&mut self, node: &mut Node) -> Result<(), String> {
        let Some((run, position)) = &mut self.in_hand else { return Ok(()) };
        match node.replay(run.what, &run.bytes[*position..]) {
            Ok(applied) => *position += applied,
            Err(error) => {
                let place = run.place_of(*position + error.position);
                return Err(self.explain(&error, place));
            }
        }
        if *position < run.bytes.len() {
            return Ok(());
        }
        node.load_reached(run.reached);
        if let Some((run, _)) = self.in_hand.take() {
            // The thread may have ended.
            self.spent.send(run.bytes).ok();
        }
        Ok(())
    }

    fn explain(&self, ReplayError { command, reason, .. }: &ReplayError, place: u64) -> String {
        let file = &self.file;
        match command {
            None => self.bad_format(place, reason),
            Some(name) if reason.starts_with("ERR unknown command") => {
                format!("Unknown command '{name}' reading the append only file {file} at offset {place}")
            }
            Some(name) => format!(
                "Command '{name}' cannot be applied reading the append only file {file} at offset {place}: {reason}; \
                 {INSPECT}"
            ),
        }
    }

    fn bad_format(&self, place: u64, reason: &str) -> String {
        let file = &self.file;
        format!("Bad file format reading the append only file {file} at offset {place}: {reason}; {INSPECT}")
    }
}

fn cut(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;

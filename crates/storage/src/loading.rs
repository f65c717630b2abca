//! Loading an append-only file at the start: one side reads, the other applies.
//!
//! A [`Reading`] reads the base, and then the increments batch by batch, looks at every checksum, and hands on what is
//! good, piece by piece; a [`Replay`] applies it to the node, in slices as short as whoever calls it likes. What is
//! torn off at the end of the last file is cut off when everything before it has been applied, and not before: what
//! cannot be loaded is left as it is.

mod reading;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use slipstream_aof::{At, Manifest};
use slipstream_engine::{Level, LoadOptions, LoadedData, LoadedLog, Node, ReplayError, Replayed};

use crate::files::{DiskFile, Files};

pub use self::reading::Reading;

/// How the operator looks at a file.
const INSPECT: &str =
    "make a backup of your AOF file, then use slipstream check aof --fix <filename.manifest>";

/// How an append-only file is to be loaded.
#[derive(Clone, Debug)]
pub struct LogLoadOptions {
    /// Its files.
    pub manifest: Manifest,
    /// The folder that they are in.
    pub folder: PathBuf,
    /// For a base that is a snapshot.
    pub base: LoadOptions,
    /// `aof-load-truncated`.
    pub cuts_tail: bool,
    /// `aof-load-corrupt-tail-max-size`.
    pub corrupt_tail: u64,
}

/// Nobody wants the data any more.
#[derive(Clone, Copy, Debug)]
pub struct Unwanted;

/// Who takes what is read.
pub trait Intake<F: Files> {
    /// Hands on what comes next.
    fn deliver(&self, delivery: Delivery<F>) -> Result<(), Unwanted>;
    /// A buffer to be used again, or a new one.
    fn buffer(&self) -> Vec<u8>;
    /// Loads a snapshot that lies behind `before` bytes of other files. An error says what is wrong.
    fn load_snapshot(
        &self,
        input: impl Read,
        options: LoadOptions,
        before: u64,
    ) -> Result<Box<LoadedData>, String>;
    /// So many commands of a file are read, where that is to take longer than it would (`key-load-delay`).
    fn pace(&mut self, commands: u64);
}

/// What is handed on, in order.
#[derive(Debug)]
pub enum Delivery<F: Files> {
    /// A line for the log.
    Notice(Level, String),
    /// The base is a snapshot, and this is its data.
    Base(Box<LoadedData>),
    /// Commands from another file follow.
    File(Arc<str>),
    /// What follows begins there; where the line is in the file.
    At(Box<At>, u64),
    /// Commands.
    Run(Run),
    /// Nothing behind this is taken.
    Cut {
        /// The file.
        file: F::File,
        /// What is good of it, in bytes.
        length: u64,
    },
    /// That is all, or why there is no more.
    Done(Result<Box<LoadedLog>, String>),
}

/// Whole commands that follow each other.
#[derive(Debug)]
pub struct Run {
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

/// What is applied of an append-only file.
#[derive(Debug)]
pub struct Replay {
    file: Arc<str>,
    /// What is being applied, and up to where.
    in_hand: Option<(Run, usize)>,
}

impl Default for Replay {
    fn default() -> Replay {
        Replay { file: Arc::from(""), in_hand: None }
    }
}

impl Replay {
    /// Whether something that was delivered is not applied.
    pub fn is_busy(&self) -> bool {
        self.in_hand.is_some()
    }

    /// Takes the next delivery. Returns what the writer goes on from if that was the last.
    pub fn take<F: Files>(
        &mut self,
        delivery: Delivery<F>,
        node: &mut Node,
    ) -> Result<Option<Box<LoadedLog>>, String> {
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
            Delivery::Cut { file, length } => cut(file, length)
                .map_err(|error| format!("Error truncating the AOF file {}: {error}", self.file))?,
            Delivery::Done(result) => return result.map(Some),
        }
        Ok(None)
    }

    /// Applies some of what was delivered; the buffer of it when all of it is.
    pub fn apply(&mut self, node: &mut Node) -> Result<Option<Vec<u8>>, String> {
        let Some((run, position)) = &mut self.in_hand else { return Ok(None) };
        match node.replay(run.what, &run.bytes[*position..]) {
            Ok(applied) => *position += applied,
            Err(error) => {
                let place = run.place_of(*position + error.position);
                return Err(self.explain(&error, place));
            }
        }
        if *position < run.bytes.len() {
            return Ok(None);
        }
        node.load_reached(run.reached);
        Ok(self.in_hand.take().map(|(run, _)| run.bytes))
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

fn cut(mut file: impl DiskFile, length: u64) -> io::Result<()> {
    file.truncate(length)?;
    file.sync()
}

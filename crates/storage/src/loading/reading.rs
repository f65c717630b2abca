//! What is in each file of an append-only file, and how each ends.
//!
//! Never writes: what is to be cut off is handed on, to be cut once all before it is applied.

use std::io::{self, BufReader, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;

use slipstream_aof::{Content, Ending, Fault, Found, ReadError, Reader, count_commands};
use slipstream_engine::{Level, LoadedLog, Replayed};
use slipstream_rdb::Version;

use super::{Delivery, INSPECT, Intake, LogLoadOptions, Run, Unwanted};
use crate::files::{DiskFile, Files};
use crate::replacing::FileReader;

/// What is read at once.
const READ_SIZE: usize = 1 << 20;
/// What is handed on at once, if there is so much.
const RUN_SIZE: usize = 256 << 10;
/// The directives that allow a tail to be cut off.
const TRUNCATED: &str = "aof-load-truncated";
const CORRUPT_TAIL: &str = "aof-load-corrupt-tail-max-size";

/// What ends the reading of a file early.
enum Stop {
    Unwanted,
    Failed(String),
}

impl From<Unwanted> for Stop {
    fn from(_: Unwanted) -> Stop {
        Stop::Unwanted
    }
}

/// Reads all of an append-only file.
#[derive(Debug)]
pub struct Reading<F, I> {
    files: F,
    intake: I,
    options: LogLoadOptions,
    /// Bytes of the files that are read.
    before: u64,
    base_size: u64,
    /// How the last file ended, and how long it is.
    last: Ended,
}

/// How a file ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    is_ours: bool,
    length: u64,
}

/// One file of several.
struct Opened<T> {
    name: Arc<str>,
    path: PathBuf,
    file: T,
    length: u64,
    is_last: bool,
}

impl<F: Files, I: Intake<F>> Reading<F, I> {
    /// Nothing is read yet.
    pub fn new(files: F, intake: I, options: LogLoadOptions) -> Reading<F, I> {
        Reading { files, intake, options, before: 0, base_size: 0, last: Ended::default() }
    }

    /// Reads until the end, or until nobody wants more.
    pub fn run(mut self) {
        let result = match self.read_all() {
            Ok(loaded) => Ok(Box::new(loaded)),
            Err(Stop::Failed(reason)) => Err(reason),
            Err(Stop::Unwanted) => return,
        };
        // Without a loop there is nobody to tell.
        self.intake.deliver(Delivery::Done(result)).ok();
    }

    fn read_all(&mut self) -> Result<LoadedLog, Stop> {
        let manifest = self.options.manifest.clone();
        let (base, count) = (manifest.base.is_some(), manifest.files().count());
        for (index, part) in manifest.files().enumerate() {
            let kind = if base && index == 0 { "base" } else { "incr" };
            let began = self.files.micros();
            let opened = self.open(&part.name, index + 1 == count)?;
            self.last = self.read_file(&opened)?;
            self.before += self.last.length;
            if kind == "base" {
                self.base_size = self.last.length;
            }
            let millis = (self.files.micros() - began) / 1000;
            let (seconds, millis) = (millis / 1000, millis % 1000);
            let text = format!("DB loaded from {kind} file {}: {seconds}.{millis:03} seconds", part.name);
            self.intake.deliver(Delivery::Notice(Level::Notice, text))?;
        }
        let resume = (!manifest.increments.is_empty() && self.last.is_ours).then_some(self.last.length);
        Ok(LoadedLog { manifest, resume, base_size: self.base_size, size: self.before })
    }

    fn open(&self, name: &str, is_last: bool) -> Result<Opened<F::File>, Stop> {
        let path = self.options.folder.join(name);
        let explain = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => Stop::Failed(format!("The append log file {name} doesn't exist: {error}")),
            _ => Stop::Failed(format!(
                "Fatal error: can't open the append log file {name} for reading: {error}"
            )),
        };
        let file = self.files.open(&path).map_err(explain)?;
        let length = file.length().map_err(explain)?;
        Ok(Opened { name: Arc::from(name), path, file, length, is_last })
    }

    fn read_file(&mut self, opened: &Opened<F::File>) -> Result<Ended, Stop> {
        if opened.length == 0 {
            return Ok(Ended { is_ours: true, ..Ended::default() });
        }
        let mut head = [0; Version::SIGN_LENGTH];
        let count = read_full(&opened.file, &mut head).map_err(|error| unreadable(opened, &error))?;
        let is_snapshot = Version::is_sign(&head[..count]);
        let from = if is_snapshot { self.read_snapshot(opened)? } else { 0 };
        if is_snapshot && from == opened.length {
            return Ok(Ended { length: from, ..Ended::default() });
        }
        self.intake.deliver(Delivery::File(Arc::clone(&opened.name)))?;
        Commands::new(self, opened, from).read()
    }

    /// Loads a snapshot at the beginning of a file; returns where it ends.
    fn read_snapshot(&self, opened: &Opened<F::File>) -> Result<u64, Stop> {
        let name = &opened.name;
        let text = format!("Reading RDB base file {name} on AOF loading...");
        self.intake.deliver(Delivery::Notice(Level::Notice, text))?;
        let explain = |reason: &dyn std::fmt::Display| {
            let advice = "look at it with slipstream check rdb";
            Stop::Failed(format!(
                "Error reading the RDB base file {name}, AOF loading aborted: {reason}; {advice}"
            ))
        };
        let input = BufReader::with_capacity(READ_SIZE, FileReader { file: &opened.file, position: 0 });
        let loaded = self.intake.load_snapshot(input, self.options.base, self.before);
        let data = loaded.map_err(|reason| explain(&reason))?;
        let length = data.loaded.length;
        self.intake.deliver(Delivery::Base(data))?;
        Ok(length)
    }
}

fn unreadable<T>(opened: &Opened<T>, error: &io::Error) -> Stop {
    let name = &opened.name;
    Stop::Failed(format!("Unrecoverable error reading the append only file {name}: {error}"))
}

/// Reads until the buffer is full or the file ends; how many bytes.
fn read_full(file: &impl DiskFile, buffer: &mut [u8]) -> io::Result<usize> {
    let mut input = FileReader { file, position: 0 };
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The commands of one file.
struct Commands<'a, F: Files, I> {
    reading: &'a mut Reading<F, I>,
    opened: &'a Opened<F::File>,
    reader: Reader<FileReader<'a, F::File>>,
    run: Option<Run>,
    commands: u64,
}

impl<'a, F: Files, I: Intake<F>> Commands<'a, F, I> {
    fn new(reading: &'a mut Reading<F, I>, opened: &'a Opened<F::File>, from: u64) -> Commands<'a, F, I> {
        let input = FileReader { file: &opened.file, position: from };
        let reader = Reader::new(input, from, opened.length);
        Commands { reading, opened, reader, run: None, commands: 0 }
    }

    fn read(mut self) -> Result<Ended, Stop> {
        let ending = loop {
            match self.reader.next_piece() {
                Ok(Found::End(ending)) => break ending,
                Ok(Found::Piece { content, position, bytes }) => {
                    let what = match content {
                        Content::Batch { .. } => Replayed::Stream,
                        Content::Commands { .. } => Replayed::Plain,
                        Content::At(at) => {
                            flush(&mut self.run, self.reading)?;
                            self.reading.intake.deliver(Delivery::At(Box::new(at), position))?;
                            continue;
                        }
                        Content::Timestamp(_) | Content::End(_) | Content::Remark => continue,
                    };
                    if self.reading.options.base.key_delay != 0 {
                        self.commands += count_commands(bytes);
                        self.reading.intake.pace(self.commands);
                    }
                    add(&mut self.run, self.reading, (what, position, bytes))?;
                }
                Err(ReadError::Io(error)) => return Err(unreadable(self.opened, &error)),
                Err(ReadError::Fault(fault)) => {
                    flush(&mut self.run, self.reading)?;
                    return self.faulty(&fault);
                }
            }
        };
        flush(&mut self.run, self.reading)?;
        match ending {
            Ending::Whole { .. } => Ok(self.ended(self.opened.length)),
            Ending::Cut => self.torn(TRUNCATED),
            Ending::WithinMulti => {
                let text =
                    format!("Revert incomplete MULTI/EXEC transaction in AOF file {}", self.opened.name);
                self.reading.intake.deliver(Delivery::Notice(Level::Warning, text))?;
                self.torn(TRUNCATED)
            }
        }
    }

    fn ended(&self, length: u64) -> Ended {
        Ended { is_ours: self.reader.scanner().stream().is_some(), length }
    }

    /// The file is not good any further.
    fn faulty(&mut self, fault: &Fault) -> Result<Ended, Stop> {
        let (name, scanner) = (&self.opened.name, self.reader.scanner());
        let (at, tail) = (scanner.position(), self.opened.length - scanner.good_end());
        let is_proven = self.reader.is_proven().map_err(|error| unreadable(self.opened, &error))?;
        match (is_proven, fault) {
            (Some(false), _) => self.torn(TRUNCATED),
            (None, Fault::Format(_)) if tail <= self.reading.options.corrupt_tail => self.torn(CORRUPT_TAIL),
            _ => Err(Stop::Failed(format!(
                "Bad file format reading the append only file {name} at offset {at}: {fault}; {INSPECT}"
            ))),
        }
    }

    /// What lies behind the good part was never known to be on disk, or is no whole command.
    fn torn(&self, directive: &str) -> Result<Ended, Stop> {
        let Opened { name, path, length, is_last, .. } = self.opened;
        let good = self.reader.scanner().good_end();
        if directive == TRUNCATED && !self.reading.options.cuts_tail {
            return Err(Stop::Failed(format!(
                "Unexpected end of file reading the append only file {name} at offset {good}. You can: 1) Make a \
                 backup of your AOF file, then use slipstream check aof --fix <filename.manifest>. 2) Alternatively \
                 you can set the 'aof-load-truncated' configuration option to yes and restart the server."
            )));
        }
        if !is_last {
            return Err(Stop::Failed(format!(
                "Fatal error: the truncated file is not the last file: {name} is good up to offset {good} of \
                 {length}; {INSPECT}"
            )));
        }
        let commands = self.commands_behind(good).map_err(|error| unreadable(self.opened, &error))?;
        let lost = length - good;
        for text in [
            format!("!!! Warning: short read while loading the AOF file {name}!!!"),
            format!("!!! Truncating the AOF {name} at offset {good} !!!"),
            format!(
                "AOF {name} loaded anyway because {directive} is enabled: {lost} bytes are cut off, with \
                 {commands} whole commands"
            ),
        ] {
            self.reading.intake.deliver(Delivery::Notice(Level::Warning, text))?;
        }
        let file = self
            .reading
            .files
            .open_to_write(path)
            .map_err(|error| Stop::Failed(format!("Error truncating the AOF file {name}: {error}")))?;
        self.reading.intake.deliver(Delivery::Cut { file, length: good })?;
        Ok(self.ended(good))
    }

    /// How many whole commands begin at `good`, of what is looked at.
    fn commands_behind(&self, good: u64) -> io::Result<u64> {
        let mut tail = Vec::new();
        FileReader { file: &self.opened.file, position: good }
            .take(64 * READ_SIZE as u64)
            .read_to_end(&mut tail)?;
        Ok(count_commands(&tail))
    }
}

/// Adds commands to those that are handed on together.
fn add<F: Files, I: Intake<F>>(
    run: &mut Option<Run>,
    reading: &Reading<F, I>,
    (what, position, bytes): (Replayed, u64, &[u8]),
) -> Result<(), Unwanted> {
    if run.as_ref().is_some_and(|run| run.what != what) {
        flush(run, reading)?;
    }
    let open = run.get_or_insert_with(|| {
        let mut bytes = reading.intake.buffer();
        bytes.clear();
        Run { what, bytes, places: Vec::new(), reached: 0 }
    });
    open.places.push((open.bytes.len(), position));
    open.bytes.extend_from_slice(bytes);
    open.reached = reading.before + position + bytes.len() as u64;
    if open.bytes.len() >= RUN_SIZE {
        flush(run, reading)?;
    }
    Ok(())
}

fn flush<F: Files, I: Intake<F>>(run: &mut Option<Run>, reading: &Reading<F, I>) -> Result<(), Unwanted> {
    run.take().map_or(Ok(()), |run| reading.intake.deliver(Delivery::Run(run)))
}

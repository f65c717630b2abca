//! `slipstream convert`: a snapshot for another program, or as JSON, a line for each key.
//!
//! Streams: key by key from the one file into the other, so that memory does not grow with it. The output takes its
//! name when all of it is on disk; an input that is broken, or that has what the other format lacks, leaves nothing.

mod json;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use slipstream_keyspace::{Encoding, UnixMillis};
use slipstream_rdb::{
    Decoder, KeyRecord, ReadError, ReadOptions, Records, Shape, Step, Target, WriteError, WriteOptions,
    Writer,
};
use slipstream_server::process::replace_file_by;

use crate::progress::Bar;

/// The answer to `--help`.
const USAGE: &str = "\
Usage: slipstream convert FILE --to FORMAT OUTPUT

Reads a snapshot (an RDB file of any version that the server reads) and writes its data
in another format. OUTPUT is a file, or - for standard output.

  --to redis-7.0         RDB version 10: Redis 7.0 and all after it, Valkey
  --to redis-7.2         RDB version 11: Redis 7.2, Valkey 7.2 and 8
  --to redis-7.4         RDB version 12, with deadlines of hash fields: Redis 7.4 and after
  --to valkey-9          RDB version 80, with deadlines of hash fields: Valkey 9
  --to json              a line of JSON for each key

Exit status: 0 when all of it is written, 1 when it cannot be, 2 for a wrong command line.
";

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Snapshot(Target),
    Json,
}

const FORMATS: &[(&str, Format)] = &[
    ("redis-7.0", Format::Snapshot(Target::Redis10)),
    ("redis-7.2", Format::Snapshot(Target::Redis11)),
    ("redis-7.4", Format::Snapshot(Target::Redis12)),
    ("valkey-9", Format::Snapshot(Target::Valkey80)),
    ("json", Format::Json),
];

/// Why there is no output.
#[derive(Debug)]
enum Failure {
    Read(ReadError),
    /// What the other format lacks, and the key that has it.
    Feature(&'static str, String),
    Write(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Read(error) => write!(f, "it cannot be read: {error}"),
            Failure::Feature(name, key) => write!(f, "{key} has what that format lacks: {name}"),
            Failure::Write(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        Failure::Read(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Write(error)
    }
}

/// Runs `slipstream convert` with the arguments behind it; returns the process's exit status.
pub(super) fn run(arguments: &[OsString]) -> i32 {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    let (input, format, output) = match words.as_slice() {
        ["--help" | "-h" | "help", ..] => return io::stdout().write_all(USAGE.as_bytes()).map_or(1, |()| 0),
        [_, "--to", format, _] => (&arguments[0], *format, &arguments[3]),
        ["--to", format, _, _] => (&arguments[2], *format, &arguments[3]),
        [_, _, "--to", format] => (&arguments[0], *format, &arguments[1]),
        _ => return complain(USAGE, 2),
    };
    let Some((_, format)) = FORMATS.iter().find(|(name, _)| *name == format) else {
        return complain(&format!("slipstream convert: '{format}' is not a format (see --help)\n"), 2);
    };
    match convert_file(input.as_ref(), *format, output.as_ref()) {
        Ok(keys) => complain(&format!("{keys} keys converted\n"), 0),
        Err(failure) => {
            complain(&format!("slipstream convert: {}: {failure}\n", Path::new(input).display()), 1)
        }
    }
}

/// Standard output is for what is converted.
fn complain(text: &str, status: i32) -> i32 {
    io::stderr().write_all(text.as_bytes()).map_or(status, |()| status)
}

/// Returns how many keys there were.
fn convert_file(input: &Path, format: Format, output: &Path) -> Result<u64, Failure> {
    let cannot_open =
        |error| Failure::Read(ReadError { offset: 0, key: None, reason: slipstream_rdb::Reason::Io(error) });
    let file = File::open(input).map_err(cannot_open)?;
    let length = file.metadata().map_err(cannot_open)?.len();
    let input = BufReader::new(file);
    if output == Path::new("-") {
        return convert(input, length, format, &mut BufWriter::new(io::stdout().lock()));
    }
    replace_file_by(output, |file| convert(input, length, format, &mut BufWriter::new(file)))
}

fn convert(input: impl Read, length: u64, format: Format, output: &mut impl Write) -> Result<u64, Failure> {
    let shape = Shape { databases: usize::MAX, encoding: Encoding::default() };
    // Nothing is left out, so the time does not matter.
    let mut decoder = Decoder::open(input, shape, ReadOptions::new(UnixMillis(0)))?;
    let mut bar = Bar::new(length);
    let keys = match format {
        Format::Json => transfer(&mut decoder, &mut bar, &mut json::Lines::new(output))?,
        Format::Snapshot(target) => {
            let options = WriteOptions { target, ..WriteOptions::default() };
            let mut writer = Writer::open(output, options).map_err(without_key)?;
            let keys = transfer(&mut decoder, &mut bar, &mut writer)?;
            writer.finish().map_err(without_key)?;
            keys
        }
    };
    output.flush()?;
    Ok(keys)
}

/// What the data is poured into.
trait Sink {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), WriteError>;
    fn function(&mut self, code: &[u8]) -> Result<(), WriteError>;
    fn database(&mut self, number: usize) -> Result<(), WriteError>;
    fn key(&mut self, record: &KeyRecord<'_>) -> Result<(), WriteError>;
}

impl<W: Write> Sink for Writer<'_, W> {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), WriteError> {
        Writer::aux(self, name, value)
    }

    fn function(&mut self, code: &[u8]) -> Result<(), WriteError> {
        Writer::function(self, code)
    }

    fn database(&mut self, number: usize) -> Result<(), WriteError> {
        Writer::database(self, number, None)
    }

    fn key(&mut self, record: &KeyRecord<'_>) -> Result<(), WriteError> {
        Writer::key(self, record.key, &record.value, record.deadline)
    }
}

/// Returns how many keys there were.
fn transfer<R: Read>(
    decoder: &mut Decoder<'_, R>,
    bar: &mut Bar,
    sink: &mut impl Sink,
) -> Result<u64, Failure> {
    let mut records = Records::default();
    let (mut keys, mut functions) = (0, 0);
    loop {
        match decoder.step(&mut records)? {
            Step::Aux => {
                let (name, value) = decoder.loaded().aux.pairs.last().expect("one was just read");
                sink.aux(name, value).map_err(without_key)?;
            }
            Step::Database(number) => sink.database(number).map_err(without_key)?,
            Step::Key => {
                let mut written = Ok(());
                records.drain(|record| written = sink.key(&record).map_err(|error| of_key(error, &record)));
                written?;
                keys += 1;
            }
            Step::Other => {
                for code in &decoder.loaded().functions[functions..] {
                    sink.function(code).map_err(without_key)?;
                }
                functions = decoder.loaded().functions.len();
            }
            Step::End => return Ok(keys),
        }
        bar.reached(decoder.offset());
    }
}

fn of_key(error: WriteError, record: &KeyRecord<'_>) -> Failure {
    match error {
        WriteError::Io(error) => Failure::Write(error),
        WriteError::Feature(name) => {
            let key = format!("key '{}' of database {}", record.key.escape_ascii(), record.database);
            Failure::Feature(name, key)
        }
    }
}

fn without_key(error: WriteError) -> Failure {
    match error {
        WriteError::Io(error) => Failure::Write(error),
        WriteError::Feature(name) => Failure::Feature(name, "the snapshot".to_owned()),
    }
}

#[cfg(test)]
mod tests;

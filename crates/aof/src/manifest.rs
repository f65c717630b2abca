//! The manifest: which files make up an append-only file, in which order.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.1.incr.aof seq 1 type h
//! file appendonly.aof.3.incr.aof seq 3 type i startoffset 5000 history <40 digits>
//! ```
//!
//! One base at most (`b`), then the increments behind it in their order (`i`), and files that are of no use any more
//! and wait to be removed (`h`). Lines of pairs, as Redis 7 has them; names are quoted where they need it, `#` begins
//! a remark. A pair that is not known is passed over, so Redis passes over ours: `startoffset` and `history` say
//! where an increment begins in the stream.
//! Invariant: what was parsed or begun here has increasing numbers and no name twice, and no name leaves the folder.

use std::fmt;

use slipstream_log::{Offset, ReplicationId};
use slipstream_resp::split_line;

/// A longer manifest is none, in bytes.
pub const MAX_MANIFEST_LEN: u64 = 1 << 20;
/// Redis reads no longer line, in bytes with its end.
const MAX_LINE: usize = 1024;

const INVALID: &str = "Invalid AOF manifest file format";

/// The files of an append-only file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What everything begins with.
    pub base: Option<File>,
    /// Files to be removed.
    pub history: Vec<File>,
    /// What was written since, oldest first.
    pub increments: Vec<Increment>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// Its number among the files of its kind.
    pub sequence: u64,
}

/// A file that is, or was, appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Increment {
    /// The file.
    pub file: File,
    /// Where it begins in the stream; `None` if another program made it.
    pub start: Option<Start>,
}

/// A place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The offset of the first byte.
    pub offset: Offset,
    /// Of which history.
    pub history: ReplicationId,
}

/// What a base is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFormat {
    /// A snapshot (`aof-use-rdb-preamble yes`).
    Rdb,
    /// Commands.
    Commands,
}

impl BaseFormat {
    fn suffix(self) -> &'static str {
        match self {
            BaseFormat::Rdb => "rdb",
            BaseFormat::Commands => "aof",
        }
    }
}

/// Why a manifest tells nothing. The reason has Redis' words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The line's number, from 1, and what is in it; `None` if the whole is meant.
    pub line: Option<(usize, String)>,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some((number, line)) => write!(f, "{} (line {number}: '{line}')", self.reason),
            None => f.write_str(self.reason),
        }
    }
}

impl std::error::Error for ManifestError {}

/// The manifest's name, of an append-only file called `append_filename`.
pub fn manifest_name(append_filename: &str) -> String {
    format!("{append_filename}.manifest")
}

/// The name under which a file is written that is called `name` when it is whole.
pub fn temporary_name(name: &str) -> String {
    format!("temp-{name}")
}

impl Manifest {
    /// Reads a manifest.
    pub fn parse(content: &[u8]) -> Result<Manifest, ManifestError> {
        if content.is_empty() {
            return Err(ManifestError { line: None, reason: "Found an empty AOF manifest" });
        }
        let mut manifest = Manifest::default();
        for (index, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if line[0] != b'#' {
                manifest.take_line(line).map_err(|reason| {
                    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]);
                    let text = text.trim_end().replace(char::is_control, "?");
                    ManifestError { line: Some((index + 1, text)), reason }
                })?;
            }
        }
        Ok(manifest)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        // A line without an end may be one that was not written to its end.
        if line.len() > MAX_LINE || !line.ends_with(b"\n") {
            return Err("The AOF manifest file contains too long line");
        }
        let Line { file, kind, start } = Line::parse(line.trim_ascii())?;
        if self.names().any(|name| name == file.name) {
            return Err("Found a file name twice");
        }
        match kind {
            b'b' if self.base.is_some() => return Err("Found duplicate base file information"),
            b'b' => self.base = Some(file),
            b'h' => self.history.push(file),
            b'i' if self.increments.last().is_some_and(|last| last.file.sequence >= file.sequence) => {
                return Err("Found a non-monotonic sequence number");
            }
            b'i' => self.increments.push(Increment { file, start }),
            _ => return Err("Unknown AOF file type"),
        }
        Ok(())
    }

    /// The file's content.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        let line =
            |file: &File, kind| format!("file {} seq {} type {kind}", quoted(&file.name), file.sequence);
        for (file, kind) in
            self.base.iter().map(|file| (file, 'b')).chain(self.history.iter().map(|f| (f, 'h')))
        {
            text.push_str(&line(file, kind));
            text.push('\n');
        }
        for Increment { file, start } in &self.increments {
            text.push_str(&line(file, 'i'));
            if let Some(Start { offset, history }) = start {
                text.push_str(&format!(" startoffset {offset} history {history}"));
            }
            text.push('\n');
        }
        text.into_bytes()
    }

    /// Whether there is nothing to load.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// The files to load, in their order.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.base.iter().chain(self.increments.iter().map(|increment| &increment.file))
    }

    /// What the next base is called. Its number is beyond `used` as well.
    pub fn next_base(&self, append_filename: &str, format: BaseFormat, used: u64) -> File {
        let newest = self.base.as_ref().map_or(0, |base| base.sequence);
        self.unused(newest.max(used), |sequence| {
            format!("{append_filename}.{sequence}.base.{}", format.suffix())
        })
    }

    /// What the next increment is called. Its number is beyond `used` as well.
    pub fn next_increment(&self, append_filename: &str, used: u64) -> File {
        let newest = self.increments.last().map_or(0, |last| last.file.sequence);
        self.unused(newest.max(used), |sequence| format!("{append_filename}.{sequence}.incr.aof"))
    }

    /// Names `base`, made of all before the increment of number `first_kept`: the old base and the increments before
    /// that one are history.
    pub fn replace_base(&mut self, base: File, first_kept: u64) {
        let kept = self.increments.partition_point(|increment| increment.file.sequence < first_kept);
        self.history.extend(self.base.replace(base));
        self.history.extend(self.increments.drain(..kept).map(|increment| increment.file));
    }

    /// The first free number behind `newest`.
    fn unused(&self, newest: u64, name: impl Fn(u64) -> String) -> File {
        let mut file = File { name: String::new(), sequence: newest };
        loop {
            // A parsed number may be any; a file of that name is as good as none.
            file.sequence = file.sequence.checked_add(1).expect("fewer files than numbers");
            file.name = name(file.sequence);
            if !self.names().any(|taken| taken == file.name) {
                return file;
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.files().chain(&self.history).map(|file| file.name.as_str())
    }
}

/// What one line says.
struct Line {
    file: File,
    kind: u8,
    start: Option<Start>,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Line, &'static str> {
        let words =
            split_line(line).filter(|words| words.len() >= 6 && words.len() % 2 == 0).ok_or(INVALID)?;
        let (mut name, mut sequence, mut kind, mut offset, mut history) = (None, None, None, None, None);
        for pair in words.chunks_exact(2) {
            let value = &pair[1];
            match pair[0].to_ascii_lowercase().as_slice() {
                b"file" => name = Some(file_name(value)?),
                b"seq" => sequence = number(value).filter(|n| (1..=MAX_SEQUENCE).contains(n)),
                b"type" => kind = value.first().copied(),
                b"startoffset" => offset = number(value).map(Offset),
                b"history" => history = ReplicationId::parse(value),
                _ => {}
            }
        }
        let (Some(name), Some(sequence), Some(kind)) = (name, sequence, kind) else { return Err(INVALID) };
        // Redis 8 has the first of the two, and counts otherwise: both are needed.
        let start = offset.zip(history).map(|(offset, history)| Start { offset, history });
        Ok(Line { file: File { name, sequence }, kind, start })
    }
}

/// Redis counts in a signed number. There is always a next one.
const MAX_SEQUENCE: u64 = i64::MAX as u64;

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn file_name(value: &[u8]) -> Result<String, &'static str> {
    let name = std::str::from_utf8(value).map_err(|_| INVALID)?;
    let is_plain = !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
    if is_plain { Ok(name.to_owned()) } else { Err("File can't be a path, just a filename") }
}

/// A name as one word of a line, in quotes where it would not be one.
fn quoted(name: &str) -> String {
    let is_word = name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\'));
    if is_word && !name.is_empty() && !name.starts_with('#') {
        return name.to_owned();
    }
    // What is beyond ASCII stays as it is, as in a word: four times as long, a line could be too long to be read.
    let escape = |character: char| match character {
        '"' | '\\' => format!("\\{character}"),
        '\0'..='\x1f' | '\x7f' => format!("\\x{:02x}", u32::from(character)),
        _ => character.to_string(),
    };
    format!("\"{}\"", name.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests;

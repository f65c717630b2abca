//! Checks an append-only file: a manifest with all it names, or one file.
//!
//! What is said is what redis-check-aof says, in its order and with its prompts, since scripts read and answer that;
//! what it does not tell, the place of our files in the stream and what a fault means, follows as lines of
//! information. Only the last file is ever cut, and only after a question.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use slipstream_aof::{
    Content, Found, MAX_MANIFEST_LEN, Manifest, ManifestError, ReadError, Reader, count_commands,
};
use slipstream_rdb::Version;

use super::reason;
use crate::progress::Bar;

mod analysis;

use analysis::Analysis;

/// What to do about what is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mending {
    /// Offer to cut off what is not good.
    pub(super) fixes: bool,
    /// Cut off what was written after this time, in seconds since 1970.
    pub(super) until: Option<i64>,
}

/// Where answers come from, and what is said goes to.
pub(super) struct Talk<'a, W> {
    pub(super) out: &'a mut W,
    pub(super) answers: &'a mut dyn BufRead,
}

/// Nothing more can be said: what is wrong has been.
enum Stop {
    Wrong,
    Mute(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Mute(error)
    }
}

/// Checks the file at `path`, and those it names if it is a manifest; whether all is right, now. Fails if what is
/// said cannot be written.
pub(super) fn check(path: &Path, mending: Mending, talk: &mut Talk<'_, impl Write>) -> io::Result<bool> {
    let outcome = match is_manifest(path) {
        Err(error) => {
            writeln!(talk.out, "Cannot open file {}: {}, aborting...", path.display(), reason(&error))?;
            return Ok(false);
        }
        Ok(true) => check_parts(path, mending, talk),
        Ok(false) => check_old_style(path, mending, talk),
    };
    match outcome {
        Ok(()) => Ok(true),
        Err(Stop::Wrong) => Ok(false),
        Err(Stop::Mute(error)) => Err(error),
    }
}

/// Says what a manifest names and whether it is there; whether that is right.
pub(super) fn check_manifest(path: &Path, out: &mut impl Write) -> io::Result<bool> {
    let manifest = match read_manifest(path, out) {
        Ok(manifest) => manifest,
        Err(Stop::Wrong) => return Ok(false),
        Err(Stop::Mute(error)) => return Err(error),
    };
    let mut all = true;
    let folder = path.parent().unwrap_or(Path::new(""));
    let kinds = manifest.base.iter().map(|file| ("BASE", file, None));
    let kinds = kinds.chain(manifest.increments.iter().map(|part| ("INCR", &part.file, part.start)));
    for (kind, file, start) in kinds {
        let known = std::fs::metadata(folder.join(&file.name));
        all &= known.is_ok();
        let state = known.map_or_else(|error| error.to_string(), |known| format!("{} bytes", known.len()));
        let begins = start.map(|start| format!(", begins at offset {} of {}", start.offset, start.history));
        writeln!(out, "{kind} AOF {}: {state}{}", file.name, begins.unwrap_or_default())?;
    }
    for file in &manifest.history {
        writeln!(out, "HISTORY AOF {}: of no use any more", file.name)?;
    }
    writeln!(out, "Manifest {} is {}", path.display(), if all { "valid" } else { "not valid" })?;
    Ok(all)
}

/// Whether the first line that is no remark says so.
fn is_manifest(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(MAX_MANIFEST_LEN).read_to_end(&mut head)?;
    let first = head.split(|byte| *byte == b'\n').find(|line| line.first() != Some(&b'#'));
    Ok(first.is_some_and(|line| line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"file"))))
}

fn read_manifest(path: &Path, out: &mut impl Write) -> Result<Manifest, Stop> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_MANIFEST_LEN).read_to_end(&mut content));
    if let Err(error) = read {
        writeln!(out, "Cannot open file {}: {}, aborting...", path.display(), reason(&error))?;
        return Err(Stop::Wrong);
    }
    Manifest::parse(&content).map_err(|ManifestError { line, reason }| {
        let mut text = "\n*** FATAL AOF MANIFEST FILE ERROR ***\n".to_owned();
        if let Some((number, line)) = line {
            text.push_str(&format!("Reading the manifest file, at line {number}\n>>> '{line}'\n"));
        }
        match writeln!(out, "{text}{reason}") {
            Ok(()) => Stop::Wrong,
            Err(error) => Stop::Mute(error),
        }
    })
}

fn check_parts(path: &Path, mending: Mending, talk: &mut Talk<'_, impl Write>) -> Result<(), Stop> {
    writeln!(talk.out, "Start checking Multi Part AOF")?;
    let manifest = read_manifest(path, talk.out)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let count = manifest.files().count();
    for (index, file) in manifest.files().enumerate() {
        let is_base = manifest.base.is_some() && index == 0;
        let path = folder.join(&file.name);
        if is_base {
            let format = if is_snapshot(&path) { "RDB" } else { "RESP" };
            writeln!(talk.out, "Start to check BASE AOF ({format} format).")?;
        } else if index == usize::from(manifest.base.is_some()) {
            writeln!(talk.out, "Start to check INCR files.")?;
        }
        let part = Part { name: &file.name, path: &path, is_last: index + 1 == count, mending };
        part.check(if is_base { "BASE AOF" } else { "INCR AOF" }, talk)?;
    }
    writeln!(talk.out, "All AOF files and manifest are valid")?;
    Ok(())
}

fn check_old_style(path: &Path, mending: Mending, talk: &mut Talk<'_, impl Write>) -> Result<(), Stop> {
    writeln!(talk.out, "Start checking Old-Style AOF")?;
    let name = path.display().to_string();
    Part { name: &name, path, is_last: true, mending }.check("AOF", talk)
}

fn is_snapshot(path: &Path) -> bool {
    let mut head = Vec::new();
    let most = Version::SIGN_LENGTH as u64;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut head));
    read.is_ok() && Version::is_sign(&head)
}

/// One file of an append-only file.
struct Part<'a> {
    name: &'a str,
    path: &'a Path,
    is_last: bool,
    mending: Mending,
}

impl Part<'_> {
    fn check(&self, kind: &str, talk: &mut Talk<'_, impl Write>) -> Result<(), Stop> {
        let Part { name, path, .. } = self;
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let text = format!("Cannot open file {}: {}, aborting...", path.display(), reason(&error));
                return self.stop(&text, talk);
            }
        };
        if length == 0 {
            writeln!(talk.out, "{kind} {name} is empty")?;
            return Ok(());
        }
        let from = if is_snapshot(path) { self.check_snapshot(talk)? } else { 0 };
        let analysis = self.analyse(&file, from, length)?;
        for line in analysis.lines() {
            writeln!(talk.out, "[info] {line}")?;
        }
        if let Some(until) = self.mending.until {
            return self.cut_to_time(&analysis, (kind, until), talk);
        }
        if let Some(fault) = &analysis.fault {
            writeln!(talk.out, "0x{:16x}: {fault}", analysis.fault_at)?;
        }
        let (good, line, bad) = (analysis.good, analysis.line, length - analysis.good);
        writeln!(
            talk.out,
            "AOF analyzed: filename={name}, size={length}, ok_up_to={good}, ok_up_to_line={line}, diff={bad}"
        )?;
        match bad {
            0 => writeln!(talk.out, "{kind} {name} is valid")?,
            _ => self.mend(&analysis, length, talk)?,
        }
        Ok(())
    }

    /// Where the snapshot ends that the file begins with.
    fn check_snapshot(&self, talk: &mut Talk<'_, impl Write>) -> Result<u64, Stop> {
        match super::rdb::check_with_end(self.path, talk.out)? {
            Some(end) => {
                writeln!(talk.out, "RDB preamble is OK, proceeding with AOF tail...")?;
                Ok(end)
            }
            None => self.stop("RDB preamble of AOF file is not sane, aborting.", talk).map(|()| 0),
        }
    }

    fn analyse(&self, mut file: &File, from: u64, length: u64) -> Result<Analysis, Stop> {
        file.seek(SeekFrom::Start(from))?;
        let mut reader = Reader::new(BufReader::new(file), from, length);
        let mut analysis = Analysis::new(from);
        let mut bar = Bar::new(length);
        loop {
            match reader.next_piece() {
                Ok(Found::Piece { content, position, bytes }) => {
                    let is_later = |seconds: i64| self.mending.until.is_some_and(|until| seconds > until);
                    if let Content::Timestamp(seconds) = content
                        && is_later(seconds)
                    {
                        analysis.later_at = Some(position);
                        return Ok(analysis);
                    }
                    analysis.add(&content, bytes);
                }
                Ok(Found::End(ending)) => {
                    analysis.end(&ending, reader.scanner());
                    break;
                }
                Err(ReadError::Io(error)) => return Err(Stop::Mute(error)),
                Err(ReadError::Fault(fault)) => {
                    analysis.fault(&fault, reader.scanner());
                    analysis.is_proven = reader.is_proven()? == Some(true);
                    break;
                }
            }
            bar.reached(reader.scanner().position());
        }
        if analysis.good < length {
            analysis.lost = commands_behind(file, analysis.good)?;
        }
        Ok(analysis)
    }

    fn mend(&self, analysis: &Analysis, length: u64, talk: &mut Talk<'_, impl Write>) -> Result<(), Stop> {
        let Part { name, .. } = self;
        if !self.mending.fixes {
            let text = format!("AOF {name} is not valid. Use the --fix option to try fixing it.");
            return self.stop(&text, talk);
        }
        if !self.is_last {
            let text = format!("Failed to truncate AOF {name} because it is not the last file");
            return self.stop(&text, talk);
        }
        let (good, bad) = (analysis.good, length - analysis.good);
        writeln!(
            talk.out,
            "This will shrink the AOF {name} from {length} bytes, with {bad} bytes, to {good} bytes"
        )?;
        write!(talk.out, "Continue? [y/N]: ")?;
        talk.out.flush()?;
        let mut answer = String::new();
        talk.answers.read_line(&mut answer)?;
        if !answer.starts_with(['y', 'Y']) {
            return self.stop("Aborting...", talk);
        }
        self.cut(good, &format!("Failed to truncate AOF {name}"), talk)?;
        writeln!(talk.out, "Successfully truncated AOF {name}")?;
        Ok(())
    }

    fn cut_to_time(
        &self,
        analysis: &Analysis,
        (kind, until): (&str, i64),
        talk: &mut Talk<'_, impl Write>,
    ) -> Result<(), Stop> {
        let Part { name, .. } = self;
        match analysis.later_at {
            None if analysis.fault.is_some() => {
                self.stop(&format!("AOF {name} is not valid. Use the --fix option to try fixing it."), talk)
            }
            None => {
                writeln!(talk.out, "Truncate nothing in AOF {name} to timestamp {until}")?;
                writeln!(talk.out, "{kind} {name} is valid")?;
                Ok(())
            }
            Some(0) => {
                self.stop(&format!("AOF {name} has nothing before timestamp {until}, aborting..."), talk)
            }
            Some(at) if !self.is_last => {
                let text = format!(
                    "Failed to truncate AOF {name} to timestamp {until} to offset {at} because it is not the last \
                     file.\nIf you insist, please delete all files after this file according to the manifest file \
                     and delete the corresponding records in manifest file manually. Then re-run redis-check-aof."
                );
                self.stop(&text, talk)
            }
            Some(at) => {
                self.cut(at, &format!("Failed to truncate AOF {name} to timestamp {until}"), talk)?;
                writeln!(talk.out, "Successfully truncated AOF {name} to timestamp {until}")?;
                Ok(())
            }
        }
    }

    fn cut(&self, length: u64, failed: &str, talk: &mut Talk<'_, impl Write>) -> Result<(), Stop> {
        let cut = || {
            let file = File::options().write(true).open(self.path)?;
            file.set_len(length)?;
            file.sync_all()
        };
        match cut() {
            Ok(()) => Ok(()),
            Err(error) => self.stop(&format!("{failed}: {}", reason(&error)), talk),
        }
    }

    fn stop(&self, text: &str, talk: &mut Talk<'_, impl Write>) -> Result<(), Stop> {
        writeln!(talk.out, "{text}")?;
        Err(Stop::Wrong)
    }
}

/// How many whole commands lie behind `good`, of what is looked at.
fn commands_behind(mut file: &File, good: u64) -> io::Result<u64> {
    const MOST: u64 = 64 << 20;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(good))?;
    file.take(MOST).read_to_end(&mut tail)?;
    Ok(count_commands(&tail))
}

#[cfg(test)]
mod tests;

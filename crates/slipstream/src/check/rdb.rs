//! Checks a snapshot file: its structure, its values, its checksum.
//!
//! What is said begins as redis-check-rdb says it, since scripts read that; what redis-check-rdb does not tell
//! follows as further lines of information.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use slipstream_keyspace::{Encoding, UnixMillis};
use slipstream_rdb::{Decoder, ReadError, ReadOptions, Reason, Records, Shape, Step};

use super::summary::Summary;
use crate::progress::Bar;

/// Says what is in the file at `path`; whether it is right. Fails if what is said cannot be written.
pub(super) fn check(path: &Path, out: &mut impl Write) -> io::Result<bool> {
    Ok(check_with_end(path, out)?.is_some())
}

/// The same; where the snapshot ends if it is right.
pub(super) fn check_with_end(path: &Path, out: &mut impl Write) -> io::Result<Option<u64>> {
    writeln!(out, "[offset 0] Checking RDB file {}", path.display())?;
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((length, file)) => check_content(BufReader::new(file), length, now(), out),
        Err(error) => {
            writeln!(out, "--- RDB ERROR DETECTED ---")?;
            writeln!(out, "[offset 0] Cannot open {}: {}", path.display(), super::reason(&error))?;
            Ok(None)
        }
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn check_content(
    input: impl Read,
    length: u64,
    now: UnixMillis,
    out: &mut impl Write,
) -> io::Result<Option<u64>> {
    let mut summary = Summary::default();
    let outcome = read(input, (length, now), &mut summary, out)?;
    match &outcome {
        Ok(end) => {
            writeln!(out, "[offset {end}] Checksum OK")?;
            writeln!(out, "[offset {end}] \\o/ RDB looks OK! \\o/")?;
        }
        Err(error) => {
            writeln!(out, "--- RDB ERROR DETECTED ---")?;
            writeln!(out, "[offset {}] {}", error.offset, describe(&error.reason))?;
            if let Some(key) = &error.key {
                let name = key.name.escape_ascii();
                writeln!(out, "[additional info] Reading key '{name}' of database {}", key.database)?;
            }
        }
    }
    writeln!(out, "[info] {} keys read", summary.keys)?;
    writeln!(out, "[info] {} expires", summary.expires)?;
    writeln!(out, "[info] {} already expired", summary.past())?;
    for line in summary.lines() {
        writeln!(out, "[info] {line}")?;
    }
    if let Ok(end) = &outcome
        && *end < length
    {
        writeln!(out, "[info] {} bytes follow the end of the snapshot", length - end)?;
    }
    Ok(outcome.ok())
}

/// Scripts look for these words.
fn describe(reason: &Reason) -> String {
    match reason {
        Reason::Truncated => "Unexpected EOF reading RDB file".to_owned(),
        Reason::NotASnapshot => "Wrong signature trying to load DB from file".to_owned(),
        Reason::Version(version) => format!("Can't handle RDB format version: {version}"),
        other => other.to_string(),
    }
}

/// Reads all of it; returns where it ends.
fn read(
    input: impl Read,
    (length, now): (u64, UnixMillis),
    summary: &mut Summary,
    out: &mut impl Write,
) -> io::Result<Result<u64, ReadError>> {
    let shape = Shape { databases: usize::MAX, encoding: Encoding::default() };
    let mut decoder = match Decoder::open(input, shape, ReadOptions::new(now)) {
        Ok(decoder) => decoder,
        Err(error) => return Ok(Err(error)),
    };
    let mut bar = Bar::new(length);
    let mut records = Records::default();
    writeln!(out, "[offset {}] Format of {}", decoder.offset(), decoder.loaded().version)?;
    loop {
        let before = decoder.offset();
        let step = match decoder.step(&mut records) {
            Ok(step) => step,
            Err(error) => return Ok(Err(error)),
        };
        let offset = decoder.offset();
        match step {
            Step::Aux => {
                let (name, value) = decoder.loaded().aux.pairs.last().expect("one was just read");
                let (name, value) = (name.escape_ascii(), value.escape_ascii());
                writeln!(out, "[offset {offset}] AUX FIELD {name} = '{value}'")?;
            }
            Step::Database(number) => writeln!(out, "[offset {offset}] Selecting DB ID {number}")?,
            Step::Key => records.drain(|record| summary.add(&record, offset - before, now)),
            Step::Other => {}
            Step::End => return Ok(Ok(offset)),
        }
        bar.reached(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_keyspace::Keyspace;
    use slipstream_rdb::{Aux, Maker, Preface, WriteOptions, write};

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn snapshot() -> Vec<u8> {
        let mut keyspace = Keyspace::new(4, [1; 4], Encoding::default());
        keyspace.set_time(NOW);
        let later = Some(UnixMillis(NOW.0 + 1000));
        keyspace.db_mut(0).set_string(b"a", b"text", None, NOW);
        keyspace.db_mut(3).set_string(b"b", b"text", later, NOW);
        let maker =
            Maker { version_name: "redis-ver", version: "7.2.4", created: 1_700_000_000, used_memory: 1 };
        let preface = Preface { aux: Aux::describe(maker, None, false), functions: Vec::new() };
        let mut bytes = Vec::new();
        write(keyspace.snapshot(), &preface, WriteOptions::default(), &mut bytes).unwrap();
        bytes
    }

    fn checked(bytes: &[u8]) -> (bool, String) {
        let mut out = Vec::new();
        let is_right = check_content(bytes, bytes.len() as u64, NOW, &mut out).unwrap();
        (is_right.is_some(), String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_in_a_good_file_is_said() {
        let bytes = snapshot();
        let (is_right, text) = checked(&bytes);
        assert!(is_right, "{text}");
        let end = format!("[offset {}] Checksum OK", bytes.len());
        for line in [
            "[offset 9] Format of Redis, version 10",
            "[offset 26] AUX FIELD redis-ver = '7.2.4'",
            "Selecting DB ID 3",
            &end,
            "\\o/ RDB looks OK! \\o/",
            "[info] 2 keys read",
            "[info] 1 expires",
            "[info] 0 already expired",
            "[info] type string: 2 keys, 8 bytes of content,",
            "[info] expires within a minute: 1 keys",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_wrong_wherever() {
        let bytes = snapshot();
        for length in 0..bytes.len() {
            let (is_right, text) = checked(&bytes[..length]);
            assert!(!is_right && text.contains("Unexpected EOF reading RDB file"), "{length}:\n{text}");
        }
    }

    #[test]
    fn a_changed_byte_is_found() {
        let mut bytes = snapshot();
        let place = bytes.len() - 12;
        bytes[place] ^= 1;
        let (is_right, text) = checked(&bytes);
        assert!(!is_right && text.contains("--- RDB ERROR DETECTED ---"), "{text}");
    }

    #[test]
    fn bytes_behind_the_end_are_no_fault() {
        let mut bytes = snapshot();
        bytes.extend_from_slice(b"*1\r\n");
        let (is_right, text) = checked(&bytes);
        assert!(is_right && text.contains("[info] 4 bytes follow the end of the snapshot"), "{text}");
    }
}

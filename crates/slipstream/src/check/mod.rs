//! `slipstream check`: what is in a file, and where it is broken.
//!
//! The file is read as a server reads it, by the same code, but nothing is kept of it: memory does not grow with the
//! file. Never writes to a file that it was not told to mend. Each kind of file has a module; what they share is how
//! they are called and how they end.

mod aof;
mod rdb;
mod summary;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

/// The answer to `--help`.
const USAGE: &str = "\
Usage: slipstream check rdb FILE...
       slipstream check aof [--fix | --truncate-to-timestamp SECONDS] FILE...
       slipstream check manifest FILE...

Reads files as a server would and says what is in them: version, facts at the start,
keys and bytes by type, the biggest keys, when keys expire; or where they are broken.
Of an append-only file, FILE is its manifest, or one of its files. --fix cuts off what
is not good at the end of the last one, and asks before; --truncate-to-timestamp what
was written later (aof-timestamp-enabled).

Exit status: 0 when all files are right, 1 when one is not, 2 for a wrong command line.
";

/// What the system says is wrong, in Redis' words.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.find(" (os error").map_or(text.clone(), |end| text[..end].to_owned())
}

/// Names under which the binary checks snapshots.
pub(super) const RDB_NAMES: &[&str] = &["redis-check-rdb", "valkey-check-rdb"];

/// Names under which it checks append-only files.
pub(super) const AOF_NAMES: &[&str] = &["redis-check-aof", "valkey-check-aof"];

/// Runs `slipstream check` with the arguments behind it; returns the process's exit status.
pub(super) fn run(arguments: &[OsString]) -> i32 {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    match words.as_slice() {
        [word, ..] if ["--help", "-h", "help"].contains(word) => print(USAGE, 0),
        ["rdb", _, ..] => check_snapshots(&arguments[1..]),
        ["aof", rest @ ..] => match mending(rest) {
            Some((mending, skipped)) if skipped < rest.len() => {
                check_each(&arguments[1 + skipped..], |path| check_log(path, mending))
            }
            _ => complain(USAGE, 2),
        },
        ["manifest", _, ..] => {
            check_each(&arguments[1..], |path| aof::check_manifest(path, &mut io::stdout().lock()))
        }
        _ => complain(USAGE, 2),
    }
}

/// Runs as redis-check-rdb, called by that name.
pub(super) fn run_as_rdb_checker(name: &str, arguments: &[OsString]) -> i32 {
    match arguments {
        [word] if word == "--version" || word == "-v" => {
            print(&format!("{name} {}\n", slipstream_server::REDIS_VERSION), 0)
        }
        [_] => check_snapshots(arguments),
        _ => complain(&format!("Usage: {name} <rdb-file-name>\n"), 1),
    }
}

/// Runs as redis-check-aof, called by that name.
pub(super) fn run_as_aof_checker(name: &str, arguments: &[OsString]) -> i32 {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    if let ["--version" | "-v"] = words[..] {
        return print(&format!("{name} {}\n", slipstream_server::REDIS_VERSION), 0);
    }
    match mending(&words) {
        Some((mending, skipped)) if skipped + 1 == words.len() => {
            check_each(&arguments[skipped..], |path| check_log(path, mending))
        }
        None if words.len() == 3 => print("Invalid timestamp, aborting...\n", 1),
        _ => {
            let usage = "[--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";
            print(&format!("Usage: {name} {usage}\n"), 1)
        }
    }
}

/// What the options before the files ask for, and how many words they are.
fn mending(words: &[&str]) -> Option<(aof::Mending, usize)> {
    match words {
        ["--fix", ..] => Some((aof::Mending { fixes: true, until: None }, 1)),
        ["--truncate-to-timestamp", seconds, ..] => {
            Some((aof::Mending { fixes: false, until: Some(seconds.parse().ok()?) }, 2))
        }
        _ => Some((aof::Mending::default(), 0)),
    }
}

fn check_log(path: &Path, mending: aof::Mending) -> io::Result<bool> {
    let (mut out, mut answers) = (io::stdout().lock(), io::stdin().lock());
    aof::check(path, mending, &mut aof::Talk { out: &mut out, answers: &mut answers })
}

fn check_snapshots(paths: &[OsString]) -> i32 {
    check_each(paths, |path| rdb::check(path, &mut io::stdout().lock()))
}

fn check_each(paths: &[OsString], check: impl Fn(&Path) -> io::Result<bool>) -> i32 {
    let mut status = 0;
    for path in paths {
        match check(path.as_ref()) {
            Ok(true) => {}
            Ok(false) => status = 1,
            // Whoever reads has gone away.
            Err(_) => return 1,
        }
    }
    status
}

fn print(text: &str, status: i32) -> i32 {
    io::stdout().write_all(text.as_bytes()).map_or(1, |()| status)
}

fn complain(text: &str, status: i32) -> i32 {
    io::stderr().write_all(text.as_bytes()).map_or(status, |()| status)
}

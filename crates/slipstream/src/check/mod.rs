//! `slipstream check`: what is in a file, and where it is broken.
//!
//! The file is read as a server reads it, by the same code, but nothing is kept of it: memory does not grow with the
//! file. Never writes to a file that it was not told to mend. Each kind of file has a module; what they share is how
//! they are called and how they end.

mod rdb;
mod summary;

use std::ffi::OsString;
use std::io::{self, Write};

/// The answer to `--help`.
const USAGE: &str = "\
Usage: slipstream check rdb FILE...

Reads files as a server would and says what is in them: version, facts at the start,
keys and bytes by type, the biggest keys, when keys expire; or where they are broken.

Exit status: 0 when all files are right, 1 when one is not, 2 for a wrong command line.
";

/// Names under which the binary checks snapshots.
pub(super) const RDB_NAMES: &[&str] = &["redis-check-rdb", "valkey-check-rdb"];

/// Runs `slipstream check` with the arguments behind it; returns the process's exit status.
pub(super) fn run(arguments: &[OsString]) -> i32 {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    match words.as_slice() {
        [word, ..] if ["--help", "-h", "help"].contains(word) => print(USAGE, 0),
        ["rdb", _, ..] => check_snapshots(&arguments[1..]),
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

fn check_snapshots(paths: &[OsString]) -> i32 {
    let mut status = 0;
    for path in paths {
        match rdb::check(path.as_ref(), &mut io::stdout().lock()) {
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

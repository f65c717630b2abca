//! The slipstream binary: `slipstream server`, `slipstream sentinel`, `slipstream check`, `slipstream convert`,
//! `slipstream playground`.
//!
//! Called by the name of a program it replaces (redis-server, valkey-server, slipstream-server,
//! redis-sentinel, valkey-sentinel, redis-check-rdb, redis-check-aof) it behaves as that program, so that scripts, packages and
//! service files need nothing but a link.

mod check;
mod client;
mod convert;
mod playground;
mod progress;
mod sentinel;
mod sentinel_check;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use slipstream_server::allocator::{ALLOCATOR as CHOSEN, Allocator};
use slipstream_server::memory::Counted;

#[global_allocator]
static ALLOCATOR: Counted<Allocator> = Counted(CHOSEN);

/// Names under which the binary is a server, whatever its first argument.
const SERVER_NAMES: &[&str] = &["redis-server", "valkey-server", "slipstream-server"];
const USAGE: &str = "\
Usage: slipstream server [config-file] [--directive value ...]   serve, as redis-server does
       slipstream server --help                                  more about that
       slipstream sentinel config-file [--directive value ...]   watch primaries, as redis-sentinel does
       slipstream sentinel --help                                more about that
       slipstream sentinel --check FILE                          a sentinel's configuration, and all it names
       slipstream check rdb FILE...                              what is in a snapshot, or where it is broken
       slipstream check aof [--fix] FILE...                      the same of an append-only file
       slipstream check manifest FILE...                         which files it is made of
       slipstream convert FILE --to FORMAT OUTPUT                a snapshot for another program, or as JSON
       slipstream playground [--seconds N] ...                   a primary and two replicas to watch
       slipstream playground --help                              more about that
       slipstream --version
";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    exit_code(dispatch(&program, &rest))
}

fn dispatch(program: &OsString, arguments: &[OsString]) -> i32 {
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or("slipstream");
    if SERVER_NAMES.contains(&name) {
        return slipstream_server::run(name, arguments);
    }
    if sentinel::NAMES.contains(&name) {
        return sentinel::run(name, arguments);
    }
    if check::RDB_NAMES.contains(&name) {
        return check::run_as_rdb_checker(name, arguments);
    }
    if check::AOF_NAMES.contains(&name) {
        return check::run_as_aof_checker(name, arguments);
    }
    match arguments.first().and_then(|word| word.to_str()) {
        Some("server") => slipstream_server::run("slipstream server", &arguments[1..]),
        Some("sentinel") => sentinel::run("slipstream sentinel", &arguments[1..]),
        Some("check") => check::run(&arguments[1..]),
        Some("convert") => convert::run(&arguments[1..]),
        Some("playground") => playground::run(&arguments[1..]),
        Some(playground::tether::COMMAND) => playground::tether::run(&arguments[1..]),
        Some("--version" | "-v" | "-V") => say(concat!("slipstream ", env!("CARGO_PKG_VERSION"))),
        Some("--help" | "-h" | "help") => say(USAGE.trim_end()),
        _ => complain(USAGE.trim_end()),
    }
}

#[expect(clippy::print_stdout, reason = "the answer to --version and --help")]
fn say(text: &str) -> i32 {
    println!("{text}");
    0
}

#[expect(clippy::print_stderr, reason = "a wrong command line has no log")]
fn complain(text: &str) -> i32 {
    eprintln!("{text}");
    2
}

fn exit_code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

//! End-to-end tests: real processes on loopback, a real client library, real Redis and Valkey peers.
//!
//! Few, and each shows what no test of a single crate can: bytes that cross between implementations. A test that
//! needs a peer which is not installed says `skipped: redis-server not found` and passes, unless
//! `SLIPSTREAM_REQUIRE_PEERS=1`. Nothing here sleeps: tests wait until something holds ([`wait`]).

mod wait;

mod client;
mod foreign_logs;
mod forged;
mod peer;
mod ports;
mod proxy;
mod raw;
mod seed;
mod server;

mod background;
mod content;
mod copies;
mod dataset;
mod ledger;
mod traffic;

mod append_only;
mod backlog;
mod busy;
mod chains;
mod chaos;
mod checking;
mod clients;
mod commandline;
mod conform;
mod connections;
mod differential;
mod disk_full;
mod empty_primary;
mod empty_start;
mod field_expiry;
mod files;
mod fullsync;
mod furthest;
mod guards;
mod handover;
mod interop;
mod kills;
mod library;
mod links;
mod listening;
mod load_modes;
mod loads;
mod log_restarts;
mod log_trouble;
mod memory;
mod migrate;
mod no_threads;
mod persistence;
mod playground;
mod positions;
mod process;
mod protocol;
mod redis8;
mod rejoining;
mod restarts;
mod sentinel;
mod sentinel_check;
mod sentinel_process;
mod silence;
mod streams;
mod strikes;
mod syncloop;
mod tools;
mod topology;
mod two_links;
mod users;
mod verify;

use std::io::Write;

/// Prints past the test runner, which hides what a passing test prints and mixes what the others do.
fn report(text: &str) {
    writeln!(std::io::stdout(), "{text}").expect("the test runner reads its output");
}

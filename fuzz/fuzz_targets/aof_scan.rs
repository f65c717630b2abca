//! Increments of an append-only file from any bytes. The body is shared with a test of the aof crate, which runs it over
//! variations of known inputs (`crates/aof/tests/variations.rs`).

#![no_main]

#[path = "../../crates/aof/tests/bodies/mod.rs"]
#[expect(dead_code, reason = "each target uses one of the bodies")]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::aof_scan(input));

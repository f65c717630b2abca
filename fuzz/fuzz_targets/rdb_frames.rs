//! Snapshots in frames, as between two nodes of this project, from any bytes. The body is shared with a test of the rdb crate, which also runs it over
//! the committed corpus (`crates/rdb/tests/corpus`): start from there.

#![no_main]

#[path = "../../crates/rdb/tests/bodies/mod.rs"]
#[expect(dead_code, reason = "each target uses one of the bodies")]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::rdb_frames(input));

//! State files from any bytes. The body is shared with a test of the engine crate, which runs it over variations of a
//! known one (`crates/engine/tests/variations.rs`).

#![no_main]

#[path = "../../crates/engine/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::state_file(input));

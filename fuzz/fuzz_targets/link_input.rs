//! Whatever a primary may send to a replica's link. The body is shared with a test of the replication crate, which runs it over variations of
//! known inputs (`crates/replication/tests/variations.rs`).

#![no_main]

#[path = "../../crates/replication/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::link_input(input));

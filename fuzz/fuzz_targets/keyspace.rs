//! Any bytes as operations on a keyspace, which must keep to plain sorted maps. The body is shared with the model
//! test of the keyspace crate, which draws its inputs from seeds (`crates/keyspace/tests/model.rs`).

#![no_main]

#[path = "../../crates/keyspace/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::keyspace(input));

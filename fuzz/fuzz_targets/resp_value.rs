//! A reply from any bytes, and cut short. The body is shared with a test of the resp crate, which runs it over variations of
//! known inputs (`crates/resp/tests/variations.rs`).

#![no_main]

#[path = "../../crates/resp/tests/bodies/mod.rs"]
#[expect(dead_code, reason = "each target uses one of the bodies")]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::resp_value(input));

//! The fuzz target's body over a state file and all its small variations: each byte replaced, each cut, each line twice.

mod bodies;

const STATE: &str = "slipstream-state 1
role replica 7001 ::1
history 8de1787ba490483314a4d30f1c628bc5025eb761 1000
previous 04a5f75d0a8e5dd8a1cdd2f9e6b1c3a79b3a0c11 700
keys 17
replica 990 6379 10.0.0.2
replica 1000 7002 replica.example
refused 04a5f75d0a8e5dd8a1cdd2f9e6b1c3a79b3a0c11 it has 0 keys
waiting 1700000000123
";

/// Bytes that mean something somewhere, and some that mean nothing anywhere.
const REPLACEMENTS: &[u8] = b" \n\r-+09af:\0\xff";

#[test]
fn state_files_of_any_bytes_are_taken_or_refused() {
    let state = STATE.as_bytes();
    bodies::state_file(state);
    for at in 0..state.len() {
        bodies::state_file(&state[..at]);
        for byte in REPLACEMENTS {
            let mut changed = state.to_vec();
            changed[at] = *byte;
            bodies::state_file(&changed);
        }
    }
    for line in STATE.split_inclusive('\n') {
        bodies::state_file([STATE, line].concat().as_bytes());
        bodies::state_file(STATE.replace(line, "").as_bytes());
    }
}

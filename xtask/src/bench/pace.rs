//! The one place where a measure waits: for a server that tells nobody when it is ready, and between two probes.
//!
//! Never used to hope that something is done by then: what must be done is a condition of [`wait_until`].

use std::time::{Duration, Instant};

use crate::Outcome;

const LIMIT: Duration = Duration::from_secs(300);
const STEP: Duration = Duration::from_millis(2);

/// Returns once `holds` is true; an error after five minutes.
pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        if Instant::now() > deadline {
            return Err(format!("{LIMIT:?} passed and still not: {what}").into());
        }
        pause(STEP);
    }
    Ok(())
}

pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

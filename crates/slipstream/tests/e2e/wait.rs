//! The one way in which a test waits: until a condition holds, with a deadline that fails the test.
//!
//! Other processes tell nobody when they are done, so the condition is asked again and again; this is the one
//! place of the tests that pauses in between.

use std::time::{Duration, Instant};

/// Far beyond what any condition takes on a busy machine, two timeouts of a minute in a row among it.
const LIMIT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(5);

/// Returns once `holds` is true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// Returns the first value that `find` comes up with.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "{LIMIT:?} passed and still not: {what}");
        pause();
    }
}

/// Leaves the processor to others for a moment. Nothing may depend on how long that is.
pub(crate) fn pause() {
    std::thread::park_timeout(PAUSE);
}

//! Saves and loads in slow motion, so that a test meets them while they last (`rdb-key-save-delay`, `key-load-delay`).
//!
//! Only threads beside the executor wait here.

use std::thread;
use std::time::Duration;

/// How long each key takes more than it would.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyDelay {
    /// The directive: microseconds for each key, or how many keys share one if it is negative.
    setting: i32,
    waited: Duration,
}

impl KeyDelay {
    pub(crate) fn new(setting: i32) -> KeyDelay {
        KeyDelay { setting, waited: Duration::ZERO }
    }

    /// So many keys are done, of all: waits as long as they are to take.
    pub(crate) fn reach(&mut self, keys: u64) {
        let due = due(self.setting, keys);
        if due > self.waited {
            thread::sleep(due - self.waited);
            self.waited = due;
        }
    }
}

fn due(setting: i32, keys: u64) -> Duration {
    let size = u64::from(setting.unsigned_abs());
    let micros = match setting {
        0 => 0,
        1.. => keys.saturating_mul(size),
        _ => keys / size,
    };
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_microseconds_or_shares_one() {
        for (setting, keys, micros) in [(0, 1000, 0), (3, 1000, 3000), (-3, 1000, 333), (-3, 2, 0), (1, 0, 0)]
        {
            assert_eq!(due(setting, keys), Duration::from_micros(micros), "{setting}, {keys} keys");
        }
    }
}

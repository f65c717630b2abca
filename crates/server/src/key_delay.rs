//! Saves and loads in slow motion, so that a test meets them while they last (`rdb-key-save-delay`, `key-load-delay`).
//!
//! Only threads beside the executor wait here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

/// Less than this is owed until it is more.
const LEAST: Duration = Duration::from_millis(1);

/// So long at most a change of the directive is not heard.
const LONGEST: Duration = Duration::from_millis(20);

/// A directive as it is by now: microseconds for each key, or how many keys share one if it is negative. Who waits
/// hears of a change.
#[derive(Clone, Debug, Default)]
pub(crate) struct DelaySetting(Arc<AtomicI32>);

impl DelaySetting {
    pub(crate) fn new(setting: i32) -> DelaySetting {
        DelaySetting(Arc::new(AtomicI32::new(setting)))
    }

    pub(crate) fn set(&self, setting: i32) {
        self.0.store(setting, Ordering::Relaxed);
    }

    /// How long so many keys take more than they would.
    fn cost(&self, keys: u64) -> Duration {
        let setting = self.0.load(Ordering::Relaxed);
        let size = u64::from(setting.unsigned_abs());
        Duration::from_nanos(match setting {
            0 => 0,
            1.. => keys.saturating_mul(size).saturating_mul(1000),
            _ => keys.saturating_mul(1000) / size,
        })
    }
}

/// How long each key takes more than it would.
#[derive(Debug)]
pub(crate) struct KeyDelay {
    setting: DelaySetting,
    keys: u64,
    /// What was waited is taken off.
    owed: Duration,
}

impl KeyDelay {
    pub(crate) fn new(setting: DelaySetting) -> KeyDelay {
        KeyDelay { setting, keys: 0, owed: Duration::ZERO }
    }

    /// So many keys are done, of all: waits as long as they are to take.
    pub(crate) fn reach(&mut self, keys: u64) {
        let done = keys.saturating_sub(self.keys);
        self.keys = keys;
        self.owed += self.setting.cost(done);
        while self.owed >= LEAST {
            let step = self.owed.min(LONGEST);
            thread::sleep(step);
            // At another pace by now, it takes no longer than that.
            self.owed = (self.owed - step).min(self.setting.cost(keys));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_microseconds_or_shares_one() {
        let cost = |setting, keys| DelaySetting::new(setting).cost(keys).as_nanos();
        assert_eq!([cost(0, 1000), cost(3, 1000), cost(-3, 1000), cost(1, 0)], [0, 3_000_000, 333_333, 0]);
    }

    #[test]
    fn who_waits_hears_that_there_is_no_need_to() {
        let setting = DelaySetting::new(i32::MAX);
        let mut delay = KeyDelay::new(setting.clone());
        let waiting = thread::spawn(move || delay.reach(1));
        setting.set(0);
        // Half an hour otherwise.
        waiting.join().expect("it ends");
    }
}

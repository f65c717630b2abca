//! Where a test's chance comes from: a number that is printed when the test fails, and that the environment may set.
//!
//! `SLIPSTREAM_SEED` takes the place of every test's own seed. What is drawn from a seed is always the same; how it
//! falls relative to what other processes do is not.

use std::env;
use std::thread::panicking;

use fastrand::Rng;

/// Held for as long as the test runs.
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new(own: u64) -> Self {
        let set = env::var("SLIPSTREAM_SEED").ok();
        Self(set.map_or(own, |text| text.parse().expect("SLIPSTREAM_SEED is a number")))
    }

    /// Not to be replaced.
    pub(crate) fn exactly(number: u64) -> Self {
        Self(number)
    }

    pub(crate) fn number(&self) -> u64 {
        self.0
    }

    pub(crate) fn random(&self) -> Rng {
        Rng::with_seed(self.0)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if panicking() {
            crate::report(&format!("SLIPSTREAM_SEED={}", self.0));
        }
    }
}

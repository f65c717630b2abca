//! Whether a link is so slow that packing what goes over it makes it faster.
//!
//! Measured in steps of a few megabytes, by the time that the socket took for them; what the system buffers at
//! first says nothing. Pure arithmetic: time is an argument.

use std::time::Duration;

/// Below so many bytes a second a link is slow; LZ4 packs several times as much.
const SLOW: u64 = 40 << 20;

/// It is not slow any more above so many: what is packed must not make it look fast.
const FAST: u64 = 2 * SLOW;

/// Bytes over which the speed is taken.
const STEP: u64 = 4 << 20;

/// The speed of one link.
#[derive(Debug, Default)]
pub(crate) struct LinkSpeed {
    bytes: u64,
    time: Duration,
    is_slow: bool,
}

impl LinkSpeed {
    /// So many bytes took so long.
    pub(crate) fn note(&mut self, bytes: usize, time: Duration) {
        self.bytes += bytes as u64;
        self.time += time;
        // A very slow link shows itself before it has carried a whole step.
        if self.bytes < STEP && self.time < Duration::from_secs(1) {
            return;
        }
        let millis = self.time.as_millis().max(1);
        let rate = u128::from(self.bytes) * 1000 / millis;
        self.is_slow = rate < u128::from(if self.is_slow { FAST } else { SLOW });
        (self.bytes, self.time) = (0, Duration::ZERO);
    }

    /// Whether it is worth packing.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_slow_by_what_it_took_over_some_megabytes() {
        let mut speed = LinkSpeed::default();
        let mut check = |bytes: usize, ms: u64, expected: bool| {
            speed.note(bytes, Duration::from_millis(ms));
            assert_eq!(speed.is_slow(), expected, "{bytes} bytes in {ms} ms");
        };
        check(1 << 20, 500, false);
        check(3 << 20, 500, true);
        check(4 << 20, 60, true);
        check(4 << 20, 40, false);
        check(4 << 20, 60, false);
        check(100, 1000, true);
    }
}

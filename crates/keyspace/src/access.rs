//! The access clock of an entry: 24 bits that say how recently or how often it was used.
//!
//! Two readings of the same bits, as in Redis: seconds of the last access, or minutes of the last
//! decay (16 bits) and a logarithmic counter (8 bits).

use crate::time::UnixMillis;

/// How accesses are recorded: by time for the LRU policies, by frequency for the LFU ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessPolicy {
    /// The time of the last access.
    #[default]
    Recency,
    /// A logarithmic counter that decays.
    Frequency {
        /// `lfu-log-factor`: the higher, the more accesses the counter tells apart.
        log_factor: u32,
        /// `lfu-decay-time`: minutes after which the counter loses one; 0 for never.
        decay_minutes: u32,
    },
}

const MASK: u32 = 0xFF_FFFF;
/// What a new key's counter starts with, so that it is not evicted at once.
const FIRST_COUNT: u32 = 5;
const MAX_COUNT: u32 = 255;

fn truncate(number: i64, mask: u32) -> u32 {
    u32::try_from(number & i64::from(mask)).expect("masked to 24 bits")
}

fn minutes(now: UnixMillis) -> u32 {
    truncate(now.seconds() / 60, 0xFFFF)
}

impl AccessPolicy {
    /// The clock of an entry that is new at `now`.
    pub(crate) fn first(self, now: UnixMillis) -> u32 {
        match self {
            AccessPolicy::Recency => truncate(now.seconds(), MASK),
            AccessPolicy::Frequency { .. } => minutes(now) << 8 | FIRST_COUNT,
        }
    }

    /// The clock of an entry with `clock` that is accessed at `now`.
    #[inline]
    pub(crate) fn touched(self, clock: u32, now: UnixMillis, rng: &mut fastrand::Rng) -> u32 {
        match self {
            AccessPolicy::Recency => truncate(now.seconds(), MASK),
            AccessPolicy::Frequency { log_factor, decay_minutes } => {
                let count = decayed(clock, now, decay_minutes);
                minutes(now) << 8 | incremented(count, log_factor, rng)
            }
        }
    }
}

/// Seconds since the last access, for a clock that records recency.
pub(crate) fn idle_seconds(clock: u32, now: UnixMillis) -> u64 {
    u64::from(truncate(now.seconds(), MASK).wrapping_sub(clock) & MASK)
}

/// The clock of an entry that was last accessed `seconds` before `now`.
pub(crate) fn idle_since(seconds: u64, now: UnixMillis) -> u32 {
    truncate(now.seconds().saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX)), MASK)
}

/// The counter of a clock that records frequency, decayed up to `now`.
pub(crate) fn frequency(clock: u32, now: UnixMillis, policy: AccessPolicy) -> u8 {
    let decay = match policy {
        AccessPolicy::Recency => 0,
        AccessPolicy::Frequency { decay_minutes, .. } => decay_minutes,
    };
    decayed(clock, now, decay).to_le_bytes()[0]
}

/// The clock of an entry whose counter is `count` at `now`.
pub(crate) fn with_frequency(count: u8, now: UnixMillis) -> u32 {
    minutes(now) << 8 | u32::from(count)
}

fn decayed(clock: u32, now: UnixMillis, decay_minutes: u32) -> u32 {
    let elapsed = minutes(now).wrapping_sub(clock >> 8) & 0xFFFF;
    let periods = elapsed.checked_div(decay_minutes).unwrap_or(0);
    (clock & MAX_COUNT).saturating_sub(periods)
}

fn incremented(count: u32, log_factor: u32, rng: &mut fastrand::Rng) -> u32 {
    if count == MAX_COUNT {
        return count;
    }
    let above = f64::from(count.saturating_sub(FIRST_COUNT));
    let chance = 1.0 / (above * f64::from(log_factor) + 1.0);
    if rng.f64() < chance { count + 1 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis(seconds * 1000)
    }

    #[test]
    fn idle_time_survives_the_clock_wrapping_round() {
        let start = (1 << 24) - 5;
        let clock = AccessPolicy::Recency.first(at(start));
        assert_eq!(idle_seconds(clock, at(start + 12)), 12);
        assert_eq!(idle_seconds(idle_since(100, at(50)), at(50)), 100);
    }

    #[test]
    fn frequency_grows_with_use_and_decays_with_time() {
        let policy = AccessPolicy::Frequency { log_factor: 10, decay_minutes: 1 };
        let mut rng = fastrand::Rng::with_seed(1);
        let now = at(1_000_000);
        let mut clock = policy.first(now);
        assert_eq!(frequency(clock, now, policy), 5);
        for _ in 0..10_000 {
            clock = policy.touched(clock, now, &mut rng);
        }
        let counted = frequency(clock, now, policy);
        assert!((30..80).contains(&counted), "{counted}");
        assert_eq!(frequency(clock, at(1_000_000 + 600), policy), counted - 10);
        assert_eq!(frequency(with_frequency(77, now), now, policy), 77);
    }
}

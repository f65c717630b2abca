//! What eviction asks of a database: some keys, how they are used, and one of them gone.
//!
//! A sample is a run of neighbours from a place chosen by chance: their order is that of the hash, so a run is
//! as good as single choices and touches fewer cache lines. Which of them goes is the caller's decision.

use super::Database;
use super::entry::{NEVER, clock_of, deadline_of, if_any};
use crate::access::{self, AccessPolicy};
use crate::table::EntryRef;
use crate::time::UnixMillis;

/// How often a single choice is tried before keys that expire are looked for one after the other.
const TRIES: usize = 64;
/// Most keys that an average is taken of.
const AVERAGE_OF: usize = 256;
/// Elements of a value that its size is estimated from.
const USAGE_SAMPLES: usize = 5;

/// What to sample.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// How many keys at most.
    pub samples: usize,
    /// Only keys that have a deadline.
    pub volatile_only: bool,
    /// The time that idle times and counters are told for.
    pub now: UnixMillis,
}

/// A sampled key.
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'a> {
    /// The key.
    pub key: &'a [u8],
    /// How little it is used: seconds of idleness, or how far its counter is from the highest.
    pub coldness: u64,
    /// When it is due.
    pub deadline: Option<UnixMillis>,
}

impl Database {
    /// Shows some keys chosen by chance, none twice; fewer than asked for only if there are no more.
    pub fn sample(&self, rng: &mut fastrand::Rng, sampling: Sampling, mut visit: impl FnMut(Sampled<'_>)) {
        if sampling.volatile_only && self.expires == 0 {
            return;
        }
        let run = self.table.round_from_random(rng, sampling.volatile_only);
        let wanted = run.filter(|entry| !sampling.volatile_only || deadline_of(entry.rest) != NEVER);
        for entry in wanted.take(sampling.samples) {
            visit(Sampled {
                key: entry.key,
                coldness: self.coldness(clock_of(entry.rest), sampling.now),
                deadline: if_any(deadline_of(entry.rest)),
            });
        }
    }

    /// How long keys with a deadline have on average, in milliseconds: all of them if they are few, or some that are
    /// chosen by chance. `None` if there is none that is not due.
    pub fn average_time_left(&self, rng: &mut fastrand::Rng, now: UnixMillis) -> Option<u64> {
        let (mut sum, mut count) = (0u128, 0u128);
        let sampling = Sampling { samples: AVERAGE_OF, volatile_only: true, now };
        self.sample(rng, sampling, |sampled| {
            let left = sampled.deadline.map_or(0, |deadline| deadline.0.saturating_sub(now.0));
            if let Ok(left @ 1..) = u64::try_from(left) {
                sum += u128::from(left);
                count += 1;
            }
        });
        sum.checked_div(count).and_then(|average| u64::try_from(average).ok())
    }

    /// A key chosen fairly, due or not; of those that have a deadline, if that is asked for, nearly so.
    pub fn any_key(&self, rng: &mut fastrand::Rng, volatile_only: bool) -> Option<&[u8]> {
        if !volatile_only {
            return self.table.random(rng).map(|entry| entry.key);
        }
        if self.expires == 0 {
            return None;
        }
        let is_volatile = |entry: &EntryRef<'_, _>| deadline_of(entry.rest) != NEVER;
        let tried = (0..TRIES).find_map(|_| self.table.random(rng).filter(is_volatile));
        tried.or_else(|| self.table.round_from_random(rng, true).find(is_volatile)).map(|entry| entry.key)
    }

    /// Removes `key`, a big value of it into `garbage`; about how many bytes that sets free.
    pub fn evict(&mut self, key: &[u8]) -> usize {
        let bytes = self.memory_usage(key, USAGE_SAMPLES).unwrap_or(0);
        let value = self.remove(key);
        self.dispose(value);
        self.table.compact(self.table.hash(key));
        bytes
    }

    /// Bytes that further keys may take without any being allocated: what removed ones left behind.
    pub fn vacant_bytes(&self) -> usize {
        self.table.dead()
    }

    fn coldness(&self, clock: u32, now: UnixMillis) -> u64 {
        match self.policy {
            AccessPolicy::Recency => access::idle_seconds(clock, now),
            AccessPolicy::Frequency { .. } => u64::from(u8::MAX - access::frequency(clock, now, self.policy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::string::Str;

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis(seconds * 1000)
    }

    fn filled(keys: usize, every: usize) -> Database {
        let mut database = Database::new([1, 2, 3, 4]);
        for index in 0..keys {
            let deadline = index.is_multiple_of(every).then_some(at(1000));
            database.insert(index.to_string().as_bytes(), Str::from_int(1).into(), deadline);
        }
        database
    }

    fn keys(database: &Database, seed: u64, samples: usize, volatile_only: bool) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let sampling = Sampling { samples, volatile_only, now: at(1) };
        let mut rng = fastrand::Rng::with_seed(seed);
        database.sample(&mut rng, sampling, |sampled| found.push(sampled.key.to_vec()));
        found
    }

    #[test]
    fn a_sample_has_no_key_twice_and_all_there_are_if_they_are_few() {
        for (count, samples) in [(3, 5), (1000, 5), (1000, 64), (200, 500)] {
            let database = filled(count, 1);
            let mut found = keys(&database, 7, samples, false);
            found.sort();
            found.dedup();
            assert_eq!(found.len(), samples.min(count));
        }
    }

    #[test]
    fn keys_that_expire_are_found_however_rare_they_are() {
        let database = filled(10_000, 5_000);
        for seed in 0..20 {
            assert_eq!(keys(&database, seed, 5, true).len(), 2);
            let mut rng = fastrand::Rng::with_seed(seed);
            let key = database.any_key(&mut rng, true).unwrap();
            assert!([b"0".as_slice(), b"5000"].contains(&key));
        }
        assert_eq!(keys(&filled(100, 1000), 1, 5, true).len(), 1);
        let mut database = filled(100, 1000);
        database.remove(b"0");
        assert_eq!(keys(&database, 1, 5, true).len(), 0);
        assert_eq!(database.any_key(&mut fastrand::Rng::with_seed(1), true), None);
    }

    #[test]
    fn what_evicted_keys_leave_is_vacant_or_given_back() {
        let mut database = filled(20_000, 1);
        let full = database.overhead();
        assert_eq!(database.vacant_bytes(), 0);
        let mut freed = 0;
        for index in 0..10_000 {
            freed += database.evict(index.to_string().as_bytes());
        }
        let given_back = full - database.overhead();
        assert!(given_back > full / 4, "{given_back} of {full}");
        assert!(database.vacant_bytes() < full / 10, "{}", database.vacant_bytes());
        assert!((full / 3..full / 2 + full / 10).contains(&freed), "{freed} of {full}");
        database.clear();
        assert_eq!(database.vacant_bytes(), 0);
    }

    #[test]
    fn the_average_time_left_is_that_of_all_or_of_a_sample() {
        let average = |database: &Database, seconds| {
            database.average_time_left(&mut fastrand::Rng::with_seed(7), at(seconds))
        };
        let mut database = filled(100, 10);
        assert_eq!(average(&database, 900), Some(100_000));
        database.set_deadline(b"1", Some(at(2100)));
        assert_eq!(average(&database, 900), Some(200_000));
        assert_eq!(average(&database, 1000), Some(1_100_000), "what is due does not count");
        assert_eq!(average(&database, 2100), None);
        assert_eq!(average(&filled(10, 100), 2100), None);
        let mut database = Database::new([1, 2, 3, 4]);
        for index in 0..10_000 {
            database.insert(index.to_string().as_bytes(), Str::from_int(1).into(), Some(at(index)));
        }
        let average = average(&database, 0).expect("many have time left");
        assert!((4_000_000..6_000_000).contains(&average), "{average}");
    }

    #[test]
    fn every_key_comes_up_in_time() {
        let database = filled(1000, 1);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..4000 {
            seen.extend(keys(&database, seed, 5, false));
        }
        assert!(seen.len() > 990, "{}", seen.len());
    }

    #[test]
    fn coldness_is_idleness_or_rareness() {
        let mut database = filled(1, 2);
        let coldness = |database: &Database, now| {
            let sampling = Sampling { samples: 1, volatile_only: false, now };
            let mut cold = 0;
            database.sample(&mut fastrand::Rng::with_seed(1), sampling, |sampled| cold = sampled.coldness);
            cold
        };
        database.set_idle(b"0", 10, at(100));
        assert_eq!(coldness(&database, at(105)), 15);
        database.set_access_policy(AccessPolicy::Frequency { log_factor: 10, decay_minutes: 1 });
        database.set_frequency(b"0", 55, at(105));
        assert_eq!(coldness(&database, at(105)), 200);
    }
}

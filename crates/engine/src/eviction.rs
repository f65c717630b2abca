//! maxmemory: keys that make room when memory is at its limit.
//!
//! Before a command of a client, and between commands while there is more to do, keys go by the policy until
//! memory is below the limit or the time for it is over ([`Core::make_room`]). Each deletion goes into the log
//! by itself. Candidates are gathered over all databases in a pool that lasts from one search to the next, so
//! that each search ends with the best of many samples.
//!
//! Not counted against the limit: the log, which grows by the very deletions, what is being dropped, and the
//! room that deleted keys left behind for further ones.

use std::collections::VecDeque;

use slipstream_keyspace::{Keyspace, Sampling};

use crate::config::{Config, EvictionPolicy};
use crate::event;
use crate::host::{Level, ProcessFacts};
use crate::node::{Core, Phase};
use crate::propagate::deletion;

/// Candidates that are kept.
const POOL: usize = 16;
/// Keys evicted between two looks at the clock.
const STEP: usize = 16;

/// A key that may go.
#[derive(Debug)]
struct Candidate {
    score: u64,
    db: usize,
    key: Vec<u8>,
}

/// The best candidates so far, the best last.
#[derive(Debug, Default)]
struct Pool(VecDeque<Candidate>);

impl Pool {
    /// Takes in a candidate, if it is among the best.
    fn offer(&mut self, score: u64, db: usize, key: &[u8]) {
        let full = self.0.len() == POOL;
        if full && self.0.front().is_some_and(|worst| score <= worst.score) {
            return;
        }
        // A key that is known counts as it is now.
        self.0.retain(|known| known.db != db || known.key != key);
        if self.0.len() == POOL {
            self.0.pop_front();
        }
        let at = self.0.partition_point(|known| known.score < score);
        self.0.insert(at, Candidate { score, db, key: key.to_vec() });
    }
}

/// What came of making room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Room {
    /// Memory is below the limit, or nothing may be done about it now.
    #[default]
    Enough,
    /// Memory is above the limit, and more keys are to go.
    Making,
    /// Memory is above the limit, and no key may go.
    None,
}

/// The state of eviction.
#[derive(Debug, Default)]
pub struct Eviction {
    pool: Pool,
    /// The database that a policy of chance took a key of last.
    last_db: usize,
    room: Room,
    /// Since when memory is above the limit, in microseconds since the start.
    exceeded_since: Option<u64>,
}

impl Eviction {
    /// Whether commands that need memory are to be refused.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.room == Room::None
    }

    /// Whether there is more to do than one go has time for.
    pub(crate) fn is_under_way(&self) -> bool {
        self.room == Room::Making
    }

    /// Microseconds for which memory has been above the limit without a break.
    pub(crate) fn exceeded_micros(&self, now: u64) -> u64 {
        self.exceeded_since.map_or(0, |since| now.saturating_sub(since))
    }
}

/// Microseconds that making room may take: `maxmemory-eviction-tenacity`.
fn time_limit(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => 50 * u64::from(tenacity),
        // Up to two minutes, in steps of 15 %.
        11..=99 => (10..tenacity).fold(500, |limit, _| limit + limit * 15 / 100),
        _ => u64::MAX,
    }
}

impl Core {
    /// What is allocated for the log, for replicas that read it at their own pace.
    pub(crate) fn log_memory(&self) -> usize {
        self.log.memory()
    }

    /// Memory that does not count against the limit.
    pub(crate) fn not_counted_memory(&self) -> usize {
        let spools = usize::try_from(self.spool_memory).unwrap_or(usize::MAX);
        self.log_memory() + spools + self.reclaim.pending_bytes()
    }

    /// Bytes in use: what is allocated without the room that removed keys left to later ones in the pages of others.
    fn used_memory(&mut self, keyspace: &Keyspace) -> usize {
        self.host.used_memory().saturating_sub(keyspace.vacant_bytes())
    }

    /// Facts about the process, with [`used_memory`](Core::used_memory) as the limit counts it.
    pub(crate) fn facts(&mut self, keyspace: &Keyspace) -> ProcessFacts {
        let mut facts = self.host.facts();
        facts.used_memory = facts.used_memory.saturating_sub(keyspace.vacant_bytes());
        facts
    }

    /// Bytes above `maxmemory`.
    fn excess(&mut self, keyspace: &Keyspace) -> usize {
        let limit = usize::try_from(self.config.maxmemory).unwrap_or(usize::MAX);
        if limit == 0 || self.host.used_memory() <= limit {
            return 0;
        }
        self.used_memory(keyspace).saturating_sub(self.not_counted_memory()).saturating_sub(limit)
    }

    /// The limit or the policy changed: room is made from now on if need be.
    pub(crate) fn limit_changed(&mut self, keyspace: &Keyspace, old: &Config) {
        if self.config.maxmemory_policy != old.maxmemory_policy {
            // Scores of one policy say nothing to another.
            self.eviction.pool = Pool::default();
        }
        self.eviction.room = if self.config.maxmemory == 0 { Room::Enough } else { Room::Making };
        if self.config.maxmemory != old.maxmemory && self.excess(keyspace) > 0 {
            let (limit, used) = (self.config.maxmemory, self.used_memory(keyspace));
            let text = format!(
                "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage ({used}). This will result in key eviction and/or the inability to accept new write commands depending on the maxmemory-policy."
            );
            self.notice(Level::Warning, &text);
        }
    }

    /// Evicts keys until memory is below `maxmemory`, as long as the time for that lasts.
    pub(crate) fn make_room(&mut self, keyspace: &mut Keyspace) {
        let room = self.evict(keyspace);
        self.eviction.room = room;
        let now = self.clock.micros;
        match (room, self.eviction.exceeded_since) {
            (Room::Enough, Some(since)) => {
                self.stats.eviction_exceeded_micros += now.saturating_sub(since);
                self.eviction.exceeded_since = None;
            }
            (Room::Making | Room::None, None) => self.eviction.exceeded_since = Some(now),
            _ => {}
        }
    }

    fn evicts(&self) -> bool {
        let follows = self.is_replica() && self.config.replica_ignore_maxmemory;
        self.phase != Phase::Loading && !follows && !self.pause.is_active() && !self.is_fenced()
    }

    fn evict(&mut self, keyspace: &mut Keyspace) -> Room {
        if self.excess(keyspace) == 0 || !self.evicts() {
            return Room::Enough;
        }
        // Clients that take too much go before any key.
        self.evict_clients();
        let excess = self.excess(keyspace);
        if excess == 0 {
            return Room::Enough;
        }
        if self.config.maxmemory_policy == EvictionPolicy::NoEviction {
            return Room::None;
        }
        let began = self.clock.micros;
        let limit = time_limit(self.config.maxmemory_eviction_tenacity);
        let mut freed = 0;
        let mut room = Room::Enough;
        for count in 1.. {
            let Some((db, key)) = self.choose(keyspace) else {
                room = Room::None;
                break;
            };
            freed += self.evict_key(keyspace, db, &key);
            if freed >= excess {
                break;
            }
            if count % STEP == 0 {
                self.tick_clock();
                self.discard_garbage(keyspace);
                if self.excess(keyspace) == 0 {
                    break;
                }
                if self.clock.micros - began >= limit {
                    room = Room::Making;
                    break;
                }
            }
        }
        self.tick_clock();
        self.discard_garbage(keyspace);
        self.note_latency("eviction-cycle", began);
        room
    }

    /// The key to go next, with its database.
    fn choose(&mut self, keyspace: &Keyspace) -> Option<(usize, Vec<u8>)> {
        match self.config.maxmemory_policy {
            EvictionPolicy::NoEviction => None,
            EvictionPolicy::AllKeysRandom | EvictionPolicy::VolatileRandom => self.choose_any(keyspace),
            EvictionPolicy::AllKeysLru
            | EvictionPolicy::AllKeysLfu
            | EvictionPolicy::VolatileLru
            | EvictionPolicy::VolatileLfu
            | EvictionPolicy::VolatileTtl => self.choose_best(keyspace),
        }
    }

    /// A key of the next database that has some.
    fn choose_any(&mut self, keyspace: &Keyspace) -> Option<(usize, Vec<u8>)> {
        let volatile_only = self.config.maxmemory_policy.is_volatile();
        for _ in 0..keyspace.databases() {
            let db = (self.eviction.last_db + 1) % keyspace.databases();
            self.eviction.last_db = db;
            if let Some(key) = keyspace.db(db).any_key(&mut self.rng, volatile_only) {
                return Some((db, key.to_vec()));
            }
        }
        None
    }

    /// The best of the pool, after new samples of all databases have gone into it.
    fn choose_best(&mut self, keyspace: &Keyspace) -> Option<(usize, Vec<u8>)> {
        let policy = self.config.maxmemory_policy;
        let volatile_only = policy.is_volatile();
        let samples = self.config.maxmemory_samples;
        let sampling = Sampling { samples, volatile_only, now: self.clock.unix() };
        loop {
            let mut seen = 0;
            for db in (0..keyspace.databases()).filter(|db| !keyspace.db(*db).is_empty()) {
                let pool = &mut self.eviction.pool;
                keyspace.db(db).sample(&mut self.rng, sampling, |sampled| {
                    seen += 1;
                    let score = match (policy, sampled.deadline) {
                        (EvictionPolicy::VolatileTtl, Some(deadline)) => {
                            u64::MAX.saturating_add_signed(deadline.0.saturating_neg().min(0))
                        }
                        _ => sampled.coldness,
                    };
                    pool.offer(score, db, sampled.key);
                });
            }
            if seen == 0 {
                return None;
            }
            // Keys that are gone since, or would not be chosen any more, are passed over.
            while let Some(best) = self.eviction.pool.0.pop_back() {
                let database = keyspace.db(best.db);
                let is_there = match volatile_only {
                    true => database.deadline(&best.key).is_some(),
                    false => database.has(&best.key),
                };
                if is_there {
                    return Some((best.db, best.key));
                }
            }
        }
    }

    /// Deletes a key and tells the log; about how much memory that frees.
    fn evict_key(&mut self, keyspace: &mut Keyspace, db: usize, key: &[u8]) -> usize {
        let freed = keyspace.db_mut(db).evict(key);
        self.stats.evicted_keys += 1;
        self.saving.changes += 1;
        self.faded(db, key);
        self.notify(db, key, event::EVICTED);
        if self.log_takes_effects() {
            let name = deletion(self.config.lazyfree_lazy_eviction);
            self.propagation.push(db, [name, key].into_iter());
            // Each deletion stands for itself: eviction makes no transactions.
            self.propagation.flush(&mut self.log);
        }
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pool: &Pool) -> Vec<&[u8]> {
        pool.0.iter().map(|candidate| candidate.key.as_slice()).collect()
    }

    #[test]
    fn the_pool_keeps_the_best_and_knows_each_key_once() {
        let mut pool = Pool::default();
        for (score, key) in [(5, b"e"), (9, b"i"), (1, b"a"), (3, b"c")] {
            pool.offer(score, 0, key);
        }
        assert_eq!(keys(&pool), [b"a", b"c", b"e", b"i"]);
        pool.offer(7, 0, b"a");
        assert_eq!(keys(&pool), [b"c", b"e", b"a", b"i"]);
        for score in 10..30 {
            pool.offer(score, 1, &[u8::try_from(score).unwrap()]);
        }
        assert_eq!(pool.0.len(), POOL);
        assert_eq!(pool.0.front().unwrap().score, 14);
        pool.offer(2, 2, b"worse");
        assert_eq!((pool.0.len(), pool.0.front().unwrap().score), (POOL, 14));
    }

    #[test]
    fn tenacity_is_time() {
        for (tenacity, micros) in [(0, 0), (1, 50), (10, 500), (11, 575), (100, u64::MAX)] {
            assert_eq!(time_limit(tenacity), micros);
        }
        assert!((100_000_000..150_000_000).contains(&time_limit(99)));
    }
}

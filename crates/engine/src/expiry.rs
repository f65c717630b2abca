//! Active expiry: keys, and fields of hashes, that nobody asks for any more go when they are due.
//!
//! The work is cut into slices of about a millisecond, so that it never holds up a client for
//! longer. A slice that leaves due keys behind is followed by a rest, as long as it takes for
//! expiry to get its share of the time by `active-expire-effort`; a turn without any input ends
//! the rest early, since then there is nobody to hold up. Who has been behind for long gets twice
//! the share. Replicas wait for their primary to delete, and so does everybody during a pause; a fenced primary does
//! not know whether it still is one.

use slipstream_replication::Moment;

use crate::config::Config;
use crate::event;
use crate::node::{Core, Node, Phase};

/// The longest that active expiry holds up others at once, in microseconds.
const SLICE: u64 = 1_000;
/// Keys removed before the clock is looked at.
const STEP: usize = 64;
/// Most fields in one propagated HDEL.
const HDEL_FIELDS: usize = 1024;
/// Who is behind for so long gets twice the share, in microseconds.
const PATIENCE: u64 = 500_000;

/// Where active expiry stands.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// The database that the next slice begins with.
    from: usize,
    /// When the next slice is due, in microseconds.
    next: u64,
    /// Since when each slice has left due keys behind.
    behind_since: Option<u64>,
}

impl Expiry {
    /// Decides when to go on after a slice that took `spent` until `now`: with the other periodic work if it left
    /// nothing, so that an idle process wakes once for both.
    fn plan(&mut self, now: u64, spent: u64, left_over: bool, core: (&Config, Moment)) {
        let (config, next_cron) = core;
        if !left_over {
            self.behind_since = None;
            self.next = next_cron.0 * 1000;
            return;
        }
        let since = *self.behind_since.get_or_insert(now);
        // As Redis: a quarter of the time, and 2 % more for each step of effort.
        let share = 25 + 2 * (u64::from(config.active_expire_effort) - 1);
        let share = if now - since > PATIENCE { 2 * share } else { share };
        self.next = now + spent * (100 - share) / share;
    }
}

impl Core {
    /// Whether this node deletes what is due by itself at the moment.
    fn may_expire(&self) -> bool {
        let rests = self.pause.is_active() || !self.active_expire || self.cron_paused;
        !rests
            && !self.is_replica()
            && !self.is_fenced()
            && !self.is_awaiting_claim()
            && self.phase == Phase::Serving
    }

    /// Fields of the hash at `key` were removed since their time had come. The key goes with the last one.
    pub(crate) fn fields_expired(&mut self, db: usize, key: &[u8], fields: &[&[u8]]) {
        self.stats.expired_subkeys += fields.len() as u64;
        self.saving.changes += fields.len() as u64;
        self.faded(db, key);
        self.notify(db, key, event::HEXPIRED);
        if self.log_takes_effects() {
            for some in fields.chunks(HDEL_FIELDS) {
                let head: [&[u8]; 2] = [b"HDEL", key];
                let words = [&head, some].concat();
                self.propagation.push(db, words.into_iter());
            }
        }
    }

    /// When there is something to do for active expiry.
    pub(crate) fn expiry_deadline(&self) -> Option<Moment> {
        let next = if self.expiry.behind_since.is_some() { 0 } else { self.expiry.next };
        self.may_expire().then(|| Moment(next.div_ceil(1000)))
    }
}

impl Node {
    /// Removes due keys for a slice of time, if it is time for one.
    pub(crate) fn expire_actively(&mut self) {
        let began = self.core.clock.micros;
        let hurries = self.core.expiry.behind_since.is_some() && !self.core.turn_has_input;
        if (began < self.core.expiry.next && !hurries) || !self.core.may_expire() {
            return;
        }
        let left_over = self.expire_until(began + SLICE);
        self.core.tell_broken_watches();
        let now = self.core.clock.micros;
        self.core.stats.expire_micros += now - began;
        self.core.note_latency("expire-cycle", began);
        self.core.expiry.plan(now, now - began, left_over, (&self.core.config, self.core.next_cron));
    }

    /// Removes due keys until `end`; whether some may be left.
    fn expire_until(&mut self, end: u64) -> bool {
        let databases = self.keyspace.databases();
        let first = self.core.expiry.from;
        for index in 0..databases {
            let db = (first + index) % databases;
            while self.expire_step(db) {
                if self.core.clock.micros >= end {
                    self.core.stats.expired_time_cap_reached += 1;
                    self.core.expiry.from = (db + 1) % databases;
                    return true;
                }
            }
        }
        false
    }

    /// Removes some due keys and fields of a database; whether more of them may be left.
    fn expire_step(&mut self, db: usize) -> bool {
        let now = self.core.clock.unix();
        let database = self.keyspace.db_mut(db);
        if database.expires_len() == 0 && database.hashes_with_deadlines() == 0 {
            return false;
        }
        let due = database.take_due(now, STEP);
        let due_fields = database.take_due_fields(now, STEP);
        let fields: usize = due_fields.iter().map(|(_, fields)| fields.len()).sum();
        let more = database.may_be_due(now) || fields == STEP;
        self.core.saving.changes += due.len() as u64;
        for key in due {
            self.core.key_expired(db, &key);
            // Each deletion stands for itself: active expiry makes no transactions.
            self.core.propagation.flush(&mut self.core.log);
        }
        for (key, fields) in due_fields {
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            self.core.fields_expired(db, &key, &fields);
            if !self.keyspace.db(db).has(&key) {
                self.core.notify(db, &key, event::DEL);
            }
            self.core.propagation.flush_each(&mut self.core.log);
        }
        self.core.tick_clock();
        more
    }
}

//! A primary that comes back holds its writes until its sentinels say that it still is one.
//!
//! While it was down, or stood still, they may have promoted one of its replicas: what it took before they reach it
//! would be lost. So writes wait, as behind CLIENT PAUSE, and clients notice a delay and no more; where it was replaced,
//! they are told READONLY as soon as it follows the other. Whose writes were done in the turn in which it stood still, and
//! not answered yet, is closed without an answer. The word it waits for are leases ([`crate::fencing`]), which
//! sentinels of this project give within two round trips. With `sentinel-fencing` the fence does all this, and more.
//!
//! ```text
//! start as a primary, and the state file knows sentinels and copies ──────────► returning
//! it stood still for so long that its sentinels may have called it down ──────► returning
//! returning ── leases enough run, it follows another, REPLICAOF NO ONE, `primary-return-wait` is over ──► as usual
//! ```

use slipstream_keyspace::Keyspace;
use slipstream_replication::{Level, Moment};

use crate::node::Core;

/// What is later than that, and than the next look at the clock, did not only wait for something to do, in microseconds.
const STALL: u64 = 100_000;

impl Core {
    /// A primary begins to serve what it had in its last life.
    pub(crate) fn return_if_watched(&mut self, keyspace: &mut Keyspace) {
        let last_life = self.replication.remembering.found.as_ref();
        // Nobody can have taken the place of one that had no copies.
        if last_life.is_some_and(|state| state.is_watched && state.had_copies()) {
            self.begin_return("Sentinels watched this primary before it was started again");
            self.rest_or_expire(keyspace);
        }
    }

    /// Time has passed, and what came meanwhile is about to be read, or what was done to be answered. A script that runs for
    /// long is a part of one turn, whatever clients are told meanwhile.
    #[inline]
    pub(crate) fn notice_stall(&mut self) {
        if self.busy.is_some() {
            return;
        }
        let before = std::mem::replace(&mut self.fence.seen_at, self.clock.micros);
        if self.clock.micros.saturating_sub(before) >= STALL {
            self.on_stall(Moment(before / 1000));
        }
    }

    #[cold]
    fn on_stall(&mut self, before: Moment) {
        let now = self.clock.moment();
        let ms = now.ms_since(before);
        let slept = 1000 / u64::from(self.config.hz.max(1));
        if ms < slept + STALL / 1000 || !self.fence.leases.may_be_down_since(before, now) {
            return;
        }
        let begins = self.begin_return(&format!(
            "This primary stood still for {ms} ms, in which its sentinels may have called it down"
        ));
        if begins {
            self.close_late_writers("before this primary stood still");
        }
    }

    /// Whether it waits from now on.
    fn begin_return(&mut self, what: &str) -> bool {
        let wait = self.config.primary_return_wait;
        let follows = self.is_replica() || self.config.replicaof.is_some();
        if wait == 0 || self.config.sentinel_fencing || follows || self.is_awaiting_claim() {
            return false;
        }
        self.pause.set_returning(Some(self.clock.moment().after_ms(wait)));
        let text = format!(
            "{what}. One of its replicas may have taken its place: writes wait until they say, for at most \
             {wait} ms (primary-return-wait)"
        );
        self.notice(Level::Notice, &text);
        true
    }

    /// Looks whether it is known what it is.
    pub(crate) fn end_return_if_known(&mut self) {
        let Some(until) = self.pause.returning() else { return };
        let now = self.clock.moment();
        let leases = &self.fence.leases;
        if self.is_replica() || self.config.sentinel_fencing {
            // What it is now says itself what becomes of writes.
            self.pause.set_returning(None);
        } else if leases.may_write(now) {
            let text = format!("leases of {} of {} sentinels run", leases.running(now), leases.len());
            self.end_return(&text);
        } else if until <= now {
            self.end_return(&format!("{}, and the time is over", self.fence_reason()));
        } else if self.config.primary_return_wait == 0 {
            self.end_return("it is to wait no longer");
        }
    }

    /// It is a primary.
    pub(crate) fn end_return(&mut self, why: &str) {
        if self.pause.returning().is_some() {
            self.pause.set_returning(None);
            self.notice(Level::Notice, &format!("This primary takes writes: {why}"));
        }
    }
}

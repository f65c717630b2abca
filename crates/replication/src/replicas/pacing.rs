//! Writers at a pace that the links can carry (`repl-pacing`).
//!
//! A replica far behind that takes less than is written will never catch up: the log would grow until its disk
//! is full. Then writes are let into the log at somewhat less than that replica takes, a millisecond's worth
//! at a time, until it is near again; after that the pace is raised step by step. Nothing is refused. A
//! replica that takes nothing at all slows nobody: other limits end it.
//!
//! ```text
//! every window:  far, and takes no more than is written   → 7/8 of what it takes
//!                paced, and none is far                   → 9/8 of the pace, free above twice what is written
//! ```

use slipstream_log::Offset;

use super::replica::Phase;
use super::{Replicas, Role, Turn};
use crate::Moment;

/// How long a link is observed before something is concluded, in milliseconds.
const WINDOW_MS: u64 = 250;

/// Nobody is far who is within so many bytes.
const LEAST_FAR: u64 = 8 << 20;

/// Writers may always write so many bytes per second.
const LEAST_RATE: u64 = 64 << 10;

/// A pace lets so many milliseconds' worth of writes through at once.
const BURST_MS: u64 = 4;

/// The pace of writers, and what it is derived from.
#[derive(Debug)]
pub(super) struct Pacing {
    began: Moment,
    end: Offset,
    pace: Option<Pace>,
}

/// Writes are held back at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes of the log per second.
    pub rate: u64,
    /// Up to where the log may grow for now.
    pub limit: Offset,
    /// When that was last moved.
    refilled: Moment,
}

impl Pacing {
    pub(super) fn new(now: Moment) -> Pacing {
        Pacing { began: now, end: Offset(0), pace: None }
    }
}

/// What one link did in a window, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Observed {
    behind: u64,
    taken: u64,
}

/// The rate from here on, in bytes per second, given the one until now.
fn next_rate(rate: Option<u64>, written: u64, ms: u64, far: u64, links: &[Observed]) -> Option<u64> {
    let per_second = |bytes: u64| bytes.saturating_mul(1000) / ms.max(1);
    let outrun = |link: &&Observed| link.behind > far && link.taken > 0 && link.taken <= written;
    let slowest = links.iter().filter(outrun).map(|link| link.taken).min();
    if let Some(taken) = slowest {
        let bearable = (per_second(taken) / 8 * 7).max(LEAST_RATE);
        return Some(rate.map_or(bearable, |rate| rate.min(bearable)));
    }
    let rate = rate?;
    if links.iter().any(|link| link.behind > far / 2 && link.taken > 0) {
        return Some(rate);
    }
    let raised = rate / 8 * 9;
    (raised / 2 <= per_second(written)).then_some(raised)
}

impl Replicas {
    /// How far the log may grow for now; `None` for as far as it likes.
    pub fn pace(&self) -> Option<Pace> {
        self.pacing.pace
    }

    /// Observes the links, and lets more into the log as time goes by.
    pub(super) fn keep_pace(&mut self, turn: Turn<'_>) {
        if !self.settings.pacing || self.role != Role::Primary || self.replicas.is_empty() {
            self.pacing = Pacing::new(turn.now);
            return;
        }
        let ms = turn.now.ms_since(self.pacing.began);
        if ms >= WINDOW_MS {
            let end = turn.log.end();
            let rate = self.pacing.pace.map(|pace| pace.rate);
            let far = turn.log.kept_anyway().max(LEAST_FAR);
            let next = next_rate(rate, end.since(self.pacing.end.min(end)), ms, far, &self.observe(end));
            self.pacing.began = turn.now;
            self.pacing.end = end;
            self.pacing.pace = next.map(|rate| match self.pacing.pace {
                Some(pace) => Pace { rate, ..pace },
                None => Pace { rate, limit: end, refilled: turn.now },
            });
        }
        if let Some(pace) = &mut self.pacing.pace {
            pace.refill(turn.now, turn.log.end());
        }
    }

    /// What each link did since the last time.
    fn observe(&mut self, end: Offset) -> Vec<Observed> {
        let mut links = Vec::new();
        for replica in self.replicas.values_mut() {
            let Phase::Online { cursor } = replica.phase else { continue };
            let taken = cursor.since(replica.observed.unwrap_or(cursor).min(cursor));
            replica.observed = Some(cursor);
            links.push(Observed { behind: end.since(cursor.min(end)), taken });
        }
        links
    }

    pub(super) fn pacing_deadline(&self) -> Option<Moment> {
        Some(self.pacing.pace?.refilled.after_ms(1))
    }
}

impl Pace {
    fn refill(&mut self, now: Moment, end: Offset) {
        let ms = now.ms_since(self.refilled);
        if ms == 0 {
            return;
        }
        self.refilled = now;
        let worth = |ms: u64| self.rate.saturating_mul(ms) / 1000;
        let limit = self.limit.0.max(end.0.saturating_sub(worth(BURST_MS))).saturating_add(worth(ms));
        self.limit = Offset(limit.min(end.0 + worth(BURST_MS)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: u64 = 1_000_000;

    fn link(behind: u64, taken: u64) -> Observed {
        Observed { behind, taken }
    }

    #[test]
    fn only_a_far_replica_that_takes_less_than_is_written_slows_writers() {
        let check = |links: &[Observed], expected| {
            assert_eq!(next_rate(None, 100_000, 1000, FAR, links), expected, "{links:?}");
        };
        check(&[], None);
        check(&[link(FAR, 80_000)], None);
        check(&[link(FAR + 1, 80_000)], Some(70_000));
        check(&[link(FAR + 1, 200_000)], None);
        check(&[link(FAR + 1, 0)], None);
        check(&[link(FAR + 1, 90_000), link(2 * FAR, 80_000), link(10, 5)], Some(70_000));
        check(&[link(FAR + 1, 1)], Some(LEAST_RATE));
    }

    #[test]
    fn a_pace_is_kept_until_the_replica_is_near_and_then_raised() {
        let next = |links: &[Observed]| next_rate(Some(800_000), 800_000, 1000, FAR, links);
        assert_eq!(next(&[link(FAR + 1, 700_000)]), Some(612_500), "still outrun");
        assert_eq!(next(&[link(FAR, 900_000)]), Some(800_000));
        assert_eq!(next(&[link(FAR / 2, 900_000)]), Some(900_000));
        assert_eq!(next(&[]), Some(900_000));
        assert_eq!(next_rate(Some(800_000), 1000, 1000, FAR, &[]), None, "nobody needs it any more");
    }

    #[test]
    fn a_pace_comes_in_milliseconds_and_does_not_add_up() {
        let mut pace = Pace { rate: 100_000, limit: Offset(5000), refilled: Moment(10) };
        pace.refill(Moment(10), Offset(5000));
        assert_eq!(pace.limit, Offset(5000));
        pace.refill(Moment(11), Offset(5000));
        assert_eq!(pace.limit, Offset(5100));
        pace.refill(Moment(1000), Offset(5100));
        assert_eq!(pace.limit, Offset(5500), "what was not used is lost");
        pace.refill(Moment(1001), Offset(9000));
        assert_eq!(pace.limit, Offset(8700), "a big write is paid for, up to a bound");
    }
}

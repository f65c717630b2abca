//! Writers at a pace that the links can carry (`repl-pacing`).
//!
//! A replica far behind that takes less than is written will never catch up: the log would grow until its disk
//! is full. Then writes are let into the log at somewhat less than that replica takes, a millisecond's worth
//! at a time, until it is near again; after that the pace is raised step by step. Nothing is refused. A
//! replica that takes nothing at all slows nobody: other limits end it. Neither does one that has not
//! come nearer in a minute of that, until it is near; and no pace is below a tenth of what was written before.
//!
//! ```text
//! every window:  far, and takes no more than is written   → 7/8 of what it takes
//!                paced, and none is far                   → 9/8 of the pace, free above twice what is written
//! ```

use slipstream_log::Offset;

use super::replica::Phase;
use super::{Action, Replicas, Role, Turn};
use crate::Moment;

/// How long a link is observed before something is concluded, in milliseconds.
const WINDOW_MS: u64 = 250;

/// Nobody is far who is within so many bytes.
const LEAST_FAR: u64 = 8 << 20;

/// Writers may always write so many bytes per second.
const LEAST_RATE: u64 = 64 << 10;

/// Writers keep this part of the rate that they had when the first pace was set.
const LEAST_SHARE: u64 = 10;

/// A replica that has not come nearer, by an eighth, while writers went at its pace for so long is not waited for.
const LONGEST_WAIT_MS: u64 = 60_000;

/// What a replica that is far has cost the writers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waited {
    /// For how long they have gone at a pace since it came nearer last, in milliseconds.
    ms: u64,
    /// How far behind it was then, in bytes.
    nearest: u64,
}

impl Waited {
    pub(super) const NOTHING: Waited = Waited { ms: 0, nearest: u64::MAX };

    fn is_over(self) -> bool {
        self.ms >= LONGEST_WAIT_MS
    }

    /// It is still so far behind after another while.
    fn note(&mut self, behind: u64, ms: u64) {
        let is_nearer = behind <= self.nearest - self.nearest / 8;
        match (self.is_over(), is_nearer) {
            (true, _) => {}
            (false, true) => *self = Waited { ms: 0, nearest: behind },
            (false, false) => self.ms += ms,
        }
    }
}

/// A pace lets so many milliseconds' worth of writes through at once.
const BURST_MS: u64 = 4;

/// The pace of writers, and what it is derived from.
#[derive(Debug)]
pub(super) struct Pacing {
    began: Moment,
    end: Offset,
    pace: Option<Pace>,
    /// No pace is below that, in bytes per second.
    floor: u64,
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
        Pacing { began: now, end: Offset(0), pace: None, floor: 0 }
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
    pub(super) fn keep_pace(&mut self, turn: Turn<'_>, actions: &mut Vec<Action>) {
        if !self.settings.pacing || self.role != Role::Primary || self.replicas.is_empty() {
            self.pacing = Pacing::new(turn.now);
            return;
        }
        let ms = turn.now.ms_since(self.pacing.began);
        if ms >= WINDOW_MS {
            let end = turn.log.end();
            let rate = self.pacing.pace.map(|pace| pace.rate);
            let far = turn.log.kept_anyway().max(LEAST_FAR);
            let written = end.since(self.pacing.end.min(end));
            if rate.is_none() {
                self.pacing.floor = written.saturating_mul(1000) / ms / LEAST_SHARE;
            }
            let links = self.observe(end, far, rate.map_or(0, |_| ms), actions);
            let next = next_rate(rate, written, ms, far, &links).map(|rate| rate.max(self.pacing.floor));
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

    /// What each link did since the last time, for as long as it is waited for; writers went at a pace for `paced_ms`
    /// of that.
    fn observe(&mut self, end: Offset, far: u64, paced_ms: u64, actions: &mut Vec<Action>) -> Vec<Observed> {
        let mut links = Vec::new();
        for replica in self.replicas.values_mut() {
            let Phase::Online { cursor } = replica.phase else { continue };
            let taken = cursor.since(replica.observed.unwrap_or(cursor).min(cursor));
            replica.observed = Some(cursor);
            let behind = end.since(cursor.min(end));
            let was_over = replica.waited.is_over();
            if behind <= far / 2 {
                replica.waited = Waited::NOTHING;
            } else if paced_ms > 0 && taken > 0 {
                replica.waited.note(behind, paced_ms);
            }
            if !replica.waited.is_over() {
                links.push(Observed { behind, taken });
            } else if !was_over {
                let text = "writes were slowed for it, and it does not catch up: they wait for it no longer";
                actions.push(Action::warning(format!("Replica {replica}: {text} (repl-pacing)")));
            }
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

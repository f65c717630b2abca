//! How old a replica's data is, in time.
//!
//! A primary of this project puts its clock into the stream: [`wire::clock`](crate::wire::clock). Whoever has
//! applied it has all that was written before. The clocks of two machines differ by an unknown amount; what
//! is seen of it is that amount plus the time that a stamp took to arrive, and the least that was seen of late
//! is taken for it. So the age is too low by the fastest delivery, which a healthy network does in well under
//! a millisecond, and a wall clock that jumps changes nothing. The handshake gives the first such
//! measurement, when no backlog can be in its way: from a node in the middle of a chain it is the primary's clock
//! as that node knows it, so that what comes late there is seen further down as well.
//!
//! Other primaries give no clock. Then the data counts as current when all that came is applied: a delay
//! between the primary and here is not seen.

use crate::Moment;

/// A millisecond in so many is the most by which two clocks drift apart: quartz keeps to a tenth of that.
const DRIFT_MS: u64 = 5_000;

/// What is known of the age of the data.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// At this time, by our clock, the data was current.
    current: Option<Moment>,
    difference: Option<Difference>,
    /// Whether stamps come over the present connection.
    stamped: bool,
}

/// By how much our clock is ahead of the primary's: the least that was seen, and when.
#[derive(Clone, Copy, Debug)]
struct Difference {
    seen: Moment,
    least: i128,
}

impl Difference {
    /// What it may have grown to since.
    fn at_most(self, now: Moment) -> i128 {
        self.least + i128::from(now.ms_since(self.seen) / DRIFT_MS)
    }
}

impl Freshness {
    /// There is a new connection, perhaps to another clock.
    pub(super) fn on_connected(&mut self) {
        self.difference = None;
        self.stamped = false;
    }

    /// The primary told its clock outside the stream: it will do so in the stream as well.
    pub(super) fn on_greeted(&mut self, now: Moment, clock: Moment) {
        self.measure(now, clock);
        self.stamped = true;
    }

    /// A stamp of the stream is applied. Returns nothing new if it is older than what is known.
    pub(super) fn on_stamp(&mut self, now: Moment, clock: Moment) {
        self.stamped = true;
        let ahead = self.measure(now, clock);
        let current = u64::try_from(i128::from(clock.0) + ahead).map_or(now, Moment);
        self.current = self.current.max(Some(current.min(now)));
    }

    /// All that came is applied; the last of it came at `heard`.
    pub(super) fn on_all_applied(&mut self, heard: Moment) {
        if !self.stamped {
            self.current = Some(heard);
        }
    }

    /// Milliseconds since the data was current; `None` if it never was.
    pub(super) fn age_ms(&self, now: Moment) -> Option<u64> {
        self.current.map(|current| now.ms_since(current))
    }

    /// The primary's clock, as far as it is known.
    pub(super) fn clock(&self, now: Moment) -> Option<Moment> {
        let difference = self.difference.filter(|_| self.stamped)?;
        u64::try_from(i128::from(now.0) - difference.at_most(now)).ok().map(Moment)
    }

    fn measure(&mut self, now: Moment, clock: Moment) -> i128 {
        let least = i128::from(now.0) - i128::from(clock.0);
        let fresh = Difference { seen: now, least };
        let known = self.difference.get_or_insert(fresh);
        if least <= known.at_most(now) {
            *known = fresh;
        }
        known.at_most(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our clock is 5000 ahead of the primary's.
    fn greeted() -> Freshness {
        let mut freshness = Freshness::default();
        freshness.on_connected();
        freshness.on_greeted(Moment(6001), Moment(1000));
        freshness
    }

    #[test]
    fn the_age_is_the_delay_of_the_last_stamp_and_the_time_since() {
        let mut freshness = greeted();
        assert_eq!(freshness.age_ms(Moment(6500)), None, "nothing of the stream is applied");
        freshness.on_stamp(Moment(7001), Moment(2000));
        assert_eq!(freshness.age_ms(Moment(7001)), Some(0));
        assert_eq!(freshness.age_ms(Moment(7301)), Some(300));
        freshness.on_stamp(Moment(9001), Moment(3000));
        assert_eq!(freshness.age_ms(Moment(9001)), Some(1000), "it took a second longer than the first");
        freshness.on_stamp(Moment(9001), Moment(4000));
        assert_eq!(freshness.age_ms(Moment(9001)), Some(0));
    }

    #[test]
    fn a_faster_delivery_corrects_what_is_known_of_the_clocks() {
        let mut freshness = Freshness::default();
        freshness.on_stamp(Moment(9000), Moment(1000));
        freshness.on_stamp(Moment(9100), Moment(4000));
        freshness.on_stamp(Moment(9200), Moment(4050));
        assert_eq!(freshness.age_ms(Moment(9200)), Some(50), "nothing is known to be faster than the second");
    }

    #[test]
    fn clocks_that_drift_apart_are_measured_anew() {
        let mut freshness = greeted();
        for minute in 0..60 {
            // Ours gains a millisecond a minute.
            let clock = 2000 + minute * 60_000;
            freshness.on_stamp(Moment(clock + 5001 + minute), Moment(clock));
        }
        let now = Moment(2000 + 59 * 60_000 + 5060);
        assert!(freshness.age_ms(now).is_some_and(|age| age <= 10), "{freshness:?}");
    }

    #[test]
    fn a_delay_that_lasts_for_hours_is_seen_all_the_while() {
        let mut freshness = greeted();
        for minute in 0..180 {
            // Each stamp comes ten seconds late.
            let clock = 2000 + minute * 60_000;
            freshness.on_stamp(Moment(clock + 15_001), Moment(clock));
        }
        let now = Moment(2000 + 179 * 60_000 + 15_001);
        assert!(freshness.age_ms(now).is_some_and(|age| age > 7_500), "{freshness:?}");
    }

    #[test]
    fn the_primarys_clock_is_told_on_as_it_is_known() {
        assert_eq!(Freshness::default().clock(Moment(1)), None);
        let freshness = greeted();
        assert_eq!(freshness.clock(Moment(6_501)), Some(Moment(1_500)));
    }

    #[test]
    fn without_stamps_the_data_is_current_when_all_that_came_is_applied() {
        let mut freshness = Freshness::default();
        freshness.on_all_applied(Moment(100));
        assert_eq!(freshness.age_ms(Moment(700)), Some(600));
        let mut freshness = greeted();
        freshness.on_all_applied(Moment(7000));
        assert_eq!(freshness.age_ms(Moment(7000)), None, "more may be on its way");
    }
}

//! How far the full sync of this replica is, for INFO and for the log.
//!
//! What the primary tells is used and nothing is guessed: the length where the transfer has one, else the number of
//! keys, which a primary of this project tells for the whole snapshot and others for each database as it begins. So
//! there may be no percentage and no estimate, and then none is shown.

use slipstream_rdb::Reached;
use slipstream_replication::amounts::{Transport, Volume};
use slipstream_replication::link::Transfer;
use slipstream_replication::{Level, Moment};

use crate::node::Core;

/// A line goes to the log after so long at the latest, in milliseconds, and at each tenth of the work, but not more
/// often than `LEAST_PAUSE_MS`.
const LONGEST_PAUSE_MS: u64 = 5000;
const LEAST_PAUSE_MS: u64 = 1000;

/// A full sync under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SyncProgress {
    began: Moment,
    /// Since when the snapshot is decoded: while it comes, or when it lies in a file.
    decoding_since: Option<Moment>,
    /// How much of it is decoded.
    pub(crate) reached: Reached,
    /// When the log was told last, and how many tenths then.
    told: (Moment, u64),
}

/// A part of some whole, in bytes or in keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    done: u64,
    all: u64,
}

impl Part {
    fn of(done: u64, all: u64) -> Option<Part> {
        // What comes may be more than was announced, and is not over before the end.
        (all > 0).then_some(Part { done: done.min(all), all })
    }

    fn hundredths_of_percent(self) -> u64 {
        u64::try_from(u128::from(self.done) * 10_000 / u128::from(self.all)).unwrap_or(10_000)
    }
}

impl SyncProgress {
    /// The snapshot begins to come.
    pub(super) fn begin(now: Moment) -> SyncProgress {
        SyncProgress { began: now, told: (now, 0), ..SyncProgress::default() }
    }

    pub(super) fn on_decoded(&mut self, now: Moment, reached: Reached) {
        self.decoding_since.get_or_insert(now);
        self.reached = reached;
    }

    /// How much is done of what takes longest: the decoding once that has begun, before it the transfer.
    fn part(&self, transfer: Transfer) -> Option<Part> {
        match (self.decoding_since, transfer.total) {
            (None, total) => Part::of(transfer.received, total?),
            (Some(_), Some(total)) => Part::of(self.reached.bytes, total),
            (Some(_), None) => Part::of(self.reached.keys, self.reached.expected_keys?),
        }
    }

    /// Hundredths of a percent: of the bytes that have come, or of the keys that are decoded where the primary does
    /// not tell its length.
    pub(crate) fn hundredths_of_percent(&self, transfer: Transfer) -> Option<u64> {
        let part = match transfer.total {
            Some(total) => Part::of(transfer.received, total),
            None => self.part(transfer),
        };
        part.map(Part::hundredths_of_percent)
    }

    /// About how many seconds are left, if it goes on as it went so far.
    pub(crate) fn seconds_left(&self, now: Moment, transfer: Transfer) -> Option<u64> {
        let Part { done, all } = self.part(transfer).filter(|part| part.done > 0)?;
        let since = self.decoding_since.unwrap_or(self.began);
        let millis = u128::from(now.ms_since(since)) * u128::from(all - done) / u128::from(done);
        u64::try_from(millis.div_ceil(1000)).ok()
    }

    /// Seconds since the snapshot began to come.
    pub(crate) fn seconds(&self, now: Moment) -> u64 {
        now.seconds_since(self.began)
    }

    /// A line for the log, if one is due.
    fn line(&mut self, now: Moment, transfer: Transfer) -> Option<String> {
        let part = self.part(transfer);
        let tenths = part.map_or(0, |part| part.hundredths_of_percent() / 1000);
        let pause = now.ms_since(self.told.0);
        let is_due = pause >= LONGEST_PAUSE_MS || pause >= LEAST_PAUSE_MS && tenths > self.told.1;
        if !is_due {
            return None;
        }
        self.told = (now, tenths);
        let share = part.map(|part| format!("{}%, ", part.hundredths_of_percent() / 100));
        let left = self.seconds_left(now, transfer).map(|seconds| format!(", about {seconds} s left"));
        Some(format!(
            "MASTER <-> REPLICA sync: {}{} received, {} keys loaded in {} s{}",
            share.unwrap_or_default(),
            Volume(transfer.received),
            self.reached.keys,
            self.seconds(now),
            left.unwrap_or_default(),
        ))
    }

    /// The last line for the log: so many keys came out of so many bytes of the snapshot.
    pub(super) fn summary(&self, now: Moment, keys: u64, bytes: u64) -> String {
        let transport = Transport { bytes, ms: now.ms_since(self.began) };
        format!("MASTER <-> REPLICA sync: {keys} keys are loaded, {transport}")
    }
}

impl Core {
    /// Tells the log how far a full sync is, now and then.
    pub(crate) fn tell_sync_progress(&mut self) {
        let Some(transfer) = self.replication.link.transfer() else { return };
        if let Some(progress) = &mut self.replication.progress
            && let Some(line) = progress.line(self.clock.moment(), transfer)
        {
            self.notice(Level::Notice, &line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(keys: u64, expected_keys: Option<u64>, bytes: u64) -> Reached {
        Reached { bytes, keys, expected_keys }
    }

    #[test]
    fn a_share_is_told_where_the_whole_is_known() {
        let check = |total: Option<u64>, reached: Option<Reached>, expected: (Option<u64>, Option<u64>)| {
            let mut progress = SyncProgress::begin(Moment(1000));
            if let Some(reached) = reached {
                progress.on_decoded(Moment(1000), reached);
            }
            let transfer = Transfer { received: 500, total };
            let told =
                (progress.hundredths_of_percent(transfer), progress.seconds_left(Moment(11_000), transfer));
            assert_eq!(told, expected, "{total:?} {reached:?}");
        };
        check(Some(1000), None, (Some(5000), Some(10)));
        check(Some(1000), Some(decoded(1, None, 250)), (Some(5000), Some(30)));
        check(None, None, (None, None));
        check(None, Some(decoded(10, None, 400)), (None, None));
        check(None, Some(decoded(10, Some(40), 400)), (Some(2500), Some(30)));
        check(None, Some(decoded(50, Some(40), 400)), (Some(10_000), Some(0)));
        check(None, Some(decoded(0, Some(0), 400)), (None, None));
        check(Some(1000), Some(decoded(0, None, 0)), (Some(5000), None));
    }

    #[test]
    fn the_log_is_told_of_each_tenth_and_every_few_seconds() {
        let mut progress = SyncProgress::begin(Moment(0));
        let transfer = Transfer { received: 12_345_678, total: None };
        let mut lines = |ms: u64, keys: u64, expected: Option<u64>| {
            progress.on_decoded(Moment(0), decoded(keys, expected, 1));
            progress.line(Moment(ms), transfer)
        };
        assert_eq!(lines(900, 50, Some(100)), None, "too soon");
        let line = "MASTER <-> REPLICA sync: 50%, 12.3 MB received, 50 keys loaded in 1 s, about 1 s left";
        assert_eq!(lines(1000, 50, Some(100)).as_deref(), Some(line));
        assert_eq!(lines(3000, 59, Some(100)), None, "no new tenth");
        assert!(lines(3100, 60, Some(100)).is_some());
        assert_eq!(lines(8000, 61, Some(100)), None);
        assert!(lines(8100, 61, Some(100)).is_some(), "it is slow, but it is");
        let line = "MASTER <-> REPLICA sync: 12.3 MB received, 62 keys loaded in 13 s";
        assert_eq!(lines(13_100, 62, None).as_deref(), Some(line));
    }

    #[test]
    fn the_last_line_has_the_totals_and_the_rate() {
        let summary = SyncProgress::begin(Moment(1000)).summary(Moment(3500), 7, 50_000_000);
        assert_eq!(summary, "MASTER <-> REPLICA sync: 7 keys are loaded, 50.0 MB in 2.50 s (20.0 MB/s)");
    }
}

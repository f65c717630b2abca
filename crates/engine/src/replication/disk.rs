//! The part of the log on disk, when the disk fails: given up at once, and tried again with a growing pause.
//!
//! A full disk is often emptied, and a volume comes back. Nothing is lost by a trial but the blocks that are written
//! in vain; the pause doubles with each that fails, so that a disk which is gone for good costs next to nothing. One
//! line of the log tells of a failure and one of its end, however many trials lie between.

use slipstream_log::Offset;
use slipstream_replication::{Level, Moment};

use crate::node::{Core, Node};

/// The first pause, in milliseconds.
const FIRST_PAUSE_MS: u64 = 1000;

/// The longest. A disk that has worked for so long begins anew with the first.
const LONGEST_PAUSE_MS: u64 = 300_000;

/// How the disk has failed of late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiskTrials {
    /// The pause after the next failure, if that is not the first.
    pause_ms: Option<u64>,
    /// When it is tried again.
    next: Option<Moment>,
    /// Since when it has worked again.
    well_since: Option<Moment>,
    /// Whether the log has told of a failure and not yet of its end.
    is_told: bool,
}

impl DiskTrials {
    /// It failed: the pause until it is tried again, in milliseconds.
    fn on_failure(&mut self, now: Moment) -> u64 {
        if self.well_since.take().is_some_and(|since| now.ms_since(since) >= LONGEST_PAUSE_MS) {
            self.pause_ms = None;
        }
        let pause = self.pause_ms.unwrap_or(FIRST_PAUSE_MS);
        self.pause_ms = Some((2 * pause).min(LONGEST_PAUSE_MS));
        self.next = Some(now.after_ms(pause));
        pause
    }

    /// When it is tried again.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.next
    }
}

impl Node {
    /// The part of the log on disk cannot be written or read: from here on there is what memory holds.
    pub fn disk_failed(&mut self, reason: &str) {
        self.core.log.disk_failed();
        let now = self.core.clock.moment();
        let trials = &mut self.core.replication.disk_trials;
        let seconds = trials.on_failure(now) / 1000;
        if !std::mem::replace(&mut trials.is_told, true) {
            let text = format!(
                "The replication backlog on disk is given up: {reason}. Memory serves on; the disk is tried again \
                 in {seconds} s, and then ever more rarely."
            );
            self.core.notice(Level::Warning, &text);
        }
    }

    /// All of the log before `offset` is on disk, of the beginning of that number.
    pub fn disk_wrote(&mut self, number: u64, offset: Offset) {
        if !self.core.log.disk_wrote(number, offset) {
            return;
        }
        let trials = &mut self.core.replication.disk_trials;
        trials.well_since = Some(self.core.clock.moment());
        trials.next = None;
        if std::mem::take(&mut trials.is_told) {
            self.core.notice(Level::Notice, "The replication backlog on disk is written again.");
        }
    }
}

impl Core {
    /// Tries a disk that failed, when it is time.
    pub(super) fn retry_disk(&mut self) {
        let now = self.clock.moment();
        if self.replication.disk_trials.next.take_if(|next| *next <= now).is_some() {
            self.log.retry_disk();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_until_the_disk_has_worked_for_long() {
        let mut trials = DiskTrials::default();
        let mut now = Moment(0);
        let mut fail_after = |trials: &mut DiskTrials, ms: u64| {
            now = now.after_ms(ms);
            let pause = trials.on_failure(now);
            assert_eq!(trials.deadline(), Some(now.after_ms(pause)));
            pause / 1000
        };
        let pauses: Vec<u64> = (0..11).map(|_| fail_after(&mut trials, 1)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        trials.well_since = Some(Moment(11));
        assert_eq!(fail_after(&mut trials, LONGEST_PAUSE_MS - 1), 300, "it works now and then");
        trials.well_since = Some(Moment(LONGEST_PAUSE_MS + 10));
        assert_eq!(fail_after(&mut trials, LONGEST_PAUSE_MS), 1, "it had recovered");
    }
}

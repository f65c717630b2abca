//! How often a link was tried and how long it was down, for INFO.
//!
//! Counts from when the present primary is followed; decides nothing.

use crate::Moment;

/// What has been counted since the present primary is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Attempts to connect since the stream last flowed (`master_current_sync_attempts`).
    pub current: u64,
    /// All attempts (`master_total_sync_attempts`).
    pub total: u64,
    /// Since when the stream flows; `None` while it does not (`master_link_up_since_seconds`).
    pub up_since: Option<Moment>,
    /// Whether the stream has ever flowed.
    pub was_up: bool,
    /// How long the last full sync took, from the answer that promised it to the switch of data, in
    /// milliseconds (`last_successful_sync_duration_ms`).
    pub last_sync_ms: Option<u64>,
    /// Milliseconds without a stream before the present time without one.
    down_ms: u64,
    sync_began: Option<Moment>,
}

impl Tries {
    pub(super) fn on_attempt(&mut self) {
        self.current += 1;
        self.total += 1;
    }

    pub(super) fn on_sync_began(&mut self, now: Moment) {
        self.sync_began = Some(now);
    }

    pub(super) fn on_synced(&mut self, now: Moment) {
        self.last_sync_ms = self.sync_began.take().map(|began| ms_between(began, now));
    }

    pub(super) fn on_up(&mut self, now: Moment, down_since: Option<Moment>) {
        self.current = 0;
        self.was_up = true;
        self.up_since = Some(now);
        self.down_ms += down_since.map_or(0, |since| ms_between(since, now));
    }

    pub(super) fn on_down(&mut self) {
        self.up_since = None;
    }

    /// Seconds without a stream, of which the present ones began at `down_since`
    /// (`total_disconnect_time_sec`).
    pub fn down_seconds(&self, now: Moment, down_since: Option<Moment>) -> u64 {
        (self.down_ms + down_since.map_or(0, |since| ms_between(since, now))) / 1000
    }
}

fn ms_between(from: Moment, to: Moment) -> u64 {
    to.0.saturating_sub(from.0)
}

//! LATENCY: events that took longer than `latency-monitor-threshold`.
//!
//! Per event a ring of the latest samples, at most one per second (the worst
//! one), and the worst ever.

use std::collections::{BTreeMap, VecDeque};

use crate::host::Clock;
use crate::node::Core;

/// Most samples kept of one event.
const MAX_SAMPLES: usize = 160;

/// The samples of one event.
#[derive(Clone, Debug, Default)]
pub struct EventHistory {
    /// Seconds since 1970 and milliseconds, oldest first.
    pub samples: VecDeque<(i64, u64)>,
    /// The worst ever.
    pub worst: u64,
}

/// All events by name.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    /// Events with at least one sample.
    pub events: BTreeMap<&'static str, EventHistory>,
}

impl LatencyMonitor {
    /// Adds a sample.
    pub fn record(&mut self, event: &'static str, millis: u64, clock: Clock) {
        let history = self.events.entry(event).or_default();
        history.worst = history.worst.max(millis);
        let second = clock.unix_micros.div_euclid(1_000_000);
        match history.samples.back_mut() {
            Some((last, worst)) if *last == second => *worst = millis.max(*worst),
            _ => {
                if history.samples.len() == MAX_SAMPLES {
                    history.samples.pop_front();
                }
                history.samples.push_back((second, millis));
            }
        }
    }
}

impl Core {
    /// Notes what has gone on since `began`, in microseconds, if it took long.
    pub(crate) fn note_latency(&mut self, event: &'static str, began: u64) {
        let (threshold, millis) = (self.config.latency_monitor_threshold, (self.clock.micros - began) / 1000);
        if threshold > 0 && millis >= threshold {
            self.latency.record(event, millis, self.clock);
        }
    }
}

//! The primary's clock in its stream, for replicas that know what to do with it.
//!
//! `REPLCONF ACK 0 CLOCK <milliseconds>` is a command that all others take, count and forget: Redis and Valkey
//! obey an ACK only from a replica. It is written while a replica is online that speaks this project's
//! dialect, or relays to such: behind each PING, behind writes at most every [`PERIOD_MS`], and as often as
//! replicas ask (`REPLCONF beat`) whose clients limit the age of what they read.
//!
//! An idle log is left alone between two PINGs: what a cut-off primary writes for nobody keeps it from
//! continuing as a replica later.

use std::collections::VecDeque;

use slipstream_log::Offset;

use super::{Action, Replica, Replicas, Turn};
use crate::Moment;

/// Between two stamps behind writes, in milliseconds.
const PERIOD_MS: u64 = 1000;

/// The shortest period that a replica may ask for, in milliseconds.
const LEAST_PERIOD_MS: u64 = 10;

/// What is kept of when the log was written.
const MAX_SAMPLES: usize = 1024;

/// Where the beat stands.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    last: Option<Moment>,
    /// The end of the log behind the last stamp, seen in the turn after it.
    quiet: Option<Offset>,
    /// Whether something was written since.
    moved: bool,
    /// Replicas online that listen.
    listeners: usize,
}

/// Which part of the log was written when, as far back as a replica has not acknowledged it.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Up to which offset the log went by which moment; both ascend.
    samples: VecDeque<(Offset, Moment)>,
    /// Milliseconds between two samples, doubled when there are too many.
    step_ms: u64,
}

impl Written {
    fn note(&mut self, end: Offset, now: Moment) {
        match self.samples.back_mut() {
            Some((last, _)) if *last >= end => return,
            Some((last, at)) if now.ms_since(*at) < self.step_ms.max(1) => *last = end,
            _ => self.samples.push_back((end, now)),
        }
        if self.samples.len() > MAX_SAMPLES {
            self.coarsen();
        }
    }

    /// Joins neighbours: what was written in either counts from the earlier moment.
    fn coarsen(&mut self) {
        let all: Vec<_> = self.samples.drain(..).collect();
        let join = |pair: &[(Offset, Moment)]| pair.last().map(|(end, _)| (*end, pair[0].1));
        self.samples.extend(all.chunks(2).filter_map(join));
        self.step_ms = self.step_ms.max(1) * 2;
    }

    fn forget(&mut self, acked: Offset) {
        while self.samples.front().is_some_and(|(end, _)| *end <= acked) {
            self.samples.pop_front();
        }
        if self.samples.is_empty() {
            self.step_ms = 1;
        }
    }

    /// When the first byte behind `offset` was written.
    fn since(&self, offset: Offset) -> Option<Moment> {
        let index = self.samples.partition_point(|(end, _)| *end <= offset);
        self.samples.get(index).map(|(_, at)| *at)
    }
}

impl Replica {
    /// Whether it listens to the primary's clock.
    fn listens(&self) -> bool {
        self.is_online() && self.profile.speaks_dialect
    }
}

impl Replicas {
    /// For how long what a replica has not acknowledged has been in the log, in milliseconds; 0 if it has
    /// acknowledged everything.
    pub fn lag_ms(&self, now: Moment, replica: &Replica) -> u64 {
        let Some(since) = self.written.since(replica.acked) else { return 0 };
        if replica.is_online() { now.ms_since(since) } else { 0 }
    }

    /// How often the replicas of this node want to hear the primary's clock, in milliseconds.
    pub fn wanted_beat(&self) -> Option<u64> {
        let wanted = self.replicas.values().filter(|replica| replica.listens());
        wanted.filter_map(|replica| replica.profile.beat_ms).min()
    }

    /// Notes what was written in this turn, and when.
    pub(super) fn note_written(&mut self, turn: Turn<'_>) {
        let Some(acked) = self.online().map(|replica| replica.acked).min() else {
            self.written = Written::default();
            return;
        };
        self.written.note(turn.log.end(), turn.now);
        self.written.forget(acked);
    }

    /// Whether a replica has come online that listens: it has missed what the others were told.
    pub(super) fn has_new_listener(&self) -> bool {
        self.listeners() > self.heartbeat.listeners
    }

    fn listeners(&self) -> usize {
        self.replicas.values().filter(|replica| replica.listens()).count()
    }

    pub(super) fn write_clock(&mut self, turn: Turn<'_>, pinged: bool, actions: &mut Vec<Action>) {
        let is_new = self.has_new_listener();
        self.heartbeat.listeners = self.listeners();
        if self.heartbeat.listeners == 0 {
            return;
        }
        let quiet = *self.heartbeat.quiet.get_or_insert(turn.log.end());
        self.heartbeat.moved = quiet != turn.log.end();
        let due = self.clock_deadline().is_some_and(|due| due <= turn.now);
        if is_new || pinged || due {
            self.heartbeat.last = Some(turn.now);
            self.heartbeat.quiet = None;
            self.heartbeat.moved = false;
            actions.push(Action::AppendClock);
        }
    }

    pub(super) fn clock_deadline(&self) -> Option<Moment> {
        let last = self.heartbeat.last.filter(|_| self.heartbeat.listeners > 0)?;
        match self.wanted_beat() {
            Some(wanted) => Some(last.after_ms(wanted.clamp(LEAST_PERIOD_MS, PERIOD_MS))),
            None => self.heartbeat.moved.then(|| last.after_ms(PERIOD_MS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_counts_from_when_it_was_written() {
        let mut written = Written::default();
        for (end, at) in [(100, 10), (100, 20), (150, 30), (160, 30), (200, 50)] {
            written.note(Offset(end), Moment(at));
        }
        let since = |written: &Written, offset| written.since(Offset(offset)).map(|at| at.0);
        assert_eq!(
            [0, 99, 100, 159, 160, 199, 200].map(|o| since(&written, o)),
            [Some(10), Some(10), Some(30), Some(30), Some(50), Some(50), None]
        );
        written.forget(Offset(155));
        assert_eq!(since(&written, 155), Some(30));
    }

    #[test]
    fn samples_are_bounded_and_err_on_the_old_side() {
        let mut written = Written::default();
        (1..=5000).for_each(|n| written.note(Offset(n), Moment(n)));
        assert!(written.samples.len() <= MAX_SAMPLES);
        for offset in 0..5000 {
            let at = written.since(Offset(offset)).unwrap().0;
            assert!(at <= offset + 1 && offset - at.min(offset) < 2 * written.step_ms, "{offset} {at}");
        }
        assert_eq!(written.step_ms, 8);
    }
}

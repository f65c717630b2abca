//! What of the log is handed to the writer, and when.
//!
//! While writes come in a row that is every 2 ms or 512 KiB, as it is for replicas: one large write costs less than
//! many small ones. The first write after a pause goes at once, and so does each turn's under `appendfsync always`.
//! A change of the history's name goes to its place between the bytes.

use slipstream_aof::At;
use slipstream_log::{History, Log, Offset, Slice};
use slipstream_replication::Moment;

use super::{Aof, Order, Turn};
use crate::config::AppendFsync;

/// Microseconds between two times in a row.
const PACE: u64 = 2000;

/// Bytes that do not wait.
const ENOUGH: u64 = 512 << 10;

impl Turn<'_> {
    /// What says in the file where the log stands.
    pub(super) fn head(&self) -> Vec<u8> {
        self.head_at(self.log.end())
    }

    /// What says so at an earlier place of the same history.
    pub(super) fn head_at(&self, offset: Offset) -> Vec<u8> {
        let earlier = (offset < self.log.end()).then(|| self.propagation.selected_at(offset)).flatten();
        let at = At { offset, history: *self.log.history(), database: earlier.unwrap_or(self.database) };
        let mut head = Vec::new();
        at.encode(&mut head);
        head
    }
}

impl Aof {
    /// Hands over what was appended to the log, if it is time to.
    pub(crate) fn feed(&mut self, turn: Turn<'_>, is_urgent: bool) {
        if !self.has_file() || self.is_broken_off(turn.log) {
            return;
        }
        if self.cursor.history != Some(*turn.log.history()) {
            self.note_history(turn);
        }
        let fresh = turn.log.end().since(self.cursor.end);
        let is_urgent = is_urgent || self.policy == Some(AppendFsync::Always);
        let now = turn.clock.micros;
        // What is held back must be in memory still.
        let enough = ENOUGH.min(turn.log.backlog_size());
        if fresh == 0 || !is_urgent && fresh < enough && now.saturating_sub(self.cursor.at) < PACE {
            return;
        }
        self.cursor.at = now;
        self.hand_over(turn, turn.log.end());
    }

    /// The process ends: hands over all, and says that this is the end of it.
    pub(crate) fn finish(&mut self, turn: Turn<'_>) {
        self.feed(turn, true);
        let mut end = Vec::new();
        if self.is_on() && !self.is_broken_off(turn.log) {
            slipstream_aof::encode_end(&mut end, turn.log.end());
        }
        self.orders.push(Order::Finish(end));
    }

    /// When what is held back is to be handed over.
    pub(crate) fn feed_deadline(&self, log: &Log) -> Option<Moment> {
        let waits = self.has_file() && log.end() > self.cursor.end;
        waits.then(|| Moment((self.cursor.at + PACE).div_ceil(1000)))
    }

    /// Whether what the log has now does not go on from what was handed over.
    pub(super) fn is_broken_off(&self, log: &Log) -> bool {
        self.has_file()
            && (log.breaks() != self.cursor.breaks || self.fork(log.history(), log.end()).is_none())
    }

    /// Up to where the history that the file names is that of the log, of what was not handed over yet.
    fn fork(&self, history: &History, end: Offset) -> Option<Offset> {
        let known = self.cursor.history?;
        match history.previous {
            _ if history.id == known.id => Some(end),
            Some((id, fork)) if id == known.id && fork >= self.cursor.end => Some(fork),
            _ => None,
        }
    }

    fn note_history(&mut self, turn: Turn<'_>) {
        let history = *turn.log.history();
        let Some(fork) = self.fork(&history, turn.log.end()) else { return };
        self.hand_over(turn, fork);
        let mut head = Vec::new();
        let database = turn.propagation.selected_at(fork).unwrap_or(turn.database);
        At { offset: fork, history, database }.encode(&mut head);
        self.orders.push(Order::Note(head));
        self.cursor.history = Some(history);
    }

    fn hand_over(&mut self, turn: Turn<'_>, end: Offset) {
        if end <= self.cursor.end {
            return;
        }
        let slices = turn.log.slices_from(self.cursor.end).expect("the log keeps what is not handed over");
        let blocks: Vec<Slice> =
            slices.take_while(|block| block.start() < end).map(|block| block.up_to(end)).collect();
        let timestamp = self.timestamp(turn);
        let replies = self.holds.iter().rev().take_while(|(offset, _)| *offset > self.cursor.end).count();
        let held = self.holds.len();
        self.cursor.end = end;
        self.orders.push(Order::Append { blocks, timestamp, replies, held });
    }

    fn timestamp(&mut self, turn: Turn<'_>) -> Option<i64> {
        let seconds = turn.clock.unix_micros.div_euclid(1_000_000);
        if !turn.config.aof_timestamp_enabled || seconds <= self.noted_at {
            return None;
        }
        self.noted_at = seconds;
        Some(seconds)
    }
}

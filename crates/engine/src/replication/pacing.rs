//! Writers at the pace of the links (`repl-pacing`): what the replicas' machine decides, put into effect.
//!
//! A write beyond the limit of the moment is held back like one under CLIENT PAUSE, and taken up again a
//! millisecond later. Reads and other clients go on; nothing is refused.

use slipstream_log::Offset;

use crate::command::flag;
use crate::node::Core;

/// What the pace of the links does to writers.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    /// Up to where the log may grow for now.
    limit: Option<Offset>,
    /// Bytes of the log per second that writers are held to.
    pub(crate) rate: u64,
    /// Since when, on the clock of the process in microseconds, a write has been held back.
    held_since: Option<u64>,
    /// Microseconds in which writes were held back.
    pub(crate) held_micros: u64,
}

impl Pacing {
    /// Whether a command with these flags has to wait where the log ends there.
    #[inline]
    pub(crate) fn holds(&self, flags: u32, end: Offset) -> bool {
        self.limit.is_some_and(|limit| flags & flag::WRITE != 0 && end >= limit)
    }
}

impl Core {
    /// Whether a command with these flags has to wait until the links can carry more.
    #[inline]
    pub(crate) fn is_paced(&mut self, flags: u32) -> bool {
        let waits = self.replication.pacing.holds(flags, self.log.end());
        if waits {
            let now = self.clock.micros;
            self.replication.pacing.held_since.get_or_insert(now);
        }
        waits
    }

    /// Takes over the limit of this moment.
    pub(crate) fn keep_pace(&mut self) {
        let pace = self.replication.replicas.pace();
        let pacing = &mut self.replication.pacing;
        let has_moved = pace.map(|pace| pace.limit) != pacing.limit;
        if has_moved && let Some(since) = pacing.held_since.take() {
            pacing.held_micros += self.clock.micros.saturating_sub(since);
        }
        if pacing.rate == 0 && pace.is_some() {
            let text = "A replica takes less than is written: writes are slowed to its pace (repl-pacing)";
            self.notice(slipstream_replication::Level::Warning, text);
        }
        let pacing = &mut self.replication.pacing;
        pacing.rate = pace.map_or(0, |pace| pace.rate);
        pacing.limit = pace.map(|pace| pace.limit);
    }
}

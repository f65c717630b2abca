//! A snapshot that was received in a full sync becomes the base, without being written again.
//!
//! It is the data where the stream joins it, and the log has all from there on: the increment begins there, however
//! far the log is by then. Only what any server of the family could load is kept; what nodes of this project send each
//! other is not, and a base is made of the data then.

use slipstream_aof::{BaseFormat, temporary_name};
use slipstream_log::{Offset, ReplicationId};
use slipstream_replication::Level;

use super::rewriting::Rewrite;
use super::{Aof, Order, Phase, Turn};

/// What is kept of the full sync of this number, in the folder of the append-only file.
pub fn received_name(number: u64) -> String {
    temporary_name(&format!("sync-{number}.rdb"))
}

/// A snapshot on disk.
#[derive(Debug)]
pub(super) struct Received {
    name: String,
    size: u64,
    history: ReplicationId,
    /// Where the stream joins it.
    offset: Offset,
    /// What the log counted of breaks then.
    breaks: u64,
}

impl Aof {
    /// The data is that of the full sync of this number, of which so many bytes are kept.
    pub(super) fn take_received(&mut self, turn: Turn<'_>, number: u64, size: u64) {
        self.give_up_received();
        self.received = Some(Received {
            name: received_name(number),
            size,
            history: turn.log.history().id,
            offset: turn.log.end(),
            breaks: turn.log.breaks(),
        });
    }

    /// The full sync of this number brought nothing that is of use.
    pub(super) fn remove_received(&mut self, number: u64) {
        self.orders.push(Order::Remove { names: vec![received_name(number)], manifest: None });
    }

    pub(super) fn give_up_received(&mut self) {
        if let Some(received) = self.received.take() {
            self.orders.push(Order::Remove { names: vec![received.name], manifest: None });
        }
    }

    /// Makes what was received the base, if the data goes on from it; whether it does.
    pub(super) fn begin_received(&mut self, turn: Turn<'_>) -> bool {
        let Some(received) = self.received.take() else { return false };
        let goes_on = received.breaks == turn.log.breaks() && received.history == turn.log.history().id;
        let is_held = turn.log.start() <= received.offset;
        if !matches!(self.phase, Phase::Pending) || !goes_on || !is_held {
            self.received = Some(received);
            self.give_up_received();
            return false;
        }
        self.retry_at = None;
        self.is_scheduled = false;
        let base = self.manifest.next_base(&turn.config.appendfilename, BaseFormat::Rdb, self.used.0);
        self.used.0 = base.sequence;
        let increment = self.next_increment_at(turn, received.offset);
        self.begin_file_at(turn, received.offset, increment.file.name.clone(), None);
        let base = (base, received.name, received.size);
        self.phase = Phase::Starting(Rewrite::received(self.number, turn.clock, base, increment));
        let text = "The snapshot from master becomes the base of the append only file".to_owned();
        self.notices.push((Level::Notice, text));
        true
    }
}

//! Replicas of this node: streams to the feeder, snapshots to those that need one.
//!
//! A socket that a full sync borrows is not written to. One whose stream flows is the feeder's: the session stays
//! here, and what the feeder tells of it comes in with the next turn.

use std::time::Duration;

use slipstream_engine::{SessionId, SyncOrder};
use slipstream_log::Offset;

use super::EventLoop;
use crate::feeder::News;
use crate::jobs::{self, SendOptions};

/// A replica whose stream is to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) replica: SessionId,
    pub(super) from: Offset,
    pub(super) batch: bool,
}

/// Replicas of this node.
impl EventLoop {
    /// Starts the streams that can start, and hands the feeder what was written to the log.
    pub(super) fn feed_replicas(&mut self) {
        for start in std::mem::take(&mut self.starting) {
            if !self.start_stream(start) {
                self.starting.push(start);
            }
        }
        let urgent = self.node.awaits_acks();
        self.feeder.hand_over(&self.node.core.log, urgent);
    }

    /// Gives the socket of a replica to the feeder, once what comes before the stream is sent and no request is
    /// left half read; whether that is settled.
    fn start_stream(&mut self, start: Start) -> bool {
        let id = start.replica;
        self.flush(id);
        if self.lent.contains(&id) {
            return false;
        }
        let Some(session) = self.node.core.sessions.get(id) else { return true };
        if !session.output.is_empty() || !session.is_between_requests() {
            return false;
        }
        let Some(mut connection) = self.connections.remove(&id) else { return true };
        self.unread.remove(&id);
        // Its thread watches it from now on, whatever this registry says.
        connection.socket.deregister(self.poll.registry()).ok();
        if start.batch {
            // A stream that is not batched is only less thrifty.
            connection.socket.set_nodelay(false).ok();
        }
        self.feeder.attach(id, connection.socket, start.from, &self.node.core.log);
        true
    }

    /// Takes up what the feeder has to tell.
    pub(super) fn take_news(&mut self) {
        let Some(News { sent, acks, other, closed, .. }) = self.feeder.take_news() else { return };
        for (id, offset) in sent {
            self.node.replica_sent(id, offset);
        }
        for (id, bytes) in other {
            if self.feeder.serves(id) {
                self.node.receive(id, &bytes);
            }
        }
        for (id, ack) in acks {
            self.node.replica_acked(id, ack);
        }
        for id in closed {
            self.drop_connection(id);
        }
    }

    pub(super) fn send_snapshot(&mut self, order: Box<SyncOrder>) {
        let mut sockets = Vec::new();
        for id in order.replicas.clone() {
            self.flush(id);
            if self.node.core.sessions.get(id).is_some_and(|session| !session.output.is_empty()) {
                self.node.sync_sent(id, Err("it does not even read the answer to its request".into()));
                continue;
            }
            match self.connections.get(&id).map(|connection| connection.socket.duplicate()) {
                Some(Ok(socket)) => {
                    self.lent.push(id);
                    sockets.push((id, socket));
                }
                Some(Err(error)) => self.node.sync_sent(id, Err(error.to_string())),
                None => self.node.sync_sent(id, Err("it disconnected".into())),
            }
        }
        let config = &self.node.core.config;
        let timeout = Duration::from_secs(config.repl_timeout.into());
        let options = SendOptions { compress: config.rdbcompression, checksum: config.rdbchecksum, timeout };
        if !sockets.is_empty() {
            jobs::send_snapshot(self.reporter.clone(), order, sockets, options);
        }
    }
}

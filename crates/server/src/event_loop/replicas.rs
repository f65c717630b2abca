//! Replicas of this node: the log's blocks to their sockets, and snapshots to those that need one.
//!
//! Blocks are written from the memory they lie in. A socket that a full sync borrows is not written to.

use std::io::{ErrorKind, IoSlice, Write};
use std::time::Duration;

use slipstream_engine::{SessionId, SyncOrder};

use super::EventLoop;
use crate::jobs::{self, SendOptions};

/// Log blocks handed to one write.
const MAX_SLICES: usize = 64;

/// Replicas of this node.
impl EventLoop {
    /// Hands each replica the log blocks it has not got, from the memory they lie in.
    pub(super) fn feed_replicas(&mut self) {
        for id in self.node.streaming_replicas() {
            self.feed(id);
        }
    }

    pub(super) fn feed(&mut self, id: SessionId) {
        // Replies (+CONTINUE) go before the stream.
        self.flush(id);
        if self.node.core.sessions.get(id).is_none_or(|session| !session.output.is_empty()) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        while connection.writable {
            let blocks = self.node.replica_blocks(id, MAX_SLICES);
            if blocks.is_empty() {
                return;
            }
            let slices: Vec<IoSlice<'_>> = blocks.iter().map(|block| IoSlice::new(block)).collect();
            match connection.socket.write_vectored(&slices) {
                Ok(count) => self.node.replica_took(id, count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.drop_connection(id),
            }
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

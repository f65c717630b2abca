//! Replicas of this node: streams to the feeder, snapshots to those that need one.
//!
//! A socket that a full sync borrows is not written to. One whose stream flows is the feeder's, until the stream ends
//! or the socket does: the session stays here, and what the feeder tells of it comes in with the next turn.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use slipstream_engine::config::Compression;
use slipstream_engine::{SessionId, SyncOrder};
use slipstream_log::{Offset, Slice};
use slipstream_replication::replicas::Framing;

use super::EventLoop;
use crate::feeder::{News, Returned};
use crate::jobs;
use crate::spool::{Bounds, Spool, Way};
use crate::sync_send::{EncodeOptions, Outlet};

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
        self.feeder.follow(&self.node.core.log);
        let urgent = self.node.awaits_acks();
        if urgent || self.node.core.sessions.has_marked() {
            self.send_ahead();
        }
        if let Some((id, offset)) = self.feeder.take_sent_ahead() {
            self.node.replica_sent(id, offset);
        }
        self.feeder.hand_over(&self.node.core.log, urgent);
    }

    /// Before replies leave, one replica's socket has what they tell of.
    pub(super) fn send_ahead(&mut self) {
        if let Some(log) = self.node.core.sent_ahead() {
            self.feeder.send_ahead(log);
        }
    }

    /// Gives the socket of a replica to the feeder, once what comes before the stream is sent and no request is
    /// left half read; whether that is settled.
    fn start_stream(&mut self, start: Start) -> bool {
        let id = start.replica;
        self.flush(id);
        if self.net.borrow().is_lent(id) {
            return false;
        }
        let Some(session) = self.node.core.sessions.get(id) else { return true };
        if !session.output.is_empty() || !session.is_between_requests() {
            return false;
        }
        let Some(connection) = self.net.borrow_mut().remove(id) else { return true };
        if start.batch {
            // A stream that is not batched is only less thrifty.
            connection.socket.set_nodelay(false).ok();
        }
        self.feeder.attach(id, connection.socket, start.from, &self.node.core.log);
        true
    }

    /// Has the feeder send the rest of a stream and give the socket back. One whose stream was still to begin has its
    /// socket here.
    pub(super) fn end_stream(&mut self, id: SessionId, rest: Vec<Slice>, end: Offset) {
        let waiting = self.starting.iter().position(|start| start.replica == id);
        match waiting.map(|at| self.starting.swap_remove(at)) {
            Some(start) => self.node.stream_ended(id, start.from),
            None => self.feeder.end(id, rest, end),
        }
    }

    /// A socket is back from the feeder: its session goes on as any client's.
    fn take_back(&mut self, id: SessionId, Returned { socket, end }: Returned) {
        if !self.feeder.gave_back(id) {
            return;
        }
        // What goes to and fro now are single requests.
        let ready = socket.set_nodelay(true).and_then(|()| self.net.borrow_mut().add(id, socket));
        match ready {
            Ok(()) => self.node.stream_ended(id, end),
            Err(_) => self.node.closed(id),
        }
    }

    /// Takes up what the feeder has to tell.
    pub(super) fn take_news(&mut self) {
        let Some(News { sent, acks, other, closed, returned, .. }) = self.feeder.take_news() else { return };
        for (id, offset) in sent {
            self.node.replica_sent(id, offset);
        }
        for (id, bytes) in other {
            if self.feeder.serves(id) {
                self.node.receive(id, &bytes);
            }
        }
        for (id, acks) in acks {
            self.node.replica_acked(id, acks.newest);
            self.feeder.heard(id);
            self.node.count_acks(id, acks.requests, acks.bytes);
        }
        for id in closed {
            self.drop_connection(id);
        }
        for (id, socket) in returned {
            self.take_back(id, socket);
        }
    }

    pub(super) fn start_sync(&mut self, order: Box<SyncOrder>) {
        let config = &self.node.core.config;
        let way = if config.repl_diskless_sync { Way::Straight } else { Way::ThroughFile };
        let framed = order.framed.is_some();
        let spool = Arc::new(Spool::new(way, Bounds::default(), jobs::full_path(".")).framed(framed));
        let job = order.job;
        self.spools.insert(job, Arc::clone(&spool));
        let options = EncodeOptions {
            compress: config.rdbcompression,
            checksum: config.rdbchecksum,
            key_delay: self.save_delay.clone(),
        };
        if let Err(error) = jobs::encode_sync(self.reporter.clone(), order, spool, options) {
            self.reporter.sync_encoded(job, Err(format!("no thread for it: {error}")));
        }
    }

    pub(super) fn join_sync(&mut self, job: u64, id: SessionId, framing: Framing) {
        let spool = self.spools.get(&job).cloned().ok_or_else(|| "the snapshot was given up".to_owned());
        match spool.and_then(|spool| Ok((spool, self.lend(id)?))) {
            Ok((spool, socket)) => {
                let timeout = Duration::from_secs(self.node.core.config.repl_timeout.into());
                let packs = self.node.core.config.repl_compression == Compression::Auto;
                let outlet = Outlet::new(id, socket, timeout, self.reporter.clone());
                let outlet = outlet.packing(packs && spool.is_framed());
                if let Err(error) = jobs::send_sync(outlet, &spool, framing) {
                    self.reporter.sync_sent(id, Err(format!("no thread for it: {error}")));
                }
            }
            Err(reason) => self.node.sync_sent(id, Err(reason)),
        }
    }

    pub(super) fn seal_sync(&mut self, job: u64) {
        if let Some(spool) = self.spools.get(&job) {
            spool.seal();
        }
    }

    pub(super) fn end_sync(&mut self, job: u64) {
        if let Some(spool) = self.spools.remove(&job) {
            spool.cancel();
        }
    }

    /// A second handle to a replica's socket, which the loop leaves alone from now on.
    fn lend(&mut self, id: SessionId) -> Result<TcpStream, String> {
        self.flush(id);
        if self.node.core.sessions.get(id).is_some_and(|session| !session.output.is_empty()) {
            return Err("it does not even read the answer to its request".into());
        }
        let mut net = self.net.borrow_mut();
        let connection = net.connection(id).ok_or("it disconnected")?;
        let socket = connection.socket.duplicate().map_err(|error| error.to_string())?;
        net.lend(id);
        Ok(socket)
    }
}

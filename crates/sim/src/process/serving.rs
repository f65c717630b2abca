//! Clients and replicas of a machine: connections that come in, replies and streams that go out.
//!
//! A replica whose stream flows is fed as the server's feeder does it: from its cursor on, as far as its
//! connection takes bytes, and what it sends is sorted before the node gets it.

use std::collections::VecDeque;

use slipstream_engine::{Endpoint, Flow, Phase, SessionId};
use slipstream_log::{Offset, Slice};
use slipstream_replication::replicas::{Heard, Hearing};

use super::{Process, address, send_over};
use crate::environment::Environment;
use crate::network::{Place, Side, WireId};

/// A replica whose stream flows, as the server's feeder has it.
#[derive(Debug)]
pub(super) struct Stream {
    cursor: Offset,
    hearing: Hearing,
    supply: Supply,
    /// What is left of it if it ends, and where it does.
    ending: Option<(Vec<Slice>, Offset)>,
}

/// Blocks from disk, for a replica whose cursor is not in memory any more.
#[derive(Debug)]
enum Supply {
    /// None was asked for.
    None,
    /// They are being read.
    Asked,
    /// They are here, to be sent.
    Here(VecDeque<Slice>),
}

/// Clients and replicas of this node.
impl Process {
    /// A place that asked for a connection gets one.
    pub(crate) fn accept(&mut self, env: &mut Environment, from: Place) -> Option<WireId> {
        let ip = match from {
            Place::Node(index) => address(index),
            Place::Client(index) => address(100 + index),
        };
        let (own, port) = (address(self.index), self.config.port);
        let mut accepted = None;
        self.turn(env, |node| {
            let session = node.accept(Endpoint::Tcp(ip, 40_000), Endpoint::Tcp(own, port), 8);
            accepted = Some(session.expect("a world has few connections"));
        });
        let session = accepted?;
        let wire = env.network.open(from, self.place());
        self.sessions.insert(session, wire);
        self.callers.insert(wire, session);
        Some(wire)
    }

    /// A client sent something.
    pub(crate) fn received(&mut self, env: &mut Environment, wire: WireId, bytes: &[u8]) {
        let Some(session) = self.callers.get(&wire).copied() else { return };
        if self.streams.contains_key(&session) {
            return self.heard(env, session, bytes);
        }
        self.turn(env, |node| node.receive(session, bytes));
    }

    /// A client's connection has ended.
    pub(crate) fn ended(&mut self, env: &mut Environment, wire: WireId) {
        let Some(session) = self.callers.get(&wire).copied() else { return };
        if let Some(node) = &mut self.node {
            node.begin_turn();
        }
        self.left.insert(session);
        self.drop_session(env, session);
        self.settle(env);
    }

    /// A client's connection has room again.
    pub(crate) fn writable(&mut self, env: &mut Environment, wire: WireId) {
        if self.link.as_ref().is_some_and(|link| link.wire == wire) {
            return self.link_send(env, &[]);
        }
        if self.is_side(wire) {
            return send_over(&mut self.side, env, &[]);
        }
        if let Some(line) = self.line_at(wire) {
            return self.send_line(env, line, &[]);
        }
        let Some(session) = self.callers.get(&wire).copied() else { return };
        self.turn(env, |node| node.core.sessions.mark(session));
    }

    pub(super) fn drop_session(&mut self, env: &mut Environment, id: SessionId) {
        let Some(wire) = self.sessions.remove(&id) else { return };
        self.callers.remove(&wire);
        self.starting.remove(&id);
        self.streams.remove(&id);
        env.network.close(wire, Side::Server);
        if let Some(node) = &mut self.node {
            node.closed(id);
        }
    }

    pub(super) fn flush_marked(&mut self, env: &mut Environment) {
        let Some(node) = &mut self.node else { return };
        for id in node.core.sessions.take_marked() {
            self.flush(env, id);
        }
    }

    pub(crate) fn flush(&mut self, env: &mut Environment, id: SessionId) {
        let (Some(node), Some(wire)) = (&mut self.node, self.sessions.get(&id)) else { return };
        let Some(session) = node.core.sessions.get_mut(id) else { return };
        if self.outgoing.contains_key(&id) {
            return;
        }
        if !session.sendable().is_empty() {
            let count = env.network.write(*wire, Side::Server, session.sendable());
            session.output.consume(count);
        }
        if session.flow == Flow::Closing && session.output.is_empty() {
            self.drop_session(env, id);
        }
    }

    /// The rest of a stream is to be sent. One that was still to begin has none.
    pub(super) fn end_stream(&mut self, id: SessionId, rest: Vec<Slice>, end: Offset) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ending = Some((rest, end));
        } else if let (Some(from), Some(node)) = (self.starting.remove(&id), &mut self.node) {
            node.stream_ended(id, from);
        }
    }

    /// Whether a stream has ended with this.
    pub(super) fn feed_replicas(&mut self, env: &mut Environment) -> bool {
        for (id, from) in std::mem::take(&mut self.starting) {
            if !self.start_stream(env, id, from) {
                self.starting.insert(id, from);
            }
        }
        let mut has_ended = false;
        for id in self.streams.keys().copied().collect::<Vec<_>>() {
            match self.streams.get_mut(&id).and_then(|stream| stream.ending.take()) {
                None => self.feed(env, id),
                Some(rest) => has_ended |= self.feed_rest(env, id, rest),
            }
        }
        has_ended
    }

    /// Sends what is left of a stream that ends; whether that is all sent, and the session's are the bytes again.
    fn feed_rest(&mut self, env: &mut Environment, id: SessionId, (rest, end): (Vec<Slice>, Offset)) -> bool {
        let (Some(node), Some(wire)) = (&mut self.node, self.sessions.get(&id)) else { return false };
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        stream.write(env, *wire, rest.iter().cloned());
        node.replica_sent(id, stream.cursor);
        if stream.cursor < end {
            stream.ending = Some((rest, end));
            return false;
        }
        let Some(Stream { hearing, cursor, .. }) = self.streams.remove(&id) else { return false };
        node.receive(id, &hearing.into_rest());
        node.stream_ended(id, cursor);
        true
    }

    /// The stream begins once what comes before it is sent and no request is half read; whether that is settled.
    fn start_stream(&mut self, env: &mut Environment, id: SessionId, from: Offset) -> bool {
        self.flush(env, id);
        let Some(session) = self.node.as_ref().and_then(|node| node.core.sessions.get(id)) else {
            return true;
        };
        if self.outgoing.contains_key(&id) || !session.output.is_empty() || !session.is_between_requests() {
            return false;
        }
        self.streams.insert(
            id,
            Stream { cursor: from, hearing: Hearing::default(), supply: Supply::None, ending: None },
        );
        true
    }

    fn feed(&mut self, env: &mut Environment, id: SessionId) {
        let (Some(node), Some(wire)) = (&mut self.node, self.sessions.get(&id)) else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let before = stream.cursor;
        if before >= node.core.log.start() {
            stream.supply = Supply::None;
            stream.write(env, *wire, node.core.log.slices_from(before).into_iter().flatten());
        } else if let Supply::Here(blocks) = &mut stream.supply {
            let blocks = std::mem::take(blocks);
            stream.write(env, *wire, blocks.iter().cloned());
            let has_more = blocks.back().is_some_and(|last| stream.cursor < last.end());
            stream.supply = if has_more { Supply::Here(blocks) } else { Supply::None };
        }
        let cursor = stream.cursor;
        let wants_supply = cursor < node.core.log.start() && matches!(stream.supply, Supply::None);
        if wants_supply {
            stream.supply = Supply::Asked;
        }
        if cursor != before {
            node.replica_sent(id, cursor);
        }
        if wants_supply {
            self.ask_disk(env, id);
        }
    }

    /// How far the stream of a replica is.
    pub(super) fn cursor_of(&self, id: SessionId) -> Option<Offset> {
        self.streams.get(&id).map(|stream| stream.cursor)
    }

    /// What was read from disk for a replica. If that is nothing, the log does not reach so far back.
    pub(super) fn supply(&mut self, env: &mut Environment, id: SessionId, blocks: VecDeque<Slice>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let reaches = !blocks.is_empty();
        stream.supply = Supply::Here(blocks);
        if let Some(node) = &mut self.node {
            node.begin_turn();
        }
        let is_needed =
            self.node.as_ref().is_some_and(|node| self.cursor_of(id) < Some(node.core.log.start()));
        if !reaches && is_needed {
            self.drop_session(env, id);
        }
        self.settle(env);
    }

    /// What a replica sends while its stream flows.
    fn heard(&mut self, env: &mut Environment, id: SessionId, bytes: &[u8]) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let mut all = Vec::new();
        stream.hearing.hear(bytes, |heard| all.push(heard));
        self.turn(env, |node| {
            for heard in all {
                match heard {
                    Heard::Ack(ack, _) => node.replica_acked(id, ack),
                    Heard::Other(bytes) => node.receive(id, &bytes),
                }
            }
        });
    }

    /// Whether a connection is one that this node has accepted and not closed.
    pub fn serves(&self, wire: WireId) -> bool {
        self.callers.contains_key(&wire)
    }

    /// Whether it takes commands.
    pub fn is_serving(&self, now: u64) -> bool {
        self.stalled_until <= now && self.node.as_ref().is_some_and(|node| node.core.phase == Phase::Serving)
    }

    /// Where the session of a connection wrote last, unless a change of role has made it forget that.
    pub(crate) fn last_write(&self, wire: WireId) -> Option<Offset> {
        let session = self.callers.get(&wire)?;
        self.node
            .as_ref()?
            .core
            .sessions
            .get(*session)
            .map(|session| session.last_write)
            .filter(|at| *at > Offset(0))
    }

    /// The connection of a session.
    pub(crate) fn wire_of(&self, id: SessionId) -> Option<WireId> {
        self.sessions.get(&id).copied()
    }
}

impl Stream {
    /// Writes what the connection takes of blocks that begin no later than where the stream is.
    fn write(&mut self, env: &mut Environment, wire: WireId, blocks: impl Iterator<Item = Slice>) {
        for block in blocks {
            if block.end() <= self.cursor {
                continue;
            }
            let skipped = usize::try_from(self.cursor.since(block.start())).expect("a block is small");
            let rest = &block[skipped..];
            let count = env.network.write(wire, Side::Server, rest);
            self.cursor = self.cursor.advanced(count);
            if count < rest.len() {
                break;
            }
        }
    }
}

//! The connections of a machine to its primary: the link, and a side connection during some full syncs.
//!
//! What the node asks its primary for is read as it goes out, so that the answer can be judged.

use slipstream_log::{Offset, ReplicationId};

use super::Process;
use crate::environment::{Environment, Event};
use crate::network::{Side, WireId};

/// The connection to the primary.
#[derive(Debug)]
pub struct Link {
    /// The connection.
    pub wire: WireId,
    /// What it asked its primary for, until that is answered.
    pub asked: Option<Asked>,
    unsent: Vec<u8>,
}

impl Link {
    /// A connection on which nothing was asked for yet.
    pub(super) fn to(wire: WireId) -> Link {
        Link { wire, asked: None, unsent: Vec::new() }
    }
}

/// PSYNC as a node sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// For everything.
    Snapshot,
    /// For the rest of a history.
    Continuation(ReplicationId, Offset),
}

impl Asked {
    /// Reads the request.
    fn parse(request: &[u8]) -> Option<Asked> {
        let mut words =
            request.strip_prefix(b"*3\r\n$5\r\nPSYNC\r\n")?.split(|byte| *byte == b'\n').skip(1).step_by(2);
        let id = words.next()?.trim_ascii_end();
        let next_byte = std::str::from_utf8(words.next()?.trim_ascii_end()).ok()?.parse().ok()?;
        Some(match ReplicationId::parse(id) {
            Some(id) => Asked::Continuation(id, Offset::from_next_byte(next_byte)?),
            None => Asked::Snapshot,
        })
    }
}

/// The link to the primary.
impl Process {
    pub(super) fn connect(&mut self, env: &mut Environment, number: u64, primary: usize) {
        self.close_link(env);
        self.connection = number;
        let (from, attempt) = (self.place(), self.attempt);
        env.after_delay(Event::Knock { from, attempt, to: primary });
    }

    /// The connection that was asked for stands.
    pub(crate) fn connected(&mut self, env: &mut Environment, attempt: u64, wire: WireId) {
        if self.is_sentinel() {
            return self.line_connected(env, attempt, wire);
        }
        if self.node.is_some() && attempt == self.side_attempt {
            self.side = Some(Link::to(wire));
            let number = self.side_connection;
            return self.turn(env, |node| node.side_connected(number));
        }
        if attempt != self.attempt || self.node.is_none() {
            return env.network.close(wire, Side::Caller);
        }
        self.link = Some(Link::to(wire));
        let number = self.connection;
        self.turn(env, |node| node.link_connected(number));
    }

    /// There will be none.
    pub(crate) fn refused(&mut self, env: &mut Environment, attempt: u64, is_answer: bool) {
        if self.is_sentinel() {
            self.line_refused(env, attempt, is_answer);
        } else if attempt == self.attempt {
            let number = self.connection;
            self.turn(env, |node| node.link_closed(number, "Connection refused"));
        } else if attempt == self.side_attempt {
            let number = self.side_connection;
            self.turn(env, |node| node.side_closed(number, "Connection refused"));
        }
    }

    /// The primary sent something.
    pub(crate) fn link_received(&mut self, env: &mut Environment, wire: WireId, bytes: &[u8]) {
        if self.is_link(wire) {
            let number = self.connection;
            self.turn(env, |node| node.link_received(number, bytes));
        } else if self.is_side(wire) {
            let number = self.side_connection;
            self.turn(env, |node| node.side_received(number, bytes));
        } else if let Some(line) = self.line_at(wire) {
            self.line_received(env, line, bytes);
        }
    }

    /// The connection to the primary has ended.
    pub(crate) fn link_ended(&mut self, env: &mut Environment, wire: WireId) {
        if self.is_link(wire) {
            self.close_link(env);
            let number = self.connection;
            self.turn(env, |node| node.link_closed(number, "the primary closed the connection"));
        } else if self.is_side(wire) {
            self.close_side(env);
            let number = self.side_connection;
            self.turn(env, |node| node.side_closed(number, "the primary closed the connection"));
        } else if let Some(line) = self.line_at(wire) {
            self.line_ended(env, line);
        }
    }

    fn is_link(&self, wire: WireId) -> bool {
        self.link.as_ref().is_some_and(|link| link.wire == wire)
    }

    pub(super) fn is_side(&self, wire: WireId) -> bool {
        self.side.as_ref().is_some_and(|side| side.wire == wire)
    }

    pub(super) fn connect_side(&mut self, env: &mut Environment, number: u64, primary: usize) {
        self.close_side(env);
        self.side_connection = number;
        let (from, attempt) = (self.place(), self.side_attempt);
        env.after_delay(Event::Knock { from, attempt, to: primary });
    }

    pub(super) fn close_side(&mut self, env: &mut Environment) {
        self.side_attempt = self.next_attempt();
        if let Some(side) = self.side.take() {
            env.network.close(side.wire, Side::Caller);
        }
    }

    /// Attempts are told apart by their number, whichever connection they are for.
    pub(super) fn next_attempt(&mut self) -> u64 {
        self.attempts += 1;
        self.attempts
    }

    pub(super) fn link_send(&mut self, env: &mut Environment, bytes: &[u8]) {
        let Some(link) = &mut self.link else { return };
        // What a main connection asks for in the midst of a full sync is not where the node stands.
        let asks = self.node.as_ref().is_some_and(|node| !node.core.replication.link.is_syncing());
        if let (true, Some(asked), Some(node)) = (asks, Asked::parse(bytes), &self.node) {
            crate::checker::check_request(node, asked);
            link.asked = Some(asked);
        }
        send_over(&mut self.link, env, bytes);
    }

    pub(super) fn read_link(&mut self, env: &mut Environment, reads: bool) {
        if let Some(link) = &self.link {
            env.network.set_reading(link.wire, Side::Caller, reads);
        }
    }

    pub(super) fn close_link(&mut self, env: &mut Environment) {
        self.attempt = self.next_attempt();
        if let Some(link) = self.link.take() {
            env.network.close(link.wire, Side::Caller);
        }
    }
}

pub(super) fn send_over(link: &mut Option<Link>, env: &mut Environment, bytes: &[u8]) {
    let Some(link) = link else { return };
    link.unsent.extend_from_slice(bytes);
    let count = env.network.write(link.wire, Side::Caller, &link.unsent);
    link.unsent.drain(..count);
}

//! Clients, turn by turn: accepting, reading requests, flushing replies.
//!
//! Replies of a session are written once per turn, behind the log to one replica; a socket lent to a full sync is left alone.

use slipstream_engine::{Flow, SessionId};

use super::EventLoop;
use crate::net::{Heard, Ready, Sent};

/// Listening and clients.
impl EventLoop {
    pub(super) fn take_rebound(&mut self) {
        let mut net = self.net.borrow_mut();
        let changed = std::mem::take(&mut net.listening.changed);
        if changed && let Err(error) = net.listen() {
            self.node.warn(&format!("The new listening sockets cannot be watched: {error}"));
        }
    }

    pub(super) fn accept(&mut self, index: usize) {
        let accepted = self.net.borrow_mut().accept(index, &mut self.node.door());
        if let Err(text) = accepted {
            self.node.warn(&text);
        }
    }

    pub(super) fn client_ready(&mut self, id: SessionId, ready: &Ready) {
        let (heard, has_room) = self.net.borrow_mut().read(id, ready, &mut self.buffer);
        if has_room {
            self.node.core.sessions.mark(id);
        }
        match heard {
            None => {}
            Some(Heard::Bytes(count)) => self.node.receive(id, &self.buffer[..count]),
            Some(Heard::End) => {
                // Its last requests may have run in this very turn.
                self.flush(id);
                self.drop_connection(id);
            }
            Some(Heard::Broken) => self.drop_connection(id),
        }
    }

    pub(super) fn drop_connection(&mut self, id: SessionId) {
        if self.net.borrow_mut().hang_up(id) || self.feeder.release(id) {
            self.node.closed(id);
        }
    }

    /// Sends the replies of every session that has some.
    pub(super) fn flush_marked(&mut self) {
        for id in self.node.core.sessions.take_marked() {
            self.flush(id);
        }
    }

    pub(super) fn flush(&mut self, id: SessionId) {
        self.send_ahead();
        let Some(session) = self.node.core.sessions.get_mut(id) else { return };
        let sent = self.net.borrow_mut().send(session);
        match sent {
            Sent::Bytes(bytes) => self.node.sent(bytes),
            Sent::Lent => {}
            Sent::Last(bytes) => {
                self.node.sent(bytes);
                self.drop_connection(id);
            }
            // A replica whose stream flows has no replies.
            Sent::Elsewhere if session.flow == Flow::Closing => self.drop_connection(id),
            Sent::Elsewhere => {}
        }
    }
}

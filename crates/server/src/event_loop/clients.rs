//! Listening sockets and clients: accepting, reading requests, flushing replies.
//!
//! Replies of a session are written once per turn; a socket lent to a full sync is left alone.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::{Interest, Token};
use slipstream_engine::{Flow, SessionId};

use super::{EventLoop, LISTENERS};
use crate::connection::{Connection, Socket};
use crate::listeners::Listener;

/// Connections accepted in one turn.
const MAX_ACCEPTS: usize = 1000;
/// When accepting failed, for want of descriptors as a rule, it is tried again after so long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Listening and clients.
impl EventLoop {
    pub(super) fn listen(&mut self) -> io::Result<()> {
        for (index, listener) in self.listening.borrow_mut().sockets.iter_mut().enumerate() {
            let token = Token(LISTENERS - index);
            let source: &mut dyn mio::event::Source = match listener {
                Listener::Tcp(socket) => socket,
                Listener::Unix(socket, _) => socket,
            };
            let registry = self.poll.registry();
            // A listener that stays changes its number only.
            registry
                .register(source, token, Interest::READABLE)
                .or_else(|_| registry.reregister(source, token, Interest::READABLE))?;
        }
        Ok(())
    }

    pub(super) fn take_rebound(&mut self) {
        let changed = std::mem::take(&mut self.listening.borrow_mut().changed);
        if changed && let Err(error) = self.listen() {
            self.node.warn(&format!("The new listening sockets cannot be watched: {error}"));
        }
    }

    pub(super) fn accept(&mut self, index: usize) {
        for _ in 0..MAX_ACCEPTS {
            let accepted = match self.listening.borrow().sockets.get(index) {
                None => return,
                Some(Listener::Tcp(listener)) => listener.accept().map(|(stream, _)| Socket::Tcp(stream)),
                Some(Listener::Unix(listener, _)) => {
                    listener.accept().map(|(stream, _)| Socket::Unix(stream))
                }
            };
            match accepted {
                Ok(socket) => self.add_connection(socket),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // That client has given up already; others wait behind it.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    self.accept_at = Some(Instant::now() + ACCEPT_RETRY);
                    return self.node.warn(&format!("Accepting client connection: {error}"));
                }
            }
        }
        self.accept_at = Some(Instant::now());
    }

    pub(super) fn add_connection(&mut self, mut socket: Socket) {
        if let Err(error) = socket.configure(&self.node.core.config) {
            return self.node.warn(&format!("Setting up a client's socket: {error}"));
        }
        let (peer, local) = socket.endpoints();
        match self.node.accept(peer, local, socket.descriptor()) {
            Ok(id) => {
                let number = usize::try_from(id.0).expect("sessions are counted from 1");
                match socket.register(self.poll.registry(), Token(number)) {
                    Ok(()) => {
                        self.connections.insert(id, Connection { id, socket, writable: true, ended: false });
                    }
                    Err(error) => {
                        self.node.warn(&format!("Watching a client's socket: {error}"));
                        self.node.closed(id);
                    }
                }
            }
            // A peer that does not even take this line is closed all the same.
            Err(refusal) => drop(socket.write_all(refusal.as_bytes())),
        }
    }

    pub(super) fn read_client(&mut self, id: SessionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.socket.read(&mut self.buffer) {
            Ok(0) => {
                // Its last requests may have run in this very turn.
                self.flush(id);
                self.drop_connection(id);
            }
            Ok(count) => {
                // The end is told once, together with what comes before it.
                if connection.ended || count == self.buffer.len() {
                    self.unread.insert(id);
                }
                self.node.receive(id, &self.buffer[..count]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.unread.insert(id);
            }
            Err(_) => self.drop_connection(id),
        }
    }

    pub(super) fn set_writable(&mut self, id: SessionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.writable
        {
            connection.writable = true;
            self.node.core.sessions.mark(id);
        }
    }

    pub(super) fn drop_connection(&mut self, id: SessionId) {
        if let Some(mut connection) = self.connections.remove(&id) {
            // The socket closes with its last handle whatever the registry says.
            connection.socket.deregister(self.poll.registry()).ok();
            if self.lent.contains(&id) {
                connection.socket.shut_down();
            }
            self.node.closed(id);
        } else if self.feeder.release(id) {
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
        let Some(session) = self.node.core.sessions.get_mut(id) else { return };
        let Some(connection) = self.connections.get_mut(&id) else {
            // A replica whose stream flows has no replies.
            if session.flow == Flow::Closing {
                self.drop_connection(id);
            }
            return;
        };
        if self.lent.contains(&id) {
            return;
        }
        let mut sent = 0;
        let mut broken = false;
        while !session.sendable().is_empty() && connection.writable {
            match connection.socket.write(session.sendable()) {
                Ok(count) => {
                    session.output.consume(count);
                    sent += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        let done = session.flow == Flow::Closing && session.output.is_empty();
        session.traffic.1 += sent;
        self.node.sent(sent);
        if broken || done {
            self.drop_connection(id);
        }
    }
}

//! The connections to this node's primary: opening, reading, writing, closing.
//!
//! There is one, and during a full sync perhaps a second one for the snapshot. Their events carry the
//! connection's number; the node hears none of an earlier connection.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;

use super::EventLoop;
use crate::connection::tcp_endpoints;
use crate::jobs::{self, Line, Route};
use crate::net::{LINK, SIDE};
use crate::sync_load::SyncLoad;

/// A connection to this node's primary.
struct LinkSocket {
    /// The node's number for it.
    number: u64,
    stream: TcpStream,
    unsent: Vec<u8>,
    /// Whether there may be more to read than was read.
    more: bool,
    /// Whether the primary sends no more.
    ended: bool,
    /// Whether nothing is to be read for now.
    paused: bool,
}

/// One of the two connections, and the attempt to open it.
#[derive(Default)]
struct Slot {
    socket: Option<LinkSocket>,
    /// The number of the connection that is being opened.
    connecting: Option<u64>,
}

/// Both.
#[derive(Default)]
pub(super) struct Lines {
    main: Slot,
    side: Slot,
}

impl Lines {
    fn slot(&mut self, line: Line) -> &mut Slot {
        match line {
            Line::Main => &mut self.main,
            Line::Side => &mut self.side,
        }
    }

    pub(super) fn wants_reading(&self, line: Line) -> bool {
        let slot = match line {
            Line::Main => &self.main,
            Line::Side => &self.side,
        };
        slot.socket.as_ref().is_some_and(|socket| socket.more && !socket.paused)
    }

    /// The primary sends no more over a connection, if `ended`.
    pub(super) fn note_end(&mut self, line: Line, ended: bool) {
        if let Some(socket) = &mut self.slot(line).socket {
            socket.ended |= ended;
        }
    }

    /// Over which connection a snapshot that begins now comes.
    pub(super) fn snapshot_line(&self) -> Line {
        if self.side.socket.is_some() { Line::Side } else { Line::Main }
    }
}

impl EventLoop {
    pub(super) fn connect(&mut self, line: Line, number: u64, host: String, port: u16) {
        self.close_link(line);
        self.lines.slot(line).connecting = Some(number);
        let config = &self.node.core.config;
        let timeout = Duration::from_secs(config.repl_timeout.into());
        let source = config.bind_source_addr.clone();
        let route = Route { target: (host, port), source, multipath: config.repl_mptcp, timeout };
        jobs::connect(self.reporter.clone(), (line, number), route);
    }

    pub(super) fn connected(&mut self, line: Line, number: u64, result: Result<std::net::TcpStream, String>) {
        if self.lines.slot(line).connecting.take_if(|connecting| *connecting == number).is_none() {
            return;
        }
        let stream =
            result.and_then(|stream| self.adopt_link(line, stream).map_err(|error| error.to_string()));
        match stream {
            Ok(stream) => {
                if line == Line::Main {
                    let (peer, local) = tcp_endpoints(&stream);
                    self.node.link_opened(peer, local, i64::from(stream.as_raw_fd()));
                }
                self.lines.slot(line).socket = Some(LinkSocket {
                    number,
                    stream,
                    unsent: Vec::new(),
                    more: true,
                    ended: false,
                    paused: false,
                });
                match line {
                    Line::Main => self.node.link_connected(number),
                    Line::Side => self.node.side_connected(number),
                }
            }
            Err(reason) => self.tell_closed(line, number, &reason),
        }
    }

    pub(super) fn adopt_link(&self, line: Line, stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut stream = TcpStream::from_std(stream);
        let token = if line == Line::Main { LINK } else { SIDE };
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.net.borrow().registry().register(&mut stream, token, interest)?;
        Ok(stream)
    }

    pub(super) fn link_ready(&mut self, line: Line, readable: bool, writable: bool) {
        if writable {
            self.link_send(line, &[]);
        }
        let Some(link) = self.lines.slot(line).socket.as_mut().filter(|_| readable) else { return };
        let behind = line == self.load_line && self.load.as_ref().is_some_and(SyncLoad::is_behind);
        if link.paused || behind {
            link.more = true;
            if behind {
                self.node.load_is_behind();
            }
            return;
        }
        link.more = false;
        match link.stream.read(&mut self.buffer) {
            Ok(0) => self.link_lost(line, "the primary closed the connection"),
            Ok(count) => {
                // The end of the stream is told once, together with what comes before it.
                link.more = link.ended || count == self.buffer.len();
                let number = link.number;
                match line {
                    Line::Main => self.node.link_received(number, &self.buffer[..count]),
                    Line::Side => self.node.side_received(number, &self.buffer[..count]),
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => link.more = true,
            Err(error) => self.link_lost(line, &error.to_string()),
        }
    }

    pub(super) fn link_send(&mut self, line: Line, bytes: &[u8]) {
        let Some(link) = &mut self.lines.slot(line).socket else { return };
        link.unsent.extend_from_slice(bytes);
        while !link.unsent.is_empty() {
            match link.stream.write(&link.unsent) {
                Ok(count) => {
                    link.unsent.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.link_lost(line, &error.to_string()),
            }
        }
    }

    pub(super) fn pause_link(&mut self, paused: bool) {
        if let Some(link) = &mut self.lines.main.socket {
            link.paused = paused;
        }
    }

    fn link_lost(&mut self, line: Line, reason: &str) {
        let number = self.lines.slot(line).socket.as_ref().map(|link| link.number);
        self.close_link(line);
        if let Some(number) = number {
            self.tell_closed(line, number, reason);
        }
    }

    fn tell_closed(&mut self, line: Line, number: u64, reason: &str) {
        match line {
            Line::Main => self.node.link_closed(number, reason),
            Line::Side => self.node.side_closed(number, reason),
        }
    }

    pub(super) fn close_link(&mut self, line: Line) {
        let Slot { socket, .. } = std::mem::take(self.lines.slot(line));
        if let Some(mut link) = socket {
            // The socket closes with its handle whatever the registry says.
            self.net.borrow().registry().deregister(&mut link.stream).ok();
        }
    }
}

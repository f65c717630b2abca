//! The connection to this node's primary: opening, reading, writing, closing.
//!
//! Its events carry the connection's number; the node hears none of an earlier connection.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;

use super::{EventLoop, LINK};
use crate::connection::tcp_endpoints;
use crate::jobs;
use crate::sync_load::SyncLoad;

/// The connection to this node's primary.
pub(super) struct LinkSocket {
    /// The node's number for it.
    pub(super) number: u64,
    stream: TcpStream,
    unsent: Vec<u8>,
    /// Whether there may be more to read than was read.
    more: bool,
    /// Whether the primary sends no more.
    pub(super) ended: bool,
    /// Whether nothing is to be read for now.
    paused: bool,
}

impl LinkSocket {
    pub(super) fn wants_reading(&self) -> bool {
        self.more && !self.paused
    }
}

impl EventLoop {
    pub(super) fn connect(&mut self, number: u64, host: String, port: u16) {
        self.close_link();
        self.connecting = Some(number);
        let config = &self.node.core.config;
        let timeout = Duration::from_secs(config.repl_timeout.into());
        let source = config.bind_source_addr.clone();
        jobs::connect(self.reporter.clone(), number, (host, port), source, timeout);
    }

    pub(super) fn connected(&mut self, number: u64, result: Result<std::net::TcpStream, String>) {
        if self.connecting.take_if(|connecting| *connecting == number).is_none() {
            return;
        }
        let stream = result.and_then(|stream| self.adopt_link(stream).map_err(|error| error.to_string()));
        match stream {
            Ok(stream) => {
                let (peer, local) = tcp_endpoints(&stream);
                self.node.link_opened(peer, local, i64::from(stream.as_raw_fd()));
                self.link = Some(LinkSocket {
                    number,
                    stream,
                    unsent: Vec::new(),
                    more: true,
                    ended: false,
                    paused: false,
                });
                self.node.link_connected(number);
            }
            Err(reason) => self.node.link_closed(number, &reason),
        }
    }

    pub(super) fn adopt_link(&self, stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(&mut stream, LINK, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    pub(super) fn link_ready(&mut self, readable: bool, writable: bool) {
        if writable {
            self.link_send(&[]);
        }
        let Some(link) = self.link.as_mut().filter(|_| readable) else { return };
        let behind = self.load.as_ref().is_some_and(SyncLoad::is_behind);
        if link.paused || behind {
            link.more = true;
            if behind {
                self.node.load_is_behind();
            }
            return;
        }
        link.more = false;
        match link.stream.read(&mut self.buffer) {
            Ok(0) => self.link_lost("the primary closed the connection"),
            Ok(count) => {
                // The end of the stream is told once, together with what comes before it.
                link.more = link.ended || count == self.buffer.len();
                self.node.link_received(link.number, &self.buffer[..count]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => link.more = true,
            Err(error) => self.link_lost(&error.to_string()),
        }
    }

    pub(super) fn link_send(&mut self, bytes: &[u8]) {
        let Some(link) = &mut self.link else { return };
        link.unsent.extend_from_slice(bytes);
        while !link.unsent.is_empty() {
            match link.stream.write(&link.unsent) {
                Ok(count) => {
                    link.unsent.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.link_lost(&error.to_string()),
            }
        }
    }

    pub(super) fn pause_link(&mut self, paused: bool) {
        if let Some(link) = &mut self.link {
            link.paused = paused;
        }
    }

    pub(super) fn link_lost(&mut self, reason: &str) {
        let number = self.link.as_ref().map(|link| link.number);
        self.close_link();
        if let Some(number) = number {
            self.node.link_closed(number, reason);
        }
    }

    pub(super) fn close_link(&mut self) {
        self.connecting = None;
        if let Some(mut link) = self.link.take() {
            // The socket closes with its handle whatever the registry says.
            self.poll.registry().deregister(&mut link.stream).ok();
        }
    }
}

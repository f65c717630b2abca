//! A connection to a target: connecting, writing and reading, each for a limited time.
//!
//! The socket blocks its thread, and no longer than the time that is left of a step.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use slipstream_engine::LONGEST_REPLY;

use super::watch::Slots;

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: Arc<TcpStream>,
    /// How long each step may take.
    patience: Duration,
    /// What came and was not asked for yet.
    input: Vec<u8>,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unconnected {
    /// There is no such place.
    Unknown,
    /// Nobody answered in time.
    TimedOut,
    /// Somebody said no.
    Refused,
}

/// Why a connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A step took too long.
    TimedOut,
    /// It is closed.
    Broken,
    /// What came is no reply.
    Garbled,
}

impl Line {
    /// Connects to the first address of a name that answers.
    pub(super) fn connect(
        host: &str,
        port: u16,
        patience: Duration,
        lookups: &Slots,
    ) -> Result<Line, Unconnected> {
        let until = Instant::now() + patience;
        let mut last = Unconnected::Unknown;
        for address in addresses(host, port, patience, lookups) {
            let Some(left) = left_until(until) else { return Err(Unconnected::TimedOut) };
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => {
                    // Without it small pieces are only slower.
                    stream.set_nodelay(true).ok();
                    return Ok(Line { stream: Arc::new(stream), patience, input: Vec::new() });
                }
                Err(error) if is_late(&error) => last = Unconnected::TimedOut,
                Err(_) => last = Unconnected::Refused,
            }
        }
        Err(last)
    }

    pub(super) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    /// Whether nothing came that was not asked for.
    pub(super) fn is_quiet(&self) -> bool {
        self.input.is_empty()
    }

    /// Gives it another time for each step.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends a piece, all of it in time.
    pub(super) fn write(&mut self, mut piece: &[u8]) -> Result<(), Failure> {
        let until = Instant::now() + self.patience;
        while !piece.is_empty() {
            self.stream.set_write_timeout(Some(time_left(until)?)).map_err(|_| Failure::Broken)?;
            match (&*self.stream).write(piece) {
                Ok(0) => return Err(Failure::Broken),
                Ok(written) => piece = &piece[written..],
                Err(error) => passed_by(&error)?,
            }
        }
        Ok(())
    }

    /// The next line without its end, all of it in time.
    pub(super) fn read_line(&mut self) -> Result<Vec<u8>, Failure> {
        let until = Instant::now() + self.patience;
        let mut buffer = [0; LONGEST_REPLY];
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.input.drain(..=end).collect();
                line.truncate(end);
                line.pop_if(|byte| *byte == b'\r');
                return Ok(line);
            }
            if self.input.len() >= LONGEST_REPLY {
                return Err(Failure::Garbled);
            }
            self.stream.set_read_timeout(Some(time_left(until)?)).map_err(|_| Failure::Broken)?;
            match (&*self.stream).read(&mut buffer) {
                Ok(0) => return Err(Failure::Broken),
                Ok(length) => self.input.extend_from_slice(&buffer[..length]),
                Err(error) => passed_by(&error)?,
            }
        }
    }
}

/// The addresses of a name. Whoever is asked for it may take longer than there is time: then there are none, and the
/// slot is free only when the question is answered.
fn addresses(host: &str, port: u16, patience: Duration, lookups: &Slots) -> Vec<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return vec![SocketAddr::new(ip, port)];
    }
    let Some(slot) = lookups.take() else { return Vec::new() };
    let (sender, found) = channel();
    let host = host.to_owned();
    let ask = move || {
        let found = (host.as_str(), port).to_socket_addrs();
        drop(slot);
        // Without a receiver it took too long.
        sender.send(found.map(Iterator::collect::<Vec<_>>).unwrap_or_default()).ok();
    };
    match thread::Builder::new().name("migrate-name".to_owned()).spawn(ask) {
        Ok(_) => found.recv_timeout(patience).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// Whether to go on after an error.
fn passed_by(error: &io::Error) -> Result<(), Failure> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        _ if is_late(error) => Err(Failure::TimedOut),
        _ => Err(Failure::Broken),
    }
}

/// What is left of a time; a part of a millisecond is the least that a socket can be given.
fn left_until(until: Instant) -> Option<Duration> {
    until.checked_duration_since(Instant::now()).filter(|left| *left >= Duration::from_micros(10))
}

fn time_left(until: Instant) -> Result<Duration, Failure> {
    left_until(until).ok_or(Failure::TimedOut)
}

//! The connections to whom a sentinel watches: opening, reading, writing, closing; none of it waits.
//!
//! ```text
//! Naming ─→ Opening ─→ Open      each of them ends with Failed, told once, or with close, told to nobody
//! ```
//! Each step says what the machine is to be told. A number starts to open without the detour by a thread. A line's
//! number is never given twice, so readiness that is late concerns nobody.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;
use mio::{Interest, Registry};
use slipstream_sentinel::{Event, Failure, LineId};

use super::names::{Answer, Names, Waiter};
use super::opening::{MOST_ADDRESSES, Numbers, Opening, Route, Step, failure, is_connected};
use crate::jobs::Reporter;
use crate::net::{Ready, token_of_line};
use crate::numbered::NumberedMap;

/// Bytes that the other side has not taken.
const MOST_UNSENT: usize = 1024 * 1024;

/// All of them.
#[derive(Debug)]
pub(super) struct Lines {
    lines: NumberedMap<u64, Line>,
    names: Names,
    registry: Registry,
}

#[derive(Debug)]
enum Line {
    /// A name is looked up.
    Naming(Route),
    /// A socket is on its way to one of the addresses.
    Opening(TcpStream, Opening),
    /// It stands.
    Open(Open),
}

#[derive(Debug)]
struct Open {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// The other side sends no more: the end is read behind what came before it.
    has_ended: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// So many bytes, and whether there may be more.
    Bytes(usize, bool),
    /// The line is no more.
    Failed(Failure),
    /// There is nothing to read.
    Nothing,
}

type Told = Option<Event<'static>>;

impl Lines {
    pub(super) fn new(reporter: Reporter, registry: Registry) -> Lines {
        Lines { lines: NumberedMap::default(), names: Names::new(reporter), registry }
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, id: LineId, route: Route) -> Told {
        if let Some(numbers) = route.numbers() {
            return self.open(id, numbers, &route);
        }
        if !self.names.ask(Waiter::Line(id), &route.host, route.source.as_deref()) {
            let reason = format!("{}: too many names wait for the resolver", route.host);
            return Some(Event::Failed(id, Failure::Other(reason)));
        }
        self.lines.insert(id.0, Line::Naming(route));
        None
    }

    /// Looks a name up that the machine wants to know.
    pub(super) fn look_up(&mut self, host: String) -> Told {
        let is_asked = self.names.ask(Waiter::Machine, &host, None);
        (!is_asked).then(|| Event::Named(host, Vec::new()))
    }

    /// A name was looked up, or could not be.
    pub(super) fn named(&mut self, answer: Answer) -> Vec<Event<'static>> {
        let (host, waiters, numbers) = self.names.answered(answer);
        let mut told = Vec::new();
        for waiter in waiters {
            let Waiter::Line(id) = waiter else {
                let targets = numbers.iter().flat_map(|numbers| &numbers.targets).take(MOST_ADDRESSES);
                told.push(Event::Named(
                    host.clone(),
                    targets.map(|target| target.ip().to_string()).collect(),
                ));
                continue;
            };
            let Some(Line::Naming(route)) = self.lines.remove(&id.0) else { continue };
            told.extend(match &numbers {
                Ok(numbers) => self.open(id, numbers.clone(), &route),
                Err(reason) => Some(Event::Failed(id, Failure::Other(reason.clone()))),
            });
        }
        told
    }

    fn open(&mut self, id: LineId, numbers: Numbers, route: &Route) -> Told {
        let mut opening = Opening::new(numbers, route);
        let step = opening.step();
        self.on_step(id, opening, step)
    }

    fn on_step(&mut self, id: LineId, mut opening: Opening, mut step: Step) -> Told {
        loop {
            let (mut stream, is_done) = match step {
                Step::Wait(stream) => (stream, false),
                Step::Done(stream) => (stream, true),
                Step::Failed(failure) => return Some(Event::Failed(id, failure)),
            };
            let interest = Interest::READABLE | Interest::WRITABLE;
            match self.registry.register(&mut stream, token_of_line(id), interest) {
                Ok(()) if is_done => return self.opened(id, stream),
                Ok(()) => {
                    self.lines.insert(id.0, Line::Opening(stream, opening));
                    return None;
                }
                Err(error) => {
                    opening.note(failure(&error));
                    step = opening.step();
                }
            }
        }
    }

    fn opened(&mut self, id: LineId, mut stream: TcpStream) -> Told {
        let ends = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
        match ends {
            // Where nobody listens, the system may have chosen that very port for this end: a line to itself, which
            // would keep whoever belongs there from listening.
            Ok((local, remote)) if local == remote => {
                self.registry.deregister(&mut stream).ok();
                Some(Event::Failed(id, Failure::Refused))
            }
            Ok((local, remote)) => {
                self.lines.insert(id.0, Line::Open(Open { stream, unsent: Vec::new(), has_ended: false }));
                let [local, remote] = [local, remote].map(|end| end.ip().to_string());
                Some(Event::Connected { line: id, local, remote })
            }
            // It is gone already.
            Err(_) => {
                self.registry.deregister(&mut stream).ok();
                Some(Event::Failed(id, Failure::Closed))
            }
        }
    }

    /// A line's socket is ready for something.
    pub(super) fn ready(&mut self, id: LineId, ready: &Ready) -> Told {
        match self.lines.get_mut(&id.0)? {
            Line::Naming(_) => None,
            Line::Opening(stream, _) => match is_connected(stream) {
                Ok(false) => None,
                reached => self.reached(id, reached.map(drop), ready.ended),
            },
            Line::Open(open) => {
                open.has_ended |= ready.ended;
                if ready.writable { self.flush(id, &[]) } else { None }
            }
        }
    }

    /// The attempt at one address is over.
    fn reached(&mut self, id: LineId, reached: Result<(), Failure>, has_ended: bool) -> Told {
        let Some(Line::Opening(mut stream, mut opening)) = self.lines.remove(&id.0) else { return None };
        if let Err(failure) = reached {
            // The socket closes with its handle whatever the registry says.
            self.registry.deregister(&mut stream).ok();
            drop(stream);
            opening.note(failure);
            let step = opening.step();
            return self.on_step(id, opening, step);
        }
        let told = self.opened(id, stream);
        if let Some(Line::Open(open)) = self.lines.get_mut(&id.0) {
            open.has_ended = has_ended;
        }
        told
    }

    /// Reads once.
    pub(super) fn read(&mut self, id: LineId, buffer: &mut [u8]) -> Heard {
        let Some(Line::Open(open)) = self.lines.get_mut(&id.0) else { return Heard::Nothing };
        let broken = match open.stream.read(buffer) {
            Ok(0) => Failure::Closed,
            Ok(count) => return Heard::Bytes(count, open.has_ended || count == buffer.len()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Nothing,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Heard::Bytes(0, true),
            Err(error) => failure(&error),
        };
        self.close(id);
        Heard::Failed(broken)
    }

    /// Sends behind what was sent before.
    pub(super) fn send(&mut self, id: LineId, bytes: &[u8]) -> Told {
        self.flush(id, bytes)
    }

    /// Writes what is unsent and `bytes`, and keeps what the socket does not take.
    fn flush(&mut self, id: LineId, bytes: &[u8]) -> Told {
        let Some(Line::Open(open)) = self.lines.get_mut(&id.0) else { return None };
        let failure = open.write(bytes).err()?;
        self.close(id);
        Some(Event::Failed(id, failure))
    }

    /// Closes, or gives up.
    pub(super) fn close(&mut self, id: LineId) {
        match self.lines.remove(&id.0) {
            None => {}
            Some(Line::Naming(_)) => self.names.forget(id),
            // The socket closes with its handle whatever the registry says.
            Some(Line::Opening(mut stream, _) | Line::Open(Open { mut stream, .. })) => {
                self.registry.deregister(&mut stream).ok();
            }
        }
    }
}

impl Open {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = write_some(&mut self.stream, &self.unsent)?;
        self.unsent.drain(..sent);
        let sent = if self.unsent.is_empty() { write_some(&mut self.stream, bytes)? } else { 0 };
        let rest = &bytes[sent..];
        if self.unsent.len() + rest.len() > MOST_UNSENT {
            return Err(Failure::Other("it does not read what it is sent".to_owned()));
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
    }
}

/// As much as the socket takes.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> Result<usize, Failure> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failure(&error)),
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests;

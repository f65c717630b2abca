//! The sockets: what is ready, who listens, and the clients' connections.
//!
//! Shared by the loop and by the process, which a command that runs for long asks to serve clients meanwhile
//! ([`Net::serve_aside`]). A borrow lasts for reads and writes, never for anything that the node does. Readiness is
//! told once, so what was told and is not taken up yet waits in one queue, whoever takes it up.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Registry, Token};
use slipstream_engine::{Arrival, Door, Flow, Session, SessionId};
use slipstream_sentinel::LineId;

use crate::connection::{Connection, Socket};
use crate::feeder::Aside;
use crate::listeners::{Listener, Listening};
use crate::numbered::NumberedMap;

/// Reports of other threads.
pub const WAKER: Token = Token(usize::MAX);
/// Signals.
pub const SIGNALS: Token = Token(usize::MAX - 1);
/// The link to the primary.
pub const LINK: Token = Token(usize::MAX - 2);
/// The side connection to it.
pub const SIDE: Token = Token(usize::MAX - 3);
/// Lines of a sentinel have this and their number; what is below is the number of a client's session.
const LINES: usize = 1 << (usize::BITS - 2);
/// Listeners count down from here.
const LISTENERS: usize = usize::MAX - 100;
const MAX_LISTENERS: usize = 64;

/// Connections accepted in one turn.
const MAX_ACCEPTS: usize = 1000;
/// When accepting failed, for want of descriptors as a rule, it is tried again after so long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Bytes read from a socket at once while a command runs.
const ASIDE_SIZE: usize = 16 * 1024;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One of the tokens above.
    Own(Token),
    /// A listener, by its place.
    Listener(usize),
    /// A line of a sentinel.
    Line(LineId),
    /// A client.
    Client(SessionId),
}

/// Something is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    token: Token,
    /// There is something to read, be it the end or an error.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer sends no more.
    pub ended: bool,
}

/// What a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// So many bytes.
    Bytes(usize),
    /// It sends no more.
    End,
    /// The connection is broken.
    Broken,
}

/// What became of a session's replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Its socket is not here.
    Elsewhere,
    /// Its socket is lent.
    Lent,
    /// So many bytes went out.
    Bytes(u64),
    /// The same, and the connection is over: it is broken, or all is said.
    Last(u64),
}

/// Everything that is watched, and the clients' sockets.
#[derive(Debug)]
pub struct Net {
    poll: Poll,
    events: Events,
    /// What is ready and not taken up yet.
    ready: VecDeque<Ready>,
    /// Where clients connect.
    pub listening: Listening,
    connections: NumberedMap<SessionId, Connection>,
    /// Sockets that may have more to read than was read: looked at without waiting.
    unread: BTreeSet<Token>,
    /// When the listeners are to be looked at although nothing new is heard of them.
    accept_at: Option<Instant>,
    /// Sockets that a full sync's thread writes to.
    lent: Vec<SessionId>,
    /// Replicas whose sockets the feeder has.
    aside: Option<Aside>,
}

/// Shared by the loop and the process that a running command reaches.
pub type SharedNet = Rc<RefCell<Net>>;

impl Ready {
    /// What it concerns.
    pub fn whose(&self) -> Whose {
        match self.token {
            token @ (WAKER | SIGNALS | LINK | SIDE) => Whose::Own(token),
            Token(number) if number >= LISTENERS - MAX_LISTENERS => Whose::Listener(LISTENERS - number),
            Token(number) if number >= LINES => Whose::Line(LineId((number - LINES) as u64)),
            Token(number) => Whose::Client(SessionId(number as u64)),
        }
    }

    fn to_read(token: Token) -> Ready {
        Ready { token, readable: true, writable: false, ended: false }
    }
}

impl From<&Event> for Ready {
    fn from(event: &Event) -> Ready {
        let ended = event.is_read_closed();
        Ready {
            token: event.token(),
            readable: event.is_readable() || ended || event.is_error(),
            writable: event.is_writable(),
            ended,
        }
    }
}

fn token_of(id: SessionId) -> Token {
    Token(usize::try_from(id.0).expect("sessions are counted from 1"))
}

/// What a line of a sentinel is watched by.
pub fn token_of_line(id: LineId) -> Token {
    Token(LINES + usize::try_from(id.0).expect("lines are counted from 1"))
}

impl Net {
    /// No sockets yet.
    pub fn shared() -> io::Result<SharedNet> {
        let net = Net {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            ready: VecDeque::new(),
            listening: Listening::default(),
            connections: NumberedMap::default(),
            unread: BTreeSet::new(),
            accept_at: None,
            lent: Vec::new(),
            aside: None,
        };
        Ok(Rc::new(RefCell::new(net)))
    }

    /// What is to do for replicas while a command runs.
    pub fn serve_replicas(&mut self, aside: Aside) {
        self.aside = Some(aside);
    }

    /// Where others have their readiness watched.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Waits until something is ready, but no longer than that; whether a whole turn is due.
    pub fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        if let Err(error) = self.poll.poll(&mut self.events, Some(patience)) {
            return if error.kind() == ErrorKind::Interrupted { Ok(false) } else { Err(error) };
        }
        for token in std::mem::take(&mut self.unread) {
            self.ready.push_back(Ready::to_read(token));
        }
        if self.accept_at.take_if(|at| *at <= Instant::now()).is_some() {
            let listeners = 0..self.listening.sockets.len();
            self.ready.extend(listeners.map(|index| Ready::to_read(Token(LISTENERS - index))));
        }
        self.ready.extend(self.events.iter().map(Ready::from));
        Ok(true)
    }

    /// How long to wait at most: not at all if something is left to read.
    pub fn patience(&self) -> Option<Duration> {
        if !self.unread.is_empty() || !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        self.accept_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// A line may have more to read than was read.
    pub fn read_again(&mut self, line: LineId) {
        self.unread.insert(token_of_line(line));
    }

    /// Takes up what is ready next.
    #[inline]
    pub fn next_ready(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// Watches the listeners.
    pub fn listen(&mut self) -> io::Result<()> {
        let registry = self.poll.registry();
        for (index, listener) in self.listening.sockets.iter_mut().enumerate() {
            let token = Token(LISTENERS - index);
            let source: &mut dyn mio::event::Source = match listener {
                Listener::Tcp(socket) => socket,
                Listener::Unix(socket, _) => socket,
            };
            // A listener that stays changes its number only.
            registry
                .register(source, token, Interest::READABLE)
                .or_else(|_| registry.reregister(source, token, Interest::READABLE))?;
        }
        Ok(())
    }

    /// Lets in whoever connected to a listener.
    ///
    /// # Errors
    ///
    /// What goes into the log; it is tried again.
    pub fn accept(&mut self, index: usize, door: &mut Door<'_>) -> Result<(), String> {
        for _ in 0..MAX_ACCEPTS {
            let accepted = match self.listening.sockets.get(index) {
                None => return Ok(()),
                Some(Listener::Tcp(listener)) => listener.accept().map(|(stream, _)| Socket::Tcp(stream)),
                Some(Listener::Unix(listener, _)) => {
                    listener.accept().map(|(stream, _)| Socket::Unix(stream))
                }
            };
            match accepted {
                Ok(socket) => self.let_in(socket, door).inspect_err(|_| self.accept_after(Duration::ZERO))?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // That client has given up already; others wait behind it.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    self.accept_after(ACCEPT_RETRY);
                    return Err(format!("Accepting client connection: {error}"));
                }
            }
        }
        self.accept_after(Duration::ZERO);
        Ok(())
    }

    fn accept_after(&mut self, pause: Duration) {
        self.accept_at = Some(Instant::now() + pause);
    }

    fn let_in(&mut self, mut socket: Socket, door: &mut Door<'_>) -> Result<(), String> {
        socket.configure(door.config).map_err(|error| format!("Setting up a client's socket: {error}"))?;
        let (peer, local) = socket.endpoints();
        match door.accept(peer, local, socket.descriptor()) {
            Ok(id) => self.add(id, socket).map_err(|error| {
                door.sessions.remove(id);
                format!("Watching a client's socket: {error}")
            }),
            Err(refusal) => {
                // A peer that does not even take this line is closed all the same.
                drop(socket.write_all(refusal.as_bytes()));
                Ok(())
            }
        }
    }

    /// Watches the socket of a session.
    pub fn add(&mut self, id: SessionId, mut socket: Socket) -> io::Result<()> {
        socket.register(self.poll.registry(), token_of(id))?;
        self.connections.insert(id, Connection { id, socket, writable: true, ended: false });
        Ok(())
    }

    /// The connection of a session, if its socket is here.
    pub fn connection(&self, id: SessionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// Watches a connection no more.
    pub fn remove(&mut self, id: SessionId) -> Option<Connection> {
        let mut connection = self.connections.remove(&id)?;
        self.unread.remove(&token_of(id));
        // Whatever the registry says, the socket closes with its last handle, and whoever gets it watches it himself.
        connection.socket.deregister(self.poll.registry()).ok();
        Some(connection)
    }

    /// Ends a connection; whether it was here.
    pub fn hang_up(&mut self, id: SessionId) -> bool {
        let Some(connection) = self.remove(id) else { return false };
        if self.lent.contains(&id) {
            connection.socket.shut_down();
        }
        true
    }

    /// A socket is somebody else's to write to, from now on.
    pub fn lend(&mut self, id: SessionId) {
        self.lent.push(id);
    }

    /// A socket is given back.
    pub fn end_loan(&mut self, id: SessionId) {
        self.lent.retain(|lent| *lent != id);
    }

    /// Whether somebody else writes to a socket.
    pub fn is_lent(&self, id: SessionId) -> bool {
        self.lent.contains(&id)
    }

    /// Reads what a client sent, if its socket has something to read; and whether there is room again for what it is
    /// to be sent.
    #[inline]
    pub fn read(&mut self, id: SessionId, ready: &Ready, buffer: &mut [u8]) -> (Option<Heard>, bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return (None, false) };
        connection.ended |= ready.ended;
        let has_room = ready.writable && !connection.writable;
        connection.writable |= ready.writable;
        if !ready.readable {
            return (None, has_room);
        }
        let heard = match connection.socket.read(buffer) {
            Ok(0) => Some(Heard::End),
            Ok(count) => {
                // The end is told once, together with what comes before it.
                if connection.ended || count == buffer.len() {
                    self.unread.insert(token_of(id));
                }
                Some(Heard::Bytes(count))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.unread.insert(token_of(id));
                None
            }
            Err(_) => Some(Heard::Broken),
        };
        (heard, has_room)
    }

    /// Sends the replies of a session, as far as its client takes them.
    pub fn send(&mut self, session: &mut Session) -> Sent {
        let Some(connection) = self.connections.get_mut(&session.id) else { return Sent::Elsewhere };
        if self.lent.contains(&session.id) {
            return Sent::Lent;
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
        session.traffic.1 += sent;
        let is_done = session.flow == Flow::Closing && session.output.is_empty();
        if broken || is_done { Sent::Last(sent) } else { Sent::Bytes(sent) }
    }

    /// Serves clients while a command runs, without waiting: sends their replies, lets new ones in, and returns what
    /// came, and which replicas are gone. Whatever is ready besides is left to the loop.
    pub fn serve_aside(&mut self, door: &mut Door<'_>) -> Vec<Arrival> {
        if let (Some(aside), Some(log)) = (&self.aside, door.sent_ahead) {
            aside.send_ahead(log);
        }
        let gone = self.aside.iter().flat_map(Aside::closed);
        let mut arrivals: Vec<_> =
            gone.filter(|id| door.sessions.get(*id).is_some()).map(Arrival::Closed).collect();
        for id in door.sessions.take_marked() {
            self.send_aside(id, door, &mut arrivals);
        }
        if let Err(error) = self.wait(Duration::ZERO) {
            arrivals.push(Arrival::Trouble(format!("Looking for what clients sent: {error}")));
        }
        for ready in std::mem::take(&mut self.ready) {
            match ready.whose() {
                Whose::Listener(index) => {
                    arrivals.extend(self.accept(index, door).err().map(Arrival::Trouble));
                }
                Whose::Client(id) if door.serves(id) => {
                    self.read_aside(id, &ready, door, &mut arrivals);
                }
                // Its full sync is sent from here, and the feeder does not know it yet.
                Whose::Client(id) if ready.ended && door.is_replica(id) => {
                    if self.hang_up(id) {
                        arrivals.push(Arrival::Closed(id));
                    }
                }
                Whose::Client(_) | Whose::Line(_) | Whose::Own(_) => self.ready.push_back(ready),
            }
        }
        arrivals
    }

    fn read_aside(&mut self, id: SessionId, ready: &Ready, door: &mut Door<'_>, arrivals: &mut Vec<Arrival>) {
        let mut bytes = vec![0; ASIDE_SIZE];
        let (heard, has_room) = self.read(id, ready, &mut bytes);
        if has_room {
            door.sessions.mark(id);
        }
        match heard {
            None => {}
            Some(Heard::Bytes(count)) => {
                bytes.truncate(count);
                arrivals.push(Arrival::Bytes(id, bytes));
            }
            Some(heard) => {
                if heard == Heard::End {
                    self.send_aside(id, door, arrivals);
                }
                if self.hang_up(id) {
                    arrivals.push(Arrival::Closed(id));
                }
            }
        }
    }

    fn send_aside(&mut self, id: SessionId, door: &mut Door<'_>, arrivals: &mut Vec<Arrival>) {
        let Some(session) = door.sessions.get_mut(id) else { return door.sessions.mark(id) };
        match self.send(session) {
            Sent::Lent => {}
            Sent::Elsewhere => door.sessions.mark(id),
            Sent::Bytes(sent) => door.sent(sent),
            Sent::Last(sent) => {
                door.sent(sent);
                self.hang_up(id);
                arrivals.push(Arrival::Closed(id));
            }
        }
    }
}

//! The loop: waits for readiness, moves bytes, runs the node, does its effects.
//!
//! One thread owns the node and every socket but those lent to a full sync. A
//! turn reads what arrived, runs it, and then, once, sends what it led to:
//! replies, log blocks for replicas, jobs for other threads. Everything that
//! can wake the process is seen in [`EventLoop::turn`].

use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use slipstream_engine::{Effect, Flow, Node, SessionId, Source, SyncOrder};

use crate::connection::{Connection, Socket, tcp_endpoints};
use crate::jobs::{self, Report, Reporter, SaveOptions, Saves, SendOptions, SyncLoad};
use crate::listeners::{Listener, SharedListening};
use crate::reclaimer::Reclaimer;
use crate::signals::Signals;

const WAKER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);
const LINK: Token = Token(usize::MAX - 2);
/// Listeners count down from here; clients have their session's number.
const LISTENERS: usize = usize::MAX - 100;
const MAX_LISTENERS: usize = 64;

/// Bytes read from a socket at once.
const READ_SIZE: usize = 64 * 1024;
/// Connections accepted in one turn.
const MAX_ACCEPTS: usize = 1000;
/// When accepting failed, for want of descriptors as a rule, it is tried again after so long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long the decoder of a full sync gets to make room before it is looked at again.
const DECODER_PATIENCE: Duration = Duration::from_millis(1);
/// Log blocks handed to one write.
const MAX_SLICES: usize = 64;

/// The loop and all it owns.
pub struct EventLoop {
    node: Node,
    poll: Poll,
    listening: SharedListening,
    connections: HashMap<SessionId, Connection>,
    /// Sockets that may have more to read than was read: looked at without waiting.
    unread: BTreeSet<SessionId>,
    /// When the listeners are to be looked at although nothing new is heard of them.
    accept_at: Option<Instant>,
    /// Sockets that a full sync's thread writes to.
    lent: Vec<SessionId>,
    link: Option<LinkSocket>,
    /// The number of the connection that is being opened.
    connecting: Option<u64>,
    load: Option<SyncLoad>,
    saves: Saves,
    signals: Signals,
    reports: Receiver<Report>,
    reporter: Reporter,
    reclaimer: Reclaimer,
    buffer: Box<[u8]>,
    exit: Option<i32>,
}

/// The connection to this node's primary.
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

impl LinkSocket {
    fn wants_reading(&self) -> bool {
        self.more && !self.paused
    }
}

impl EventLoop {
    /// A loop around `node` that serves `listeners`.
    pub fn new(node: Node, listening: SharedListening, signals: Signals) -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, reports) = channel();
        let mut event_loop = EventLoop {
            node,
            poll,
            listening,
            connections: HashMap::new(),
            unread: BTreeSet::new(),
            accept_at: None,
            lent: Vec::new(),
            link: None,
            connecting: None,
            load: None,
            saves: Saves::default(),
            signals,
            reports,
            reporter: Reporter::new(sender, waker),
            reclaimer: Reclaimer::start(),
            buffer: vec![0; READ_SIZE].into_boxed_slice(),
            exit: None,
        };
        event_loop.signals.register(event_loop.poll.registry(), SIGNALS)?;
        event_loop.listen()?;
        Ok(event_loop)
    }

    /// Serves until the node ends; the process's exit status.
    pub fn run(mut self) -> io::Result<i32> {
        let mut events = Events::with_capacity(1024);
        self.settle();
        while self.exit.is_none() {
            self.turn(&mut events)?;
        }
        // Replies that are ready, SHUTDOWN's among them, still go out.
        self.flush_marked();
        Ok(self.exit.unwrap_or(0))
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        let wait = self.patience();
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        self.node.begin_turn();
        for id in std::mem::take(&mut self.unread) {
            self.read_client(id);
        }
        if self.accept_at.take_if(|at| *at <= Instant::now()).is_some() {
            let count = self.listening.borrow().sockets.len();
            (0..count).for_each(|index| self.accept(index));
        }
        for event in events.iter() {
            match event.token() {
                WAKER => self.take_reports(),
                SIGNALS => self.take_signals(),
                LINK => {
                    if let Some(link) = self.link.as_mut().filter(|_| event.is_read_closed()) {
                        link.ended = true;
                    }
                    self.link_ready(event.is_readable() || event.is_read_closed(), event.is_writable());
                }
                Token(number) if number >= LISTENERS - MAX_LISTENERS => self.accept(LISTENERS - number),
                Token(number) => {
                    let id = SessionId(number as u64);
                    if event.is_writable() {
                        self.set_writable(id);
                    }
                    if event.is_read_closed()
                        && let Some(connection) = self.connections.get_mut(&id)
                    {
                        connection.ended = true;
                    }
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        self.read_client(id);
                    }
                }
            }
        }
        if let Some(load) = &mut self.load {
            load.advance();
        }
        if self.link.as_ref().is_some_and(LinkSocket::wants_reading) {
            self.link_ready(true, false);
        }
        self.settle();
        Ok(())
    }

    /// How long to wait: not at all if something is left to read, else until the node's next deadline.
    fn patience(&self) -> Duration {
        if self.load.as_ref().is_some_and(SyncLoad::is_behind) {
            return DECODER_PATIENCE;
        }
        if !self.unread.is_empty() || self.link.as_ref().is_some_and(LinkSocket::wants_reading) {
            return Duration::ZERO;
        }
        let left = self.node.time_left();
        self.accept_at.map_or(left, |at| left.min(at.saturating_duration_since(Instant::now())))
    }

    /// Does everything that the turn led to.
    fn settle(&mut self) {
        self.node.tick();
        self.perform_all();
        self.take_rebound();
        self.feed_replicas();
        self.flush_marked();
        self.node.end_turn();
        // Whom the end of the turn closes is gone before the next one.
        if self.perform_all() {
            self.flush_marked();
        }
    }

    /// Does what the node asks for; whether it asked for anything.
    fn perform_all(&mut self) -> bool {
        let mut any = false;
        loop {
            let effects = self.node.take_effects();
            if effects.is_empty() {
                return any;
            }
            any = true;
            for effect in effects {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Disconnect(id) => {
                self.flush(id);
                self.drop_connection(id);
            }
            Effect::Save { number, job } => jobs::save(self.reporter.clone(), job, self.save_options(number)),
            Effect::LoadFile => {
                let path = jobs::full_path(&self.node.core.config.dbfilename);
                let options = self.node.load_options(Source::File);
                jobs::load_file(self.reporter.clone(), path, options);
            }
            Effect::BatchStream(id) => {
                if let Some(connection) = self.connections.get(&id) {
                    // A stream that is not batched is only less thrifty.
                    connection.socket.set_nodelay(false).ok();
                }
            }
            Effect::SendSnapshot(order) => self.send_snapshot(order),
            Effect::Connect { number, host, port } => self.connect(number, host, port),
            Effect::LinkSend(bytes) => self.link_send(&bytes),
            Effect::LinkClose => self.close_link(),
            Effect::LinkPause => self.pause_link(true),
            Effect::LinkResume => self.pause_link(false),
            Effect::LoadBegin(number) => {
                let options = self.node.load_options(Source::Sync);
                self.load = Some(SyncLoad::begin(self.reporter.clone(), number, options));
            }
            Effect::LoadBytes(piece) => {
                if let Some(load) = &mut self.load {
                    load.push(piece);
                }
            }
            Effect::LoadEnd => {
                if let Some(load) = &mut self.load {
                    load.push(Vec::new());
                }
            }
            Effect::LoadAbort => self.load = None,
            Effect::Reclaim(data) => self.reclaimer.drop(data),
            Effect::Exit(status) => self.exit = Some(status),
        }
    }

    fn save_options(&self, number: u64) -> SaveOptions {
        self.saves.begin(number);
        let config = &self.node.core.config;
        SaveOptions {
            number,
            saves: self.saves.clone(),
            file: jobs::full_path(&config.dbfilename),
            compress: config.rdbcompression,
            checksum: config.rdbchecksum,
            incremental_sync: config.rdb_save_incremental_fsync,
        }
    }

    fn take_signals(&mut self) {
        for signal in self.signals.take() {
            self.node.signal(signal);
        }
    }

    fn take_reports(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Saved(number, result) => self.node.saved(number, result),
                Report::LoadedFile(result) => {
                    self.node.loaded_file(result.map(|data| data.map(|data| *data)))
                }
                Report::LoadedSync(number, result) => {
                    self.node.loaded_sync(number, result.map(|data| *data));
                }
                Report::SyncProgress(id) => self.node.sync_progress(id),
                Report::SyncSent(id, result) => {
                    self.lent.retain(|lent| *lent != id);
                    self.node.sync_sent(id, result);
                    if !self.connections.contains_key(&id) {
                        self.node.closed(id);
                    }
                }
                Report::Connected(number, result) => self.connected(number, result),
            }
        }
    }
}

/// Listening and clients.
impl EventLoop {
    fn listen(&mut self) -> io::Result<()> {
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

    fn take_rebound(&mut self) {
        let changed = std::mem::take(&mut self.listening.borrow_mut().changed);
        if changed && let Err(error) = self.listen() {
            self.node.warn(&format!("The new listening sockets cannot be watched: {error}"));
        }
    }

    fn accept(&mut self, index: usize) {
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

    fn add_connection(&mut self, mut socket: Socket) {
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

    fn read_client(&mut self, id: SessionId) {
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

    fn set_writable(&mut self, id: SessionId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.writable
        {
            connection.writable = true;
            self.node.core.sessions.mark(id);
        }
    }

    fn drop_connection(&mut self, id: SessionId) {
        if let Some(mut connection) = self.connections.remove(&id) {
            // The socket closes with its last handle whatever the registry says.
            connection.socket.deregister(self.poll.registry()).ok();
            if self.lent.contains(&id) {
                connection.socket.shut_down();
            }
            self.node.closed(id);
        }
    }

    /// Sends the replies of every session that has some.
    fn flush_marked(&mut self) {
        for id in self.node.core.sessions.take_marked() {
            self.flush(id);
        }
    }

    fn flush(&mut self, id: SessionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(session) = self.node.core.sessions.get_mut(id) else { return };
        if self.lent.contains(&id) {
            return;
        }
        let mut sent = 0;
        let mut broken = false;
        while !session.output.is_empty() && connection.writable {
            match connection.socket.write(session.output.as_bytes()) {
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

/// Replicas of this node.
impl EventLoop {
    /// Hands each replica the log blocks it has not got, from the memory they lie in.
    fn feed_replicas(&mut self) {
        for id in self.node.streaming_replicas() {
            self.feed(id);
        }
    }

    fn feed(&mut self, id: SessionId) {
        // Replies (+CONTINUE) go before the stream.
        self.flush(id);
        if self.node.core.sessions.get(id).is_none_or(|session| !session.output.is_empty()) {
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        while connection.writable {
            let blocks = self.node.replica_blocks(id, MAX_SLICES);
            if blocks.is_empty() {
                return;
            }
            let slices: Vec<IoSlice<'_>> = blocks.iter().map(|block| IoSlice::new(block)).collect();
            match connection.socket.write_vectored(&slices) {
                Ok(count) => self.node.replica_took(id, count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.drop_connection(id),
            }
        }
    }

    fn send_snapshot(&mut self, order: Box<SyncOrder>) {
        let mut sockets = Vec::new();
        for id in order.replicas.clone() {
            self.flush(id);
            if self.node.core.sessions.get(id).is_some_and(|session| !session.output.is_empty()) {
                self.node.sync_sent(id, Err("it does not even read the answer to its request".into()));
                continue;
            }
            match self.connections.get(&id).map(|connection| connection.socket.duplicate()) {
                Some(Ok(socket)) => {
                    self.lent.push(id);
                    sockets.push((id, socket));
                }
                Some(Err(error)) => self.node.sync_sent(id, Err(error.to_string())),
                None => self.node.sync_sent(id, Err("it disconnected".into())),
            }
        }
        let config = &self.node.core.config;
        let timeout = Duration::from_secs(config.repl_timeout.into());
        let options = SendOptions { compress: config.rdbcompression, checksum: config.rdbchecksum, timeout };
        if !sockets.is_empty() {
            jobs::send_snapshot(self.reporter.clone(), order, sockets, options);
        }
    }
}

/// The link to this node's primary.
impl EventLoop {
    fn connect(&mut self, number: u64, host: String, port: u16) {
        self.close_link();
        self.connecting = Some(number);
        let config = &self.node.core.config;
        let timeout = Duration::from_secs(config.repl_timeout.into());
        let source = config.bind_source_addr.clone();
        jobs::connect(self.reporter.clone(), number, (host, port), source, timeout);
    }

    fn connected(&mut self, number: u64, result: Result<std::net::TcpStream, String>) {
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

    fn adopt_link(&self, stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(&mut stream, LINK, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    fn link_ready(&mut self, readable: bool, writable: bool) {
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

    fn link_send(&mut self, bytes: &[u8]) {
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

    fn pause_link(&mut self, paused: bool) {
        if let Some(link) = &mut self.link {
            link.paused = paused;
        }
    }

    fn link_lost(&mut self, reason: &str) {
        let number = self.link.as_ref().map(|link| link.number);
        self.close_link();
        if let Some(number) = number {
            self.node.link_closed(number, reason);
        }
    }

    fn close_link(&mut self) {
        self.connecting = None;
        if let Some(mut link) = self.link.take() {
            // The socket closes with its handle whatever the registry says.
            self.poll.registry().deregister(&mut link.stream).ok();
        }
    }
}

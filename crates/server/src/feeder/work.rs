//! The feeder's thread: sleeps until there are orders or sockets are ready, then passes over all replicas.
//!
//! The window holds the blocks from the slowest replica's cursor on, as the log does; who is served has nothing
//! copied. One pass writes to each replica, reads from each, and posts what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use mio::{Events, Poll, Token};
use slipstream_engine::SessionId;
use slipstream_log::{Offset, Slice};

use super::mailbox::{Mailbox, News};
use super::outlet::Outlet;

pub(super) const WAKER: Token = Token(usize::MAX);

/// How soon a replica is read again whose requests the loop has not taken up.
const LOOP_PATIENCE: Duration = Duration::from_millis(10);
const BUFFER_SIZE: usize = 16 << 10;

/// What the loop wants done.
#[derive(Debug)]
pub(super) enum Order {
    /// Serve one more replica. The blocks are those from its cursor on; nothing held so far is of use if it is the
    /// first.
    Attach { outlet: Box<Outlet>, blocks: Vec<Slice>, is_first: bool },
    /// The log went on.
    Blocks(Vec<Slice>),
    /// Close the socket of a replica.
    Release(SessionId),
    /// Send what the sockets take and end.
    Finish,
}

/// Whether the thread goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Goes,
    Ends,
}

#[derive(Debug)]
pub(super) struct Work {
    poll: Poll,
    orders: Receiver<Order>,
    mailbox: Arc<Mailbox>,
    outlets: BTreeMap<SessionId, Outlet>,
    window: VecDeque<Slice>,
    buffer: Box<[u8]>,
}

impl Work {
    pub(super) fn new(poll: Poll, orders: Receiver<Order>, mailbox: Arc<Mailbox>) -> Work {
        let buffer = vec![0; BUFFER_SIZE].into_boxed_slice();
        Work { poll, orders, mailbox, outlets: BTreeMap::new(), window: VecDeque::new(), buffer }
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut patience = None;
        loop {
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.expect("a poll of open descriptors does not fail"),
            }
            for event in &events {
                let id = SessionId(event.token().0 as u64);
                if let Some(outlet) = self.outlets.get_mut(&id) {
                    outlet.writable |= event.is_writable() || event.is_error();
                    outlet.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                }
            }
            let flow = self.take_orders();
            patience = self.pass();
            if flow == Flow::Ends {
                return;
            }
        }
    }

    fn take_orders(&mut self) -> Flow {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Attach { outlet, blocks, is_first }) => {
                    if is_first {
                        self.window.clear();
                    }
                    self.attach(*outlet, blocks);
                }
                Ok(Order::Blocks(blocks)) => self.extend(blocks),
                Ok(Order::Release(id)) => {
                    if let Some(outlet) = self.outlets.remove(&id) {
                        self.close(outlet);
                    }
                }
                Err(TryRecvError::Empty) => return Flow::Goes,
                Ok(Order::Finish) | Err(TryRecvError::Disconnected) => return Flow::Ends,
            }
        }
    }

    fn attach(&mut self, mut outlet: Outlet, blocks: Vec<Slice>) {
        let held = self.window.front().map(Slice::start);
        let (earlier, later): (Vec<Slice>, Vec<Slice>) =
            blocks.into_iter().partition(|block| held.is_some_and(|held| block.start() < held));
        earlier.into_iter().rev().for_each(|block| self.window.push_front(block));
        self.extend(later);
        let token = Token(usize::try_from(outlet.id.0).expect("sessions are counted from 1"));
        match outlet.socket.register(self.poll.registry(), token) {
            Ok(()) => drop(self.outlets.insert(outlet.id, outlet)),
            Err(_) => {
                let mut news = News::default();
                news.closed.push(outlet.id);
                self.mailbox.post(news);
            }
        }
    }

    /// Takes up blocks from the last one held on, which may have grown.
    fn extend(&mut self, blocks: Vec<Slice>) {
        let Some(first) = blocks.first().map(Slice::start) else { return };
        while self.window.back().is_some_and(|last| last.start() >= first) {
            self.window.pop_back();
        }
        self.window.extend(blocks);
    }

    /// Serves every replica once. How long to sleep then; for ever without a limit.
    fn pass(&mut self) -> Option<Duration> {
        let mut news = News::default();
        let reads = !self.mailbox.is_full();
        let mut broken = Vec::new();
        for (id, outlet) in &mut self.outlets {
            let before = outlet.cursor;
            let written = outlet.write(&self.window);
            if outlet.cursor != before {
                news.sent.insert(*id, outlet.cursor);
            }
            let read =
                if reads && outlet.readable { outlet.read(&mut self.buffer, &mut news) } else { Ok(()) };
            if written.is_err() || read.is_err() {
                broken.push(*id);
            }
        }
        for id in broken {
            if let Some(outlet) = self.outlets.remove(&id) {
                self.close(outlet);
            }
            news.closed.push(id);
        }
        self.release_blocks();
        if !news.is_empty() {
            self.mailbox.post(news);
        }
        self.patience(reads)
    }

    fn patience(&self, reads: bool) -> Option<Duration> {
        let end = self.window.back().map_or(Offset(0), Slice::end);
        let writes_on = self.outlets.values().any(|outlet| outlet.writable && outlet.cursor < end);
        let reads_on = self.outlets.values().any(|outlet| outlet.readable);
        if writes_on || reads && reads_on { Some(Duration::ZERO) } else { reads_on.then_some(LOOP_PATIENCE) }
    }

    /// Forgets what all replicas have.
    fn release_blocks(&mut self) {
        let Some(slowest) = self.outlets.values().map(|outlet| outlet.cursor).min() else {
            return self.window.clear();
        };
        while self.window.front().is_some_and(|block| block.end() <= slowest) {
            self.window.pop_front();
        }
    }

    fn close(&self, mut outlet: Outlet) {
        // The socket closes with its last handle whatever the registry says.
        outlet.socket.deregister(self.poll.registry()).ok();
    }
}

//! The feeder's thread: sleeps until there are orders or sockets are ready, then passes over all replicas.
//!
//! All replicas are written to from the same blocks (`window.rs`); nothing is copied. One pass writes to each replica, reads from each, and posts what came of it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use slipstream_engine::SessionId;
use slipstream_log::{Offset, Slice};

use super::lead::{SharedOutlet, lock};
use super::mailbox::{Mailbox, News, Returned};
use super::window::Window;
use crate::log_disk::LogDisk;

pub(super) const WAKER: Token = Token(usize::MAX);

/// How soon a replica is read again whose requests the loop has not taken up.
const LOOP_PATIENCE: Duration = Duration::from_millis(10);
const BUFFER_SIZE: usize = 16 << 10;

/// What the loop wants done.
#[derive(Debug)]
pub(super) enum Order {
    /// Serve one more replica. The blocks are those from its cursor on; nothing held so far is of use if it is the
    /// first.
    Attach { id: SessionId, outlet: SharedOutlet, blocks: Vec<Slice>, end: Offset, is_first: bool },
    /// The log went on, and holds in memory what is behind `held_from`; what is before that is on disk, as far as
    /// somebody needs it.
    Blocks { blocks: Vec<Slice>, held_from: Offset },
    /// What was read from disk for a replica; none if it is not there any more.
    Read { id: SessionId, blocks: Vec<Slice> },
    /// Send the rest of a stream, and give the socket back.
    End { id: SessionId, rest: Vec<Slice>, end: Offset },
    /// Close the socket of a replica.
    Release(SessionId),
    /// Send what the sockets take and end.
    Finish,
}

/// Where blocks come from that are not in memory any more.
#[derive(Debug)]
pub(super) struct DiskReader {
    pub(super) disk: LogDisk,
    pub(super) answers: Sender<Order>,
    pub(super) waker: Arc<Waker>,
}

impl DiskReader {
    fn read(&self, id: SessionId, from: Offset) {
        let (answers, waker) = (self.answers.clone(), Arc::clone(&self.waker));
        self.disk.read(from, move |blocks| {
            // A feeder that has ended needs no blocks.
            if answers.send(Order::Read { id, blocks }).is_ok() {
                waker.wake().ok();
            }
        });
    }
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
    disk: DiskReader,
    outlets: BTreeMap<SessionId, SharedOutlet>,
    window: Window,
    buffer: Box<[u8]>,
}

impl Work {
    pub(super) fn new(poll: Poll, orders: Receiver<Order>, mailbox: Arc<Mailbox>, disk: DiskReader) -> Work {
        Work {
            poll,
            orders,
            mailbox,
            disk,
            outlets: BTreeMap::new(),
            window: Window::default(),
            buffer: vec![0; BUFFER_SIZE].into_boxed_slice(),
        }
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
                if let Some(outlet) = self.outlets.get(&id) {
                    let mut outlet = lock(outlet);
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
                Ok(Order::Attach { id, outlet, blocks, end, is_first }) => {
                    if is_first {
                        self.window = Window::empty_at(end);
                    }
                    self.window.extend(blocks);
                    self.attach(id, outlet);
                }
                Ok(Order::Blocks { blocks, held_from }) => {
                    self.window.extend(blocks);
                    self.release_blocks(held_from);
                }
                Ok(Order::Read { id, blocks }) => {
                    if let Some(outlet) = self.outlets.get(&id) {
                        lock(outlet).supply(blocks);
                    }
                }
                Ok(Order::End { id, rest, end }) => {
                    if let Some(outlet) = self.outlets.get(&id) {
                        lock(outlet).end(rest, end);
                    }
                }
                Ok(Order::Release(id)) => {
                    if let Some(outlet) = self.outlets.remove(&id) {
                        self.close(&outlet);
                    }
                }
                Err(TryRecvError::Empty) => return Flow::Goes,
                Ok(Order::Finish) | Err(TryRecvError::Disconnected) => return Flow::Ends,
            }
        }
    }

    fn attach(&mut self, id: SessionId, outlet: SharedOutlet) {
        let token = Token(usize::try_from(id.0).expect("sessions are counted from 1"));
        let registered = lock(&outlet).socket.register(self.poll.registry(), token);
        match registered {
            Ok(()) => drop(self.outlets.insert(id, outlet)),
            Err(_) => {
                let mut news = News::default();
                news.closed.push(id);
                self.mailbox.post(news);
            }
        }
    }

    /// Serves every replica once. How long to sleep then; for ever without a limit.
    fn pass(&mut self) -> Option<Duration> {
        let mut news = News::default();
        let reads = !self.mailbox.is_full();
        let mut broken = Vec::new();
        let held_from = self.window.start();
        for (id, outlet) in &self.outlets {
            let mut outlet = lock(outlet);
            let written = outlet.write(self.window.blocks(), held_from);
            if outlet.wants_supply(held_from) {
                self.disk.read(*id, outlet.cursor);
            }
            if outlet.cursor != outlet.told {
                outlet.told = outlet.cursor;
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
                self.close(&outlet);
            }
            news.closed.push(id);
        }
        self.give_back(&mut news);
        self.release_blocks(Offset(0));
        if !news.is_empty() {
            self.mailbox.post(news);
        }
        self.patience(reads)
    }

    /// The loop gets the sockets back whose stream has ended.
    fn give_back(&mut self, news: &mut News) {
        let ended = self.outlets.iter().filter(|(_, outlet)| lock(outlet).has_ended()).map(|(id, _)| *id);
        for id in ended.collect::<Vec<_>>() {
            let Some(outlet) = self.outlets.remove(&id) else { continue };
            let outlet = Arc::into_inner(outlet).expect("the loop let go of it when the stream was to end");
            let mut outlet = outlet.into_inner().unwrap_or_else(PoisonError::into_inner);
            let end = outlet.cursor;
            if outlet.socket.deregister(self.poll.registry()).is_err() {
                news.closed.push(id);
                continue;
            }
            let (socket, unsorted) = outlet.into_parts();
            if !unsorted.is_empty() {
                news.add_other(id, unsorted);
            }
            news.returned.push((id, Returned { socket, end }));
        }
    }

    fn patience(&self, reads: bool) -> Option<Duration> {
        let (from, end) = (self.window.start(), self.window.end());
        let writes_on = self.outlets.values().any(|outlet| lock(outlet).can_write(from, end));
        let reads_on = self.outlets.values().any(|outlet| lock(outlet).readable);
        if writes_on || reads && reads_on { Some(Duration::ZERO) } else { reads_on.then_some(LOOP_PATIENCE) }
    }

    /// Forgets what all replicas have, and what is before `held_from`.
    fn release_blocks(&mut self, held_from: Offset) {
        let outlets = self.outlets.values().map(|outlet| lock(outlet));
        let slowest = outlets.filter(|outlet| outlet.shares()).map(|outlet| outlet.cursor).min();
        self.window.release(slowest.unwrap_or(self.window.end()).max(held_from));
    }

    fn close(&self, outlet: &SharedOutlet) {
        // The socket closes when the loop has let go of it as well, whatever the registry says.
        lock(outlet).socket.deregister(self.poll.registry()).ok();
    }
}

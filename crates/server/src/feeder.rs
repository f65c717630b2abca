//! The thread that owns the sockets of replicas whose stream flows.
//!
//! The loop hands it the log's new blocks, once for all replicas; it writes them from the memory they lie in and
//! reads what the replicas send. It tells how far each one is and what it acknowledged through a mailbox that
//! keeps the newest only, and wakes the loop for what cannot wait: a closed socket, a request, and an
//! acknowledgement if somebody waits for one.
//!
//! A replica whose stream is older than what is in memory is fed from disk, block by block, until it reaches what is.
//!
//! A stream may end where the history does: what is left of it is sent from blocks of its own, since the log may be
//! another one already, and then the loop gets the socket back.
//!
//! One of the replicas is written to by the loop itself before replies leave (`lead.rs`).
//!
//! Invariant: a replica is either the loop's or the feeder's. It becomes the feeder's when everything before its
//! stream is sent, and the loop's again when its stream is.

mod lead;

mod mailbox;

mod outlet;

mod window;

mod work;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Poll, Waker};
use slipstream_engine::SessionId;
use slipstream_log::{Log, Offset, Slice};

pub use self::mailbox::{News, Returned};

use self::lead::Lead;
use self::mailbox::Mailbox;
use self::outlet::Outlet;
use self::work::{DiskReader, Order, WAKER, Work};
use crate::connection::Socket;
use crate::log_disk::LogDisk;

/// While writes come in a row, the blocks are handed over once in so long, or once there is so much: a few large
/// writes to each replica cost far less than many small ones. The first write after a pause goes out at once.
const PACE: Duration = Duration::from_millis(2);
const ENOUGH: u64 = 512 << 10;

/// What replicas need while nobody takes up the news.
#[derive(Clone, Debug)]
pub struct Aside {
    mailbox: Arc<Mailbox>,
    lead: Rc<RefCell<Lead>>,
}

impl Aside {
    /// Those whose socket is closed. They stay among the news.
    pub fn closed(&self) -> Vec<SessionId> {
        self.mailbox.closed()
    }

    /// See [`Feeder::send_ahead`].
    pub fn send_ahead(&self, log: &Log) {
        self.lead.borrow_mut().send(log);
    }
}

/// The loop's end of the feeder.
#[derive(Debug)]
pub struct Feeder {
    orders: Sender<Order>,
    waker: Arc<Waker>,
    mailbox: Arc<Mailbox>,
    /// Those whose stream flows.
    lead: Rc<RefCell<Lead>>,
    /// Whose stream ends; their sockets are to come back.
    ending: BTreeSet<SessionId>,
    /// The feeder has the log up to here.
    handed: Offset,
    handed_at: Instant,
    thread: JoinHandle<()>,
}

impl Feeder {
    /// Starts the thread. It wakes the loop by `waker`.
    pub fn start(waker: Arc<Waker>, disk: LogDisk) -> io::Result<Feeder> {
        let poll = Poll::new()?;
        let own_waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mailbox = Arc::new(Mailbox::new(waker));
        let (sender, orders) = channel();
        let disk = DiskReader { disk, answers: sender.clone(), waker: Arc::clone(&own_waker) };
        let work = Work::new(poll, orders, Arc::clone(&mailbox), disk);
        // It works for all replicas at once: it does not give way as jobs do.
        let thread = thread::Builder::new().name("feeder".to_owned()).spawn(move || work.run())?;
        Ok(Feeder {
            orders: sender,
            waker: own_waker,
            mailbox,
            lead: Rc::default(),
            ending: BTreeSet::new(),
            handed: Offset(0),
            handed_at: Instant::now(),
            thread,
        })
    }

    /// Whether the socket of that session is here.
    pub fn serves(&self, id: SessionId) -> bool {
        self.lead.borrow().contains(id) || self.ending.contains(&id)
    }

    /// Takes over the socket of a replica, to send the log from `from` on.
    pub fn attach(&mut self, id: SessionId, socket: Socket, from: Offset, log: &Log) {
        // What the others have not been handed lies perhaps before all that this one needs.
        self.hand_over(log, true);
        let is_first = self.lead.borrow().is_empty();
        // What is older is read from disk.
        let blocks = log.blocks_from(from.max(log.start())).into_iter().flatten().collect();
        self.handed = log.end();
        let outlet = Arc::new(Mutex::new(Outlet::new(id, socket, from)));
        self.lead.borrow_mut().add(id, Arc::clone(&outlet));
        self.order(Order::Attach { id, outlet, blocks, end: self.handed, is_first });
    }

    /// Ends a stream at `end`: what is left of it lies in `rest`. Then the socket comes back among the news.
    pub fn end(&mut self, id: SessionId, rest: Vec<Slice>, end: Offset) {
        if self.lead.borrow_mut().remove(id) {
            self.ending.insert(id);
            self.order(Order::End { id, rest, end });
        }
    }

    /// Whether a socket that came back is expected: its session may be closed by now.
    pub fn gave_back(&mut self, id: SessionId) -> bool {
        self.ending.remove(&id)
    }

    /// Closes the socket of a replica; whether it was here.
    pub fn release(&mut self, id: SessionId) -> bool {
        let was_here = self.lead.borrow_mut().remove(id) || self.ending.remove(&id);
        if was_here {
            self.order(Order::Release(id));
        }
        was_here
    }

    /// No stream is left whose history has ended: what is new in the log is for all of them.
    pub fn follow(&mut self, log: &Log) {
        self.lead.borrow_mut().follow(log);
    }

    /// Writes what is new in the log to the socket of one replica, if there is one that takes it. To be called before
    /// replies leave.
    #[inline]
    pub fn send_ahead(&mut self, log: &Log) {
        self.lead.borrow_mut().send(log);
    }

    /// A replica's socket and how far it was written to, since the last call, if the loop did that.
    pub fn take_sent_ahead(&mut self) -> Option<(SessionId, Offset)> {
        self.lead.borrow_mut().take_sent()
    }

    /// A replica acknowledged something.
    pub fn heard(&mut self, id: SessionId) {
        self.lead.borrow_mut().heard(id);
    }

    /// Hands over what was written to the log, if it is time to. `urgent` if somebody waits for what the
    /// replicas will say to it.
    pub fn hand_over(&mut self, log: &Log, urgent: bool) {
        let fresh = log.end().since(self.handed);
        if fresh == 0 || self.lead.borrow().is_empty() {
            return;
        }
        if self.lead.borrow().has_all(log) {
            self.handed = log.end();
            return;
        }
        let now = Instant::now();
        if !urgent && fresh < ENOUGH && now - self.handed_at < PACE {
            return;
        }
        self.handed_at = now;
        // What has left memory since the last time is on disk.
        let Some(blocks) = log.blocks_from(self.handed.max(log.start())) else { return };
        self.order(Order::Blocks { blocks: blocks.collect(), held_from: log.start() });
        self.handed = log.end();
    }

    /// How long the loop may sleep before what is held back must be handed over.
    pub fn time_left(&self, log: &Log) -> Option<Duration> {
        let waits = log.end() > self.handed && !self.lead.borrow().is_empty();
        waits.then(|| PACE.saturating_sub(self.handed_at.elapsed()))
    }

    /// What there is to tell, if anything.
    pub fn take_news(&mut self) -> Option<News> {
        self.mailbox.take()
    }

    /// For whoever looks at replicas while the loop does not.
    pub fn aside(&self) -> Aside {
        Aside { mailbox: Arc::clone(&self.mailbox), lead: Rc::clone(&self.lead) }
    }

    /// Says whether acknowledgements are to wake the loop; whether there is news already.
    pub fn expect_acks(&self, expected: bool) -> bool {
        self.mailbox.expect_acks(expected)
    }

    /// The process ends: sends what the sockets take.
    pub fn finish(mut self, log: &Log) {
        self.hand_over(log, true);
        self.order(Order::Finish);
        // A thread that panicked has said so.
        self.thread.join().ok();
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the thread lives as long as this");
        // One who cannot be woken now is awake.
        self.waker.wake().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::jobs::{Report, Reporter};

    /// A feeder that reports to a loop which does not run.
    struct Story {
        feeder: Feeder,
        log: Log,
        _poll: Poll,
        _reports: Receiver<Report>,
    }

    impl Story {
        fn new() -> Story {
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), WAKER).unwrap());
            let (sender, reports) = channel();
            let registry = poll.registry().try_clone().unwrap();
            let disk = LogDisk::start(Reporter::new(sender, Arc::clone(&waker), registry));
            let mut rng = fastrand::Rng::with_seed(1);
            let mut log = Log::new(1 << 20, &mut rng);
            log.activate(&mut rng);
            Story { feeder: Feeder::start(waker, disk).unwrap(), log, _poll: poll, _reports: reports }
        }

        /// Attaches a replica; its end of the connection.
        fn attach(&mut self, id: u64, from: Offset) -> TcpStream {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (ours, _) = listener.accept().unwrap();
            ours.set_nonblocking(true).unwrap();
            let socket = Socket::Tcp(mio::net::TcpStream::from_std(ours));
            self.feeder.attach(SessionId(id), socket, from, &self.log);
            theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            theirs
        }
    }

    #[test]
    fn what_waits_for_its_time_is_not_lost_when_somebody_attaches() {
        let mut story = Story::new();
        let mut first = story.attach(1, Offset(0));
        story.log.append(b"now ");
        story.feeder.hand_over(&story.log, true);
        story.log.append(&[b'x'; 200_000]);
        story.feeder.hand_over(&story.log, false);
        let end = story.log.end();
        let mut second = story.attach(2, end);
        story.log.append(b" then");
        story.feeder.hand_over(&story.log, true);
        let mut all = vec![0; 200_009];
        first.read_exact(&mut all).unwrap();
        assert_eq!((&all[..6], &all[200_002..]), (&b"now xx"[..], &b"xx then"[..]));
        let mut rest = [0; 5];
        second.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b" then");
        story.feeder.finish(&story.log);
    }

    /// The socket of a replica, once it is back, and what its session was told before.
    fn returned(story: &mut Story) -> (SessionId, Returned, Vec<u8>) {
        let mut told = Vec::new();
        loop {
            let mut news = story.feeder.take_news().unwrap_or_default();
            told.extend(news.other.into_iter().flat_map(|(_, bytes)| bytes));
            if let Some((id, returned)) = news.returned.pop() {
                return (id, returned, told);
            }
            thread::yield_now();
        }
    }

    #[test]
    fn a_stream_ends_where_its_history_does_and_gives_its_socket_back() {
        let mut story = Story::new();
        let mut theirs = story.attach(1, Offset(0));
        story.log.append(&[b'x'; 100_000]);
        let (rest, end) = (story.log.blocks_from(Offset(0)).unwrap().collect(), story.log.end());
        story.feeder.end(SessionId(1), rest, end);
        assert!(story.feeder.serves(SessionId(1)), "until it has all of that");
        story.log.adopt_snapshot(story.log.history().id, Offset(50));
        let mut next = story.attach(2, Offset(50));
        story.log.append(b"another log");
        story.feeder.hand_over(&story.log, true);

        let mut all = vec![0; 100_000];
        theirs.read_exact(&mut all).unwrap();
        let (id, mut back, _) = returned(&mut story);
        assert_eq!((id, back.end), (SessionId(1), end));
        assert!(story.feeder.gave_back(id) && !story.feeder.serves(id));
        back.socket.write_all(b"told").unwrap();
        let mut told = [0; 4];
        theirs.read_exact(&mut told).unwrap();
        assert_eq!(&told, b"told", "nothing of the other log is before it");
        let mut other = [0; 11];
        next.read_exact(&mut other).unwrap();
        assert_eq!(&other, b"another log");
        story.feeder.finish(&story.log);
    }

    #[test]
    fn no_byte_of_a_replica_is_lost_when_its_socket_comes_back() {
        let mut story = Story::new();
        let mut theirs = story.attach(1, Offset(0));
        let request = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nverify\r\n$1\r\nx\r\n*1\r\n$4\r\nPI";
        theirs.write_all(request).unwrap();
        story.feeder.end(SessionId(1), Vec::new(), Offset(0));
        let (_, mut back, mut told) = returned(&mut story);
        let mut buffer = [0; 100];
        while told.len() < request.len() {
            match back.socket.read(&mut buffer) {
                Ok(count) => told.extend_from_slice(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(told, request);
        story.feeder.finish(&story.log);
    }

    #[test]
    fn a_socket_whose_session_is_closed_does_not_come_back() {
        let mut story = Story::new();
        let mut theirs = story.attach(1, Offset(0));
        story.feeder.end(SessionId(1), Vec::new(), Offset(0));
        assert!(story.feeder.release(SessionId(1)));
        assert!(!story.feeder.gave_back(SessionId(1)));
        story.feeder.finish(&story.log);
        assert_eq!(theirs.read(&mut [0; 10]).unwrap(), 0, "it is closed, in the mailbox as well");
    }
}

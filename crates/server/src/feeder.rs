//! The thread that owns the sockets of replicas whose stream flows.
//!
//! The loop hands it the log's new blocks, once for all replicas; it writes them from the memory they lie in and
//! reads what the replicas send. It tells how far each one is and what it acknowledged through a mailbox that
//! keeps the newest only, and wakes the loop for what cannot wait: a closed socket, a request, and an
//! acknowledgement if somebody waits for one.
//!
//! A replica whose stream is older than what is in memory is fed from disk, block by block, until it reaches what is.
//!
//! Invariant: a replica is either the loop's or the feeder's, and becomes the feeder's when everything before its
//! stream is sent.

mod mailbox;

mod outlet;

mod window;

mod work;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Poll, Waker};
use slipstream_engine::SessionId;
use slipstream_log::{Log, Offset};

pub use self::mailbox::News;

use self::mailbox::Mailbox;
use self::outlet::Outlet;
use self::work::{DiskReader, Order, WAKER, Work};
use crate::connection::Socket;
use crate::log_disk::LogDisk;

/// While writes come in a row, the blocks are handed over once in so long, or once there is so much: a few large
/// writes to each replica cost far less than many small ones. The first write after a pause goes out at once.
const PACE: Duration = Duration::from_millis(2);
const ENOUGH: u64 = 512 << 10;

/// The loop's end of the feeder.
#[derive(Debug)]
pub struct Feeder {
    orders: Sender<Order>,
    waker: Arc<Waker>,
    mailbox: Arc<Mailbox>,
    /// Whose stream flows.
    replicas: BTreeSet<SessionId>,
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
            replicas: BTreeSet::new(),
            handed: Offset(0),
            handed_at: Instant::now(),
            thread,
        })
    }

    /// Whether the socket of that session is here.
    pub fn serves(&self, id: SessionId) -> bool {
        self.replicas.contains(&id)
    }

    /// Takes over the socket of a replica, to send the log from `from` on.
    pub fn attach(&mut self, id: SessionId, socket: Socket, from: Offset, log: &Log) {
        // What the others have not been handed lies perhaps before all that this one needs.
        self.hand_over(log, true);
        let is_first = self.replicas.is_empty();
        self.replicas.insert(id);
        // What is older is read from disk.
        let blocks = log.blocks_from(from.max(log.start())).into_iter().flatten().collect();
        self.handed = log.end();
        let outlet = Box::new(Outlet::new(id, socket, from));
        self.order(Order::Attach { outlet, blocks, end: self.handed, is_first });
    }

    /// Closes the socket of a replica; whether it was here.
    pub fn release(&mut self, id: SessionId) -> bool {
        let was_here = self.replicas.remove(&id);
        if was_here {
            self.order(Order::Release(id));
        }
        was_here
    }

    /// Hands over what was written to the log, if it is time to. `urgent` if somebody waits for what the
    /// replicas will say to it.
    pub fn hand_over(&mut self, log: &Log, urgent: bool) {
        let fresh = log.end().since(self.handed);
        if self.replicas.is_empty() || fresh == 0 {
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
        let waits = !self.replicas.is_empty() && log.end() > self.handed;
        waits.then(|| PACE.saturating_sub(self.handed_at.elapsed()))
    }

    /// What there is to tell, if anything.
    pub fn take_news(&mut self) -> Option<News> {
        self.mailbox.take()
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
    use std::io::Read;
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
}

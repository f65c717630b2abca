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

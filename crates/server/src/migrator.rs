//! The thread that brings keys to other servers for MIGRATE, and the connections to them.
//!
//! It is started when it is first needed and takes one shipment at a time. One that still has a shipment when the
//! next comes is given up, since the node forgot that shipment: its connection is shut down, it ends with that, and
//! another thread begins without connections. A few such threads may be waiting for a name or a connection meanwhile;
//! where there are more, nothing is shipped.
//!
//! A connection stays open for a while after it was used: the next shipment with the same login to the same place
//! takes it, unless it turns out dead, and then a new one is tried once. Whatever the thread waits for, a name, a
//! connection, a piece to be taken, a reply, has the time that the client gave.

mod carrier;
mod line;
mod watch;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use slipstream_engine::{Shipment, Shipped, Trouble};

use self::carrier::{Carrier, patience_of};
use self::watch::{Slots, Watch};
use crate::jobs::{Report, Reporter};

/// Threads at a time, those that were given up among them.
const MOST_THREADS: usize = 4;
/// Names that are asked for at a time, those that nobody waits for any more among them.
const MOST_LOOKUPS: usize = 8;
/// What a step may take beyond the time that the client gave.
const GRACE: Duration = Duration::from_secs(30);

/// A handle on the thread.
#[derive(Debug)]
pub(crate) struct Migrator {
    thread: Option<Thread>,
    threads: Slots,
    lookups: Slots,
}

#[derive(Debug)]
struct Thread {
    orders: Sender<Order>,
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct Order {
    shipment: Box<Shipment>,
    answer: Answer,
}

/// Who is told what became of a shipment.
#[derive(Debug)]
enum Answer {
    Loop(Reporter),
    Waiting(Sender<Shipped>),
}

impl Default for Migrator {
    fn default() -> Migrator {
        Migrator { thread: None, threads: Slots::new(MOST_THREADS), lookups: Slots::new(MOST_LOOKUPS) }
    }
}

impl Migrator {
    /// Has a shipment delivered; the loop is told of it.
    pub(crate) fn ship(&mut self, shipment: Box<Shipment>, reporter: Reporter) {
        let number = shipment.number;
        let answer = Answer::Loop(reporter.clone());
        if self.order(Order { shipment, answer }).is_err() {
            reporter.report(Report::Shipped(number, Shipped::failed(Trouble::Connecting)));
        }
    }

    /// Has a shipment delivered and waits for that, as long as it goes on.
    pub(crate) fn ship_and_wait(&mut self, shipment: Box<Shipment>) -> Shipped {
        let (sender, shipped) = channel();
        let longest_step = patience_of(&shipment) + GRACE;
        let Ok(watch) = self.order(Order { shipment, answer: Answer::Waiting(sender) }) else {
            return Shipped::failed(Trouble::Connecting);
        };
        loop {
            let steps = watch.steps();
            match shipped.recv_timeout(longest_step) {
                Ok(shipped) => return shipped,
                Err(RecvTimeoutError::Timeout) if watch.steps() != steps => {}
                Err(_) => {
                    watch.give_up();
                    return Shipped::failed(Trouble::Reading);
                }
            }
        }
    }

    /// How many connections are kept.
    pub(crate) fn sockets(&self) -> usize {
        self.thread.as_ref().map_or(0, |thread| thread.watch.sockets())
    }

    /// Fails without a thread.
    fn order(&mut self, order: Order) -> io::Result<Arc<Watch>> {
        if let Some(thread) =
            self.thread.take_if(|thread| thread.watch.is_busy() || thread.watch.is_given_up())
        {
            thread.watch.give_up();
        }
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => self.start()?,
        };
        thread.watch.set_busy(true);
        thread.orders.send(order).expect("it serves until there are no more orders");
        let watch = Arc::clone(&thread.watch);
        self.thread = Some(thread);
        Ok(watch)
    }

    fn start(&self) -> io::Result<Thread> {
        let slot = self.threads.take().ok_or(io::ErrorKind::QuotaExceeded)?;
        let (sender, orders) = channel();
        let watch = Arc::new(Watch::default());
        let carrier = Carrier::new(Arc::clone(&watch), self.lookups.clone());
        let work = move || {
            serve(carrier, &orders);
            drop(slot);
        };
        // Writes wait for it: it does not give way as jobs do.
        thread::Builder::new().name("migrate".to_owned()).spawn(work)?;
        Ok(Thread { orders: sender, watch })
    }
}

fn serve(mut carrier: Carrier, orders: &Receiver<Order>) {
    loop {
        let order = match carrier.patience() {
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => orders.recv_timeout(patience),
        };
        carrier.close_idle();
        match order {
            Ok(order) => deliver(&mut carrier, order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Somebody waits for the answer, and for no other: a panic costs the shipment and the connections.
fn deliver(carrier: &mut Carrier, Order { shipment, answer }: Order) {
    let number = shipment.number;
    let shipped = catch_unwind(AssertUnwindSafe(|| carrier.deliver(&shipment))).unwrap_or_else(|_| {
        carrier.close_all();
        Shipped::failed(Trouble::Reading)
    });
    // Whoever deletes the keys is to be the one who drops their values.
    drop(shipment);
    carrier.watch().set_busy(false);
    match answer {
        Answer::Loop(reporter) => reporter.report(Report::Shipped(number, shipped)),
        // Without a receiver nobody waits any more.
        Answer::Waiting(sender) => drop(sender.send(shipped)),
    }
}

//! The thread that brings keys to other servers for MIGRATE, and the connections to them.
//!
//! It is started when it is first needed and takes one shipment at a time. A connection stays open for a while after
//! it was used: the next shipment with the same login to the same place takes it, unless it turns out dead, and then a
//! new one is tried once. Whatever it waits for, a name, a connection, a piece to be taken, a reply, has the time
//! that the client gave.

mod carrier;
mod line;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;

use slipstream_engine::{Shipment, Shipped, Trouble};

use self::carrier::Carrier;
use crate::jobs::{Report, Reporter};

/// A handle on the thread.
#[derive(Debug, Default)]
pub(crate) struct Migrator {
    orders: Option<Sender<Order>>,
    /// How many connections there are.
    sockets: Arc<AtomicUsize>,
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

impl Migrator {
    /// Has a shipment delivered; the loop is told of it.
    pub(crate) fn ship(&mut self, shipment: Box<Shipment>, reporter: Reporter) {
        let number = shipment.number;
        let answer = Answer::Loop(reporter.clone());
        if self.order(Order { shipment, answer }).is_err() {
            reporter.report(Report::Shipped(number, Shipped::failed(Trouble::Connecting)));
        }
    }

    /// Has a shipment delivered and waits for that.
    pub(crate) fn ship_and_wait(&mut self, shipment: Box<Shipment>) -> Shipped {
        let (sender, shipped) = channel();
        match self.order(Order { shipment, answer: Answer::Waiting(sender) }) {
            Ok(()) => shipped.recv().unwrap_or_else(|_| Shipped::failed(Trouble::Reading)),
            Err(_) => Shipped::failed(Trouble::Connecting),
        }
    }

    /// How many connections are kept.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Fails without a thread.
    fn order(&mut self, order: Order) -> io::Result<()> {
        if self.orders.is_none() {
            let (sender, orders) = channel();
            let carrier = Carrier::new(Arc::clone(&self.sockets));
            // Writes wait for it: it does not give way as jobs do.
            thread::Builder::new().name("migrate".to_owned()).spawn(move || serve(carrier, &orders))?;
            self.orders = Some(sender);
        }
        let orders = self.orders.as_ref().expect("it is there now");
        orders.send(order).expect("it serves until there are no more orders");
        Ok(())
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
    match answer {
        Answer::Loop(reporter) => reporter.report(Report::Shipped(number, shipped)),
        // Without a receiver nobody waits any more.
        Answer::Waiting(sender) => drop(sender.send(shipped)),
    }
}
